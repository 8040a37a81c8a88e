"""Rays: what pixels see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["Rays"]


@dataclass(frozen=True)
class Rays:
    """Rays from cameras into a scene.

    Attributes
    ----------
    origin
        Origins (n, 3), in units of the scene's world.
    direction
        Unit vectors (n, 3), so that the parameter along a ray is a length.
    radius
        Radius (n,) per unit of length of the cone that stands for the pixel: a disc with the second moments of a square
        with the pixel's solid angle, as in mip-NeRF (2/√12 of the width of a pixel).

    Raises
    ------
    InvalidArgumentError
        If the shapes do not agree.

    Examples
    --------
    >>> rays = Rays(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([0.01]))
    >>> rays.at(torch.tensor([2.0])).tolist(), [float(t) for t in rays.span((-1, -1, 1), (1, 1, 3))]
    ([[0.0, 0.0, 2.0]], [1.0, 3.0])
    """

    origin: Tensor
    direction: Tensor
    radius: Tensor

    def __post_init__(self) -> None:
        n = len(self.origin)
        shapes = (tuple(self.origin.shape), tuple(self.direction.shape), tuple(self.radius.shape))
        if shapes != ((n, 3), (n, 3), (n,)):
            raise InvalidArgumentError(
                f"origin, direction and radius must have the shapes (n, 3), (n, 3) and (n,), got {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, chosen: Any) -> Rays:
        """Some of them: a slice, a mask (n,), or numbers."""
        return Rays(self.origin[chosen], self.direction[chosen], self.radius[chosen])

    @classmethod
    def joined(cls, parts: Sequence[Rays]) -> Rays:
        """Concatenate several sets of rays."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("origin", "direction", "radius")))

    def at(self, t: Tensor) -> Tensor:
        """Return points (n, 3) at lengths (n,), or (n, k, 3) at lengths (n, k)."""
        if t.ndim == 1:
            return self.origin + t[:, None] * self.direction
        return self.origin[:, None] + t[..., None] * self.direction[:, None]

    def to(self, *where: Any, **how: Any) -> Rays:
        """Return the rays on another device or in another type; arguments as for ``torch.Tensor.to``."""
        return Rays(self.origin.to(*where, **how), self.direction.to(*where, **how), self.radius.to(*where, **how))

    def span(self, lower: Any, upper: Any) -> tuple[Tensor, Tensor]:
        """Return the lengths (n,) at which rays enter and leave a box; rays that miss it leave before they enter.

        Parameters
        ----------
        lower, upper
            Corners of the box, (3,).
        """
        low, high = (torch.as_tensor(corner).to(self.origin) for corner in (lower, upper))
        inverse = 1 / self.direction
        walls = torch.stack([(low - self.origin) * inverse, (high - self.origin) * inverse])
        walls = torch.where(self._beside(low, high), torch.full_like(walls[0], torch.nan), walls)
        infinite = torch.full_like(walls[0], torch.inf)
        first = torch.where(walls.isnan().any(0), -infinite, walls.amin(0)).amax(1)
        last = torch.where(walls.isnan().any(0), infinite, walls.amax(0)).amin(1)
        return first.clamp(min=0), last

    def _beside(self, low: Tensor, high: Tensor) -> Tensor:
        """Axes along which a ray does not move while it stays between the walls."""
        return (self.direction == 0) & (self.origin >= low) & (self.origin <= high)
