"""Shapes with formulas as targets: balls, cuboids, implicit shapes, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.digest import digest
from hermite_pinn.geometry.shape import Shape, Surface

from .target import Nearest, Target, directed

__all__ = ["ShapeTarget"]

#: Part of the extent up to which a point is on the surface.
ON = 1e-10


class ShapeTarget(Target):
    """The boundary of a shape in space.

    Parameters
    ----------
    shape
        With closest points of its own.
    signed
        Whether distances are negative inside.

    Raises
    ------
    InvalidProblemError
        If it is a shape of the plane, or reaches without end.
    """

    def __init__(self, shape: Shape, signed: bool) -> None:
        if shape.dim != 3:
            raise InvalidProblemError(
                f"distances are fitted to surfaces in space, got a shape of the plane: {shape!r}; take one with three axes, such as "
                "hermite_pinn.Cylinder for a disk"
            )
        self.shape, self.signed, self.notes = shape, signed, tuple(shape.notes)
        self._bounds = shape.bounds
        if not np.isfinite(self._bounds).all():
            raise InvalidProblemError(
                f"{shape!r} reaches without end, or out of its bounds; combine it with a shape that does not, or give larger bounds"
            )
        self.room = ON * self.extent

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of the box around it."""
        return self._bounds

    def nearest(self, x: np.ndarray, inside: np.ndarray | None = None) -> Nearest:
        """Exact distances to the closest points of the boundary; see :class:`Target`."""
        foot = self.shape.closest_points(x)
        sign = np.ones(x.shape[1]) if self.signed else None
        if sign is None:
            return directed(x, foot, np.ones(x.shape[1]), np.zeros_like(x), self.room)
        if inside is not None:
            sign = np.where(inside > 0, -1.0, sign)
        open_ = np.arange(x.shape[1]) if inside is None else np.flatnonzero(inside == 0)
        sign[open_] = np.where(self.shape.contains(x[:, open_]), -1.0, 1.0)
        return directed(x, foot, sign, np.zeros_like(x), self.room)

    def surface(self, count: int, generator: np.random.Generator) -> Surface:
        """Random points on the boundary, uniform by area; see :class:`Target`."""
        areas = np.array([piece.measure for piece in self.shape.pieces])
        counts = generator.multinomial(count, areas / areas.sum())
        parts = [
            piece.random(int(n), generator) for piece, n in zip(self.shape.pieces, counts.tolist(), strict=True) if n
        ]
        return Surface.joined(parts, 3)

    def described(self) -> Mapping[str, Any]:
        """What it is made of, as a digest."""
        return {
            "kind": "shape",
            "signed": self.signed,
            "shape": repr(self.shape),
            "digest": digest(self.shape.state()).hex(),
        }
