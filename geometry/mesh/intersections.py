"""Whether triangles of one surface pass through each other."""

from __future__ import annotations

import numpy as np

from .overlap import pairs
from .triangles import Triangles, unrolled

__all__ = ["crossing_pairs"]

#: Pairs of triangles that are tested at once.
BATCH = 200_000
#: Part of the extent by which an edge must pass beyond a triangle to cross it.
ROOM = 1e-9


def crossing_pairs(triangles: Triangles) -> np.ndarray:
    """Pairs of triangles without a common vertex of which an edge of one crosses the other, (n, 2).

    Triangles in the same plane, and those that only touch, are none.
    """
    lower, upper = triangles.bounds
    sides = np.maximum(upper - lower, 1e-6 * triangles.extent)
    step = max(2 * float(np.median(triangles.longest)), float(np.cbrt(sides.prod() / 256**3)))
    counts = np.clip(np.ceil(sides / step).astype(np.int64), 1, 512).tolist()
    found = list(pairs(triangles, lower, lower + sides, counts))
    face = np.concatenate([one for one, _ in found])
    cell = np.concatenate([one for _, one in found])
    order = np.argsort(cell, kind="stable")
    face, cell = face[order], cell[order]
    last = np.searchsorted(cell, cell, side="right")
    crossing = [np.zeros((0, 2), dtype=np.int64)]
    for first, place in unrolled(last - np.arange(len(face)) - 1, BATCH):
        crossing.append(_crossing(triangles, face[first], face[first + 1 + place]))
    return np.unique(np.concatenate(crossing), axis=0)


def _crossing(triangles: Triangles, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Those of some pairs that cross, the smaller number first."""
    one, other = np.minimum(one, other), np.maximum(one, other)
    apart = (triangles.faces[one][:, :, None] != triangles.faces[other][:, None, :]).all((1, 2))
    one, other = one[apart], other[apart]
    a, b = triangles.corners_of(one), triangles.corners_of(other)
    near = ((a.min(1) <= b.max(1)) & (b.min(1) <= a.max(1))).all(1)
    one, other, a, b = one[near], other[near], a[near], b[near]
    room = ROOM * triangles.extent
    crosses = np.zeros(len(one), dtype=bool)
    for k in range(3):
        crosses |= _pierces(a[:, k], a[:, (k + 1) % 3], b, triangles.normals[other], room)
        crosses |= _pierces(b[:, k], b[:, (k + 1) % 3], a, triangles.normals[one], room)
    return np.stack([one[crosses], other[crosses]], 1)


def _pierces(p: np.ndarray, q: np.ndarray, corners: np.ndarray, normal: np.ndarray, room: float) -> np.ndarray:
    """Whether segments from p to q (n, 3) pass through the inner part of triangles (n, 3, 3)."""
    start = ((p - corners[:, 0]) * normal).sum(1)
    end = ((q - corners[:, 0]) * normal).sum(1)
    passes: np.ndarray = (np.minimum(start, end) < -room) & (np.maximum(start, end) > room)
    part = start / np.where(passes, start - end, 1.0)
    point = p + part[:, None] * (q - p)
    for k in range(3):
        edge = corners[:, (k + 1) % 3] - corners[:, k]
        beside = np.cross(edge, point - corners[:, k])
        passes &= (beside * normal).sum(1) > room * np.linalg.norm(edge, axis=1)
    return passes
