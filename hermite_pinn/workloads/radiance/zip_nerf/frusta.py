"""Points in the cones that stand for pixels, with the moments of the cones' slices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hermite_pinn.checks import refuse
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.workloads.radiance.rays import Rays
from hermite_pinn.workloads.radiance.splitting import across

__all__ = ["COUNTS", "Multisamples", "moments", "multisample"]


@dataclass(frozen=True)
class _Pattern:
    """Where points lie in a slice: standard deviations from the mean distance, angles, and parts of the cone's radius.

    The offsets have the mean 0 and the variance 1, and neither they nor the angles nor the products of both lean to a
    side; ``spread`` is the standard deviation that each point stands for, in radii of the cone there.
    """

    offsets: tuple[float, ...]
    angles: tuple[float, ...]
    radius: float
    spread: float


#: Six points at equal steps whose angles go around the axis, of the Zip-NeRF paper; two and two, across; the mean.
PATTERNS = {
    6: _Pattern(
        tuple((2 * j / 5 - 1) * math.sqrt(15 / 7) for j in range(6)),
        tuple(math.pi / 3 * k for k in (0, 2, 4, 3, 5, 1)),
        math.sqrt(0.5),
        0.5 * math.sqrt(0.5),
    ),
    4: _Pattern((-1.0, -1.0, 1.0, 1.0), tuple(math.pi / 2 * k for k in (0, 2, 1, 3)), math.sqrt(0.5), 0.5 * math.sqrt(0.5)),
    1: _Pattern((0.0,), (0.0,), 0.0, 0.5),
}  # fmt: skip
COUNTS = tuple(PATTERNS)


@dataclass(frozen=True)
class Multisamples:
    """Points that stand for slices of cones.

    Attributes
    ----------
    positions
        (3, n, k, m): m points of each of the k slices of n cones; differentiable by origins and directions.
    std
        (n, k, m): standard deviation, the same along every axis, of what a point stands for, in the world's lengths.
    """

    positions: Tensor
    std: Tensor


def moments(edges: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the distance of points of a cone, equally likely by volume.

    With the middle s and half the length d of [t0, t1] these are t0 + d (t1² + 2 s²)/(d² + 3 s²) and
    d √(3/5) √((d² - s²)² + 4 s⁴)/(d² + 3 s²): no difference of large numbers, also where a slice is thin.

    Parameters
    ----------
    edges
        Distances (..., k + 1) that rise along the last axis, from the cones' tips; float32 or float64.

    Returns
    -------
    tuple of Tensor
        (..., k) each.

    Examples
    --------
    >>> mean, std = moments(torch.tensor([2.0, 3.5], dtype=torch.float64))
    >>> round(float(mean), 9), round(float(std**2), 9)
    (2.883064516, 0.173422867)
    """
    near, far = edges[..., :-1], edges[..., 1:]
    s, d = (near + far) / 2, (far - near) / 2
    whole = (d**2 + 3 * s**2).clamp_min(torch.finfo(edges.dtype).tiny)
    mean = near + d * (far**2 + 2 * s**2) / whole
    return mean, d * math.sqrt(0.6) * ((d**2 - s**2) ** 2 + 4 * s**4).sqrt() / whole


def multisample(rays: Rays, edges: Tensor, count: int = 6, generator: torch.Generator | None = None) -> Multisamples:
    """Points in the slices of cones.

    Six points (Zip-NeRF, section 3.1 there) or four have the exact moments of their slice: its mean, its variance along
    the ray and, as the mean of both directions, across it, and no covariance of the two.  One point is its mean.

    Parameters
    ----------
    rays
        n axes of cones with their radii per length.
    edges
        (n, k + 1): distances between which the slices lie.
    count
        Points per slice: 6, 4 or 1.
    generator
        Of a random turn of each slice, and whether its points go around the axis this way or the other.  None: every
        second slice goes the other way and is turned by half the angle between two points.

    Raises
    ------
    InvalidArgumentError
        If shapes do not fit or the number of points is another.

    Examples
    --------
    >>> rays = Rays(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([0.05]))
    >>> points = multisample(rays, torch.tensor([[2.0, 3.5]]))
    >>> points.positions.shape, [round(float(c), 4) for c in points.positions.mean((1, 2, 3)).abs()]
    (torch.Size([3, 1, 1, 6]), [0.0, 0.0, 2.8831])
    """
    if edges.ndim != 2 or len(edges) != len(rays) or edges.shape[1] < 2:
        raise InvalidArgumentError(f"edges must be of shape ({len(rays)}, k + 1), got {tuple(edges.shape)}")
    if count not in COUNTS:
        refuse("count", count, f"a number of points, one of {', '.join(map(str, COUNTS))}")
    pattern = PATTERNS[count]
    mean, std = moments(edges)
    t = mean[..., None] + std[..., None] * edges.new_tensor(pattern.offsets)
    radius = rays.radius.to(edges)[:, None, None] * t
    axis = rays.direction.T[:, :, None, None]
    positions = rays.origin.T[:, :, None, None] + t * axis
    if pattern.radius:
        angle = _angles(pattern, mean, generator)
        first, second = (side.T[:, :, None, None] for side in across(rays.direction))
        away = pattern.radius * radius
        positions = positions + (away * angle.cos()) * first + (away * angle.sin()) * second
    return Multisamples(positions, pattern.spread * radius)


def _angles(pattern: _Pattern, mean: Tensor, generator: torch.Generator | None) -> Tensor:
    """Angles (n, k, m) of the points of every slice."""
    angles = mean.new_tensor(pattern.angles)
    if generator is None:
        odd = torch.arange(mean.shape[1], device=mean.device) % 2 == 1
        turned, turn = odd, odd * (math.pi / len(angles))
    else:
        drawn = torch.rand(2, *mean.shape, generator=generator, device=generator.device).to(mean)
        turned, turn = drawn[0] < 0.5, 2 * math.pi * drawn[1]
    return torch.where(turned[..., None], angles.flip(0), angles) + turn[..., None]
