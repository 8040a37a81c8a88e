"""Polygons and rectangles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.checks import items, real_array
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.shape import Creases, Piece
from hermite_pinn.geometry.similarity import LARGEST, Similarity, Vector
from hermite_pinn.immutable import read_only
from hermite_pinn.schema import Entry

from .curve import CurvePiece, Segment
from .formulas import half_planes
from .leaf import Leaf, point_of
from .rules import array_of, numbers_of, plain

__all__ = ["Polygon", "Rectangle"]

BATCH = 1 << 21  # pairs of points and sides at once
SHORT = 1e-12  # of the size: a side is shorter than rounding allows
FLAT = 1e-9  # radians from a straight angle: no corner
SHOWN = 6  # vertices in a repr


class Polygonal(Leaf):
    """What straight sides enclose.

    Attributes
    ----------
    vertices
        Its corners, counter-clockwise, float64, (n, 2).
    """

    vertices: np.ndarray

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Starts (2, m) and vectors (2, m) of the sides."""
        start = self.vertices.T
        return start, np.roll(start, -1, axis=1) - start

    def _distance(self, x: np.ndarray) -> np.ndarray:
        start, along = self._sides
        result = np.empty(x.shape[1])
        batch = max(1, BATCH // start.shape[1])
        for first in range(0, result.size, batch):
            part = slice(first, first + batch)
            result[part] = _to_sides(x[:, part], start, along)
        return result

    def vanishing(self, x: Sequence[Expr], inside: bool) -> Expr | None:
        """The product of the distances from the sides, inside of what is convex; None else."""
        start, along = self._sides
        before = np.roll(along, 1, axis=1)
        if not inside or (before[0] * along[1] - before[1] * along[0] < 0).any():
            return None
        lengths = np.linalg.norm(along, axis=0)
        normals = np.stack([-along[1], along[0]]) / lengths
        return half_planes(x, normals, (normals * start).sum(0), self.vertices.T)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the rectangle around it."""
        return self.vertices.min(0), self.vertices.max(0)

    @property
    def measure(self) -> float:
        """Its area."""
        start, end = self.vertices.T, np.roll(self.vertices, -1, axis=0).T
        return 0.5 * float((start[0] * end[1] - start[1] * end[0]).sum())

    def _pieces(self) -> Sequence[Piece]:
        ends = np.roll(self.vertices, -1, axis=0)
        return [
            CurvePiece.whole(Segment(a, b), f":{k}") for k, (a, b) in enumerate(zip(self.vertices, ends, strict=True))
        ]

    @cached_property
    def creases(self) -> Creases:  # type: ignore[override]
        """Its corners with their interior angles."""
        _, along = self._sides
        back = -np.roll(along, 1, axis=1)
        cross, dot = along[0] * back[1] - along[1] * back[0], (along * back).sum(0)
        angles = np.arctan2(cross, dot) % (2 * np.pi)
        corner = np.abs(angles - np.pi) > FLAT
        points = self.vertices[corner]
        return Creases(np.stack([points, points], axis=1), angles[corner])


class Polygon(Polygonal):
    """A polygon, convex or not.

    Parameters
    ----------
    vertices
        Its corners in order, (n, 2), clockwise or not; the last is joined to the first.
    name
        What its face is called, by default ``"polygon"``; its sides are ``"polygon:0"`` from the first corner to the
        second, ``"polygon:1"``, and so on.

    Raises
    ------
    InvalidProblemError
        If there are fewer than three corners, two in a row are the same, numbers are not finite, or sides cross or
        touch; the message says which.

    Notes
    -----
    Vertices that are given clockwise are kept in the reverse order, and the sides keep their numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> step = hp.Polygon([(0, 0), (2, 0), (2, 2), (1, 2), (1, 1), (0, 1)])
    >>> step.signed_distance(np.array([[0.5, 0.5], [0.75, 1.5]])).round(3).tolist()
    [-0.25, 0.5]
    >>> np.degrees(step.creases.angles).round(6).tolist()
    [90.0, 90.0, 90.0, 90.0, 270.0, 90.0]
    """

    def __init__(self, vertices: Any, name: str | None = None) -> None:
        super().__init__(2, name)
        given = _vertices(vertices)
        _check_simple(given)
        x, y = given.T
        clockwise = float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) < 0
        #: Whether the vertices were given clockwise.
        self.reversed = clockwise
        self.vertices = read_only(given[::-1] if clockwise else given)

    @property
    def _given(self) -> np.ndarray:
        return self.vertices[::-1] if self.reversed else self.vertices

    def __repr__(self) -> str:
        shown = ", ".join(plain(v) for v in self._given[:SHOWN])
        more = f", ... {len(self.vertices)} in all" if len(self.vertices) > SHOWN else ""
        return f"Polygon([{shown}{more}]{self._called})"

    def _pieces(self) -> Sequence[Piece]:
        made, n = list(super()._pieces()), len(self.vertices)
        if not self.reversed:
            return made
        start, along = self._sides
        # side k from given vertex k to k + 1 is here from vertex n - 2 - k to n - 1 - k
        order = [(n - 2 - k) % n for k in range(n)]
        return [CurvePiece.whole(Segment(start[:, j], start[:, j] + along[:, j]), f":{k}") for k, j in enumerate(order)]

    def moved(self, motion: Similarity) -> Solid:
        """A polygon again."""
        return Polygon(motion.points(self._given.T).T, self.name)

    def _state(self) -> Mapping[str, Any]:
        return {"vertices": np.ascontiguousarray(self._given)}

    @classmethod
    def of_entry(cls, entry: Entry, name: str | None) -> Polygon:
        """The polygon with the arguments in a file."""
        return cls(array_of(entry.at("vertices"), (None, 2)), name)


class Rectangle(Polygonal):
    """A rectangle along the axes; ``.rotated`` turns it.

    Parameters
    ----------
    lower, upper
        Two opposite corners, the lower one first.
    name
        What its face is called, by default ``"rectangle"``; its sides are ``"rectangle:0"`` (lower), ``":1"`` (right),
        ``":2"`` (upper) and ``":3"`` (left).

    Raises
    ------
    InvalidProblemError
        If a number is not finite, a corner has not two coordinates, or the upper one is not above the lower one.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> hp.Rectangle((0, 0), (2, 1)).signed_distance(np.array([[1.0, 5.0], [0.5, 5.0]])).tolist()
    [-0.5, 5.0]
    """

    def __init__(self, lower: Vector, upper: Vector, name: str | None = None) -> None:
        super().__init__(2, name)
        self.lower, self.upper = corners(lower, upper, 2)
        (a, b), (c, d) = self.lower, self.upper
        self.vertices = read_only(np.array([(a, b), (c, b), (c, d), (a, d)]))

    def __repr__(self) -> str:
        return f"Rectangle({plain(self.lower)}, {plain(self.upper)}{self._called})"

    def moved(self, motion: Similarity) -> Solid:
        """A rectangle again, unless it is turned."""
        if motion.is_turn:
            return super().moved(motion)
        return Rectangle(motion.points(self.lower), motion.points(self.upper), self.name)

    def _state(self) -> Mapping[str, Any]:
        return {"lower": self.lower.tolist(), "upper": self.upper.tolist()}

    @classmethod
    def of_entry(cls, entry: Entry, name: str | None) -> Rectangle:
        """The rectangle with the arguments in a file."""
        return cls(numbers_of(entry.at("lower"), 2), numbers_of(entry.at("upper"), 2), name)


def corners(lower: Any, upper: Any, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Two opposite corners, the first below the second along all axes."""
    low, high = point_of("lower", lower, dim), point_of("upper", upper, dim)
    if not (high > low).all():
        raise InvalidProblemError(
            f"upper must be above lower along every axis, got lower={plain(low)} and upper={plain(high)}"
        )
    return low, high


def _to_sides(x: np.ndarray, start: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Signed distances (n,) of points (2, n) to closed sides."""
    offset = x[:, :, None] - start[:, None, :]
    lengths = (along**2).sum(0)
    share = np.clip((offset * along[:, None, :]).sum(0) / lengths, 0.0, 1.0)
    away = offset - share * along[:, None, :]
    distance = np.sqrt((away**2).sum(0).min(1))
    # a ray to the right crosses sides that go up on their left, or down on their right
    below, above = offset[1] >= 0, offset[1] < along[1]
    left = along[0] * offset[1] - along[1] * offset[0] > 0
    crossed = np.where(left, below & above, ~below & ~above)
    return np.where(crossed.sum(1) % 2 == 1, -distance, distance)


def _vertices(vertices: Any) -> np.ndarray:
    """Corners (n, 2) of which no two in a row are the same."""
    if not hasattr(vertices, "shape"):
        vertices = items("vertices", vertices, "a list of points with two coordinates", error=InvalidProblemError)
    found = real_array("vertices", vertices, shape="points with two coordinates", columns=2, error=InvalidProblemError)
    if len(found) < 3:
        raise InvalidProblemError(f"a polygon needs at least three vertices, got {len(found)}")
    if np.abs(found).max() > LARGEST:
        raise InvalidProblemError(
            f"vertices must have coordinates up to {LARGEST:g}, got one of {np.abs(found).max():g}"
        )
    size = float(np.max(found.max(0) - found.min(0)))
    lengths = np.linalg.norm(np.roll(found, -1, axis=0) - found, axis=1)
    short = np.flatnonzero(lengths <= SHORT * size)
    if short.size:
        k = int(short[0])
        hint = "; do not repeat the first vertex at the end" if k == len(found) - 1 else ""
        raise InvalidProblemError(
            f"the side {k} of the polygon has no length: vertices {k} and {(k + 1) % len(found)} are both {plain(found[k])}{hint}"
        )
    return found


def _check_simple(vertices: np.ndarray) -> None:
    """Refuse a polygon with sides that cross or touch."""
    n = len(vertices)
    start, end = vertices, np.roll(vertices, -1, axis=0)
    close = SHORT * float(np.max(vertices.max(0) - vertices.min(0)))
    lower, upper = np.minimum(start, end), np.maximum(start, end)
    for k in range(n):
        low, high = np.minimum(start[k], end[k]) - close, np.maximum(start[k], end[k]) + close
        others = k + 1 + np.flatnonzero(((lower[k + 1 :] <= high) & (upper[k + 1 :] >= low)).all(1))
        if not others.size:
            continue
        meets = _meet(start[k], end[k], start[others], end[others], close)
        beside = (others == k + 1) | ((k == 0) & (others == n - 1))
        spike = beside & _folds(start[k], end[k], start[others], end[others], others == k + 1)
        bad = np.flatnonzero(np.where(beside, spike, meets))
        if bad.size:
            other = int(others[bad[0]])
            raise InvalidProblemError(
                f"the sides {k} and {other} of the polygon meet: from {plain(start[k])} to {plain(end[k])}, and from "
                f"{plain(start[other])} to {plain(end[other])}; give the vertices in order around it, or unite polygons with |"
            )


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _meet(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, close: float) -> np.ndarray:
    """Whether the segment a to b meets segments c to d (m, 2)."""
    along, others = b - a, d - c
    length, lengths = np.linalg.norm(along), np.linalg.norm(others, axis=1)
    c_side, d_side = _cross(along, c - a) / length, _cross(along, d - a) / length
    a_side, b_side = _cross(others, a - c) / lengths, _cross(others, b - c) / lengths
    crossing = (c_side * d_side < 0) & (a_side * b_side < 0)

    def touches(p: np.ndarray, q: np.ndarray, v: np.ndarray, side: np.ndarray) -> np.ndarray:
        share = ((p - q) * v).sum(-1) / (v * v).sum(-1)
        return (np.abs(side) <= close) & (share >= 0) & (share <= 1)

    touching = touches(c, a, along, c_side) | touches(d, a, along, d_side)
    touching |= touches(a, c, others, a_side) | touches(b, c, others, b_side)
    return np.asarray(crossing | touching)


def _folds(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """Whether neighbouring sides lie on each other."""
    first = np.where(follows[:, None], a - b, b - a)
    second = np.where(follows[:, None], d - c, c - d)
    cross = _cross(first, second) / (np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1))
    return np.asarray((np.abs(cross) < 1e-12) & ((first * second).sum(1) > 0))
