"""The normal matrix of a locally refined system, and a sparse factor of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

from .refined_block import RefinedBlock
from .refined_grid import RefinedGrid
from .refined_level import cell_values, offsets

__all__ = ["NormalLU", "bordered", "column_squares", "normal_matrix"]

LEAST = 1e-15  # shift of the scaled matrix


def normal_matrix(blocks: Sequence[RefinedBlock], grid: RefinedGrid, free: np.ndarray) -> sparse.csr_array:
    """Products of the columns of some coefficients at the last linearisation of blocks of rows, (n, n).

    Parameters
    ----------
    free
        Which coefficients (fields, size), field by field.
    """
    whole = sparse.csr_array((free.size, free.size))
    for block in blocks:
        for columns, products in block.products():
            at, values = columns.numpy(), products.numpy()
            rows = np.broadcast_to(at[:, :, None], values.shape).ravel()
            others = np.broadcast_to(at[:, None, :], values.shape).ravel()
            part = sparse.coo_array((values.ravel(), (rows, others)), shape=whole.shape)
            whole = whole + sparse.csr_array(part)
    combination = sparse.block_diag([grid.combination(np.flatnonzero(f)) for f in free], format="csr")
    return sparse.csr_array(combination.T @ (whole @ combination))


def bordered(inner: sparse.csr_array, columns: np.ndarray, corner: np.ndarray) -> sparse.csr_array:
    """A normal matrix with the products of the columns of parameters: with all others (n, p), and with each other."""
    side = sparse.csr_array(columns)
    return sparse.csr_array(sparse.block_array([[inner, side], [side.T, sparse.csr_array(corner)]], format="csr"))


def column_squares(blocks: Sequence[RefinedBlock], grid: RefinedGrid) -> np.ndarray:
    """Squared norms of the columns of all functions of all levels at the last linearisation, (fields, size).

    The products of the columns of a cell are those of its parts, in terms of the coefficients of the parts: from the
    finest level up, so that every level counts the same rows.
    """
    mesh, fields = grid.mesh, blocks[0].fields
    width = 2**mesh.dim * grid.record
    squares = np.zeros((len(fields), grid.size))
    own = [np.zeros((level.count, len(fields), width, width)) for level in mesh.levels]
    for block in blocks:
        places = [(g.level, g.cells) for g in block.points.groups]
        for (number, cells), parts in zip(places, block.cell_products(), strict=True):
            np.add.at(own[number], cells, parts.numpy())
    for number in reversed(range(mesh.depth)):
        level = mesh.levels[number]
        corners = grid.starts[number] + level.corners[:, :, None] * grid.record + np.arange(grid.record)
        columns = corners.reshape(level.count, width)
        for f in range(len(fields)):
            np.add.at(squares[f], columns, np.diagonal(own[number][:, f], axis1=1, axis2=2))
        if number:
            ratio = np.array(mesh.ratio(number - 1))
            parents = mesh.levels[number - 1].find(level.cells // ratio)
            parts_of = level.cells % ratio
            for part in np.unique(parts_of, axis=0):  # every parent has one of each
                some = np.flatnonzero((parts_of == part).all(1))
                change = _part_of_cell(grid, part, ratio)
                own[number - 1][parents[some]] += change.T @ own[number][some] @ change
        own[number] = np.zeros(0)
    return squares


def _part_of_cell(grid: RefinedGrid, part: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The coefficients at the corners of a part of a cell from those at its own, (K, K)."""
    dim, rows = grid.mesh.dim, []
    for corner in offsets(dim):
        at = ((part + corner) / ratio)[None, :]
        for orders in offsets(dim, range(grid.m)):
            scale = float(np.prod((1.0 / ratio) ** orders))
            rows.append(scale * cell_values(grid.basis, at, orders.tolist(), [1.0] * dim)[0])
    return np.stack(rows)


class NormalLU:
    """Solves with the scaled normal matrix, shifted by a damping.

    Parameters
    ----------
    normal
        See :func:`normal_matrix`.
    damping
        Of the scaled unknowns.

    Attributes
    ----------
    norms
        Of the columns, one for columns of zeros, (n,).
    """

    def __init__(self, normal: sparse.csr_array, damping: float) -> None:
        diagonal = normal.diagonal()
        self.norms = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        inverse = sparse.diags_array(1.0 / self.norms)
        shift = np.where(diagonal > 0, max(damping, LEAST), 1.0)
        scaled = sparse.csc_array(inverse @ normal @ inverse + sparse.diags_array(shift))
        options = {"SymmetricMode": True}
        self._factor = splu(scaled, permc_spec="MMD_AT_PLUS_A", options=options, diag_pivot_thresh=0.0)

    @property
    def entries(self) -> int:
        """Numbers in the factor."""
        return int(self._factor.L.nnz)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The solution for a right side (n,), without the scaling."""
        found: np.ndarray = self._factor.solve(right / self.norms) / self.norms
        return found

    def solve_tensor(self, right: torch.Tensor) -> torch.Tensor:
        """The same for tensors."""
        return torch.as_tensor(self.solve(right.numpy()))
