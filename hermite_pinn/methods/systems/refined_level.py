"""One level of a locally refined grid: its cells, which of them are refined further, and their vertices."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hermite_pinn.cuda.encoder.basis import BASES, basis_values

__all__ = ["RefinedLevel", "cell_values", "offsets"]


def offsets(dim: int, steps: Sequence[int] = (0, 1)) -> np.ndarray:
    """All combinations of some steps along the axes, int64, (len(steps) ** dim, dim), the last axis fastest."""
    return np.array(list(itertools.product(steps, repeat=dim)), dtype=np.int64)


def cell_values(basis: str, inside: np.ndarray, orders: Sequence[int], widths: Sequence[float]) -> np.ndarray:
    """Derivatives of the functions of a cell at positions (n, d) in it, (n, 2 ** d m ** d): corners, then records.

    Parameters
    ----------
    orders
        Of differentiation along the axes.
    widths
        Of the cell along the axes.

    Examples
    --------
    >>> cell_values("cubic", np.array([[0.5]]), (0,), (1.0,))
    array([[ 0.5  ,  0.125,  0.5  , -0.125]])
    """
    n, m = len(inside), BASES[basis].coefficients
    product = np.ones((n, 1, 1))
    for axis, order in enumerate(orders):
        one = np.stack([np.broadcast_to(v, n) for v in basis_values(basis, inside[:, axis], order)], 1)
        one = one.reshape(n, 2, m) * widths[axis] ** -order
        ends, records = product.shape[1:]
        product = product[:, :, None, :, None] * one[:, None, :, None, :]
        product = product.reshape(n, 2 * ends, records * m)
    return product.reshape(n, -1)


@dataclass(frozen=True, eq=False)
class RefinedLevel:
    """Cells of a level that are known by their keys: row-major numbers in the whole grid of that resolution.

    Attributes
    ----------
    resolution
        Cells per axis of the whole grid.
    wraps
        Which axes are periodic.
    keys
        Of the cells, int64, sorted, (C,).
    refined
        Which of them have children on the next level, (C,).

    Examples
    --------
    >>> level = RefinedLevel((4,), (False,), np.array([1, 2]), np.array([False, True]))
    >>> level.vertices.ravel(), level.active
    (array([1, 2, 3]), array([False,  True, False]))
    """

    resolution: tuple[int, ...]
    wraps: tuple[bool, ...]
    keys: np.ndarray
    refined: np.ndarray

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.resolution)

    @property
    def count(self) -> int:
        """Number of cells."""
        return len(self.keys)

    @cached_property
    def cells(self) -> np.ndarray:
        """Positions of the cells, int64, (C, d)."""
        return np.stack(np.unravel_index(self.keys, self.resolution), 1).astype(np.int64)

    @cached_property
    def leaves(self) -> np.ndarray:
        """Numbers of the cells that are not refined."""
        return np.flatnonzero(~self.refined)

    @property
    def sides(self) -> tuple[int, ...]:
        """Vertices per axis of the whole grid."""
        return tuple(n + (not w) for n, w in zip(self.resolution, self.wraps, strict=True))

    def find(self, cells: np.ndarray) -> np.ndarray:
        """Numbers of cells given by their positions (n, d), wrapped; -1 for those that the level does not have."""
        keys, there = self.keys_of(cells)
        at = np.minimum(np.searchsorted(self.keys, keys), max(self.count - 1, 0))
        return np.where(there & (self.keys[at] == keys), at, -1) if self.count else np.full(len(cells), -1)

    def keys_of(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keys of cells (n, d), wrapped, and which of them lie in the domain at all."""
        n = np.array(self.resolution)
        moved = np.where(self.wraps, cells % n, cells)
        there = np.asarray(((moved >= 0) & (moved < n)).all(1))
        keys = np.ravel_multi_index(tuple(np.where(there[:, None], moved, 0).T), self.resolution)
        return np.asarray(keys), np.asarray(there)

    @cached_property
    def _vertices(self) -> tuple[np.ndarray, np.ndarray]:
        corners = self.cells[:, None, :] + offsets(self.dim)
        places = self._places(corners.reshape(-1, self.dim))
        known, inverse = np.unique(places, return_inverse=True)
        return known, inverse.reshape(self.count, -1)

    def _places(self, vertices: np.ndarray) -> np.ndarray:
        return np.ravel_multi_index(tuple((vertices % np.array(self.sides)).T), self.sides)

    @cached_property
    def vertices(self) -> np.ndarray:
        """Positions of the vertices of all cells, int64, (V, d), in row-major order."""
        return np.stack(np.unravel_index(self._vertices[0], self.sides), 1).astype(np.int64)

    @property
    def corners(self) -> np.ndarray:
        """Numbers of the vertices of every cell, (C, 2 ** d), left before right, the last axis fastest."""
        return self._vertices[1]

    def number(self, vertices: np.ndarray) -> np.ndarray:
        """Numbers of vertices given by their positions (n, d), which have to be vertices of cells."""
        found: np.ndarray = np.searchsorted(self._vertices[0], self._places(vertices))
        return found

    def known_on(self, finer: RefinedLevel) -> np.ndarray:
        """Which vertices are vertices of a finer level as well, (V,)."""
        ratio = np.array([f // c for f, c in zip(finer.resolution, self.resolution, strict=True)])
        places = finer._places(self.vertices * ratio)
        return np.isin(places, finer._vertices[0])

    @cached_property
    def active(self) -> np.ndarray:
        """Which vertices have all cells around them that the domain has: those with functions of this level."""
        return self._surrounded(np.arange(self.count))

    @cached_property
    def covered(self) -> np.ndarray:
        """Which vertices have refined cells around them only: their functions are sums of those of finer levels."""
        return self._surrounded(np.flatnonzero(self.refined))

    def _surrounded(self, cells: np.ndarray) -> np.ndarray:
        around = np.bincount(self.corners[cells].ravel(), minlength=len(self.vertices))
        whole = np.ones(len(self.vertices), dtype=np.int64)
        for axis, (n, wraps) in enumerate(zip(self.resolution, self.wraps, strict=True)):
            at = self.vertices[:, axis]
            whole *= np.full(len(at), 2) if wraps else 2 - ((at == 0) | (at == n)).astype(np.int64)
        full: np.ndarray = around == whole
        return full

    @property
    def cells_of_grid(self) -> int:
        """Number of cells of the whole grid."""
        return math.prod(self.resolution)
