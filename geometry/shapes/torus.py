"""Tori."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.part import coordinates
from hermite_pinn.geometry.shape import Piece, Surface
from hermite_pinn.geometry.similarity import Similarity, Vector, direction
from hermite_pinn.immutable import read_only
from hermite_pinn.schema import Entry

from .leaf import Leaf, length_of, point_of
from .rules import count_of, directions, frame, numbers_of, plain, rings

__all__ = ["Torus"]


class Torus(Leaf):
    """A ring with a round tube.

    Parameters
    ----------
    center
        Three coordinates.
    radius
        Of the circle in the middle of the tube.
    tube
        The radius of the tube, less than ``radius``.
    axis
        What it goes around: a vector of any length, or ``"x"``, ``"y"``, ``"z"``.
    name
        What its face is called, by default ``"torus"``.

    Raises
    ------
    InvalidProblemError
        If a number is not finite, a radius is not positive, the tube is not thinner than the ring, or the center has
        not three coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> hp.Torus((0, 0, 0), 2, 0.5).signed_distance(np.array([[2.0, 0.0], [0.0, 0.0], [0.25, 0.0]])).tolist()
    [-0.25, 1.5]
    """

    def __init__(
        self, center: Vector, radius: float, tube: float, axis: Any = (0.0, 0.0, 1.0), name: str | None = None
    ) -> None:
        super().__init__(3, name)
        self.center = point_of("center", center, 3)
        self.radius, self.tube = length_of("radius", radius), length_of("tube", tube)
        self.axis = read_only(direction("axis", axis))
        if not self.tube < self.radius:
            raise InvalidProblemError(
                f"the tube of a torus must be thinner than its radius, got tube={self.tube:g} and radius={self.radius:g}"
            )

    def __repr__(self) -> str:
        axis = "" if np.array_equal(self.axis, [0, 0, 1]) else f", axis={plain(self.axis)}"
        return f"Torus({plain(self.center)}, {self.radius:.10g}, {self.tube:.10g}{axis}{self._called})"

    @cached_property
    def _frame(self) -> np.ndarray:
        return frame(self.axis)

    def _distance(self, x: np.ndarray) -> np.ndarray:
        u, v, height = self._frame.T @ (x - self.center[:, None])
        return np.asarray(np.hypot(np.hypot(u, v) - self.radius, height) - self.tube)

    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """Points of the tube on the way from the closest point of the circle in its middle."""
        local = self._frame.T @ (coordinates(x, 3) - self.center[:, None])
        middle = np.concatenate([self.radius * directions(local[:2]), np.zeros((1, local.shape[1]))])
        outward = local - middle
        none = ~outward.any(0)
        outward[:, none] = middle[:, none]
        return np.asarray(self.center[:, None] + self._frame @ (middle + self.tube * directions(outward)))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the box around it."""
        reach = self.radius * np.sqrt(np.maximum(1 - self.axis**2, 0.0)) + self.tube
        return self.center - reach, self.center + reach

    @property
    def measure(self) -> float:
        """Its volume."""
        return 2 * np.pi**2 * self.radius * self.tube**2

    def _pieces(self) -> Sequence[Piece]:
        return [_Tube(self._frame, self.center, self.radius, self.tube)]

    def moved(self, motion: Similarity) -> Solid:
        """A torus again."""
        center, axis = motion.points(self.center), motion.directions(self.axis)
        return Torus(center, motion.scale * self.radius, motion.scale * self.tube, axis, self.name)

    def _state(self) -> Mapping[str, Any]:
        center, axis = self.center.tolist(), self.axis.tolist()
        return {"center": center, "radius": self.radius, "tube": self.tube, "axis": axis}

    @classmethod
    def of_entry(cls, entry: Entry, name: str | None) -> Torus:
        """The torus with the arguments in a file."""
        center, axis = (numbers_of(entry.at(key), 3) for key in ("center", "axis"))
        return cls(center, entry.at("radius").number(), entry.at("tube").number(), axis, name)


@dataclass(frozen=True, eq=False)
class _Tube(Piece):
    """The surface of a torus."""

    frame: np.ndarray
    center: np.ndarray
    radius: float
    tube: float

    @property
    def measure(self) -> float:
        """Its area."""
        return 4 * np.pi**2 * self.radius * self.tube

    def points(self, spacing: float) -> Surface:
        """Equal angles around the tube and around the axis."""
        n = max(4, count_of(2 * np.pi * self.tube, spacing))
        around = (np.arange(n) + 0.5) * (2 * np.pi / n)
        radii = self.radius + self.tube * np.cos(around)
        ring, turn, count = rings(radii, spacing)
        weights = (2 * np.pi * self.tube / n) * (2 * np.pi * radii) / count
        return self._surface(around[ring], turn, weights[ring])

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points, by rejection around the tube."""
        found = np.zeros(0)
        while found.size < count:
            around = 2 * np.pi * generator.random(2 * count)
            level = (self.radius + self.tube) * generator.random(2 * count)
            found = np.concatenate([found, around[level <= self.radius + self.tube * np.cos(around)]])
        turn = 2 * np.pi * generator.random(count)
        return self._surface(found[:count], turn, np.full(count, self.measure / max(1, count)))

    def _surface(self, around: np.ndarray, turn: np.ndarray, weights: np.ndarray) -> Surface:
        outward = self.frame[:, :2] @ np.stack([np.cos(turn), np.sin(turn)])
        normals = np.cos(around) * outward + np.sin(around) * self.frame[:, 2:]
        return Surface(self.center[:, None] + self.radius * outward + self.tube * normals, weights, normals)
