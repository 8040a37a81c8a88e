"""Which cells of a uniform grid the boundary of a shape passes through."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["near_cells"]

Distance = Callable[[np.ndarray], np.ndarray]

BLOCK = 8  # cells along an edge of the largest blocks that are looked at together
DEPTH = {1: 2, 2: 2, 3: 1}  # halvings of a cell before it counts as touched, by dimension
BATCH = 1 << 19  # points at once


def near_cells(
    distance: Distance, points: np.ndarray, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int]
) -> np.ndarray:
    """Cells that a boundary may pass through, by the distance from it.

    Blocks of cells are halved until their centres are farther from the boundary than their corners.  Since a signed
    distance changes by no more than the way, the marked cells contain all that are touched, and those of a grid lie in
    those of any grid with half as many cells.

    Parameters
    ----------
    distance
        Of points (dim, n) from the boundary, signed or not, (n,).
    points
        Points (dim, m) on the boundary, the same for all grids; their cells are marked in any case.
    lower, upper
        Corners (dim,) of the grid.
    counts
        Cells along every axis.

    Returns
    -------
    ndarray
        bool, of shape ``counts``.
    """
    total = np.asarray(counts)
    dim, sizes = len(total), (upper - lower) / total
    size = BLOCK
    blocks = np.stack([g.ravel() for g in np.meshgrid(*(np.arange(-(-n // size)) for n in total), indexing="ij")])
    while True:
        first, last = blocks * size, np.minimum((blocks + 1) * size, total[:, None])
        kept = _near(distance, lower[:, None], sizes[:, None], first, last)
        blocks = blocks[:, kept]
        if size == 1:
            break
        size //= 2
        blocks = _halved(blocks)
        blocks = blocks[:, (blocks * size < total[:, None]).all(0)]
    owner = np.arange(blocks.shape[1])
    parts = blocks
    for level in range(1, DEPTH[dim] + 1):
        parts, owner = _halved(parts), np.tile(owner, 2**dim)
        kept = _near(distance, lower[:, None], sizes[:, None] / 2**level, parts, parts + 1)
        parts, owner = parts[:, kept], owner[kept]
    marked = np.zeros(tuple(counts), dtype=bool)
    some = np.zeros(blocks.shape[1], dtype=bool)
    some[owner] = True
    marked[tuple(blocks[:, some])] = True
    marked[tuple(_cells_of(points, lower, upper, total))] = True
    return marked


def _halved(blocks: np.ndarray) -> np.ndarray:
    """The 2^dim halves of blocks (dim, n), those of one corner after those of the other."""
    corners = np.array(list(itertools.product((0, 1), repeat=len(blocks))))
    return np.concatenate([2 * blocks + c[:, None] for c in corners], axis=1)


def _near(distance: Distance, lower: np.ndarray, sizes: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Whether the boundary may come into boxes of cells ``first`` to ``last`` (dim, n)."""
    kept = np.zeros(first.shape[1], dtype=bool)
    for start in range(0, kept.size, BATCH):
        part = slice(start, start + BATCH)
        middle = lower + 0.5 * (first[:, part] + last[:, part]) * sizes
        reach = 0.5 * np.linalg.norm((last[:, part] - first[:, part]) * sizes, axis=0)
        kept[part] = np.abs(distance(middle)) <= reach * (1 + 1e-12)
    return kept


def _cells_of(x: np.ndarray, lower: np.ndarray, upper: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Cells (dim, n) that contain points (dim, n) of the open box."""
    inside = ((x > lower[:, None]) & (x < upper[:, None])).all(0)
    place = (x[:, inside] - lower[:, None]) / (upper - lower)[:, None] * counts[:, None]
    return np.minimum(place.astype(np.int64), counts[:, None] - 1)
