"""Discs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.shape import Piece
from hermite_pinn.geometry.similarity import Similarity, Vector
from hermite_pinn.schema import Entry

from .curve import Arc, CurvePiece
from .formulas import round_level
from .leaf import Leaf, length_of, point_of
from .rules import numbers_of, plain

__all__ = ["Disk"]


class Disk(Leaf):
    """A disc.

    Parameters
    ----------
    center
        Two coordinates.
    radius
        A positive length.
    name
        What its face is called, by default ``"disk"``.

    Raises
    ------
    InvalidProblemError
        If a number is not finite, the radius is not positive, or the center has not two coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> hp.Disk((0.5, 0.5), 0.2).signed_distance(np.array([[0.5, 0.8], [0.5, 0.9]])).round(3).tolist()
    [-0.2, 0.3]
    """

    def __init__(self, center: Vector, radius: float, name: str | None = None) -> None:
        super().__init__(2, name)
        self.center = point_of("center", center, 2)
        self.radius = length_of("radius", radius)

    def __repr__(self) -> str:
        return f"Disk({plain(self.center)}, {self.radius:.10g}{self._called})"

    def _distance(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.hypot(x[0] - self.center[0], x[1] - self.center[1]) - self.radius)

    def vanishing(self, x: Sequence[Expr], inside: bool) -> Expr:
        """The difference of squares, ``(R**2 - r**2) / (2 R)`` inside."""
        return round_level(x, self.center, self.radius, inside)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the square around it."""
        return self.center - self.radius, self.center + self.radius

    @property
    def measure(self) -> float:
        """Its area."""
        return np.pi * self.radius**2

    def _pieces(self) -> Sequence[Piece]:
        return [CurvePiece.whole(Arc(self.center, self.radius))]

    def moved(self, motion: Similarity) -> Solid:
        """A disc again."""
        return Disk(motion.points(self.center), motion.scale * self.radius, self.name)

    def _state(self) -> Mapping[str, Any]:
        return {"center": self.center.tolist(), "radius": self.radius}

    @classmethod
    def of_entry(cls, entry: Entry, name: str | None) -> Disk:
        """The disc with the arguments in a file."""
        return cls(numbers_of(entry.at("center"), 2), entry.at("radius").number(), name)
