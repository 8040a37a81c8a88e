"""Moves: similarities of the plane and of space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hermite_pinn.checks import number, real_array, refuse
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.schema import Entry

from .shape import Creases, Surface

__all__ = ["Similarity", "Vector", "direction", "vector"]

LARGEST = 1e60  # of coordinates

#: Coordinates of a point, or components.
Vector = Sequence[float] | np.ndarray


@dataclass(frozen=True, eq=False)
class Similarity:
    """The map of x to ``scale * rotation @ x + offset``.

    Attributes
    ----------
    scale
        A positive number.
    rotation
        An orthogonal matrix (dim, dim) that keeps the orientation.
    offset
        A vector (dim,).
    """

    scale: float
    rotation: np.ndarray
    offset: np.ndarray

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.offset.size

    @property
    def is_turn(self) -> bool:
        """Whether it changes directions."""
        return not np.array_equal(self.rotation, np.eye(self.dim))

    # -- how it is made ---
    @classmethod
    def translation(cls, dim: int, offset: Sequence[Any]) -> Similarity:
        """By a vector, given as numbers or as one sequence."""
        given = offset[0] if len(offset) == 1 and np.ndim(offset[0]) == 1 else offset
        return cls(1.0, np.eye(dim), vector("the offset", given, dim))

    @classmethod
    def scaling(cls, dim: int, factor: Any, about: Any = None) -> Similarity:
        """By a factor; ``about`` stays where it is, by default the origin."""
        scale = number("the factor", factor, above=0, error=InvalidProblemError)
        fixed = np.zeros(dim) if about is None else vector("about", about, dim)
        return cls(scale, np.eye(dim), fixed - scale * fixed)

    @classmethod
    def turn(cls, dim: int, degrees: Any, axis: Any = None, about: Any = None) -> Similarity:
        """By an angle in degrees, counter-clockwise seen against the axis; ``about`` stays where it is."""
        angle = number("the angle in degrees", degrees, error=InvalidProblemError)
        fixed = np.zeros(dim) if about is None else vector("about", about, dim)
        if dim == 2:
            if axis is not None:
                raise InvalidProblemError("shapes of the plane turn about a point: leave out axis=, give about=")
            c, s = _circle(angle)
            matrix = np.array([[c, -s], [s, c]])
        else:
            matrix = _rodrigues(angle, direction("axis", (0.0, 0.0, 1.0) if axis is None else axis))
        return cls(1.0, matrix, fixed - matrix @ fixed)

    # -- what it does ---
    def points(self, x: np.ndarray) -> np.ndarray:
        """Images of points (dim, n), or of one point (dim,)."""
        offset = self.offset if x.ndim == 1 else self.offset[:, None]
        return self.scale * (self.rotation @ x) + offset

    def back(self, x: np.ndarray) -> np.ndarray:
        """Points (dim, n) whose images are given."""
        offset = self.offset if x.ndim == 1 else self.offset[:, None]
        return (self.rotation.T @ (x - offset)) / self.scale

    def directions(self, v: np.ndarray) -> np.ndarray:
        """Images of unit vectors (dim, n)."""
        return self.rotation @ v

    def surface(self, surface: Surface) -> Surface:
        """Images of points on a boundary."""
        weights = surface.weights * self.scale ** (self.dim - 1)
        return Surface(self.points(surface.x), weights, self.directions(surface.normals))

    def creases(self, creases: Creases) -> Creases:
        """Images of edges, whose angles stay."""
        ends = creases.segments.reshape(-1, self.dim).T
        return Creases(np.ascontiguousarray(self.points(ends).T).reshape(creases.segments.shape), creases.angles)

    def box(self, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the box around the image of a box."""
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            return np.full(self.dim, -np.inf), np.full(self.dim, np.inf)
        middle, half = self.points(0.5 * (lower + upper)), 0.5 * self.scale * np.abs(self.rotation) @ (upper - lower)
        return middle - half, middle + half

    def after(self, first: Similarity) -> Similarity:
        """The map that comes from another one first."""
        return Similarity(self.scale * first.scale, self.rotation @ first.rotation, self.points(first.offset))

    @property
    def inverse(self) -> Similarity:
        """The map back."""
        return Similarity(1 / self.scale, self.rotation.T, -(self.rotation.T @ self.offset) / self.scale)

    # -- what it says ---
    def __str__(self) -> str:
        """The calls that make it, about the origin: ``.scaled(2).rotated(30).translated(1, 0)``."""
        text = "" if self.scale == 1 else f".scaled({self.scale:.10g})"
        if self.is_turn:
            if self.dim == 2:
                text += f".rotated({math.degrees(math.atan2(self.rotation[1, 0], self.rotation[0, 0])):.10g})"
            else:
                degrees, axis = _axis_angle(self.rotation)
                text += f".rotated({degrees:.10g}, axis=({', '.join(f'{a:.10g}' for a in axis)}))"
        if self.offset.any():
            text += f".translated({', '.join(f'{a:.10g}' for a in self.offset)})"
        return text

    def state(self) -> Mapping[str, Any]:
        """What :meth:`from_entry` makes it from again."""
        return {"scale": self.scale, "rotation": self.rotation.tolist(), "offset": self.offset.tolist()}

    @classmethod
    def from_entry(cls, entry: Entry) -> Similarity:
        """The map that a file describes."""
        offset = np.array([e.number() for e in entry.at("offset").items(least=2, most=3)])
        rows = entry.at("rotation").items(offset.size)
        matrix = np.array([[e.number(-1.1, 1.1) for e in row.items(offset.size)] for row in rows])
        if not np.allclose(matrix @ matrix.T, np.eye(offset.size), atol=1e-9) or np.linalg.det(matrix) < 0:
            raise entry.at("rotation").refuse("a rotation")
        return cls(entry.at("scale").number(1e-300), matrix, offset)


