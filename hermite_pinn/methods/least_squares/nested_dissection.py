"""An order of elimination for the vertices of a grid: nested dissection by planes of vertices.

Unknowns of two vertices share an equation only if a cell has both.  So a plane of vertices across the shortest side of
a set of vertices parts it, and is eliminated after both parts; small parts are dense.  Along an axis that is periodic
one plane more makes the rest a set that is not.  See George, Nested dissection of a regular finite element mesh, SIAM
J. Numer. Anal. 10 (1973).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["Dissection", "Front", "Work", "dissect", "elimination_work"]

#: Unknowns of a part that is not divided.
LEAF = 192


@dataclass(frozen=True, eq=False)
class Front:
    """Vertices that are eliminated together.

    Attributes
    ----------
    first, end
        Their places in the order of elimination.
    boundary
        Places of the later vertices that their part touches, ascending, int64.
    children
        Fronts whose boundaries lie in this one and its boundary.
    """

    first: int
    end: int
    boundary: np.ndarray
    children: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Dissection:
    """An order of elimination.

    Attributes
    ----------
    order
        Vertices by place, int64, (V,).
    fronts
        Children before their parents.
    starts
        By place, where its part of ``later`` begins, int64, (V + 1,).
    later
        By place, the vertex itself and its neighbours with later places, as places, ascending, int64.
    """

    order: np.ndarray
    fronts: tuple[Front, ...]
    starts: np.ndarray
    later: np.ndarray

    @property
    def places(self) -> np.ndarray:
        """Places by vertex, int64, (V,)."""
        places = np.empty_like(self.order)
        places[self.order] = np.arange(len(self.order))
        return places

    def pairs(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Where pairs of places, the later one second, stand in ``later``."""
        count = len(self.order)
        columns = np.repeat(np.arange(count), np.diff(self.starts))
        return np.searchsorted(columns * count + self.later, first * count + second)


def dissect(positions: np.ndarray, sides: Sequence[int], wraps: Sequence[bool], width: int) -> Dissection:
    """The order for some of the vertices of a grid.

    Parameters
    ----------
    positions
        Of the vertices, int64, (V, d); several at one place are neighbours.
    sides
        Vertices of the grid along every axis.
    wraps
        Which axes are periodic.
    width
        Unknowns of a vertex.

    Examples
    --------
    >>> line = dissect(np.arange(7)[:, None], (7,), (False,), 60)
    >>> line.order.tolist(), [front.boundary.tolist() for front in line.fronts]
    ([0, 1, 2, 4, 5, 6, 3], [[6], [6], []])
    """
    parts: list[tuple[np.ndarray, list[int]]] = []
    around = np.zeros(len(positions), dtype=bool)
    for axis, wrapped in enumerate(wraps):
        if wrapped:
            around |= positions[:, axis] == 0
    rest = np.flatnonzero(~around)
    children = [_divide(rest, positions, width, parts)] if len(rest) else []
    if around.any():
        parts.append((np.flatnonzero(around), children))
    order = np.concatenate([own for own, _ in parts])
    starts, later = _neighbours(positions[order], tuple(sides), tuple(wraps))
    fronts: list[Front] = []
    first = 0
    for own, below in parts:
        end = first + len(own)
        touched = [later[starts[first] : starts[end]], *(fronts[k].boundary for k in below)]
        boundary = np.unique(np.concatenate(touched))
        fronts.append(Front(first, end, boundary[boundary >= end], tuple(below)))
        first = end
    return Dissection(order, tuple(fronts), starts, later)


def _divide(own: np.ndarray, positions: np.ndarray, width: int, parts: list[tuple[np.ndarray, list[int]]]) -> int:
    """Append the parts of some vertices to a list, children first; returns the number of the last."""
    cut = None if len(own) * width <= LEAF else _plane(positions[own])
    children = []
    if cut is not None:
        axis, plane = cut
        along = positions[own, axis]
        children = [_divide(own[side], positions, width, parts) for side in (along < plane, along > plane)]
        own = own[along == plane]
    parts.append((own, children))
    return len(parts) - 1


def _plane(positions: np.ndarray) -> tuple[int, int] | None:
    """Axis and place of the smallest plane that leaves vertices on both sides, a quarter at least if possible."""
    best: tuple[tuple[bool, int, int], tuple[int, int]] | None = None
    total = len(positions)
    for axis in range(positions.shape[1]):
        along = positions[:, axis]
        low = int(along.min())
        counts = np.bincount(along - low)
        if len(counts) < 3:
            continue
        below = np.cumsum(counts) - counts
        above = total - below - counts
        less = np.minimum(below, above)
        inner = np.flatnonzero(less > 0)
        if not len(inner):
            continue
        narrow = less < total // 4
        at = min(inner.tolist(), key=lambda k: (bool(narrow[k]), int(counts[k]), -int(less[k])))
        score = bool(narrow[at]), int(counts[at]), -int(less[at])
        if best is None or score < best[0]:
            best = score, (axis, low + at)
    return None if best is None else best[1]


