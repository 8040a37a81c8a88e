"""The cube in which the grids of a scene lie."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hermite_pinn.workloads.radiance.contraction import contract, contraction_scale
from hermite_pinn.workloads.radiance.rays import Rays
from hermite_pinn.workloads.radiance.setting import Setting

__all__ = ["Frame"]

#: Where rays begin and end in space that is contracted, in radii of the box.
NEAR, FAR = 0.02, 1e3


@dataclass(frozen=True)
class Frame:
    """A map from the world to the unit cube, and the parts of rays that are in it.

    Attributes
    ----------
    centre
        Of the scene's box.
    half
        Half the longest side of the box; with a contraction this is the radius of the ball that stays.
    contracted
        Whether all of space is in the cube, what is beyond the ball contracted; else only the box is.
    lower, upper
        Corners of the box.

    Examples
    --------
    >>> frame = Frame((0.0, 0.0, 0.0), 2.0, True, (-2.0,) * 3, (2.0,) * 3)
    >>> points, scale = frame.unit(torch.tensor([[4.0], [0.0], [0.0]]))
    >>> [round(float(c), 4) for c in points[:, 0]], round(float(scale), 4)
    ([0.875, 0.5, 0.5], 0.065)
    """

    centre: tuple[float, ...]
    half: float
    contracted: bool
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @classmethod
    def of_setting(cls, setting: Setting) -> Frame:
        """That of a scene: space is contracted if cameras stand in the box."""
        return cls(setting.centre, setting.half, setting.inside, setting.lower, setting.upper)

    @property
    def side(self) -> float:
        """How many lengths of the world, in the middle of the scene, the cube's side is."""
        return (4.0 if self.contracted else 2.0) * self.half

    def span(self, rays: Rays) -> tuple[Tensor, Tensor]:
        """Where the parts of rays begin and end, (n,) each; those that have none end before they begin."""
        if not self.contracted:
            return rays.span(self.lower, self.upper)
        ends = torch.ones_like(rays.radius)
        return NEAR * self.half * ends, FAR * self.half * ends

    def unit(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points of the world (3, ...) in the unit cube, and how many of its sides a length there is, (...)."""
        centre = points.new_tensor(self.centre).reshape(3, *(1,) * (points.ndim - 1))
        x = (points - centre) / self.half
        if not self.contracted:
            return (x + 1) / 2, x.new_full(x.shape[1:], 1 / self.side)
        last = x.movedim(0, -1)
        scale = contraction_scale(last.detach()) / self.side
        return (contract(last).movedim(-1, 0) + 2) / 4, scale
