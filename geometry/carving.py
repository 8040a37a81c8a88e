"""A box in space from which shapes are cut: what is left, in NumPy and without names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from .cell_kinds import centres, shape_cells
from .cells import FULL, OUTSIDE, TOUCHED, Cells
from .digest import digest
from .quadrature import gauss_axis
from .shape import Piece, Shape, Surface
from .touched import near_cells

__all__ = ["Carving", "Cutter"]

CLOSE = 1e-9  # of the longest edge: points nearer to the boundary are on it
BESIDE = 1e-6  # of the longest edge: a step across the boundary that lands on one side of it
BATCH = 1 << 18  # points at once
MANY = 20_000  # points for which it pays to look at cells first
LOOKED_AT = {2: 128, 3: 32}  # cells along the longest edge, by dimension, of the grid that sorts points
COARSE = {2: 256, 3: 48}  # surface points along the longest edge of a shape, to see where it is
PARTS = {2: (3, 96), 3: (2, 8)}  # of a touched cell along an axis, to measure it: at first, and at most
SETTLED = 1e-4  # change of a measure from which on its error is taken to fall as it should
MOST = 2_000_000  # points on a piece of a boundary, of which most may lie outside the box
FEW = 8  # places of a side that a tangent boundary can seem to cut away
SIDE = 64, 512  # cells of a side along an axis: of all of it, and where boundaries pass


@dataclass(frozen=True, eq=False)
class Cutter:
    """A shape of which a box keeps the inside, or the outside."""

    shape: Shape
    keep: bool

    def kinds(self, lower: np.ndarray, upper: np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
        """Kinds, int8, of the cells of a grid between two corners: touched, kept (full) or cut away."""
        kinds: np.ndarray = self._kinds(lower.tobytes(), upper.tobytes(), counts)
        return kinds

    @cached_property
    def _kinds(self):  # type: ignore[no-untyped-def]  # a cache that goes with its object
        def made(lower: bytes, upper: bytes, counts: tuple[int, ...]) -> np.ndarray:
            own = shape_cells(self.shape, np.frombuffer(lower), np.frombuffer(upper), counts)
            return own if self.keep else np.where(own == TOUCHED, TOUCHED, FULL - own).astype(np.int8)

        return lru_cache(maxsize=4)(made)

    @cached_property
    def coarse(self) -> Surface:
        """Some points on its boundary, with normals that point out of what is kept."""
        low, high = self.shape.bounds
        extent = float(np.max(high - low))
        around = sum(p.measure for p in self.shape.pieces) ** (1.0 / (self.shape.dim - 1))
        spacing = (extent if np.isfinite(extent) else max(around, 1e-300)) / COARSE[self.shape.dim]
        parts = [p.points(spacing) for p in self.shape.pieces]
        dim = self.shape.dim
        return self.outward(
            Surface(
                np.concatenate([np.zeros((dim, 0)), *(p.x for p in parts)], axis=1),
                np.concatenate([np.zeros(0), *(p.weights for p in parts)]),
                np.concatenate([np.zeros((dim, 0)), *(p.normals for p in parts)], axis=1),
            )
        )

    def level(self, x: np.ndarray) -> np.ndarray:
        """Signed distances (n,) of points (dim, n), negative in what is kept."""
        distance = self.shape.signed_distance(x)
        return distance if self.keep else -distance

    def contains(self, x: np.ndarray, slack: float) -> np.ndarray:
        """Which points (dim, n) are kept, (n,), or lie nearer than ``slack`` to what is kept."""
        kept = np.asarray(self.shape.contains(x)) == self.keep
        lost = np.flatnonzero(~kept)
        if lost.size and slack > 0:
            kept[lost] = np.abs(self.shape.signed_distance(x[:, lost])) <= slack
        return kept

    def outward(self, surface: Surface) -> Surface:
        """Points on its boundary with normals that point out of what is kept."""
        return surface if self.keep else Surface(surface.x, surface.weights, -surface.normals)


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
            inside, unsure = kinds == FULL, np.flatnonzero(kinds == TOUCHED)
            inside[unsure] = self.kept(part[:, unsure], slack)
            result[start : start + BATCH] = inside
        return result

    def kinds_at(self, x: np.ndarray) -> np.ndarray:
        """The kinds (n,) of the cells of a moderate grid that contain points (dim, n) of the box."""
        kinds = self._sorting
        counts = np.array(kinds.shape)
        place = (x - self.lower[:, None]) / (self.upper - self.lower)[:, None] * counts[:, None]
        return np.asarray(kinds[tuple(np.clip(place.astype(np.int64), 0, counts[:, None] - 1))])

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

    # -- measures ---
    @cached_property
    def measure(self) -> float:
        """Area or volume of what is left."""
        known = self._sum_of_measures
        if known is not None:
            return known
        lower, upper = self.extent
        counts = self.resolution(lower, upper)
        cells = self.kinds(lower, upper, counts)
        size = (upper - lower) / np.array(counts)
        full = float(np.count_nonzero(cells == FULL))
        touched = np.stack(np.nonzero(cells == TOUCHED))
        parts, most = PARTS[self.dim]
        coarse = float(self._share(lower, size, touched, parts).sum())
        while True:
            parts *= 2
            fine = float(self._share(lower, size, touched, parts).sum())
            if abs(fine - coarse) <= SETTLED * (full + fine) or 2 * parts > most:
                break
            coarse = fine
        # the error of flat parts falls with the square of their size
        return float(np.prod(size)) * max(full + (4.0 * fine - coarse) / 3.0, 0.5 * fine)

    @cached_property
    def _sum_of_measures(self) -> float | None:
        """The measure where all boundaries are whole and those of the shapes are known."""
        known = [cutter.shape.measure for cutter in self.cutters]
        if None in known or not all(self.trimmed(k, c.coarse).all() for k, c in enumerate(self.cutters)):
            return None
        states = {self.side_state(axis, end) for axis in range(self.dim) for end in (0, 1)}
        if len(states) > 1 or "cut" in states:
            return None
        total = float(np.prod(self.upper - self.lower)) if states == {"whole"} else 0.0
        return total + sum(v if c.keep else -v for c, v in zip(self.cutters, known, strict=True) if v is not None)

    def _share(self, lower: np.ndarray, size: np.ndarray, cells: np.ndarray, m: int) -> np.ndarray:
        """Parts (n,) of the volume of cells (dim, n) that are left, by ``m`` parts along every axis."""
        dim = self.dim
        offsets = np.stack([g.ravel() for g in np.meshgrid(*[(np.arange(m) + 0.5) / m] * dim, indexing="ij")])
        shares = np.zeros(cells.shape[1])
        batch = max(1, BATCH // m**dim)
        for start in range(0, shares.size, batch):
            part = cells[:, start : start + batch]
            x = lower[:, None, None] + (part[:, :, None] + offsets[:, None, :]) * size[:, None, None]
            level = self.level(x.reshape(dim, -1)).reshape(-1, *[m] * dim)
            slopes = np.gradient(level, axis=tuple(range(1, dim + 1)))  # differences over one part
            width = np.maximum(sum(np.abs(s) for s in slopes), 1e-300)
            shares[start : start + batch] = np.clip(0.5 - level / width, 0.0, 1.0).reshape(part.shape[1], -1).mean(1)
        return shares

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

    # -- sides of the box ---
    def side(self, axis: int, end: int, counts: Sequence[int], points: int) -> tuple[np.ndarray, np.ndarray]:
        """Points (dim, n) of a side that are left, with the areas (n,) of what is left around them.

        Parameters
        ----------
        axis, end
            The axis across the side, and 0 or 1.
        counts
            Cells along all axes of space.
        points
            Per cell and axis.
        """
        across = [i for i in range(self.dim) if i != axis]
        rules = [gauss_axis(self.lower[i], self.upper[i], counts[i] * points, 1) for i in across]
        mesh = np.meshgrid(*(r[0] for r in rules), indexing="ij")
        x = np.empty((self.dim, mesh[0].size))
        for i, g in zip(across, mesh, strict=True):
            x[i] = g.ravel()
        x[axis] = (self.lower, self.upper)[end][axis]
        widths = np.array([r[1][0] for r in rules])
        return self._cut_patches(x, axis, end, across, widths)

    def _cut_patches(
        self, x: np.ndarray, axis: int, end: int, across: Sequence[int], widths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Patches of a side around points (dim, n), cut by the shapes."""
        inward = np.zeros((self.dim, 1))
        inward[axis] = (1.0, -1.0)[end] * BESIDE * self.size
        level = self.level(x + inward)
        reach = 0.5 * float(np.linalg.norm(widths))
        area = float(np.prod(widths))
        whole, cut = np.flatnonzero(level <= -reach), np.flatnonzero(np.abs(level) < reach)
        m = 8
        offsets = [((np.arange(m) + 0.5) / m - 0.5) * w for w in widths]
        fine = np.stack([g.ravel() for g in np.meshgrid(*offsets, indexing="ij")])
        parts, weights = [x[:, whole]], [np.full(whole.size, area)]
        batch = max(1, BATCH // fine.shape[1])
        for start in range(0, cut.size, batch):
            chosen = cut[start : start + batch]
            y = np.repeat(x[:, chosen, None], fine.shape[1], axis=2)
            for i, o in zip(across, fine, strict=True):
                y[i] += o
            shape = (chosen.size, *[m] * len(across))
            value = self.level((y + inward[..., None]).reshape(self.dim, -1)).reshape(shape)
            slopes = np.gradient(value, axis=tuple(range(1, len(shape))))
            slopes = slopes if isinstance(slopes, (list, tuple)) else [slopes]
            width = np.maximum(sum(np.abs(s) for s in slopes), 1e-300)
            share = np.clip(0.5 - value / width, 0.0, 1.0).reshape(chosen.size, -1)
            total = share.sum(1)
            left = self._left_beside(y, inward)
            some = (total > 1e-6) & left.any(1)
            y, share, total, left = y[:, some], share[some], total[some], left[some]
            mean = (y * share).sum(2) / total
            good = self._left_beside(mean[..., None], inward)[:, 0]
            # where the middle is not left, of a curved patch, the nearest part that is
            away = np.where(left, ((y - mean[..., None]) ** 2).sum(0), np.inf).argmin(1)
            mean = np.where(good, mean, y[:, np.arange(total.size), away])
            parts.append(mean)
            weights.append(total / fine.shape[1] * area)
        return np.concatenate(parts, 1), np.concatenate(weights)

    def _left_beside(self, x: np.ndarray, inward: np.ndarray) -> np.ndarray:
        """Which points (dim, n, m) of a side are left, and so are those beside them in the box, (n, m)."""
        flat = x.reshape(self.dim, -1)
        left = self.kept(flat)
        left[left] = self.kept(flat[:, left] + inward, 0.0)
        return left.reshape(x.shape[1:])

    def side_state(self, axis: int, end: int) -> str:
        """Whether a side is left ``"whole"``, ``"cut"``, or ``"gone"``."""
        state: str = self._side_states(axis, end)
        return state

    @cached_property
    def _side_states(self):  # type: ignore[no-untyped-def]  # a cache that goes with its object
        return lru_cache(maxsize=None)(self._looked_at)

    def _looked_at(self, axis: int, end: int) -> str:
        across = [i for i in range(self.dim) if i != axis]
        lower, upper = self.lower[across], self.upper[across]
        place = (self.lower, self.upper)[end][axis] + (1.0, -1.0)[end] * BESIDE * self.size

        def raised(flat: np.ndarray) -> np.ndarray:
            x = np.empty((self.dim, flat.shape[1]))
            x[across], x[axis] = flat, place
            return x

        none = np.zeros((len(across), 0))

        def near(count: int) -> np.ndarray:
            return near_cells(lambda x: self.level(raised(x)), none, lower, upper, [count] * len(across))

        coarse, fine = SIDE
        if np.mean(near(coarse)) > 0.5:  # a boundary that lies in the side
            fine = 2 * coarse
        grids = [np.stack(np.nonzero(near(fine))), np.indices([coarse] * len(across)).reshape(len(across), -1)]
        flat = [centres(lower, upper, [n] * len(across), g) for n, g in zip((fine, coarse), grids, strict=True)]
        x = raised(np.concatenate(flat, axis=1))
        kept = self.kept(x, 0.0)
        lost = np.flatnonzero(~kept)
        if lost.size <= FEW:  # where a boundary is tangent to the side, perhaps
            x[axis] += (place - x[axis]) + (-1.0, 1.0)[end] * 0.99 * BESIDE * self.size
            kept[lost] = self.kept(x[:, lost], 0.0)
        if not kept.any():
            return "gone"
        return "whole" if kept.all() else "cut"

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
