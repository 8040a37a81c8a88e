"""Rows of low rank: a few columns of numbers per corner, and the matrix that makes features of them."""

from __future__ import annotations

import torch

__all__ = ["low_rank"]


def low_rank(rows: torch.Tensor, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The closest matrix of a rank, as a product.

    Parameters
    ----------
    rows
        (m, w).
    columns
        Its rank, r; no more than w are ever needed.

    Returns
    -------
    left, right
        (m, r) and (r, w) with orthonormal rows; their product has the least squared distance from the rows.

    Examples
    --------
    >>> rows = torch.tensor([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    >>> left, right = low_rank(rows, 1)
    >>> bool(torch.allclose(left @ right, rows, atol=1e-5))
    True
    """
    exact = rows.double()
    _, vectors = torch.linalg.eigh(exact.T @ exact)
    right = vectors.flip(1)[:, :columns].T
    return (exact @ right.T).to(rows.dtype), right.to(rows.dtype)
