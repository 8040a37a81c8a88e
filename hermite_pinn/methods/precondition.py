"""Changes of variables under which conjugate gradients converge fast."""

from __future__ import annotations

from collections.abc import Iterable

import torch

__all__ = ["BlockScaling"]


class BlockScaling:
    """Columns scaled to unit norm, and one dense block of unknowns made orthonormal by a triangular factor.

    Parameters
    ----------
    columns
        ``1 / sqrt(diag(J^T J))``; 0 for fixed unknowns.
    place
        Where the dense block is.
    factor
        Upper triangular R with ``R^T R = D J^T J D + damping`` for the block, D its column scaling.
    damping
        As above; what the least-squares problem must be damped with for the block to become orthonormal.
    """

    def __init__(self, columns: torch.Tensor, place: slice, factor: torch.Tensor, damping: float) -> None:
        self.columns, self.place, self._factor, self.damping = columns, place, factor, damping

    @classmethod
    def from_normal(cls, columns: torch.Tensor, place: slice, normal: torch.Tensor, damping: float) -> BlockScaling:
        """From the block of J^T J by Cholesky's method, with a shift that grows until it is positive definite."""
        d = columns[place]
        scaled = normal * d[:, None] * d
        shift = 1e-15 * len(d)
        while True:
            diagonal = torch.where(d == 0, 1.0, damping + shift)
            factor, info = torch.linalg.cholesky_ex(scaled + torch.diag(diagonal))
            if int(info) == 0:
                return cls(columns, place, factor.T, damping + shift)
            shift *= 100.0

    @classmethod
    def from_rows(cls, columns: torch.Tensor, place: slice, rows: Iterable[torch.Tensor]) -> BlockScaling:
        """From the block's rows, a matrix at a time, by QR, which does not square the condition number."""
        d, shift = columns[place], 1e-12
        factor = torch.diag(torch.where(d == 0, 1.0, shift))
        pending: list[torch.Tensor] = []
        for matrix in rows:
            pending.append(matrix * d)
            if sum(len(m) for m in pending) >= 3 * len(d):
                factor, pending = torch.linalg.qr(torch.cat([factor, *pending]), mode="r").R, []
        if pending:
            factor = torch.linalg.qr(torch.cat([factor, *pending]), mode="r").R
        return cls(columns, place, factor, shift**2)

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        found = y.clone()
        part = found[self.place]
        part.copy_(torch.linalg.solve_triangular(self._factor, part[:, None], upper=True)[:, 0])
        return found.mul_(self.columns)

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        found = gradient * self.columns
        part = found[self.place]
        part.copy_(torch.linalg.solve_triangular(self._factor.T, part[:, None], upper=False)[:, 0])
        return found
