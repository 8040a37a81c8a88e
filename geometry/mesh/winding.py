"""How often a closed surface winds around points: 1 inside, 0 outside.

The winding number is exact, so that a point has the same sign with every library and as near to the surface as its
coordinates can tell.  Fast winding numbers (G. Barill and others, ACM Transactions on Graphics 37, 2018), as libigl has
them, are of single precision, and slower where it counts, near the surface.
"""

from __future__ import annotations

import numpy as np

from .triangles import Triangles, unrolled

__all__ = ["Crossings"]

#: Pairs of a point and a triangle, or a triangle and a column, at once.
PAIRS = 300_000


class Crossings:
    """Counts, with signs, the triangles above points.

    Triangles are sorted into columns along the last axis.  Which side of an edge a point is on is computed in the
    same way for both triangles that meet there, and ties belong to one of them; so for a closed surface the numbers
    are exact integers wherever the point is not on the surface itself.

    Parameters
    ----------
    triangles
        A closed surface.
    """

    def __init__(self, triangles: Triangles) -> None:
        self.triangles = triangles
        lower, upper = (bound[:2] for bound in triangles.bounds)
        sides = np.maximum(upper - lower, np.finfo(float).tiny)
        wanted = np.sqrt(triangles.count * sides / sides[::-1])
        self.counts = np.clip(wanted.astype(np.int64), 1, 2048)
        self.lower, self.size = lower, sides / self.counts
        corners = triangles.vertices[:, :2][triangles.faces]
        room = 1e-12 * triangles.extent  # a point beside a triangle by rounding alone meets it
        first, last = self._column(corners.min(1) - room), self._column(corners.max(1) + room)
        box = last - first + 1
        faces, columns = [], []
        for face, place in unrolled(box.prod(1), PAIRS):
            step = np.stack([place // box[face, 1], place % box[face, 1]], 1)
            columns.append((first[face] + step) @ np.array([self.counts[1], 1]))
            faces.append(face)
        column = np.concatenate(columns)
        order = np.argsort(column, kind="stable")
        self.faces = np.concatenate(faces)[order]
        self.ends = np.cumsum(np.bincount(column, minlength=int(self.counts.prod())))
        self.sizes = np.diff(self.ends, prepend=0)

    def _column(self, x: np.ndarray) -> np.ndarray:
        return np.clip(((x - self.lower) / self.size).astype(np.int64), 0, self.counts - 1)

    def winding(self, x: np.ndarray) -> np.ndarray:
        """Winding numbers (n,) of points (n, 3)."""
        result = np.zeros(len(x))
        lower, upper = self.triangles.bounds
        within = np.flatnonzero(((x >= lower) & (x <= upper)).all(1))
        column = self._column(x[within, :2]) @ np.array([self.counts[1], 1])
        for item, place in unrolled(self.sizes[column], PAIRS):
            face = self.faces[self.ends[column[item]] - self.sizes[column[item]] + place]
            signs = self._above(x[within[item]], face)
            result += np.bincount(within[item], signs, minlength=len(x))
        return result

    def _above(self, x: np.ndarray, face: np.ndarray) -> np.ndarray:
        """How often each triangle winds around the vertical line above its point, by its edges."""
        numbers = self.triangles.faces[face]
        turns = np.zeros(len(x), dtype=np.int64)
        for k in range(3):
            start, end = numbers[:, k], numbers[:, (k + 1) % 3]
            a, b = (self.triangles.vertices[f(start, end)] for f in (np.minimum, np.maximum))
            crosses = (a[:, 1] > x[:, 1]) != (b[:, 1] > x[:, 1])
            side = (b[:, 0] - a[:, 0]) * (x[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x[:, 0] - a[:, 0])
            upwards = b[:, 1] > a[:, 1]
            right = np.where(upwards, side > 0, side < 0)  # the edge is on the right of the point
            turns += np.where(crosses & right, np.where(upwards == (start < end), 1, -1), 0)
        height = ((x - self.triangles.vertices[numbers[:, 0]]) * self.triangles.crosses[face]).sum(1)
        return np.where(turns * height < 0, turns, 0)
