"""Pixels of pictures and of their block averages."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from hermite_pinn.checks import integer, items, refuse
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.workloads.radiance.rays import Rays
from hermite_pinn.workloads.radiance.reduction import reduced
from hermite_pinn.workloads.radiance.views import Draw, Views

__all__ = ["Pyramid", "scale_list", "shares"]


def scale_list(name: str, value: Any, **words: Any) -> tuple[int, ...]:
    """Rising whole numbers, the first of which is 1."""
    accepted = "whole numbers that rise from 1, such as (1, 2, 4, 8)"
    found = tuple(integer(name, k, least=1, most=1 << 14) for k in items(name, value, accepted, least=1, most=15))
    if found[0] != 1 or any(a >= b for a, b in itertools.pairwise(found)):
        refuse(name, value, accepted)
    return found


def shares(count: int, scales: tuple[int, ...]) -> tuple[int, ...]:
    """How many of ``count`` rays each scale k has: as 1/k, none of them none while there are as many as scales.

    Examples
    --------
    >>> shares(512, (1, 2, 4, 8)), shares(4, (1, 2, 4, 8))
    ((274, 136, 68, 34), (1, 1, 1, 1))
    """
    whole = sum(1 / k for k in scales)
    coarse = tuple(max(1, int(count / (k * whole))) for k in scales[1:])
    return max(1, count - sum(coarse)), *coarse


class Pyramid:
    """Pictures with block averages of them, from which pixels of all sizes are drawn.

    Parameters
    ----------
    views
        The pictures.
    scales
        Pixels along the side of a block, rising from 1.

    Raises
    ------
    InvalidProblemError
        If a picture is smaller than a block.
    """

    def __init__(self, views: Views, scales: tuple[int, ...]) -> None:
        least = min((min(camera.width, camera.height) for camera in views.cameras), default=scales[-1])
        if least < scales[-1]:
            raise InvalidProblemError(
                f"blocks of {scales[-1]} pixels do not fit into a training picture whose shorter side has {least}; take smaller scales"
            )
        self.views, self.scales = views, scales
        self._levels = tuple(views if k == 1 else reduced(views, k) for k in scales)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        poses: Tensor | None = None,
        device: torch.device | None = None,
    ) -> Draw:
        """Random pixels, large ones more seldom; see :func:`shares` and :meth:`Views.sample`."""
        parts = [
            level.sample(n, generator, poses, device=device)
            for level, n in zip(self._levels, shares(count, self.scales), strict=True)
        ]
        joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("colors", "views", "pixels")}
        rays = [part.rays for part in parts]
        return Draw(Rays.joined(rays), **joined)