def _neighbours(
    positions: np.ndarray, sides: tuple[int, ...], wraps: tuple[bool, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Of every vertex itself and its later neighbours, in cells of which it is one."""
    count = len(positions)
    places, member = np.unique(np.ravel_multi_index(tuple(positions.T), sides), return_inverse=True)
    if len(places) < count:
        return _shared_neighbours(np.stack(np.unravel_index(places, sides), 1), member, sides, wraps)
    return _plain_neighbours(positions, sides, wraps, later=True)


def _shared_neighbours(
    places: np.ndarray, member: np.ndarray, sides: tuple[int, ...], wraps: tuple[bool, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The same where vertices share their places, whose numbers are ``member``."""
    count = len(member)
    order = np.argsort(member, kind="stable")
    sizes = np.bincount(member)
    begins = np.cumsum(sizes) - sizes
    starts, near = _plain_neighbours(places, sides, wraps, later=False)
    first, second = np.repeat(np.arange(len(places)), np.diff(starts)), near
    each = sizes[first] * sizes[second]
    pair = np.repeat(np.arange(len(each)), each)
    within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    a = order[begins[first[pair]] + within // sizes[second[pair]]]
    b = order[begins[second[pair]] + within % sizes[second[pair]]]
    pairs = np.unique((a * count + b)[b >= a])
    return np.searchsorted(pairs // count, np.arange(count + 1)), pairs % count


def _plain_neighbours(
    positions: np.ndarray, sides: tuple[int, ...], wraps: tuple[bool, ...], *, later: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The same where every vertex has its own place; all neighbours, or the later ones."""
    count = len(positions)
    number = np.full(math.prod(sides), -1, dtype=np.int64)
    number[np.ravel_multi_index(tuple(positions.T), sides)] = np.arange(count)
    keys = []
    for offset in itertools.product((-1, 0, 1), repeat=len(sides)):
        other = positions + np.array(offset)
        inside = np.ones(count, dtype=bool)
        for axis, (side, wrapped) in enumerate(zip(sides, wraps, strict=True)):
            if wrapped:
                other[:, axis] %= side
            else:
                inside &= (other[:, axis] >= 0) & (other[:, axis] < side)
        at = np.flatnonzero(inside)
        near = number[np.ravel_multi_index(tuple(other[at].T), sides)]
        kept = near >= (at if later else 0)  # not where there is none
        keys.append(at[kept] * count + near[kept])
    pairs = np.unique(np.concatenate(keys))
    first = pairs // count
    return np.searchsorted(first, np.arange(count + 1)), pairs % count


@dataclass(frozen=True)
class Work:
    """What an elimination takes.

    Attributes
    ----------
    operations
        Multiplications and additions.
    entries
        Numbers of the factor.
    passing
        Numbers that fronts pass on to their parents.
    fronts
        How many there are.
    """

    operations: float = 0.0
    entries: float = 0.0
    passing: float = 0.0
    fronts: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.operations + other.operations,
            self.entries + other.entries,
            self.passing + other.passing,
            self.fronts + other.fronts,
        )

    @classmethod
    def of(cls, own: float, boundary: float) -> Work:
        """Of one front with so many unknowns and later ones."""
        operations = own**3 / 3 + own**2 * boundary + own * boundary**2
        return cls(operations, own * (own + boundary), boundary**2, 1.0)


def elimination_work(sides: Sequence[int], wraps: Sequence[bool], width: int) -> Work:
    """What :func:`dissect` leads to for all vertices of a grid, without making it.

    Examples
    --------
    >>> elimination_work((7,), (False,), 100).entries
    150000.0
    """
    around = math.prod(sides)
    inner = tuple(n - w for n, w in zip(sides, wraps, strict=True))
    rest = math.prod(inner)
    walls = tuple((int(w), int(w)) for w in wraps)
    total = _work(inner, walls, tuple(sides), width) if rest else Work()
    return total + Work.of(width * (around - rest), 0.0) if around > rest else total


@lru_cache(maxsize=4096)
def _work(sides: tuple[int, ...], walls: tuple[tuple[int, int], ...], whole: tuple[int, ...], width: int) -> Work:
    """Of a part of a grid; ``walls`` are the later vertices beside it along every axis."""
    count = math.prod(sides)
    around = (min(n + a + b, most) for n, (a, b), most in zip(sides, walls, whole, strict=True))
    boundary = math.prod(around) - count
    axis = int(np.argmax(sides))
    if count * width <= LEAF or sides[axis] < 3:
        return Work.of(width * count, width * boundary)
    plane = (sides[axis] - 1) // 2
    parts = Work()
    for length, ends in ((plane, (walls[axis][0], 1)), (sides[axis] - plane - 1, (1, walls[axis][1]))):
        shape = (*sides[:axis], length, *sides[axis + 1 :])
        parts += _work(shape, (*walls[:axis], ends, *walls[axis + 1 :]), whole, width)
    return parts + Work.of(width * (count // sides[axis]), width * boundary)
