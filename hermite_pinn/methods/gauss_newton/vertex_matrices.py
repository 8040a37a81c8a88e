"""Sparse matrices of cut domains over space, by the vertices of their cells, from rows of cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.methods.systems.cut_block import CutBlock
from hermite_pinn.methods.systems.level_cells import LevelCells

__all__ = ["by_field", "by_vertex", "vertex_matrices"]


def by_vertex(values: torch.Tensor, level: LevelCells) -> np.ndarray:
    """Coefficients (fields, V m**d, ...) ordered by vertices, then fields, as (V fields m**d, ...)."""
    fields = values.shape[0]
    split = values.reshape(fields, level.count, level.record, -1).transpose(0, 1)
    return np.asarray(split.reshape(level.count * fields * level.record, -1).contiguous().numpy())


def by_field(values: np.ndarray, level: LevelCells, fields: int) -> torch.Tensor:
    """The inverse of :func:`by_vertex`."""
    split = torch.as_tensor(values).reshape(level.count, fields, level.record, -1).transpose(0, 1)
    return split.reshape(fields, level.count * level.record, -1)


def vertex_matrices(blocks: Sequence[CutBlock], level: LevelCells, fields: int, orders: int) -> list[sparse.bsr_matrix]:
    """The normal matrices over space of the rows with each of the first ``orders`` orders in time, without mixed ones.

    Rows and columns are ordered by vertices, then fields, then records.
    """
    count, corners, own = level.count, 2**level.dim, fields * level.record
    pairs = np.unique((level.corners[:, :, None] * count + level.corners[:, None, :]).ravel())
    sums = [torch.zeros(len(pairs), own, own, dtype=torch.float64) for _ in range(orders)]
    for block in blocks:
        for g, part in block.pieces():
            at = block.points.corners[g][part]
            number = torch.as_tensor(np.searchsorted(pairs, (at[:, :, None] * count + at[:, None, :]).ravel()))
            for order, rows in block.local_rows(part, g):
                split = rows.reshape(len(at), -1, fields, corners, level.record).transpose(2, 3)
                flat = split.reshape(len(at), -1, corners * own)
                products = torch.bmm(flat.mT, flat).reshape(len(at), corners, own, corners, own)
                sums[order].index_add_(0, number, products.transpose(2, 3).reshape(-1, own, own))
    starts = np.searchsorted(pairs // count, np.arange(count + 1))
    shape = (count * own, count * own)
    return [sparse.bsr_matrix((s.numpy(), pairs % count, starts), shape=shape) for s in sums]
