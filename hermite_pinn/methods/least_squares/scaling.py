"""Changes of variables under which conjugate gradients converge fast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch

from hermite_pinn.errors import DivergedError
from hermite_pinn.run.distributed import ALONE, Ranks

__all__ = ["BlockScaling", "ColumnScaling", "Scaling", "least_squares"]


def least_squares(
    pieces: Iterable[tuple[torch.Tensor, torch.Tensor]], columns: torch.Tensor, ranks: Ranks = ALONE
) -> torch.Tensor:
    """Minimise ``||A x - b||^2`` by QR, a piece of the rows at a time, which never squares the condition number.

    Parameters
    ----------
    pieces
        Rows of A (rows, unknowns) with their part of b (rows,).
    columns
        Inverse norms of the columns of A; unknowns where this is 0 stay 0.
    ranks
        Each has some of the rows; their triangular factors are gathered and factored together.

    Returns
    -------
    torch.Tensor
        x.  The scaled unknowns are damped by 1e-12, so that dependent columns do no harm.
    """
    count = len(columns)
    known = torch.diag(torch.full_like(columns, 1e-12).masked_fill_(columns == 0, 1.0)) / ranks.size**0.5
    known = torch.cat([known, known.new_zeros(count, 1)], 1)
    pending = [known]
    for matrix, b in pieces:
        pending.append(torch.cat([matrix * columns, b[:, None]], 1))
        if sum(len(m) for m in pending) >= 4 * count:
            pending = [torch.linalg.qr(torch.cat(pending), mode="r").R]
    factor = torch.linalg.qr(torch.cat(pending), mode="r").R
    if ranks.size > 1:
        same = factor.new_zeros(count + 1, count + 1)
        same[: len(factor)] = factor
        factor = torch.linalg.qr(torch.cat(ranks.gathered(same)), mode="r").R
    y = torch.linalg.solve_triangular(factor[:count, :count], factor[:count, count:], upper=True)
    return columns * y[:, 0]


class Scaling(Protocol):
    """A change of variables ``x = apply(y)``, its transpose, and the damping of the variables it was made for."""

    @property
    def damping(self) -> float:
        """Of the linearised problem."""

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""


@dataclass(frozen=True)
class ColumnScaling:
    """Columns scaled to unit norm.

    Attributes
    ----------
    columns
        One over their norms; 0 for fixed unknowns.
    damping
        Of the linearised problem.
    """

    columns: torch.Tensor
    damping: float

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        return y * self.columns

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        return gradient * self.columns


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
        """From the block of J^T J by Cholesky's method, with a shift that grows until it is positive definite.

        Raises
        ------
        DivergedError
            If a number of the block is not finite, which no shift mends.
        """
        d = columns[place]
        scaled = normal * d[:, None] * d
        if not bool(torch.isfinite(scaled).all()):
            raise DivergedError(
                "a derivative of the residuals by the unknowns is not finite; look for roots, powers and quotients of zero in them"
            )
        shift = 1e-15 * len(d)
        while True:
            diagonal = torch.full_like(d, damping + shift).masked_fill_(d == 0, 1.0)
            factor, info = torch.linalg.cholesky_ex(scaled + torch.diag(diagonal))
            if int(info) == 0:
                return cls(columns, place, factor.T, damping + shift)
            shift *= 100.0

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        x = y.clone()
        part = x[self.place]
        part.copy_(torch.linalg.solve_triangular(self._factor, part[:, None], upper=True)[:, 0])
        return x.mul_(self.columns)

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        scaled = gradient * self.columns
        part = scaled[self.place]
        part.copy_(torch.linalg.solve_triangular(self._factor.T, part[:, None], upper=False)[:, 0])
        return scaled
