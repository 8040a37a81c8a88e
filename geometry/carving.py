"""A box in space from which shapes are cut: what is left, in NumPy and without names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from .cell_kinds import centres
from .cells import FULL, OUTSIDE, TOUCHED, Cells
from .cutter import Cutter
from .digest import digest
from .shape import Piece, Surface

__all__ = ["Carving"]

CLOSE = 1e-9  # of the longest edge: points nearer to the boundary are on it
BESIDE = 1e-6  # of the longest edge: a step across the boundary that lands on one side of it
BATCH = 1 << 18  # points at once
MANY = 20_000  # points for which it pays to look at cells first
BETWEEN = 1e-6  # part of a cell within which a point lies between two
LOOKED_AT = {2: 128, 3: 32}  # cells along the longest edge, by dimension, of the grid that sorts points
MOST = 2_000_000  # points on a piece of a boundary, of which most may lie outside the box


@dataclass(frozen=True, eq=False)
class Carving:
    """A box between two corners (dim,), and what cuts it.

    Attributes
    ----------
    lower, upper
        Corners of the box, float64.
    cutters
        Shapes of which only the inside or the outside is left.
    """

    lower: np.ndarray
    upper: np.ndarray
    cutters: tuple[Cutter, ...]

    @property
    def dim(self) -> int:
        """Number of axes of space."""
        return self.lower.size

    def same_box(self, other: Carving) -> bool:
        """Whether another one has the same corners."""
        return np.array_equal(self.lower, other.lower) and np.array_equal(self.upper, other.upper)

    @cached_property
    def memo(self) -> dict[str, Any]:
        """What others have found out about it, by name."""
        return {}

    @cached_property
    def _digest(self) -> bytes:
        return digest([self.lower, self.upper, *([c.keep, dict(c.shape.state())] for c in self.cutters)])

    def __eq__(self, other: object) -> bool:
        return other is self or (isinstance(other, Carving) and self._digest == other._digest)

    def __hash__(self) -> int:
        return hash(self._digest)

    @cached_property
    def size(self) -> float:
        """The longest edge of the box."""
        return float((self.upper - self.lower).max())

    @cached_property
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the part of the box to which the bounds of the shapes confine what is left."""
        lower, upper = self.lower.copy(), self.upper.copy()
        for cutter in self.cutters:
            if cutter.keep:
                low, high = cutter.shape.bounds
                lower, upper = np.maximum(lower, low), np.minimum(upper, high)
        return lower, np.maximum(upper, lower)

    # -- inside or not ---
    def level(self, x: np.ndarray) -> np.ndarray:
        """The largest signed distance (n,) of points (dim, n) from what every shape leaves; sides do not count."""
        result = np.full(x.shape[1], -np.inf)
        for cutter in self.cutters:
            np.maximum(result, cutter.level(x), out=result)
        return result

    def whole_level(self, x: np.ndarray) -> np.ndarray:
        """As :meth:`level`, but sides of the box count."""
        beyond = np.maximum(self.lower[:, None] - x, x - self.upper[:, None]).max(0)
        return np.asarray(np.maximum(self.level(x), beyond))

    def kept(self, x: np.ndarray, slack: float | None = None) -> np.ndarray:
        """Which points (dim, n) no shape cuts away, (n,); sides of the box do not count."""
        slack = CLOSE * self.size if slack is None else slack
        result = np.zeros(x.shape[1], dtype=bool)
        for start in range(0, x.shape[1], BATCH):
            part = np.ascontiguousarray(x[:, start : start + BATCH])
            left = np.arange(part.shape[1])
            for cutter in self.cutters:
                left = left[cutter.contains(part[:, left], slack)]
            result[start + left] = True
        return result

    def contains(self, x: np.ndarray, slack: float = 0.0) -> np.ndarray:
        """Which points (dim, n) of the box are left, (n,), or lie nearer than about ``slack`` to what is left."""
        slack = max(slack, CLOSE * self.size)
        if x.shape[1] < MANY or slack > 0.5 * self.size / LOOKED_AT[self.dim]:
            return self.kept(x, slack)
        result = np.empty(x.shape[1], dtype=bool)
        for start in range(0, x.shape[1], BATCH):
            part = np.ascontiguousarray(x[:, start : start + BATCH])
            kinds = self.kinds_at(part)
            inside, unsure = kinds == FULL, np.flatnonzero((kinds == TOUCHED) | self._between(part))
            inside[unsure] = self.kept(part[:, unsure], slack)
            result[start : start + BATCH] = inside
        return result

    def kinds_at(self, x: np.ndarray) -> np.ndarray:
        """The kinds (n,) of the cells of a moderate grid that contain points (dim, n) of the box."""
        kinds = self._sorting
        counts = np.array(kinds.shape)
        place = (x - self.lower[:, None]) / (self.upper - self.lower)[:, None] * counts[:, None]
        return np.asarray(kinds[tuple(np.clip(place.astype(np.int64), 0, counts[:, None] - 1))])

    def _between(self, x: np.ndarray) -> np.ndarray:
        """Which points (dim, n) lie between cells of the moderate grid, where sides of shapes may lie, too."""
        counts = np.array(self._sorting.shape)[:, None]
        place = (x - self.lower[:, None]) / (self.upper - self.lower)[:, None] * counts
        return np.asarray((np.abs(place - np.round(place)) < BETWEEN).any(0))

    @cached_property
    def _sorting(self) -> np.ndarray:
        """Kinds of the cells of a moderate grid."""
        return self.cells(self.resolution(self.lower, self.upper)).kinds

    def resolution(self, lower: np.ndarray, upper: np.ndarray) -> tuple[int, ...]:
        """Cells along every axis of a moderate grid between two corners, nearly cubes."""
        lengths = np.maximum(upper - lower, 1e-300)
        return tuple(max(4, math.ceil(LOOKED_AT[self.dim] * a)) for a in lengths / lengths.max())

    # -- cells ---
    def cells(self, counts: Sequence[int]) -> Cells:
        """The kinds of the cells of a grid over the box."""
        return self._cells(tuple(int(n) for n in counts))

    @cached_property
    def _cells(self):  # type: ignore[no-untyped-def]  # a cache that goes with its object
        return lru_cache(maxsize=8)(lambda counts: Cells(self.kinds(self.lower, self.upper, counts)))

    def kinds(self, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        """Kinds, int8, of the cells of a grid between any two corners."""
        lost, touched = np.zeros(tuple(counts), dtype=bool), np.zeros(tuple(counts), dtype=bool)
        for cutter in self.cutters:
            own = cutter.kinds(lower, upper, tuple(counts))
            lost |= own == OUTSIDE
            touched |= own == TOUCHED
        # a cell that one shape cuts away is outside, whatever touches it
        result: np.ndarray = np.where(lost, OUTSIDE, np.where(touched, TOUCHED, FULL)).astype(np.int8)
        return result

    # -- surfaces ---
    def trimmed(self, number: int, surface: Surface) -> np.ndarray:
        """Which points on the boundary of a cutter, with outward normals, are on the boundary of what is left, (n,).

        Where boundaries coincide, they are sides of the box, or of the cutter that comes first.
        """
        step = BESIDE * self.size * surface.normals
        within, beyond = surface.x - step, surface.x + step
        left = np.flatnonzero(self.in_box(within) & self.in_box(beyond))
        for k, cutter in enumerate(self.cutters):
            if k != number:
                left = left[cutter.contains(within[:, left], 0.0)]
                if k < number:
                    left = left[cutter.contains(beyond[:, left], 0.0)]
        result = np.zeros(surface.count, dtype=bool)
        result[left] = True
        return result

    def in_box(self, x: np.ndarray) -> np.ndarray:
        """Which points (dim, n) lie in the closed box, (n,)."""
        return np.asarray(((x >= self.lower[:, None]) & (x <= self.upper[:, None])).all(0))

    def surface(self, number: int, piece: Piece, spacing: float) -> Surface:
        """Points of a piece of the boundary of a cutter that are on the boundary of what is left, normals outward.

        Where another boundary cuts the piece, weights count what is left around a point.
        """
        spacing = max(spacing, _smallest(piece, self.dim))
        whole = self.cutters[number].outward(piece.points(spacing))
        beyond = np.maximum(self.lower[:, None] - whole.x, whole.x - self.upper[:, None]).max(0)
        if whole.count and beyond.max() > 2.0 * spacing:  # far outside
            whole = whole.take(beyond <= 2.0 * spacing)
        if not whole.count:
            return whole
        kept = self.trimmed(number, whole)
        weights = whole.weights * self._parts_left(number, whole, kept)
        held = kept & (weights > 0)
        lost, heirs = np.flatnonzero((weights > 0) & ~held), np.flatnonzero(held)
        if lost.size and heirs.size:  # of points just outside, what they stand for is partly left
            np.add.at(weights, heirs[cKDTree(whole.x[:, heirs].T).query(whole.x[:, lost].T)[1]], weights[lost])
        return Surface(whole.x, weights, whole.normals).take(held)

    def _parts_left(self, number: int, surface: Surface, left: np.ndarray) -> np.ndarray:
        """Parts (n,) of what points on a cutter's boundary stand for that are left, by where others cut it."""
        parts = left.astype(float)
        margin = self.margin(number, surface.x)
        widths = surface.weights ** (1.0 / (self.dim - 1))
        band = np.flatnonzero(np.abs(margin) <= widths)
        band = band[_across(surface.x[:, band], left[band], 3.0 * widths[band])]
        if not band.size:
            return parts
        x, normals, step = surface.x[:, band], surface.normals[:, band], 1e-6 * self.size
        slope = np.empty_like(x)
        for axis in range(self.dim):
            shift = np.zeros((self.dim, 1))
            shift[axis] = step
            slope[axis] = (self.margin(number, x + shift) - self.margin(number, x - shift)) / (2.0 * step)
        along = np.linalg.norm(slope - (slope * normals).sum(0) * normals, axis=0)
        crossing = along > 0.1  # else the boundaries nearly coincide
        chosen = band[crossing]
        parts[chosen] = np.clip(0.5 - margin[chosen] / (widths[chosen] * along[crossing]), 0.0, 1.0)
        return parts

    def margin(self, number: int, x: np.ndarray) -> np.ndarray:
        """Signed distances (n,) of points (dim, n) on a cutter's boundary from where others cut it."""
        beyond = np.maximum(self.lower[:, None] - x, x - self.upper[:, None])
        result = np.where((beyond > 0).any(0), np.linalg.norm(np.maximum(beyond, 0.0), axis=0), beyond.max(0))
        for k, cutter in enumerate(self.cutters):
            if k != number:
                np.maximum(result, cutter.level(x), out=result)
        return np.asarray(result)

    def middle(self) -> np.ndarray:
        """Centres (dim, n) of the full cells of a moderate grid."""
        cells = self._sorting
        return centres(self.lower, self.upper, cells.shape, np.stack(np.nonzero(cells == FULL)))


def _across(x: np.ndarray, left: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Which points (dim, n) have one of the other kind, left or not, within their reach."""
    result = np.zeros(left.size, dtype=bool)
    for own in (left, ~left):
        if own.any() and not own.all():
            result[own] = cKDTree(x[:, ~own].T).query(x[:, own].T)[0] <= reach[own]
    return result


def _smallest(piece: Piece, dim: int) -> float:
    """The spacing at which a piece has as many points as are made at once."""
    return float((piece.measure / MOST) ** (1.0 / (dim - 1)))
