"""The kinds of the cells of a grid that a shape cuts: touched by its boundary, inside, or outside."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .cells import FULL, OUTSIDE, TOUCHED
from .shape import Shape

__all__ = ["centres", "shape_cells"]

ON_A_FACE = 1e-9  # of the longest edge: distance of a boundary from a face of a cell on which it lies
ALONG_SIDES = 17  # points along an edge of a cell at which it is compared
MOST_SETTLED = 50_000  # touched cells for which this pays
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
    kinds = np.asarray(sides[parts])
    _settle(shape, lower, upper, kinds)
    return kinds


def _settle(shape: Shape, lower: np.ndarray, upper: np.ndarray, kinds: np.ndarray) -> None:
    """Count cells that the boundary of a shape only touches along their own sides, or at corners, as inside or outside.

    Where a shape has sides on faces of the grid, cells beside it would have coefficients that little determines.
    """
    cells = np.stack(np.nonzero(kinds == TOUCHED))
    sizes = (upper - lower) / np.asarray(kinds.shape)
    slack = ON_A_FACE * float(np.max(upper - lower))
    if cells.shape[1] > MOST_SETTLED:
        return
    middle = shape.signed_distance(centres(lower, upper, kinds.shape, cells))
    chosen = np.abs(middle) >= 0.5 * float(sizes.min()) - slack
    cells, sign = cells[:, chosen], np.sign(middle[chosen])
    for lattice in (np.array([0.0, 1.0]), np.linspace(0.0, 1.0, ALONG_SIDES)):  # few points decide about most cells
        offsets = np.array(list(itertools.product(lattice, repeat=len(sizes))))
        offsets = offsets[((offsets == 0.0) | (offsets == 1.0)).any(1)]
        x = lower[:, None, None] + (cells[:, :, None] + offsets.T[:, None, :]) * sizes[:, None, None]
        values = sign[:, None] * shape.signed_distance(x.reshape(len(sizes), -1)).reshape(x.shape[1:])
        apart = (values >= -slack).all(1)
        if len(lattice) == 2:
            apart &= (values <= slack).any(1)
        cells, sign = cells[:, apart], sign[apart]
    kinds[tuple(cells)] = np.where(sign > 0, OUTSIDE, FULL)


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
