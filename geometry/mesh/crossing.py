"""The boundary of what a surface encloses that passes through itself: without what lies inside, and with new edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from hermite_pinn.geometry.shape import Clearance, Creases, Piece, Surface
from hermite_pinn.geometry.trimming import ChosenPiece

from .edges import creases, edges_of
from .surface import TrianglePiece
from .triangles import Triangles
from .winding import Crossings

__all__ = ["creases_of", "pieces_of"]

#: Part of the extent by which a point beside the surface is away from it.
BESIDE = 1e-7


def pieces_of(triangles: Triangles, distance: Clearance) -> tuple[Piece, ...]:
    """One piece per group of triangles, as far as it bounds what the surface encloses.

    Parameters
    ----------
    triangles
        The surface.
    distance
        Signed distances (n,) of points (3, n) from it.
    """
    if triangles.names == ("",):
        whole: list[Piece] = [TrianglePiece(triangles)]
    else:
        whole = [
            TrianglePiece(triangles.take(triangles.groups == number).compact(), f":{group or 'rest'}")
            for number, group in enumerate(triangles.names)
        ]
    if not len(triangles.crossing):
        return tuple(whole)
    seen = _Sides(triangles, Crossings(triangles))
    lines = _lines(triangles)
    tree, half = cKDTree(lines.mean(1)), float(np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1).max()) / 2

    def clearance(x: np.ndarray) -> np.ndarray:
        return np.maximum(tree.query(np.ascontiguousarray(x.T))[0] - half, 0.0)

    return tuple(ChosenPiece(piece, seen.sides, clearance, distance=distance) for piece in whole)


def creases_of(triangles: Triangles) -> Creases:
    """Edges of the surface, and where it passes through itself."""
    found = creases(triangles, edges_of(triangles.faces))
    if not len(triangles.crossing):
        return found
    seen = _Sides(triangles, Crossings(triangles))
    kept = ~seen.within(found.segments.mean(1))
    lines = _lines(triangles)
    first, second = (triangles.normals[triangles.crossing[:, k]] for k in (0, 1))
    angles = np.pi + np.arctan2(np.linalg.norm(np.cross(first, second), axis=1), (first * second).sum(1))
    return Creases(
        np.concatenate([found.segments[kept], lines]),
        np.concatenate([found.angles[kept], angles]),
    )


@dataclass(frozen=True)
class _Sides:
    """Which points of a surface bound what it winds around."""

    triangles: Triangles
    crossings: Crossings

    def sides(self, surface: Surface) -> np.ndarray:
        """1 for those points, else 0."""
        step = BESIDE * self.triangles.extent * surface.normals
        within, beyond = (self.crossings.winding((surface.x + sign * step).T) > 0.5 for sign in (-1, 1))
        result: np.ndarray = (within & ~beyond).astype(np.int8)
        return result

    def within(self, x: np.ndarray) -> np.ndarray:
        """Which points (n, 3) have only the inside around them."""
        step = BESIDE * self.triangles.extent
        corners = [np.array([i, j, k]) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
        around = [self.crossings.winding(x + step * corner) > 0.5 for corner in corners]
        return np.logical_and.reduce(around)


def _lines(triangles: Triangles) -> np.ndarray:
    """Segments in which triangles cross, (k, 2, 3)."""
    a, b = (triangles.corners_of(triangles.crossing[:, k]) for k in (0, 1))
    m, n = (triangles.normals[triangles.crossing[:, k]] for k in (0, 1))
    along = np.cross(m, n)
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    ends = []
    for corners, normal, origin in ((a, n, b[:, 0]), (b, m, a[:, 0])):
        height = ((corners - origin[:, None]) * normal[:, None]).sum(2)
        low, high = np.full(len(a), np.inf), np.full(len(a), -np.inf)
        points = np.full((2, len(a), 3), np.nan)
        for k in range(3):
            start, end = height[:, k], height[:, (k + 1) % 3]
            cuts = (np.minimum(start, end) <= 0) & (np.maximum(start, end) >= 0) & (start != end)
            share = np.where(cuts, start / np.where(cuts, start - end, 1.0), 0.0)
            point = corners[:, k] + share[:, None] * (corners[:, (k + 1) % 3] - corners[:, k])
            place = (point * along).sum(1)
            lower, higher = cuts & (place < low), cuts & (place > high)
            low, high = np.where(lower, place, low), np.where(higher, place, high)
            points[0][lower], points[1][higher] = point[lower], point[higher]
        ends.append((low, high, points))
    (low_a, high_a, of_a), (low_b, high_b, of_b) = ends
    start = np.where((low_a > low_b)[:, None], of_a[0], of_b[0])
    end = np.where((high_a < high_b)[:, None], of_a[1], of_b[1])
    return np.stack([start, end], 1)
