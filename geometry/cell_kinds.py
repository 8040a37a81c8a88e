"""The kinds of the cells of a grid that a shape cuts: touched by its boundary, inside, or outside."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .cells import FULL, OUTSIDE, TOUCHED
from .shape import Shape

__all__ = ["centres", "shape_cells"]

LOOKED_AT = 512  # cells whose side is looked at, besides the first of every connected part
BATCH = 1 << 18  # points at once
ON_A_FACE = 1e-9  # of the longest edge: distance of a boundary from a face of a cell on which it lies
ALONG_SIDES = 17, 5  # points along an edge of a cell at which it is compared, in the plane and in space
MOST_SETTLED = 50_000  # touched cells for which this pays


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
    marked = np.array(shape.touched_cells(lower, upper, counts), dtype=bool)
    parts, count = ndimage.label(~marked)
    inside, mixed = _sides(shape, lower, upper, parts, count)
    kinds = np.where(np.concatenate([[False], inside])[parts], FULL, OUTSIDE).astype(np.int8)
    kinds[marked] = TOUCHED
    if mixed.any():
        _sort(shape, lower, upper, kinds, np.concatenate([[False], mixed])[parts])
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
    along = ALONG_SIDES[len(sizes) - 2]
    for lattice in (np.array([0.0, 1.0]), np.linspace(0.0, 1.0, along)):  # few points decide about most cells
        offsets = np.array(list(itertools.product(lattice, repeat=len(sizes))))
        offsets = offsets[((offsets == 0.0) | (offsets == 1.0)).any(1)]
        x = lower[:, None, None] + (cells[:, :, None] + offsets.T[:, None, :]) * sizes[:, None, None]
        values = sign[:, None] * shape.signed_distance(x.reshape(len(sizes), -1)).reshape(x.shape[1:])
        apart = (values >= -slack).all(1)
        if len(lattice) == 2:
            apart &= (values <= slack).any(1)
        cells, sign = cells[:, apart], sign[apart]
    kinds[tuple(cells)] = np.where(sign > 0, OUTSIDE, FULL)


def _sides(
    shape: Shape, lower: np.ndarray, upper: np.ndarray, parts: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whether connected parts of untouched cells lie inside, by some of their cells, and whether those disagree."""
    flat = parts.reshape(-1)
    first = np.zeros(count + 1, dtype=np.int64)
    first[flat[::-1]] = np.arange(flat.size - 1, -1, -1)
    spread = np.random.default_rng(0).integers(flat.size, size=LOOKED_AT)
    cells = np.concatenate([first[1:], spread[flat[spread] > 0]])
    owner = flat[cells] - 1
    x = centres(lower, upper, parts.shape, np.stack(np.unravel_index(cells, parts.shape)))
    total = np.maximum(np.bincount(owner, minlength=count), 1)
    share = np.bincount(owner, shape.contains(x), count) / total
    return share > 0.5, (share > 0) & (share < 1)


def _sort(shape: Shape, lower: np.ndarray, upper: np.ndarray, kinds: np.ndarray, doubtful: np.ndarray) -> None:
    """Look at every doubtful cell; those with a neighbour on the other side are touched."""
    cells = np.stack(np.nonzero(doubtful))
    for start in range(0, cells.shape[1], BATCH):
        part = cells[:, start : start + BATCH]
        kinds[tuple(part)] = np.where(shape.contains(centres(lower, upper, kinds.shape, part)), FULL, OUTSIDE)
    touched = np.zeros(kinds.shape, dtype=bool)
    for axis in range(kinds.ndim):
        low, high = (np.moveaxis(kinds, axis, 0)[s] for s in (slice(None, -1), slice(1, None)))
        apart = ((low == FULL) & (high == OUTSIDE)) | ((low == OUTSIDE) & (high == FULL))
        moved = np.moveaxis(touched, axis, 0)
        moved[:-1] |= apart
        moved[1:] |= apart
    kinds[touched] = TOUCHED
