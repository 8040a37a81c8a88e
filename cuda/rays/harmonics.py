"""Spherical harmonics: smooth functions of directions."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch

from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.registration import operation
from hermite_pinn.errors import InvalidArgumentError

from .launch import plain, real, run

__all__ = ["MOST_BANDS", "spherical_harmonics"]

MOST_BANDS = 8


def _scale(band: int, order: int) -> float:
    share = math.factorial(band - order) / math.factorial(band + order)
    return math.sqrt((2 * band + 1) / (4.0 * math.pi) * share * (1 if order == 0 else 2))


@lru_cache(maxsize=64)
def _scales(bands: int, place: torch.device) -> torch.Tensor:
    """Factors of all orders from 0 on, at ``l^2 + l + m``."""
    found = torch.zeros(bands**2, dtype=torch.float64)
    for band in range(bands):
        for order in range(band + 1):
            found[band * band + band + order] = _scale(band, order)
    return found.to(place)


def _stacked(directions: torch.Tensor, bands: int) -> torch.Tensor:
    """The harmonics by operations of PyTorch, which are differentiable any number of times."""
    x, y, z = directions
    rows = [x] * bands**2
    even, odd, first = (
        torch.ones_like(z),
        torch.zeros_like(z),
        1.0,
    )  # real and imaginary part of (x + i y)^m, (2 m - 1)!!
    for m in range(bands):
        before, legendre = torch.zeros_like(z), torch.full_like(z, first)
        for band in range(m, bands):
            scaled, middle = _scale(band, m) * legendre, band * band + band
            rows[middle + m] = scaled * even
            if m:
                rows[middle - m] = scaled * odd
            step = (2 * band + 1) * z * legendre - (band + m) * before
            before, legendre = legendre, step / (band + 1 - m)
        even, odd, first = x * even - y * odd, x * odd + y * even, first * (2 * m + 1)
    return torch.stack(rows)


@operation("spherical_harmonics")
def _harmonics(directions: torch.Tensor, bands: int) -> torch.Tensor:
    n, dtype, place = directions.shape[1], directions.dtype, directions.device
    require("directions", directions, (3, n), dtype, place)
    if plain(place):
        return _stacked(directions, bands)
    out = directions.new_empty(bands**2, n)
    run(("harmonics", dtype, 3), "hp_harmonics", "lplpp", place, (n, directions, bands, _scales(bands, place), out))
    return out


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    directions, ctx.bands = inputs
    ctx.save_for_backward(directions)


def _backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    again = torch.is_grad_enabled()
    (directions,) = ctx.saved_tensors
    with torch.enable_grad():
        given = directions if directions.requires_grad else directions.detach().requires_grad_()
        (found,) = torch.autograd.grad(_stacked(given, ctx.bands), given, gradient, create_graph=again)
    return found, None


_harmonics.register_autograd(_backward, setup_context=_save)


def spherical_harmonics(directions: torch.Tensor, bands: int = 4) -> torch.Tensor:
    """Real spherical harmonics, orthonormal on the unit sphere, as polynomials of the direction.

    Row ``l^2 + l + m`` is the harmonic of band ``l`` and order ``m`` from ``-l`` to ``l``, without the sign
    ``(-1)^m``.  With the associated Legendre functions divided by ``sin^m`` and ``(x + i y)^m`` instead of angles
    nothing is singular at the poles.  Differentiable any number of times.

    Parameters
    ----------
    directions
        (3, n), float32 or float64, of length 1.
    bands
        Number of bands, 1 to 8; 4 bands are the 16 functions that Instant-NGP calls degree 4.

    Returns
    -------
    torch.Tensor
        (bands^2, n).

    Raises
    ------
    InvalidArgumentError
        If shape, type or the number of bands do not fit.

    Examples
    --------
    >>> spherical_harmonics(torch.tensor([[0.0], [0.0], [1.0]]), 2)[:, 0]
    tensor([0.2821, 0.0000, 0.4886, 0.0000])
    """
    real("directions", directions)
    if directions.ndim != 2 or len(directions) != 3:
        raise InvalidArgumentError(f"directions must be (3, n), got {tuple(directions.shape)}")
    if not 1 <= bands <= MOST_BANDS:
        raise InvalidArgumentError(f"bands must be 1 to {MOST_BANDS}, got {bands!r}")
    return _harmonics(directions.contiguous(), bands)
