"""Normal matrices of parts of the rows, which are added with weights and factored: by blocks, or dense if small."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch

from hermite_pinn.methods.least_squares.bordered_factor import LEAST_SHIFT, BorderedFactor
from hermite_pinn.methods.least_squares.nested_dissection import Dissection

from .normal_factor import scale_blocks

__all__ = ["BlockPart", "DensePart", "Factor", "NormalPart"]

RAISE = 100.0  # of the shift of a matrix that rounding makes singular


class Factor(Protocol):
    """``M`` with ``M M^T`` a positive matrix."""

    @property
    def log_determinant(self) -> float:
        """Of the matrix."""

    def lower(self, right: torch.Tensor) -> torch.Tensor:
        """``M^-1`` times some columns."""

    def upper(self, right: torch.Tensor) -> torch.Tensor:
        """``M^-T`` times some columns."""


class NormalPart(ABC):
    """The normal matrix of some rows, ``J^T r``, and the sum of squares of ``r``.

    Attributes
    ----------
    gradient
        Float64, (n,).
    loss
        Sum of squares.
    """

    gradient: torch.Tensor
    loss: float

    @abstractmethod
    def plus(self, other: Self, factor: float = 1.0) -> Self:
        """The sum with another part of the same unknowns, whose rows count ``factor`` times."""

    @abstractmethod
    def diagonal(self) -> torch.Tensor:
        """Of the matrix, (n,)."""

    @abstractmethod
    def times(self, x: torch.Tensor) -> torch.Tensor:
        """The matrix times some columns (n, c)."""

    @abstractmethod
    def factored(self, scale: torch.Tensor) -> Factor:
        """A factor of the matrix with scaled rows and columns, and with ones on the diagonal where the scale is 0."""


@dataclass(frozen=True)
class BlockPart(NormalPart):
    """As blocks by pairs of vertices, and columns of the parameters.

    Parameters
    ----------
    dissection
        The order of elimination.
    normal, last
        The blocks (pairs, w, w), and the columns (n, k) of the k parameters, which are the last unknowns.
    gradient, loss
        See :class:`NormalPart`.
    """

    dissection: Dissection
    normal: torch.Tensor
    last: torch.Tensor
    gradient: torch.Tensor
    loss: float

    @property
    def _count(self) -> int:
        return len(self.gradient) - self.last.shape[1]

    @property
    def _first(self) -> np.ndarray:
        """The earlier vertex of every pair."""
        starts = self.dissection.starts
        return np.repeat(np.arange(len(starts) - 1), np.diff(starts))

    def plus(self, other: BlockPart, factor: float = 1.0) -> BlockPart:
        """See :class:`NormalPart`."""
        return BlockPart(
            self.dissection,
            self.normal.add(other.normal, alpha=factor),
            self.last.add(other.last, alpha=factor),
            self.gradient.add(other.gradient, alpha=factor),
            self.loss + factor * other.loss,
        )

    def diagonal(self) -> torch.Tensor:
        """See :class:`NormalPart`."""
        own = torch.as_tensor(self.dissection.starts[:-1])
        grid = self.normal.diagonal(dim1=1, dim2=2)[own].reshape(-1)
        return torch.cat([grid, self.last[self._count :].diagonal()])

    def times(self, x: torch.Tensor) -> torch.Tensor:
        """See :class:`NormalPart`."""
        width, count = self.normal.shape[1], self._count
        grid, rest = x[:count].reshape(-1, width, x.shape[1]), x[count:]
        first, later = torch.as_tensor(self._first), torch.as_tensor(self.dissection.later)
        off = later != first
        out = torch.zeros_like(grid).index_add_(0, later, self.normal @ grid[first])
        out.index_add_(0, first[off], self.normal[off].mT @ grid[later[off]])
        border = self.last[:count]
        return torch.cat([out.view(count, -1) + border @ rest, border.mT @ x[:count] + self.last[count:] @ rest])

    def factored(self, scale: torch.Tensor) -> BorderedFactor:
        """See :class:`NormalPart`."""
        blocks, count = self.normal.clone(), self._count
        scale_blocks(blocks, self.dissection, scale[:count])
        return BorderedFactor(self.dissection, blocks, self.last * scale[:, None] * scale[count:], 0.0)

    def dense(self, chosen: torch.Tensor) -> DensePart:
        """The same as one matrix of some unknowns, of a part without parameters.

        Parameters
        ----------
        chosen
            Which unknowns, bool, (n,); those left out are zero.
        """
        width = self.normal.shape[1]
        at = torch.arange(width)
        later = torch.as_tensor(self.dissection.later)[:, None] * width + at
        first = torch.as_tensor(self._first)[:, None] * width + at
        matrix = self.normal.new_zeros(self._count, self._count)
        matrix[first[:, None, :], later[:, :, None]] = self.normal
        matrix[later[:, :, None], first[:, None, :]] = self.normal
        return DensePart(matrix[chosen][:, chosen], self.gradient[chosen], self.loss)


@dataclass(frozen=True)
class DensePart(NormalPart):
    """As one matrix (n, n).

    Examples
    --------
    >>> one = torch.ones(2, dtype=torch.float64)
    >>> part = DensePart(torch.diag(3.0 * one), one, 1.0).plus(DensePart(torch.diag(one), one, 2.0), 0.5)
    >>> part.diagonal().tolist(), part.loss
    ([3.5, 3.5], 2.0)
    >>> round(part.factored(one).log_determinant, 6)
    2.505526
    """

    matrix: torch.Tensor
    gradient: torch.Tensor
    loss: float

    def plus(self, other: DensePart, factor: float = 1.0) -> DensePart:
        """See :class:`NormalPart`."""
        matrix = self.matrix.add(other.matrix, alpha=factor)
        return DensePart(matrix, self.gradient.add(other.gradient, alpha=factor), self.loss + factor * other.loss)

    def diagonal(self) -> torch.Tensor:
        """See :class:`NormalPart`."""
        return self.matrix.diagonal().clone()

    def times(self, x: torch.Tensor) -> torch.Tensor:
        """See :class:`NormalPart`."""
        return self.matrix @ x

    def factored(self, scale: torch.Tensor) -> _DenseFactor:
        """See :class:`NormalPart`."""
        scaled = (self.matrix * scale[:, None]).mul_(scale)
        scaled.diagonal().add_((scale == 0).to(scaled))
        return _DenseFactor(scaled)


class _DenseFactor:
    """The Cholesky factor of a matrix of unit diagonal, which is shifted where rounding makes it singular."""

    def __init__(self, matrix: torch.Tensor) -> None:
        if not bool(torch.isfinite(matrix).all()):
            raise ArithmeticError("a matrix with numbers that are not finite has no factor")
        before, shift, failed = 0.0, LEAST_SHIFT, True
        while failed:
            matrix.diagonal().add_(shift - before)
            self._lower, info = torch.linalg.cholesky_ex(matrix)
            before, shift, failed = shift, RAISE * shift, int(info) != 0

    @property
    def log_determinant(self) -> float:
        """Of the matrix."""
        return 2.0 * float(self._lower.diagonal().log().sum())

    def lower(self, right: torch.Tensor) -> torch.Tensor:
        """``L^-1`` times some columns."""
        return torch.linalg.solve_triangular(self._lower, right, upper=False)

    def upper(self, right: torch.Tensor) -> torch.Tensor:
        """``L^-T`` times some columns."""
        return torch.linalg.solve_triangular(self._lower.mT, right, upper=True)
