"""Points on the creases of a surface as vertices of tetrahedra, so that a surface cut from these has its edges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .clipping import Level

__all__ = ["CreasePoints", "crease_points", "split_at", "twice_cut"]

TOLERANCE = 1e-6  # barycentric coordinates below are zero
MOST = 1 << 20  # points on creases
NEAR, REACH = 1e-3, 0.1  # part of a cell within which points are on the zero set, and from which they are moved there
SAMPLES = 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875  # of edges

#: Faces of tetrahedra that divide the cubes of a grid around their diagonals lie where one of these functions of the
#: coordinates is an integer.
_PLANES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, -1, 0], [0, 1, -1], [1, 0, -1]])


@dataclass(frozen=True)
class CreasePoints:
    """Points on creases, each in another edge, face or tetrahedron of a grid.

    Attributes
    ----------
    x
        Where they are, (n, 3).
    vertices
        Numbers along the axes of the vertices (n, 4, 3) of what they lie in.
    count
        How many of these there are: 2, 3 or 4, (n,).
    """

    x: np.ndarray
    vertices: np.ndarray
    count: np.ndarray

    def take(self, chosen: np.ndarray) -> CreasePoints:
        """Some of them."""
        return CreasePoints(self.x[chosen], self.vertices[chosen], self.count[chosen])

    def cells(self, shape: Sequence[int]) -> np.ndarray:
        """The cells (m, 3) that have what they lie in."""
        real = np.arange(4)[None, :, None] < self.count[:, None, None]
        low = np.where(real, self.vertices, np.iinfo(np.int64).max).min(1)
        high = np.where(real, self.vertices, -1).max(1)
        found = []
        for back in itertools.product((0, 1), repeat=3):
            cells = low - np.array(back)
            fits = ((cells + 1 >= high) & (cells >= 0) & (cells < np.array(shape))).all(1)
            found.append(cells[fits])
        return np.unique(np.concatenate(found), axis=0)


def crease_points(axes: Sequence[np.ndarray], segments: np.ndarray, level: Level) -> CreasePoints:
    """Where segments meet the edges and faces of the tetrahedra of a grid, and where they end inside one.

    Of several points in one edge, face or tetrahedron a corner is kept, or the one nearest to the middle.

    Parameters
    ----------
    axes
        Equidistant positions along three axes.
    segments
        Ends (n, 2, 3), near the zero set of a function.
    level
        The function, about a distance; points that are not near its zero set are left out.
    """
    lower = np.array([a[0] for a in axes])
    sizes = np.array([(a[-1] - a[0]) / (len(a) - 1) for a in axes])
    counts = np.array([len(a) for a in axes])
    scaled = (segments - lower) / sizes
    points = np.concatenate([scaled.reshape(-1, 3), *(_crossings(scaled, plane) for plane in _PLANES)])
    points = points[((points > -TOLERANCE) & (points < counts - 1 + TOLERANCE)).all(1)]
    points = _onto(points, lambda u: level(lower[:, None] + sizes[:, None] * u), float(sizes.min()))
    vertices, shares = _surroundings(np.clip(points, 0.0, counts - 1.0))
    count = (shares > 0).sum(1)
    middle = np.where(shares > 0, shares, 1.0).min(1) + _are_corners(points, scaled)
    at = np.stack([np.asarray(a)[np.minimum(vertices[..., k], len(a) - 1)] for k, a in enumerate(axes)], -1)
    x = np.where(np.ptp(at, axis=1) == 0, at[:, 0], (shares[:, :, None] * at).sum(1))  # on a side of the box, exactly
    return CreasePoints(x, vertices, count).take(_one_each(vertices, middle, count))


def _surroundings(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 4, 3) of the tetrahedra in which points (n, 3) lie, and barycentric coordinates (n, 4).

    Vertices whose coordinate is zero come last, and are repetitions of the first.
    """
    nearest = np.round(points)
    points = np.where(np.abs(points - nearest) < TOLERANCE, nearest, points)
    base = np.floor(points).astype(np.int64)
    rest = points - base
    order = np.argsort(-rest, axis=1, kind="stable")
    steps = np.cumsum(np.eye(3, dtype=np.int64)[order], axis=1)
    vertices = base[:, None] + np.concatenate([np.zeros((len(base), 1, 3), np.int64), steps], 1)
    ends = np.ones((len(base), 1)), np.zeros((len(base), 1))
    shares = -np.diff(np.concatenate([ends[0], np.take_along_axis(rest, order, 1), ends[1]], 1), axis=1)
    shares[shares < TOLERANCE] = 0.0
    shares /= shares.sum(1, keepdims=True)
    first = np.argsort(shares == 0, axis=1, kind="stable")
    vertices, shares = np.take_along_axis(vertices, first[:, :, None], 1), np.take_along_axis(shares, first, 1)
    return np.where((shares > 0)[:, :, None], vertices, vertices[:, :1]), shares


