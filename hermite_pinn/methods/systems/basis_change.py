"""The coefficients of a field on another basis and other cells: its derivatives at the new vertices."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix

__all__ = ["basis_change_matrix", "changed_basis"]


def basis_change_matrix(old: str, cells: int, new: str, new_cells: int, periodic: bool) -> sparse.csr_matrix:
    """Along one axis, the coefficients on a new basis and new cells from those on old ones.

    A coefficient of order a is the derivative of order a at a vertex, in units of the new cells; where the derivatives
    on both sides differ it is their mean.

    Examples
    --------
    >>> basis_change_matrix("cubic", 2, "quintic", 4, False).shape
    (15, 6)
    """
    m, many = BASES[old].coefficients, BASES[new].coefficients
    vertices = cells if periodic else cells + 1
    count = new_cells if periodic else new_cells + 1
    place = np.arange(count) * (cells / new_cells)
    lower, upper = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64) - 1
    if not periodic:
        lower, upper = np.minimum(lower, cells - 1), np.maximum(upper, 0)
    total = sparse.csr_matrix((count * many, vertices * m))
    for cell in (lower, upper):  # the cells to the right and to the left of a vertex
        columns = np.stack([(cell + end) % vertices * m + a for end in (0, 1) for a in range(m)], 1)
        for order in range(many):
            values = [np.broadcast_to(v, count) for v in basis_values(old, place - cell, order)]
            data = 0.5 * np.stack(values, 1) * (cells / new_cells) ** order
            rows = np.repeat(np.arange(count) * many + order, 2 * m)
            total = total + sparse.coo_matrix((data.ravel(), (rows, columns.ravel())), shape=total.shape).tocsr()
    return total


def changed_basis(
    coefficients: torch.Tensor,
    old: tuple[str, Sequence[int]],
    new: tuple[str, Sequence[int]],
    periodic: Sequence[bool],
) -> torch.Tensor:
    """The interpolant of fields on another basis: with their derivatives at its vertices.

    Parameters
    ----------
    coefficients
        Of all vertices, (fields, m N_1, ..., m N_d).
    old, new
        Basis and cells by axis.
    """
    for axis, wraps in enumerate(periodic):
        matrix = basis_change_matrix(old[0], old[1][axis], new[0], new[1][axis], wraps)
        matrices: dict[Hashable, sparse.csr_matrix] = {0: matrix}
        change = AxisMatrix(matrices, coefficients.dtype, coefficients.device)
        coefficients = change.apply([(0, coefficients.contiguous())], axis + 1)
    return coefficients
