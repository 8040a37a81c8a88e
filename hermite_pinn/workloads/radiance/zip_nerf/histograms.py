"""Histograms along rays: what is where, and where to look next."""

from __future__ import annotations

import torch
from torch import Tensor

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["check_histogram", "masses", "resample", "schlick", "volume_weights"]

#: Added to every weight before it is drawn from, so that no histogram is empty.
PADDING = 1e-5


def check_histogram(edges: Tensor, weights: Tensor) -> None:
    """Refuse edges (n, k + 1) and weights (n, k) that do not fit together."""
    if edges.ndim != 2 or weights.ndim != 2 or tuple(edges.shape) != (len(weights), weights.shape[1] + 1):
        raise InvalidArgumentError(
            f"a histogram has edges (n, k + 1) and weights (n, k), got the shapes {tuple(edges.shape)} and {tuple(weights.shape)}"
        )


def volume_weights(sigma: Tensor, lengths: Tensor) -> Tensor:
    """What share of the light of a ray each interval gives, (n, k), by densities and lengths (n, k).

    These are T (1 - e^-a) with a = density times length and the transmittance T, the exponential of a sum.

    Examples
    --------
    >>> volume_weights(torch.tensor([[0.6931472, 50.0]]), torch.ones(1, 2))
    tensor([[0.5000, 0.5000]])
    """
    tau = sigma * lengths
    before = torch.cat([tau.new_zeros(len(tau), 1), tau.cumsum(1)[:, :-1]], 1)
    return torch.exp(-before) * -torch.expm1(-tau)


def schlick(progress: float, slope: float = 10.0) -> float:
    """Schlick's bias slope p/((slope - 1) p + 1): the power of weights that are drawn from, 0 first and soon near 1.

    Examples
    --------
    >>> schlick(0.0), round(schlick(0.1), 3), schlick(1.0)
    (0.0, 0.526, 1.0)
    """
    return slope * progress / ((slope - 1) * progress + 1)


def resample(
    edges: Tensor, weights: Tensor, count: int, power: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """Edges of intervals, narrow where a histogram is high; no gradient goes through them.

    ``count`` points are drawn by the inverse of the cumulated histogram at equal steps, with one random shift per ray,
    and the edges lie in the middle between them; the first and the last interval reach as far outside as inside,
    but not beyond the histogram.

    Parameters
    ----------
    edges
        (n, k + 1), rising.
    weights
        (n, k), not negative.
    count
        Number of intervals.
    power
        Of the weights; see :func:`schlick`.
    generator
        Of the shifts; None: half a step.

    Returns
    -------
    Tensor
        (n, count + 1), rising.

    Raises
    ------
    InvalidArgumentError
        If shapes do not fit, or there would be no interval.

    Examples
    --------
    >>> edges, weights = torch.linspace(0, 1, 5)[None], torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    >>> resample(edges, weights, 4)
    tensor([[0.2500, 0.3125, 0.3750, 0.4375, 0.5000]])
    """
    check_histogram(edges, weights)
    if count < 1:
        raise InvalidArgumentError(f"count must be at least 1, got {count!r}")
    with torch.no_grad():
        mass = (weights.detach().clamp_min(0) + PADDING) ** power
        mass = torch.where(edges.diff() > 0, mass, 0.0)
        heights = torch.cat([mass.new_zeros(len(mass), 1), mass.cumsum(1)], 1)
        heights = heights / heights[:, -1:].clamp_min(torch.finfo(mass.dtype).tiny)
        steps = torch.arange(count, device=edges.device, dtype=edges.dtype)
        shift = 0.5 if generator is None else _shifts(edges, generator)
        drawn = _inverse(heights, edges.detach(), ((steps + shift) / count).expand(len(edges), count))
        return _between(drawn, edges.detach())


def _shifts(edges: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(len(edges), 1, generator=generator, device=generator.device).to(edges)


def _inverse(heights: Tensor, edges: Tensor, at: Tensor) -> Tensor:
    """Where functions that are linear between (edges, heights) have the values ``at``."""
    right = torch.searchsorted(heights, at.contiguous(), right=True).clamp(1, heights.shape[1] - 1)
    low, high = heights.gather(1, right - 1), heights.gather(1, right)
    share = ((at - low) / (high - low).clamp_min(torch.finfo(at.dtype).eps)).clamp(0, 1)
    left = edges.gather(1, right - 1)
    return left + share * (edges.gather(1, right) - left)


def _between(points: Tensor, edges: Tensor) -> Tensor:
    """Edges around rising points."""
    first, last = edges[:, :1], edges[:, -1:]
    if points.shape[1] == 1:
        return torch.cat([first, last], 1)
    middle = (points[:, 1:] + points[:, :-1]) / 2
    start = torch.maximum(2 * points[:, :1] - middle[:, :1], first)
    end = torch.minimum(2 * points[:, -1:] - middle[:, -1:], last)
    return torch.cat([start, middle, end], 1)


def masses(edges: Tensor, weights: Tensor, at: Tensor) -> Tensor:
    """How much of histograms lies between other edges.

    Parameters
    ----------
    edges, weights
        (n, k + 1) and (n, k); spread evenly within each interval.
    at
        (n, m + 1), rising.

    Returns
    -------
    Tensor
        (n, m); differentiable in the weights.

    Examples
    --------
    >>> masses(torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, 0.5, 2.0]]))
    tensor([[0.2500, 0.7500]])
    """
    check_histogram(edges, weights)
    heights = torch.cat([weights.new_zeros(len(weights), 1), weights.cumsum(1)], 1)
    inner, given = at.contiguous(), edges.contiguous()
    right = torch.searchsorted(given, inner, right=True).clamp(1, given.shape[1] - 1)
    low, high = given.gather(1, right - 1), given.gather(1, right)
    share = ((inner - low) / (high - low).clamp_min(torch.finfo(at.dtype).tiny)).clamp(0, 1)
    left = heights.gather(1, right - 1)
    return (left + share * (heights.gather(1, right) - left)).diff(dim=1)
