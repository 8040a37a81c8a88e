"""Cuboids."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.part import coordinates
from hermite_pinn.geometry.shape import Creases, Piece, Surface
from hermite_pinn.geometry.similarity import Similarity, Vector
from hermite_pinn.schema import Entry

from .formulas import half_planes
from .leaf import Leaf
from .polygon import corners
from .rules import gauss_panels, numbers_of, plain

__all__ = ["Cuboid"]


class Cuboid(Leaf):
    """A cuboid along the axes; ``.rotated`` turns it.

    Parameters
    ----------
    lower, upper
        Two opposite corners, the lower one first.
    name
        What its face is called, by default ``"cuboid"``; its sides are ``"cuboid:0"`` (lower along the first axis),
        ``":1"`` (upper), ``":2"`` and ``":3"`` along the second axis, ``":4"`` and ``":5"`` along the third.

    Raises
    ------
    InvalidProblemError
        If a number is not finite, a corner has not three coordinates, or the upper one is not above the lower one.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> hp.Cuboid((0, 0, 0), (1, 2, 3)).signed_distance(np.array([[0.5, 2.0], [1.0, 1.0], [1.5, 1.0]])).tolist()
    [-0.5, 1.0]
    """

    def __init__(self, lower: Vector, upper: Vector, name: str | None = None) -> None:
        super().__init__(3, name)
        self.lower, self.upper = corners(lower, upper, 3)

    def __repr__(self) -> str:
        return f"Cuboid({plain(self.lower)}, {plain(self.upper)}{self._called})"

    def _distance(self, x: np.ndarray) -> np.ndarray:
        beyond = np.maximum(self.lower[:, None] - x, x - self.upper[:, None])
        return np.asarray(np.linalg.norm(np.maximum(beyond, 0.0), axis=0) + np.minimum(beyond.max(0), 0.0))

    def vanishing(self, x: Sequence[Expr], inside: bool) -> Expr | None:
        """The product of the distances from the sides, inside; None outside."""
        if not inside:
            return None
        normals = np.concatenate([np.eye(3), -np.eye(3)], axis=1)
        corners = np.stack([self.lower, self.upper], axis=1)
        return half_planes(x, normals, np.concatenate([self.lower, -self.upper]), corners)

    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """The closest points of the sides."""
        x = coordinates(x, 3)
        lower, upper = self.lower[:, None], self.upper[:, None]
        result = np.clip(x, lower, upper)
        within = np.flatnonzero((result == x).all(0))
        room = np.stack([x - lower, upper - x])[:, :, within].reshape(6, -1)
        end, axis = np.divmod(room.argmin(0), 3)
        result[axis, within] = np.where(end == 0, self.lower[axis], self.upper[axis])
        return result

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Its corners."""
        return self.lower, self.upper

    @property
    def measure(self) -> float:
        """Its volume."""
        return float(np.prod(self.upper - self.lower))

    def _pieces(self) -> Sequence[Piece]:
        return [_Side(self.lower, self.upper, axis, end, f":{2 * axis + end}") for axis in range(3) for end in (0, 1)]

    @property
    def creases(self) -> Creases:
        """Its twelve edges."""
        found = []
        for axis in range(3):
            for ends in itertools.product((0, 1), repeat=2):
                places = np.insert(ends, axis, 0)
                start = np.where(places, self.upper, self.lower)
                stop = start.copy()
                stop[axis] = self.upper[axis]
                found.append([start, stop])
        return Creases(np.array(found), np.full(12, np.pi / 2))

    def moved(self, motion: Similarity) -> Solid:
        """A cuboid again, unless it is turned."""
        if motion.is_turn:
            return super().moved(motion)
        return Cuboid(motion.points(self.lower), motion.points(self.upper), self.name)

    def _state(self) -> Mapping[str, Any]:
        return {"lower": self.lower.tolist(), "upper": self.upper.tolist()}

    @classmethod
    def of_entry(cls, entry: Entry, name: str | None) -> Cuboid:
        """The cuboid with the arguments in a file."""
        return cls(numbers_of(entry.at("lower"), 3), numbers_of(entry.at("upper"), 3), name)


@dataclass(frozen=True, eq=False)
class _Side(Piece):
    """A side of a cuboid."""

    lower: np.ndarray
    upper: np.ndarray
    axis: int
    end: int
    label: str = ""

    @property
    def _across(self) -> list[int]:
        return [i for i in range(3) if i != self.axis]

    @property
    def measure(self) -> float:
        """Its area."""
        return float(np.prod((self.upper - self.lower)[self._across]))

    def points(self, spacing: float) -> Surface:
        """A product of Gauss rules."""
        rules = [gauss_panels(self.lower[i], self.upper[i], spacing) for i in self._across]
        u, v = (g.ravel() for g in np.meshgrid(rules[0][0], rules[1][0], indexing="ij"))
        return self._surface(u, v, np.outer(rules[0][1], rules[1][1]).ravel())

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points."""
        u, v = (self.lower[i] + (self.upper - self.lower)[i] * generator.random(count) for i in self._across)
        return self._surface(u, v, np.full(count, self.measure / max(1, count)))

    def _surface(self, u: np.ndarray, v: np.ndarray, weights: np.ndarray) -> Surface:
        x, normals = np.empty((3, u.size)), np.zeros((3, u.size))
        x[self._across[0]], x[self._across[1]] = u, v
        x[self.axis] = (self.lower, self.upper)[self.end][self.axis]
        normals[self.axis] = (-1.0, 1.0)[self.end]
        return Surface(x, weights, normals)
