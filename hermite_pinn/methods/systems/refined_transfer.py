"""Sparse matrices between the vertices of two levels of a locally refined grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse as sparse

from hermite_pinn.cuda.encoder.basis import BASES, basis_values

from .refined_level import RefinedLevel, offsets

__all__ = ["prolongation", "restriction_to_coarse"]


@lru_cache(maxsize=8)
def _stencils(basis: str) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients at a vertex of a grid of twice the resolution: at a coarse vertex (m, m), and between two (m, 2 m).

    They count in units of the cells, so that a derivative of order a is ``2 ** -a`` times that of the coarse grid.
    """
    m = BASES[basis].coefficients
    scale = 2.0 ** -np.arange(m)
    middle = np.array([[float(v) for v in basis_values(basis, np.array(0.5), a)] for a in range(m)])
    return np.diag(scale), middle * scale[:, None]


def prolongation(basis: str, coarse: RefinedLevel, fine: RefinedLevel) -> sparse.csr_array:
    """Coefficients at the vertices of a level from those of a coarser one, (V_fine m**d, V_coarse m**d).

    The cells of the fine level lie in cells of the coarse one; along every axis they are as large, or half as large.
    """
    m, dim = BASES[basis].coefficients, fine.dim
    record = m**dim
    at, between = _stencils(basis)
    vertices = fine.vertices
    ratio = [f // c for f, c in zip(fine.resolution, coarse.resolution, strict=True)]
    odd = np.stack([(vertices[:, a] % 2 == 1) if r == 2 else np.zeros(len(vertices), bool) for a, r in enumerate(ratio)], 1)  # fmt: skip
    rows, columns, values = [], [], []
    for kind in offsets(dim):  # along which axes a vertex lies between two
        chosen = np.flatnonzero((odd == kind.astype(bool)).all(1))
        if not len(chosen):
            continue
        below = np.stack([vertices[chosen, a] // r for a, r in enumerate(ratio)], 1)
        parts = [between if k else (at if r == 2 else np.eye(m)) for k, r in zip(kind, ratio, strict=True)]
        for ends in offsets(dim):
            if (ends > kind).any():
                continue
            block = np.ones((1, 1))
            for e, part in zip(ends, parts, strict=True):
                block = np.kron(block, part[:, e * m : (e + 1) * m])
            number = coarse.number(below + ends)
            i, j = np.nonzero(block)
            rows.append((chosen[:, None] * record + i).ravel())
            columns.append((number[:, None] * record + j).ravel())
            values.append(np.broadcast_to(block[i, j], (len(chosen), len(i))).ravel())
    shape = (len(vertices) * record, len(coarse.vertices) * record)
    coordinates = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array(sparse.coo_array((np.concatenate(values), coordinates), shape=shape))


def restriction_to_coarse(basis: str, coarse: RefinedLevel, fine: RefinedLevel) -> sparse.csr_array:
    """Coefficients of the interpolant on the coarser level at those of its vertices that are vertices of the finer one.

    Rows of the other vertices are empty.
    """
    m, dim = BASES[basis].coefficients, fine.dim
    record = m**dim
    ratio = np.array([f // c for f, c in zip(fine.resolution, coarse.resolution, strict=True)])
    shared = np.flatnonzero((fine.vertices % ratio == 0).all(1))
    number = coarse.number(fine.vertices[shared] // ratio)
    block = np.ones(1)
    for r in ratio:
        block = np.kron(block, float(r) ** np.arange(m))
    orders = np.arange(record)
    rows, columns = (number[:, None] * record + orders).ravel(), (shared[:, None] * record + orders).ravel()
    values = np.broadcast_to(block, (len(shared), record)).ravel()
    shape = (len(coarse.vertices) * record, len(fine.vertices) * record)
    return sparse.csr_array(sparse.coo_array((values, (rows, columns)), shape=shape))
