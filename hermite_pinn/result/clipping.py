"""Simplices cut along the zero set of a function that is negative inside: what remains of them, conforming."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["Level", "boundary_facets", "clip_simplices", "oriented", "simplex_measures"]

#: Values (n,) at points (dim, n), negative inside; the zero set is the boundary.
Level = Callable[[np.ndarray], np.ndarray]

ITERATIONS = 10  # at most, of the secant method; most edges take three
CLOSE = 1e-9  # length of an edge times this is as near to the zero set as is asked for

#: How the vertices of a prism are renamed so that a given one comes first.
_ROTATIONS = np.array(
    [[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3], [2, 0, 1, 5, 3, 4], [3, 5, 4, 0, 2, 1], [4, 3, 5, 1, 0, 2], [5, 4, 3, 2, 1, 0]]
)  # fmt: skip


def clip_simplices(
    points: np.ndarray, simplices: np.ndarray, values: np.ndarray, level: Level
) -> tuple[np.ndarray, np.ndarray]:
    """The parts of triangles or tetrahedra where a function is negative, as such simplices.

    Faces that two simplices share are divided alike, so that the result conforms wherever they did.

    Parameters
    ----------
    points
        Vertices (n, dim), dim 2 or 3.
    simplices
        Numbers of their vertices (m, dim + 1).
    values
        Of the function at the vertices, (n,).
    level
        The function, asked where the zeros on the edges are.

    Returns
    -------
    tuple of ndarray
        The vertices, with the zeros on edges after those given, and the simplices, positively oriented.

    Examples
    --------
    >>> corners, triangle = np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([[0, 1, 2]])
    >>> below = lambda x: x[1] - 0.5
    >>> points, parts = clip_simplices(corners, triangle, below(corners.T), below)
    >>> float(simplex_measures(points, parts).sum())
    0.375
    """
    dim = points.shape[1]
    inside = values < 0
    count = inside[simplices].sum(1)
    crossed = simplices[(count > 0) & (count < dim + 1)]
    order = np.argsort(~inside[crossed], axis=1, kind="stable")
    crossed = np.take_along_axis(crossed, order, 1)  # inner vertices first
    zeros = _Zeros(points, crossed, values)
    flat = simplices[(values[simplices] == 0).all(1)]  # with all vertices on the zero set: between two parts of it
    parts = [simplices[count == dim + 1], flat[level(points[flat].mean(1).T) < 0]]
    for inner in range(1, dim + 1):
        chosen = crossed[inside[crossed].sum(1) == inner]
        if len(chosen):
            parts.append(_pieces(chosen, inner, zeros))
    found = np.concatenate(parts)
    sorted_ids = np.sort(found, axis=1)
    found = found[(np.diff(sorted_ids, axis=1) != 0).all(1)]
    extended = np.concatenate([points, zeros.positions(level)])
    return extended, oriented(extended, found)


def _pieces(simplices: np.ndarray, inner: int, zeros: _Zeros) -> np.ndarray:
    """What remains of simplices whose first ``inner`` vertices are inside."""
    corners, dim = simplices.T, simplices.shape[1] - 1
    if inner == 1:
        return np.stack([corners[0], *(zeros.between(corners[0], corners[k]) for k in range(1, dim + 1))], 1)
    if dim == 2:
        a, b, c = corners
        ac, bc = zeros.between(a, c), zeros.between(b, c)
        return np.concatenate([np.stack([a, b, bc], 1), np.stack([a, bc, ac], 1)])
    a, b, c, d = corners
    if inner == 2:
        ends = [a, zeros.between(a, c), zeros.between(a, d), b, zeros.between(b, c), zeros.between(b, d)]
    else:
        ends = [a, b, c, zeros.between(a, d), zeros.between(b, d), zeros.between(c, d)]
    return _split_prisms(np.stack(ends, 1))


def _split_prisms(prisms: np.ndarray) -> np.ndarray:
    """Three tetrahedra of every prism (n, 6), whose quadrilaterals are divided from their lowest vertex.

    After Dompierre et al., "How to subdivide pyramids, prisms and hexahedra into tetrahedra" (1999).
    """
    v = np.take_along_axis(prisms, _ROTATIONS[np.argmin(prisms, axis=1)], 1)
    first = np.minimum(v[:, 1], v[:, 5]) < np.minimum(v[:, 2], v[:, 4])
    one = v[first][:, [[0, 1, 2, 5], [0, 1, 5, 4], [0, 4, 5, 3]]]
    other = v[~first][:, [[0, 1, 2, 4], [0, 4, 2, 5], [0, 4, 5, 3]]]
    return np.concatenate([one.reshape(-1, 4), other.reshape(-1, 4)])


class _Zeros:
    """The zeros on the edges between inner vertices and others, each edge once."""

    def __init__(self, points: np.ndarray, crossed: np.ndarray, values: np.ndarray) -> None:
        self.points, self.values, self.count = points, values, len(points)
        width = crossed.shape[1]
        pairs = np.concatenate(
            [crossed[:, [i, j]] for i in range(width) for j in range(width) if i != j] or [np.zeros((0, 2), np.int64)]
        )
        pairs = pairs[(values[pairs[:, 0]] < 0) & (values[pairs[:, 1]] > 0)]
        self.keys = np.unique(pairs[:, 0] * self.count + pairs[:, 1])

    def between(self, inner: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Numbers of the zeros between inner vertices and others; an other one where the function vanishes is it."""
        at = np.searchsorted(self.keys, inner * self.count + other)
        return np.where(self.values[other] > 0, self.count + at, other)

    def positions(self, level: Level) -> np.ndarray:
        """Where they are, by the Illinois method."""
        inner, outer = self.keys // self.count, self.keys % self.count
        start, step = self.points[inner], self.points[outer] - self.points[inner]
        low, high = np.zeros(len(inner)), np.ones(len(inner))
        below, above = self.values[inner].copy(), self.values[outer].copy()
        where = _secant(low, high, below, above)
        lengths = np.linalg.norm(step, axis=1)
        open_, last = np.arange(len(inner)), np.zeros(len(inner))
        for _ in range(ITERATIONS):
            t = where[open_]
            f = level((start[open_] + t[:, None] * step[open_]).T)
            negative = f < 0
            i, j = open_[negative], open_[~negative]
            low[i], below[i], above[i] = t[negative], f[negative], above[i] * np.where(last[i] < 0, 0.5, 1.0)
            high[j], above[j], below[j] = t[~negative], f[~negative], below[j] * np.where(last[j] > 0, 0.5, 1.0)
            last[i], last[j] = -1, 1
            far = np.abs(f) > CLOSE * lengths[open_]
            open_ = open_[far]
            if not len(open_):
                break
            where[open_] = _secant(low[open_], high[open_], below[open_], above[open_])
        return start + where[:, None] * step


