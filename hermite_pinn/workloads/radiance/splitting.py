"""Pixels that are seen by several cones."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hermite_pinn.checks import integer, refuse

from .model import RadianceModel, Sight
from .rays import Rays

__all__ = ["across", "cone_count", "looked", "split"]

#: Up to so many cones stand on a ring.
RING = 6
#: Cones that are looked along at once.
PART = 1 << 14
GOLDEN = math.pi * (3 - math.sqrt(5))


def cone_count(name: str, value: Any) -> int:
    """A number of cones into which pixels can be split."""
    count = integer(name, value, least=1, most=4096)
    if count == 2:
        refuse(name, value, "1, or at least 3", hint="two cones lie on a line and see more of one direction")
    return count


def pattern(count: int) -> Tensor:
    """Where cones lie in one of the radius 1, (count, 2), float64: their mean is 0, their covariance (1 - 1/count)/4.

    A disc has the covariance 1/4, and each of the cones, a disc of 1/count of its area, 1/count of that: together they
    have the moments of the whole.  Up to six stand on a ring, more on a spiral at golden angles, whose moments are set
    right by a linear map.

    Examples
    --------
    >>> points = pattern(16)
    >>> (points.T @ points / 16).numpy().round(9).tolist()
    [[0.234375, 0.0], [0.0, 0.234375]]
    """
    steps = torch.arange(count, dtype=torch.float64)
    if count == 1:
        return steps.new_zeros(1, 2)
    ring = count <= RING
    angle = steps * (2 * math.pi / count if ring else GOLDEN)
    radius = torch.ones_like(angle) if ring else (steps + 0.5).sqrt()
    points = radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    points = points - points.mean(0)
    factor = torch.linalg.cholesky(torch.linalg.inv(points.T @ points / count))
    return math.sqrt((1 - 1 / count) / 4) * points @ factor


def split(rays: Rays, count: int) -> Rays:
    """Cones (n count,) that are narrower, ``count`` of which together have the second moments of one of the n.

    Examples
    --------
    >>> rays = Rays(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([0.1]))
    >>> narrow = split(rays, 4)
    >>> len(narrow), [round(float(r), 3) for r in narrow.radius]
    (4, [0.05, 0.05, 0.05, 0.05])
    """
    if count == 1:
        return rays
    first, second = (side[:, None] for side in across(rays.direction))
    places = pattern(count).to(rays.radius)
    away = rays.radius[:, None, None] * places
    directions = rays.direction[:, None] + away[..., :1] * first + away[..., 1:] * second
    directions = torch.nn.functional.normalize(directions.reshape(-1, 3), dim=1)
    radius = (rays.radius / math.sqrt(count)).repeat_interleave(count)
    return Rays(rays.origin.repeat_interleave(count, 0), directions, radius)


def across(direction: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit vectors (n, 3) across unit vectors (Duff et al. 2017): smooth but where z changes its sign."""
    x, y, z = direction.unbind(1)
    sign = torch.where(z < 0, -1.0, 1.0).to(z)
    a = -1 / (sign + z)
    b = x * y * a
    first = torch.stack([1 + sign * x * x * a, sign * b, -sign * x], 1)
    return first, torch.stack([b, sign + y * y * a, -y], 1)


def looked(
    model: RadianceModel, rays: Rays, background: Tensor | None = None, normals: bool = False, cones: int = 1
) -> Sight:
    """What rays see, each of them split into ``cones``; see :meth:`RadianceModel.look`."""
    if cones == 1:
        return model.look(rays, background, normals)
    few = max(1, PART // cones)
    starts = range(0, max(1, len(rays)), few)
    return Sight.joined([model.look(split(rays[a : a + few], cones), background, normals).means(cones) for a in starts])
