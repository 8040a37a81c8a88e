"""Shapes of which a box keeps the inside, or the outside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .cell_kinds import shape_cells
from .cells import FULL, TOUCHED
from .shape import Shape, Surface

__all__ = ["Cutter"]

COARSE = {2: 256, 3: 48}  # surface points along the longest edge of a shape, to see where it is


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
        return self.outward(Surface.joined([p.points(spacing) for p in self.shape.pieces], self.shape.dim))

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