def vector(name: str, value: Any, dim: int) -> np.ndarray:
    """A vector with so many components."""
    found = real_array(name, value, shape=f"{dim} numbers", error=InvalidProblemError)
    if found.shape != (dim,):
        refuse(name, value, f"{dim} numbers", error=InvalidProblemError)
    if np.abs(found).max() > LARGEST:
        refuse(
            name,
            value,
            f"{dim} numbers up to {LARGEST:g}, so that their squares are numbers",
            error=InvalidProblemError,
        )
    return found


def direction(name: str, value: Any) -> np.ndarray:
    """A unit vector of space, given as one of any length, or as ``"x"``, ``"y"``, ``"z"``."""
    if isinstance(value, str):
        if value not in ("x", "y", "z"):
            refuse(name, value, "'x', 'y', 'z' or a vector of three numbers", error=InvalidProblemError)
        return np.eye(3)["xyz".index(value)]
    found = vector(name, value, 3)
    length = float(np.linalg.norm(found))
    if not 0 < length < math.inf:
        refuse(name, value, "a vector that is not zero", error=InvalidProblemError)
    return found / length


def _circle(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact at right angles."""
    quarter = degrees / 90.0
    if quarter == round(quarter):
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarter) % 4]
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def _rodrigues(degrees: float, axis: np.ndarray) -> np.ndarray:
    c, s = _circle(degrees)
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.asarray(c * np.eye(3) + s * cross + (1 - c) * np.outer(axis, axis))


def _axis_angle(rotation: np.ndarray) -> tuple[float, np.ndarray]:
    """Angle in degrees and axis of a rotation of space."""
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine, cosine = 0.5 * float(np.linalg.norm(skew)), 0.5 * (float(np.trace(rotation)) - 1)
    if sine > 1e-8:
        return math.degrees(math.atan2(sine, cosine)), skew / (2 * sine)
    column = rotation + np.eye(3)  # half a turn: twice the projection on the axis
    axis = column[:, int(np.argmax(np.diag(column)))]
    return 180.0, axis / np.linalg.norm(axis)
