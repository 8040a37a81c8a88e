"""The kinds of the cells of a grid that a shape cuts: touched by its boundary, inside, or outside."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .cells import FULL, OUTSIDE, TOUCHED
from .shape import Shape

__all__ = ["centres", "shape_cells"]

LOOKED_AT = 16  # cells of a connected part whose side is compared


def centres(lower: np.ndarray, upper: np.ndarray, counts: Sequence[int], cells: np.ndarray) -> np.ndarray:
    """Centres (dim, n) of cells (dim, n) of a grid."""
    sizes = (upper - lower) / np.asarray(counts)
    return np.asarray(lower[:, None] + (cells + 0.5) * sizes[:, None])


def shape_cells(shape: Shape, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """The kinds of all cells of a grid, int8: touched by the boundary of a shape, inside (full) or outside.

    Parameters
    ----------
    shape, lower, upper, counts
        As for :meth:`Shape.touched_cells`.
    """
    marked = shape.touched_cells(lower, upper, counts)
    parts, count = ndimage.label(~marked)
    sides = np.full(count + 1, TOUCHED, dtype=np.int8)
    if count:
        sides[1:] = _sides(shape, lower, upper, parts, count)
    return np.asarray(sides[parts])


def _sides(shape: Shape, lower: np.ndarray, upper: np.ndarray, parts: np.ndarray, count: int) -> np.ndarray:
    """On which side connected parts of untouched cells lie, by some of their cells."""
    flat = parts.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(1, count + 2))
    chosen, owner = [], []
    for k, (start, stop) in enumerate(itertools.pairwise(starts)):
        spread = np.unique(np.linspace(start, stop - 1, LOOKED_AT).astype(np.int64))
        chosen.append(order[spread])
        owner.append(np.full(spread.size, k))
    cells, of = np.concatenate(chosen), np.concatenate(owner)
    x = centres(lower, upper, parts.shape, np.stack(np.unravel_index(cells, parts.shape)))
    inside = np.bincount(of, shape.contains(x), count) / np.bincount(of, minlength=count)
    return np.where(inside > 0.5, FULL, OUTSIDE)
