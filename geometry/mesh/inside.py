"""Which points are inside a closed surface, mostly told by a coarse grid of cells."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .distance import Search
from .overlap import touched_cells
from .triangles import Triangles
from .winding import Crossings

__all__ = ["Inside"]

OUT, IN, NEAR = 0, 1, 2
#: Cells of the grid: so many per triangle, within bounds.
CELLS, FEWEST, MOST = 64, 16**3, 64**3
#: Part of the extent within which a point is on the surface, and so inside.
ON = 1e-12


class Inside:
    """Tells points inside from those outside.

    Cells that no triangle touches are inside or outside as a whole: one winding number tells for all that hang
    together.

    Parameters
    ----------
    triangles
        A closed surface.
    search
        Finds closest points on it.
    """

    def __init__(self, triangles: Triangles, search: Search) -> None:
        self.triangles, self.search = triangles, search
        self.crossings = Crossings(triangles)
        lower, upper = triangles.bounds
        sides = upper - lower
        cells = min(max(CELLS * triangles.count, FEWEST), MOST)
        step = max(float(np.cbrt(np.maximum(sides, 1e-3 * triangles.extent).prod() / cells)), triangles.extent / 512)
        self.counts = np.maximum(1, np.ceil(sides / step).astype(np.int64))
        self.lower, self.upper = lower, upper
        self.size = sides / self.counts
        free = ~touched_cells(triangles, lower, upper, self.counts.tolist())
        labels, count = ndimage.label(free)
        _, first = np.unique(labels, return_index=True)
        first = first[-count:] if count else first[:0]
        centres = lower + (np.stack(np.unravel_index(first, labels.shape), 1) + 0.5) * self.size
        kinds = np.full(count + 1, NEAR, dtype=np.int8)
        kinds[1:] = np.where(self.crossings.winding(centres) > 0.5, IN, OUT)
        self.kinds = kinds[labels]

    def classes(self, x: np.ndarray) -> np.ndarray:
        """What the grid says of points (n, 3): outside, inside or near the surface, int8."""
        result = np.full(len(x), OUT, dtype=np.int8)
        within = np.flatnonzero(((x >= self.lower) & (x <= self.upper)).all(1))
        cell = np.clip(((x[within] - self.lower) / self.size).astype(np.int64), 0, self.counts - 1)
        result[within] = self.kinds[tuple(cell.T)]
        return result

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which points (n, 3) are inside or on the surface, (n,)."""
        inside = self.strictly(x)
        room = ON * self.triangles.extent
        near = ((x >= self.lower - room) & (x <= self.upper + room)).all(1) & ~inside
        near[near] = self.classes(np.clip(x[near], self.lower, self.upper)) == NEAR
        inside[near] = self.search.closest(x[near]).distance <= room
        return inside

    def signed(self, x: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Distances (n,) of points (n, 3) with signs: negative inside, zero on the surface."""
        result: np.ndarray = np.where(self.strictly(x), -distance, distance)
        result[distance <= ON * self.triangles.extent] = 0.0
        return result

    def strictly(self, x: np.ndarray) -> np.ndarray:
        """Around which points the surface winds, (n,)."""
        kinds = self.classes(x)
        inside: np.ndarray = kinds == IN
        near = np.flatnonzero(kinds == NEAR)
        inside[near] = self.crossings.winding(x[near]) > 0.5
        return inside