def _are_corners(points: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Which points (n, 3) are ends of three segments or more."""
    ends, count = np.unique(np.round(segments.reshape(-1, 3), 6), axis=0, return_counts=True)
    corners = ends[count > 2]
    if not len(corners) or not len(points):
        return np.zeros(len(points), dtype=bool)
    return np.asarray(cKDTree(corners).query(points)[0] < 10 * TOLERANCE)


def _onto(points: np.ndarray, level: Level, size: float) -> np.ndarray:
    """Those of the points (n, 3), in cells, that lie near the zero set of a function, moved there: chords leave it.

    They stay in the planes in which they lie.
    """
    cell = np.eye(3)
    values = level(points.T)
    x = placed = points[np.abs(values) < REACH * size]
    for _ in range(2):
        values = level(x.T)
        off = np.flatnonzero(np.abs(values) > TOLERANCE * size)
        if not len(off):
            break
        ends = x[off, None] + 1e-3 * np.concatenate([cell, -cell])
        ahead, behind = level(ends.reshape(-1, 3).T).reshape(-1, 2, 3).swapaxes(0, 1)
        along = np.einsum("nij,nj->ni", _free(placed[off]), ahead - behind) / 2e-3
        square = (along**2).sum(1)
        flat = square < 0.1 * size**2
        move = -(values[off] / np.where(flat, 1.0, square))[:, None] * along
        x = x.copy()
        x[off] += np.where(flat[:, None], 0.0, move)
    good = (np.abs(level(x.T)) < NEAR * size) & (np.linalg.norm(x - placed, axis=1) < REACH)
    return np.asarray(x[good])


def _free(points: np.ndarray) -> np.ndarray:
    """Projections (n, 3, 3) onto the directions in which points stay in all planes of the grid in which they lie."""
    heights = points @ _PLANES.T
    held = np.abs(heights - np.round(heights)) < TOLERANCE
    normals = _PLANES[None] * held[:, :, None]
    return np.eye(3) - np.linalg.pinv(normals) @ normals


def _crossings(segments: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Where segments cross the planes of a family."""
    start, end = segments[:, 0] @ plane, segments[:, 1] @ plane
    low, high = np.minimum(start, end), np.maximum(start, end)
    first = np.ceil(low)
    count = np.maximum(np.floor(high) - first + 1, 0).astype(np.int64)
    count[high - low < TOLERANCE] = 0
    if count.sum() > MOST:
        return np.zeros((0, 3))
    owner = np.repeat(np.arange(len(segments)), count)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    t = (first[owner] + number - start[owner]) / (end - start)[owner]
    return np.asarray(segments[owner, 0] + t[:, None] * (segments[owner, 1] - segments[owner, 0]))


def _one_each(vertices: np.ndarray, middle: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Numbers of the points that are kept: one for every set of vertices, none at a vertex."""
    keys = np.sort(vertices @ np.array([1, 1 << 20, 1 << 40]), axis=1)
    order = np.lexsort((-middle, *keys.T))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (keys[order][1:] != keys[order][:-1]).any(1)
    chosen = order[new]
    return np.sort(chosen[count[chosen] > 1])


def twice_cut(
    points: np.ndarray, tetrahedra: np.ndarray, values: np.ndarray, level: Level, taken: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of which a part has another sign than both ends, as where the edge of a solid cuts through them.

    Parameters
    ----------
    points
        Vertices (n, 3).
    tetrahedra
        Numbers of their vertices (m, 4).
    values
        Of the function at the vertices, (n,): about distances, negative inside.
    level
        The function.
    taken
        Edges (k, 2) that are divided anyway.

    Returns
    -------
    tuple of ndarray
        The edges (e, 2), a point in each (e, 3) and the function there (e,).
    """
    pairs = np.concatenate([tetrahedra[:, [i, j]] for i, j in itertools.combinations(range(4), 2)])
    keys = np.unique(np.min(pairs, axis=1) * len(points) + np.max(pairs, axis=1))
    keys = np.setdiff1d(
        keys, np.min(taken, axis=1, initial=len(points)) * len(points) + np.max(taken, axis=1, initial=0)
    )
    edges = np.stack([keys // len(points), keys % len(points)], 1)
    start, step = points[edges[:, 0]], points[edges[:, 1]] - points[edges[:, 0]]
    ends, lengths = values[edges], np.linalg.norm(step, axis=1)
    crossed = (ends.min(1) < 0) & (ends.max(1) > 0)
    near = ~crossed & (np.abs(ends).sum(1) < lengths)  # a distance changes no faster than its argument
    edges, start, step, ends = edges[near], start[near], step[near], ends[near]
    x = start[:, None] + np.array(SAMPLES)[:, None] * step[:, None]
    found = level(x.reshape(-1, 3).T).reshape(len(edges), len(SAMPLES))
    inside = ends.min(1, initial=0.0) < 0
    against = np.where(inside[:, None], found, -found)
    best = np.argmax(against, axis=1)
    rows = np.flatnonzero(against[np.arange(len(best)), best] > TOLERANCE * lengths[near])
    return edges[rows], x[rows, best[rows]], found[rows, best[rows]]


def split_at(tetrahedra: np.ndarray, sets: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Tetrahedra divided at new vertices in their edges, in their faces or inside.

    Neighbours divide what they share alike.

    Parameters
    ----------
    tetrahedra
        Numbers of vertices (m, 4).
    sets
        Numbers of the vertices (s, k) of what has a new one: k is 2 for edges, 3 for faces, 4 for tetrahedra.
    numbers
        Of the new vertices, (s,).

    Examples
    --------
    >>> split_at(np.array([[0, 1, 2, 3]]), np.array([[1, 3]]), np.array([4])).tolist()
    [[0, 4, 2, 3], [0, 1, 2, 4]]
    """
    k = sets.shape[1]
    known, local = np.unique(sets, return_inverse=True)
    size = len(known) + 1
    if not len(sets) or size**k >= 2**62:
        return tetrahedra
    weights = size ** np.arange(k)
    codes = np.sort(local.reshape(sets.shape), axis=1) @ weights
    order = np.argsort(codes)
    codes, sets, numbers = codes[order], sets[order], numbers[order]
    done, open_ = [], tetrahedra
    while len(open_):
        at = np.minimum(np.searchsorted(known, open_), len(known) - 1)
        own = np.where(known[at] == open_, at, len(known))  # of none: no set has it
        best = np.full(len(open_), len(codes))
        for columns in itertools.combinations(range(4), k):
            code = np.sort(own[:, columns], axis=1) @ weights
            place = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
            best = np.minimum(best, np.where(codes[place] == code, place, len(codes)))
        done.append(open_[best == len(codes)])
        open_, best = open_[best < len(codes)], best[best < len(codes)]
        parts = [np.where(open_ == sets[best, j : j + 1], numbers[best, None], open_) for j in range(k)]
        open_ = np.concatenate(parts) if len(open_) else open_
    return np.concatenate(done) if done else tetrahedra
