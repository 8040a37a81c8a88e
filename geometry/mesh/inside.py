"""Which points are inside a closed surface, mostly told by a coarse grid of cells."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .distance import Search
from .overlap import touched_cells
from .triangles import Triangles
from .winding import Crossings, winding_numbers

__all__ = ["CLOSE", "ON", "Inside"]

OUT, IN, NEAR = 0, 1, 2
#: Cells of the grid.
CELLS = 64**3
#: Part of the extent within which a point is on the surface, and so inside.
ON = 1e-12
#: Part of the extent within which single precision cannot tell the side.
CLOSE = 1e-5


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
        step = max(float(np.cbrt(np.maximum(sides, 1e-3 * triangles.extent).prod() / CELLS)), triangles.extent / 512)
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
        lower, upper = self.lower - ON * self.triangles.extent, self.upper + ON * self.triangles.extent
        kinds = self.classes(np.where((x >= lower) & (x <= upper), np.clip(x, self.lower, self.upper), x))
        result: np.ndarray = kinds == IN
        near = np.flatnonzero(kinds == NEAR)
        signs = winding_numbers(self.triangles, self.crossings, x[near]) > 0.5
        result[near] = signs
        doubtful = near[~signs]
        result[doubtful] = self._signed(x[doubtful], self.search.closest(x[doubtful]).distance, None) <= 0
        return result

    def signed(self, x: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Distances (n,) of points (n, 3) with signs: negative inside, zero on the surface."""
        kinds = self.classes(x)
        return self._signed(x, distance, kinds)

    def _signed(self, x: np.ndarray, distance: np.ndarray, kinds: np.ndarray | None) -> np.ndarray:
        extent = self.triangles.extent
        inside = np.zeros(len(x), dtype=bool) if kinds is None else kinds == IN
        if kinds is not None:
            near = np.flatnonzero(kinds == NEAR)
            inside[near] = winding_numbers(self.triangles, self.crossings, x[near]) > 0.5
        close = np.flatnonzero(distance < CLOSE * extent)
        inside[close] = self.crossings.winding(x[close]) > 0.5
        result: np.ndarray = np.where(inside, -distance, distance)
        result[distance <= ON * extent] = 0.0
        return result
