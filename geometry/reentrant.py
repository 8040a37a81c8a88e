"""Corners and edges at which solutions are singular, and how far points are from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from .segments import divided
from .shape import Creases

__all__ = ["Reentrant"]

REENTRANT = math.pi + math.radians(5.0)  # angles from which on solutions are treated as singular
BATCH = 1 << 16  # points at once


@dataclass(frozen=True, eq=False)
class Reentrant:
    """Corners or edges of a domain whose angle exceeds pi by more than five degrees.

    Attributes
    ----------
    segments
        Ends of the edges (n, 2, dim); in the plane both are the corner.
    """

    segments: np.ndarray

    @classmethod
    def of(cls, creases: Creases) -> Reentrant | None:
        """Those among creases, or None."""
        chosen = creases.angles > REENTRANT
        return cls(creases.segments[chosen]) if chosen.any() else None

    @cached_property
    def _tree(self) -> tuple[cKDTree, np.ndarray, np.ndarray]:
        """Middles of short parts of the segments, and the parts."""
        ends = self.segments.reshape(-1, self.segments.shape[2])
        size = float(np.ptp(ends, axis=0).max())
        parts, _ = divided(self.segments, max(size / 256, 1e-300))
        return cKDTree(parts.mean(1)), parts[:, 0], parts[:, 1] - parts[:, 0]

    def distance(self, x: np.ndarray, within: float = math.inf) -> np.ndarray:
        """Distances (n,) of points (dim, n) to the nearest; ``within`` for all that are farther away."""
        tree, starts, ways = self._tree
        near = min(4, len(starts))
        result = np.full(x.shape[1], within)
        squares = np.maximum((ways**2).sum(1), 1e-300)
        reach = within + 0.5 * math.sqrt(squares.max())
        for begin in range(0, x.shape[1], BATCH):
            part = x[:, begin : begin + BATCH].T
            chosen = tree.query(part, k=near, distance_upper_bound=reach)[1].reshape(len(part), near)
            found = np.flatnonzero(chosen[:, 0] < len(starts))
            chosen = np.where(chosen < len(starts), chosen, chosen[:, :1])[found]
            away = part[found, None, :] - starts[chosen]
            along = np.clip((away * ways[chosen]).sum(2) / squares[chosen], 0.0, 1.0)
            gap = away - along[..., None] * ways[chosen]
            result[begin + found] = np.minimum(np.sqrt((gap**2).sum(2).min(1)), within)
        return result
