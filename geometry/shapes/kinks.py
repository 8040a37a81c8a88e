"""Where a zero set has corners and edges: the gradient of the function jumps."""

from __future__ import annotations

import numpy as np

from hermite_pinn.geometry.ridges import Edges

from .level import Level

__all__ = ["edges_of_triangles", "kinks"]

KINK = 0.1  # radians between normals at neighbouring points that ask for a closer look
CLOSER = 0.1  # part of the way that is left after each look
LOOKS = 3


def kinks(level: Level, a: np.ndarray, b: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """The places between pairs of points of a zero set at which its normal jumps.

    The planes that touch it on both sides meet near the place; this is done again from points nearer to it.  Where the
    zero set only bends, the normals come together.

    Parameters
    ----------
    level
        The function.
    a, b
        Points (dim, n) on its zero set.
    reach
        How far the place may be from both.

    Returns
    -------
    points, found
        Places (dim, n), and whether the normal jumps there (n,).
    """
    middle = 0.5 * (a + b)
    place, cosine = middle, np.ones(a.shape[1])
    for look in range(LOOKS):
        if look:
            a = level.projected(place + CLOSER * (a - place), reach)
            b = level.projected(place + CLOSER * (b - place), reach)
        first, second = level.normals(a), level.normals(b)
        cosine = (first * second).sum(0)
        start = 0.5 * (a + b)
        u, v = (first * (a - start)).sum(0), (second * (b - start)).sum(0)
        scale = np.maximum(1 - cosine**2, 1e-6)
        place = start + first * ((u - cosine * v) / scale) + second * ((v - cosine * u) / scale)
        far = np.linalg.norm(place - middle, axis=0) > 1.5 * reach
        place[:, far] = middle[:, far]
    slope = np.linalg.norm(level.gradient(a), axis=0)
    on_it = np.abs(level(place)) <= 1e-3 * reach * slope
    return place, (cosine < np.cos(KINK)) & on_it


def edges_of_triangles(level: Level, vertices: np.ndarray, faces: np.ndarray, reach: float) -> Edges:
    """The edges that cross triangles with corners (3, n) on a zero set, one part per triangle, without angles."""
    pairs = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, number = np.unique(pairs, axis=0, return_inverse=True)
    normals = level.normals(vertices)
    turn = (normals[:, unique[:, 0]] * normals[:, unique[:, 1]]).sum(0)
    chosen = np.flatnonzero(turn < np.cos(KINK))
    found = np.zeros(len(unique), dtype=bool)
    places = np.zeros((3, len(unique)))
    places[:, chosen], found[chosen] = kinks(
        level, vertices[:, unique[chosen, 0]], vertices[:, unique[chosen, 1]], reach
    )
    sides = number.reshape(3, -1).T
    crossed = found[sides]
    rows = np.flatnonzero(crossed.sum(1) == 2)
    ends = sides[rows][crossed[rows]].reshape(-1, 2)
    along = places[:, ends[:, 1]] - places[:, ends[:, 0]]
    length = np.linalg.norm(along, axis=0)
    ends, along, length = ends[length > 1e-3 * reach], along[:, length > 1e-3 * reach], length[length > 1e-3 * reach]
    segments = np.stack([places[:, ends[:, 0]].T, places[:, ends[:, 1]].T], axis=1)
    return Edges(segments, places[:, ends[:, 0]], along / length, np.full(length.size, np.pi))