def _secant(low: np.ndarray, high: np.ndarray, below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Zeros of straight lines through values of both signs; the middle where they are no numbers."""
    with np.errstate(all="ignore"):
        share = below / (below - above)
    return low + (high - low) * np.where((share > 0) & (share < 1), share, 0.5)


# -- simplices ---
def _determinants(points: np.ndarray, simplices: np.ndarray) -> np.ndarray:
    corners = points[simplices]
    return np.asarray(np.linalg.det(corners[:, 1:] - corners[:, :1]))


def simplex_measures(points: np.ndarray, simplices: np.ndarray) -> np.ndarray:
    """Signed areas or volumes (m,) of simplices (m, dim + 1) among points (n, dim)."""
    return _determinants(points, simplices) / (2 if points.shape[1] == 2 else 6)


def oriented(points: np.ndarray, simplices: np.ndarray) -> np.ndarray:
    """The simplices with two vertices exchanged where their measure is negative."""
    turned = simplices.copy()
    flip = _determinants(points, simplices) < 0
    turned[flip, -2], turned[flip, -1] = simplices[flip, -1], simplices[flip, -2]
    return turned


def boundary_facets(facets: np.ndarray) -> np.ndarray:
    """Those of the facets (m, dim), numbers of vertices in any order, that do not come twice."""
    if not len(facets):
        return facets
    ids = np.sort(facets, axis=1)
    _, key = np.unique(ids[:, 0], return_inverse=True)
    for column in ids.T[1:]:
        size = int(column.max()) + 1
        _, key = np.unique(key * size + column, return_inverse=True)
    return facets[np.bincount(key)[key] % 2 == 1]
