"""Cylinders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.part import coordinates
from hermite_pinn.geometry.ridges import Edges
from hermite_pinn.geometry.shape import Creases, Piece, Surface
from hermite_pinn.geometry.similarity import Similarity, Vector
from hermite_pinn.schema import Entry

from .leaf import Leaf, length_of, point_of
from .rules import count_of, directions, frame, gauss_panels, numbers_of, plain, rings

__all__ = ["Cylinder"]

RIM = 128  # segments of a rim


class Cylinder(Leaf):
    """A cylinder with flat ends.

    Parameters
    ----------
    start, end
        The middles of its ends, three coordinates each.
    radius
        A positive length.
    name
        What its face is called, by default ``"cylinder"``; its parts are ``":side"``, ``":start"``, ``":end"``.

    Raises
    ------
    InvalidProblemError
        If a number is not finite, the radius is not positive, a point has not three coordinates, or both are the same.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> pipe = hp.Cylinder((0, 0, 0), (0, 0, 2), 0.5)
    >>> pipe.signed_distance(np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])).tolist()
    [-0.5, 0.5]
    """

    def __init__(self, start: Vector, end: Vector, radius: float, name: str | None = None) -> None:
        super().__init__(3, name)
        self.start, self.end = point_of("start", start, 3), point_of("end", end, 3)
        self.radius = length_of("radius", radius)
        if not self.length > 1e-12 * max(np.abs(self.start).max(), np.abs(self.end).max()):
            raise InvalidProblemError(
                f"start and end of a cylinder must be different points, got {plain(self.start)} twice"
            )

    def __repr__(self) -> str:
        return f"Cylinder({plain(self.start)}, {plain(self.end)}, {self.radius:.10g}{self._called})"

    @cached_property
    def length(self) -> float:
        """From end to end."""
        return float(np.linalg.norm(self.end - self.start))

    @cached_property
    def _frame(self) -> np.ndarray:
        return frame(self.end - self.start)

    def _distance(self, x: np.ndarray) -> np.ndarray:
        u, v, along = self._frame.T @ (x - self.start[:, None])
        out = np.hypot(u, v) - self.radius
        beyond = np.maximum(-along, along - self.length)
        outside = np.hypot(np.maximum(out, 0.0), np.maximum(beyond, 0.0))
        return np.asarray(outside + np.minimum(np.maximum(out, beyond), 0.0))

    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """The closest points of the mantle and the ends."""
        local = self._frame.T @ (coordinates(x, 3) - self.start[:, None])
        out, along = np.hypot(local[0], local[1]), local[2]
        rim = self.radius * directions(local[:2])
        across = np.where(out > self.radius, rim, local[:2])
        height = np.clip(along, 0.0, self.length)
        room = np.stack([self.radius - out, along, self.length - along])
        within, nearest = (room > 0).all(0), room.argmin(0)
        across = np.where(within & (nearest == 0), rim, across)
        height = np.where(within & (nearest > 0), np.where(nearest == 1, 0.0, self.length), height)
        return np.asarray(self.start[:, None] + self._frame @ np.concatenate([across, height[None]]))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the box around it."""
        reach = self.radius * np.sqrt(np.maximum(1 - self._frame[:, 2] ** 2, 0.0))
        return np.minimum(self.start, self.end) - reach, np.maximum(self.start, self.end) + reach

    @property
    def measure(self) -> float:
        """Its volume."""
        return np.pi * self.radius**2 * self.length

    def _pieces(self) -> Sequence[Piece]:
        return [
            _Mantle(self._frame, self.start, self.length, self.radius),
            _Cap(self._frame, self.start, -1.0, self.radius, ":start"),
            _Cap(self._frame, self.end, 1.0, self.radius, ":end"),
        ]

    @property
    def creases(self) -> Creases:
        """Its two rims, as chords."""
        return self.edges(2 * np.pi * self.radius / RIM).creases

    def edges(self, spacing: float) -> Edges:
        """Its two rims."""
        n = max(RIM, count_of(2 * np.pi * self.radius, spacing))
        turn = np.arange(2 * n) * (np.pi / n)  # ends and middles in turn
        across, along = self._frame[:, :2], self._frame[:, :2] @ np.stack([-np.sin(turn[1::2]), np.cos(turn[1::2])])
        rim = across @ (self.radius * np.stack([np.cos(turn), np.sin(turn)]))
        found = []
        for middle in (self.start, self.end):
            x = middle[:, None] + rim
            ends = np.stack([x[:, ::2], np.roll(x[:, ::2], -1, axis=1)]).transpose(2, 0, 1)
            found.append(Edges(ends, x[:, 1::2], along, np.full(n, np.pi / 2)))
        return Edges.joined(found)

    def moved(self, motion: Similarity) -> Solid:
        """A cylinder again."""
        return Cylinder(motion.points(self.start), motion.points(self.end), motion.scale * self.radius, self.name)

    def _state(self) -> Mapping[str, Any]:
        return {"start": self.start.tolist(), "end": self.end.tolist(), "radius": self.radius}

    @classmethod
    def of_entry(cls, entry: Entry, name: str | None) -> Cylinder:
        """The cylinder with the arguments in a file."""
        start, end = (numbers_of(entry.at(key), 3) for key in ("start", "end"))
        return cls(start, end, entry.at("radius").number(), name)


@dataclass(frozen=True, eq=False)
class _Mantle(Piece):
    """The curved side."""

    frame: np.ndarray
    start: np.ndarray
    length: float
    radius: float

    label = ":side"

    @property
    def measure(self) -> float:
        """Its area."""
        return 2 * np.pi * self.radius * self.length

    def points(self, spacing: float) -> Surface:
        """Gauss points along the axis, equal angles around it."""
        height, weights = gauss_panels(0.0, self.length, spacing)
        row, turn, count = rings(np.full(height.size, self.radius), spacing)
        return self._surface(turn, height[row], (weights * (2 * np.pi * self.radius) / count)[row])

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points."""
        turn, height = 2 * np.pi * generator.random(count), self.length * generator.random(count)
        return self._surface(turn, height, np.full(count, self.measure / max(1, count)))

    def _surface(self, turn: np.ndarray, height: np.ndarray, weights: np.ndarray) -> Surface:
        normals = self.frame[:, :2] @ np.stack([np.cos(turn), np.sin(turn)])
        return Surface(self.start[:, None] + self.frame[:, 2:] * height + self.radius * normals, weights, normals)


@dataclass(frozen=True, eq=False)
class _Cap(Piece):
    """A flat end."""

    frame: np.ndarray
    middle: np.ndarray
    side: float
    radius: float
    label: str = ""

    @property
    def measure(self) -> float:
        """Its area."""
        return np.pi * self.radius**2

    def points(self, spacing: float) -> Surface:
        """Gauss points along the radius, equal angles around the middle."""
        radii, weights = gauss_panels(0.0, self.radius, spacing)
        ring, turn, count = rings(radii, spacing)
        return self._surface(turn, radii[ring], (2 * np.pi * radii * weights / count)[ring])

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points."""
        turn, r = 2 * np.pi * generator.random(count), self.radius * np.sqrt(generator.random(count))
        return self._surface(turn, r, np.full(count, self.measure / max(1, count)))

    def _surface(self, turn: np.ndarray, r: np.ndarray, weights: np.ndarray) -> Surface:
        x = self.middle[:, None] + self.frame[:, :2] @ (r * np.stack([np.cos(turn), np.sin(turn)]))
        return Surface(x, weights, np.repeat(self.side * self.frame[:, 2:], turn.size, axis=1))
