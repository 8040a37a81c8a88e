"""Balls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.part import coordinates
from hermite_pinn.geometry.shape import Piece, Surface
from hermite_pinn.geometry.similarity import Similarity, Vector
from hermite_pinn.schema import Entry

from .formulas import round_level
from .leaf import Leaf, length_of, point_of
from .rules import count_of, directions, numbers_of, plain, rings

__all__ = ["Ball"]


class Ball(Leaf):
    """A ball.

    Parameters
    ----------
    center
        Three coordinates.
    radius
        A positive length.
    name
        What its face is called, by default ``"ball"``.

    Raises
    ------
    InvalidProblemError
        If a number is not finite, the radius is not positive, or the center has not three coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> hp.Ball((0, 0, 0), 1).signed_distance(np.array([[0.0, 2.0], [0.0, 0.0], [0.5, 0.0]])).tolist()
    [-0.5, 1.0]
    """

    def __init__(self, center: Vector, radius: float, name: str | None = None) -> None:
        super().__init__(3, name)
        self.center = point_of("center", center, 3)
        self.radius = length_of("radius", radius)

    def __repr__(self) -> str:
        return f"Ball({plain(self.center)}, {self.radius:.10g}{self._called})"

    def _distance(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(x - self.center[:, None], axis=0) - self.radius)

    def vanishing(self, x: Sequence[Expr], inside: bool) -> Expr:
        """The difference of squares, ``(R**2 - r**2) / (2 R)`` inside."""
        return round_level(x, self.center, self.radius, inside)

    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """Points of the sphere in the same direction; of the center, some point."""
        away = coordinates(x, 3) - self.center[:, None]
        return self.center[:, None] + self.radius * directions(away)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the cube around it."""
        return self.center - self.radius, self.center + self.radius

    @property
    def measure(self) -> float:
        """Its volume."""
        return 4 / 3 * np.pi * self.radius**3

    def _pieces(self) -> Sequence[Piece]:
        return [_Sphere(self.center, self.radius)]

    def moved(self, motion: Similarity) -> Solid:
        """A ball again."""
        return Ball(motion.points(self.center), motion.scale * self.radius, self.name)

    def _state(self) -> Mapping[str, Any]:
        return {"center": self.center.tolist(), "radius": self.radius}

    @classmethod
    def of_entry(cls, entry: Entry, name: str | None) -> Ball:
        """The ball with the arguments in a file."""
        return cls(numbers_of(entry.at("center"), 3), entry.at("radius").number(), name)


@dataclass(frozen=True, eq=False)
class _Sphere(Piece):
    """The surface of a ball."""

    center: np.ndarray
    radius: float

    @property
    def measure(self) -> float:
        """Its area."""
        return 4 * np.pi * self.radius**2

    def points(self, spacing: float) -> Surface:
        """Points on rings of equal latitude; each ring has the area of its zone."""
        zones = max(2, count_of(np.pi * self.radius, spacing))
        heights = np.cos(np.linspace(0, np.pi, zones + 1))
        z, widths = 0.5 * (heights[:-1] + heights[1:]), heights[:-1] - heights[1:]
        r = np.sqrt(1 - z**2)
        ring, turn, count = rings(self.radius * r, spacing)
        normals = np.stack([r[ring] * np.cos(turn), r[ring] * np.sin(turn), z[ring]])
        weights = (2 * np.pi * self.radius**2 * widths / count)[ring]
        return Surface(self.center[:, None] + self.radius * normals, weights, normals)

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points."""
        z, turn = 2 * generator.random(count) - 1, 2 * np.pi * generator.random(count)
        r = np.sqrt(1 - z**2)
        normals = np.stack([r * np.cos(turn), r * np.sin(turn), z])
        weights = np.full(count, self.measure / max(1, count))
        return Surface(self.center[:, None] + self.radius * normals, weights, normals)
