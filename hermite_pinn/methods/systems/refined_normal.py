"""The normal matrix of a locally refined system, and a sparse factor of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

from .refined_block import RefinedBlock
from .refined_grid import RefinedGrid

__all__ = ["NormalLU", "normal_matrix"]

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
