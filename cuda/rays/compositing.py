"""What the samples of rays add up to, with its adjoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.registration import operation
from hermite_pinn.errors import InvalidArgumentError

from . import reference
from .launch import plain, real, run
from .samples import Samples, offsets_of

__all__ = ["LEAST", "Seen", "compact", "composite"]

LEAST = 1e-4  # transmittance behind which nothing is seen

Four = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Seen:
    """What ``n`` rays see.

    Attributes
    ----------
    colour
        (channels, n): weighted sum of colours and what comes through of the background.
    opacity
        (n,): sum of weights.
    depth
        (n,): weighted sum of distances; divided by the opacity it is the mean distance.
    weights
        (total,): of every sample, 0 behind the last that is seen.
    """

    colour: torch.Tensor
    opacity: torch.Tensor
    depth: torch.Tensor
    weights: torch.Tensor


def _check(
    offsets: torch.Tensor,
    sigma: torch.Tensor,
    t: torch.Tensor,
    dt: torch.Tensor,
    colours: torch.Tensor,
    background: torch.Tensor,
) -> None:
    dtype, place, total, n = real("sigma", sigma), sigma.device, sigma.numel(), max(0, offsets.numel() - 1)
    require("offsets", offsets, (n + 1,), torch.int64, place)
    for name, tensor in (("sigma", sigma), ("t", t), ("dt", dt)):
        require(name, tensor, (total,), dtype, place)
    if colours.ndim != 2 or not 1 <= colours.shape[0] <= 16:
        raise InvalidArgumentError(
            f"colours must be (channels, {total}) of 1 to 16 channels, got {tuple(colours.shape)}"
        )
    require("colours", colours, (colours.shape[0], total), dtype, place)
    require("background", background, (colours.shape[0], n), dtype, place)
    if plain(place) or n == 0:
        _check_offsets(offsets, total)


def _check_offsets(offsets: torch.Tensor, total: int) -> None:
    """Refuse rays that do not follow each other; on a GPU the host would have to wait for that."""
    if not offsets.is_cuda and not (offsets[0] == 0 and offsets[-1] == total and bool((offsets.diff() >= 0).all())):
        raise InvalidArgumentError(
            f"offsets must rise from 0 to the {total} samples, got {int(offsets[0])} to {int(offsets[-1])}"
        )


def _launch(
    text: tuple[str, torch.dtype, int], name: str, spelled: str, place: torch.device, given: tuple[Any, ...]
) -> None:
    """Launch a kernel of ``given``: n, total, offsets, ...; on a CPU it looks at the offsets itself."""
    if run(text, name, spelled, place, given):
        _check_offsets(given[2], given[1])


@operation("composite")
def _composite(
    offsets: torch.Tensor,
    sigma: torch.Tensor,
    t: torch.Tensor,
    dt: torch.Tensor,
    colours: torch.Tensor,
    background: torch.Tensor,
    least: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    _check(offsets, sigma, t, dt, colours, background)
    if plain(sigma.device):
        return reference.composite(offsets, sigma, t, dt, colours, background, least)
    n, total, channels = background.shape[1], len(sigma), len(colours)
    colour, opacity, depth = torch.empty_like(background), sigma.new_empty(n), sigma.new_empty(n)
    weights = torch.empty_like(sigma)
    given = (n, total, offsets, sigma, dt, least, t, colours, background, colour, opacity, depth, weights)
    _launch(("composite", sigma.dtype, channels), "hp_composite", "llpppdppppppp", sigma.device, given)
    return colour, opacity, depth, weights


@operation("composite_adjoint")
def _adjoint(
    offsets: torch.Tensor,
    sigma: torch.Tensor,
    t: torch.Tensor,
    dt: torch.Tensor,
    colours: torch.Tensor,
    background: torch.Tensor,
    least: float,
    by_colour: torch.Tensor,
    by_opacity: torch.Tensor,
    by_depth: torch.Tensor,
    by_weights: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    _check(offsets, sigma, t, dt, colours, background)
    n, total, channels = background.shape[1], len(sigma), len(colours)
    for name, tensor, shape in (
        ("colour", by_colour, background.shape),
        ("opacity", by_opacity, (n,)),
        ("depth", by_depth, (n,)),
        ("weights", by_weights, (total,)),
    ):
        require(f"the gradient by {name}", tensor, shape, sigma.dtype, sigma.device)
    losses = (by_colour, by_opacity, by_depth, by_weights)
    if plain(sigma.device):
        return reference.composite_adjoint(offsets, sigma, t, dt, colours, background, least, losses)
    by_sigma, by_t, by_dt = torch.empty_like(sigma), torch.empty_like(t), torch.empty_like(dt)
    found = (by_sigma, by_t, by_dt, torch.empty_like(colours), torch.empty_like(background))
    given = (n, total, offsets, sigma, dt, least, t, colours, background, *losses, *found)
    text = ("composite", sigma.dtype, channels)
    _launch(text, "hp_composite_adjoint", "llpppdpppppppppppp", sigma.device, given)
    return found


def _save(ctx: Any, inputs: tuple[Any, ...], output: Four) -> None:
    *tensors, ctx.least = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    offsets, sigma, t, dt, colours, background = ctx.saved_tensors
    colour, opacity, depth, weights = (g.contiguous() for g in gradients)
    by = _adjoint(offsets, sigma, t, dt, colours, background, ctx.least, colour, opacity, depth, weights)
    return None, *by, None


_composite.register_autograd(_backward, setup_context=_save)


def _least(least: float) -> float:
    if not 0.0 <= least < 1.0 or math.isnan(least):
        raise InvalidArgumentError(f"least must be a transmittance from 0 to below 1, got {least!r}")
    return float(least)


def composite(
    samples: Samples,
    sigma: torch.Tensor,
    colours: torch.Tensor,
    background: torch.Tensor | None = None,
    least: float = LEAST,
) -> Seen:
    """Colour, opacity, depth and weights of rays.

    Differentiable once in ``sigma``, ``colours``, ``background``, and in ``samples.t`` and ``samples.dt``, from every
    result; the adjoint is exact for the sum that ends where it ends, and sums from behind, without cancellation.

    Parameters
    ----------
    samples
        Of n rays.
    sigma
        (total,): density per unit length.
    colours
        (channels, total), 1 to 16 channels.
    background
        (channels, n) or (channels, 1); None: black.
    least
        The sum ends behind the first sample after which less than this comes through; 0: never.

    Raises
    ------
    InvalidArgumentError
        If shapes, types or devices do not fit.

    Examples
    --------
    >>> from hermite_pinn.cuda.rays.samples import Samples
    >>> offsets, rays = torch.tensor([0, 2]), torch.tensor([0, 0])
    >>> samples = Samples(offsets, rays, torch.tensor([1.0, 2.0]), torch.ones(2), torch.zeros(3, 2))
    >>> seen = composite(samples, torch.tensor([0.6931472, 50.0]), torch.tensor([[1.0, 3.0]]))
    >>> seen.colour, seen.weights
    (tensor([[2.]]), tensor([0.5000, 0.5000]))
    """
    n = len(samples.offsets) - 1
    dtype = real("sigma", sigma)
    if background is None:
        background = colours.new_zeros(colours.shape[0], 1)
    if background.ndim != 2 or background.shape[1] not in (1, n):
        raise InvalidArgumentError(
            f"background must be (channels, {n}) or (channels, 1), got {tuple(background.shape)}"
        )
    background = background.to(dtype).expand(-1, n).contiguous()
    tensors = (samples.offsets, sigma.contiguous(), samples.t, samples.dt, colours.contiguous(), background)
    return Seen(*_composite(*tensors, _least(least)))


def compact(samples: Samples, sigma: torch.Tensor, least: float = LEAST) -> tuple[Samples, torch.Tensor]:
    """The samples that are seen: what lies behind them needs no colour.

    Compositing what is kept gives the same numbers, bit for bit with kernels, to rounding without a compiler.

    Parameters
    ----------
    samples
        Of n rays.
    sigma
        (total,): density.
    least
        As for :func:`composite`.

    Returns
    -------
    tuple of Samples and torch.Tensor
        What is kept, and the numbers (kept,), int64, it had.

    Raises
    ------
    InvalidArgumentError
        If shapes, types or devices do not fit.
    """
    least, sigma, offsets = _least(least), sigma.detach().contiguous(), samples.offsets
    dtype, place, n, total = real("sigma", sigma), sigma.device, max(0, offsets.numel() - 1), samples.t.numel()
    dt = samples.dt.detach()
    require("sigma", sigma, (total,), dtype, place)
    require("dt", dt, (total,), dtype, place)
    require("offsets", offsets, (n + 1,), torch.int64, place)
    if plain(place) or n == 0:
        _check_offsets(offsets, total)
    if plain(place):
        index, kept = reference.visible(offsets, sigma, dt, least)
    else:
        counts = torch.empty(n, dtype=torch.int64, device=place)
        text = ("composite", dtype, 3)
        _launch(text, "hp_visible", "llpppdp", place, (n, total, offsets, sigma, dt, least, counts))
        kept = offsets_of(counts)
        index = torch.empty(int(kept[-1]), dtype=torch.int64, device=place)
        _launch(text, "hp_fill", "llpppdpp", place, (n, total, offsets, sigma, dt, least, kept, index))
    chosen = (a.index_select(-1, index) for a in (samples.rays, samples.t, samples.dt, samples.positions))
    return Samples(kept, *chosen), index
