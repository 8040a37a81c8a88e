"""Changes of variables under which conjugate gradients converge fast."""

from __future__ import annotations

import torch

__all__ = ["BlockScaling"]


class BlockScaling:
    """Columns scaled to unit norm, and one dense block of unknowns made orthonormal by its Cholesky factor.

    Parameters
    ----------
    columns
        ``1 / sqrt(diag(J^T J))``; 0 for fixed unknowns.
    place, normal
        Where the dense block is, and its part of J^T J.
    damping
        Levenberg-Marquardt parameter, relative to ``diag(J^T J)``.

    Notes
    -----
    The factor is that of the scaled block plus ``damping`` plus a multiple of the rounding error; where that is not
    positive definite the multiple grows.
    """

    def __init__(self, columns: torch.Tensor, place: slice, normal: torch.Tensor, damping: float) -> None:
        self.columns, self.place = columns, place
        d = columns[place]
        scaled = normal * d[:, None] * d
        fixed = d == 0
        shift = 1e-15 * len(d)
        while True:
            diagonal = torch.where(fixed, 1.0, damping + shift)
            factor, info = torch.linalg.cholesky_ex(scaled + torch.diag(diagonal))
            if int(info) == 0:
                break
            shift *= 100.0
        self._factor = factor

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        found = y.clone()
        part = found[self.place]
        part.copy_(torch.linalg.solve_triangular(self._factor.T, part[:, None], upper=True)[:, 0])
        return found.mul_(self.columns)

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        found = gradient * self.columns
        part = found[self.place]
        part.copy_(torch.linalg.solve_triangular(self._factor, part[:, None], upper=False)[:, 0])
        return found
