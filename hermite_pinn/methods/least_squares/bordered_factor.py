"""A factor of a symmetric matrix of dense blocks with a few dense last rows and columns."""

from __future__ import annotations

import torch

from .block_cholesky import BlockCholesky
from .nested_dissection import Dissection

__all__ = ["LEAST_SHIFT", "BorderedFactor"]

LEAST_SHIFT = 1e-15  # of the scaled matrix, below rounding
FLOOR = 1e-13  # of what the other columns leave of the last ones, relative to the largest


class BorderedFactor:
    """``M`` with ``M M^T = [[A, B], [B^T, C]] + shift``, for a positive matrix of unit diagonal.

    Parameters
    ----------
    dissection
        Order of the vertices whose unknowns are those of A.
    blocks
        Of A, as :class:`.BlockCholesky` takes them.
    last
        The last columns ``[B; C]``, float64, (n + k, k); those of unknowns without effect are zero.
    shift
        Is added to the diagonal.

    Attributes
    ----------
    log_determinant
        Of the matrix.
    least_pivot
        See :attr:`.BlockCholesky.least_pivot`.

    Raises
    ------
    ArithmeticError
        If numbers are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from hermite_pinn.methods.least_squares.nested_dissection import dissect
    >>> pair = dissect(np.arange(2)[:, None], (2,), (False,), 1)
    >>> blocks = torch.tensor([1.0, 0.5, 1.0], dtype=torch.float64)[:, None, None]
    >>> last = torch.tensor([[0.5], [0.5], [1.0]], dtype=torch.float64)
    >>> factor = BorderedFactor(pair, blocks, last, 0.0)
    >>> factor.upper(factor.lower(torch.tensor([2.0, 2.0, 2.0], dtype=torch.float64))).round(decimals=9)
    tensor([1., 1., 1.], dtype=torch.float64)
    >>> round(float(np.exp(factor.log_determinant)), 9)
    0.5
    """

    def __init__(self, dissection: Dissection, blocks: torch.Tensor, last: torch.Tensor, shift: float) -> None:
        self._cholesky = BlockCholesky(dissection, blocks, max(shift, LEAST_SHIFT))
        self.least_pivot = self._cholesky.least_pivot
        count = self._count = self._cholesky.size
        self._border = self._cholesky.lower(last[:count])
        corner = last[count:]
        shifts = max(shift, LEAST_SHIFT) + (corner.diagonal() == 0).to(corner.dtype)
        rest = corner + torch.diag(shifts) - self._border.mT @ self._border
        values, vectors = torch.linalg.eigh(0.5 * (rest + rest.mT))
        least = FLOOR * values[-1:].clamp(min=1e-300)
        values = values.maximum(least) if len(values) else values
        self._last = vectors * values.rsqrt()
        self.log_determinant = self._cholesky.log_determinant + float(values.log().sum())

    @property
    def entries(self) -> int:
        """Numbers that are kept."""
        return self._cholesky.entries

    def lower(self, right: torch.Tensor) -> torch.Tensor:
        """``M^-1`` times a vector (n + k,) or some columns (n + k, c)."""
        grid = self._cholesky.lower(right[: self._count])
        return torch.cat([grid, self._last.mT @ (right[self._count :] - self._border.mT @ grid)])

    def upper(self, right: torch.Tensor) -> torch.Tensor:
        """``M^-T`` times a vector (n + k,) or some columns (n + k, c)."""
        last = self._last @ right[self._count :]
        return torch.cat([self._cholesky.upper(right[: self._count] - self._border @ last), last])
