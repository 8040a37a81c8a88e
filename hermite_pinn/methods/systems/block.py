"""Blocks of weighted collocation rows, with their exact linearisation.

A block is a set of points with the terms imposed there.  All blocks of a system see the same unknown, the coefficients
of the finest of its levels: those of all vertices (:class:`.DenseBlock`), or of some (:class:`.CompactBlock`).  Rows
are multiplied by ``sqrt(quadrature weight) / scale``, so that the sum of squares approximates an integral.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix, evaluation_matrix
from hermite_pinn.cuda.tensor_grid.pieces import Pieces
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

from .singular_columns import SingularColumns

__all__ = ["PIECE", "Axis", "Block", "squared"]

PIECE = 4_000_000  # numbers in one piece of a Jacobian or a normal matrix


@dataclass(frozen=True)
class Axis:
    """One axis of the grid, in pieces where it has breaks."""

    name: str
    bounds: tuple[float, float]
    periodic: bool
    pieces: Pieces | None = None

    def vertices(self, cells: int) -> int:
        """How many there are, those on breaks twice."""
        return cells + (not self.periodic) if self.pieces is None else self.pieces.count(cells)

    def coefficients(self, basis: str, cells: int) -> int:
        """How many there are of a field along the axis."""
        return BASES[basis].coefficients * self.vertices(cells)

    def end_cells(self, cells: int) -> tuple[float, float]:
        """Lengths of the first and the last cell."""
        if self.pieces is None:
            return ((self.bounds[1] - self.bounds[0]) / cells,) * 2
        counts, lengths = self.pieces.cells(cells), self.pieces.lengths
        return lengths[0] / counts[0], lengths[-1] / counts[-1]

    def evaluation(
        self,
        basis: str,
        cells: int,
        points: np.ndarray,
        orders: Sequence[int],
        row_weights: np.ndarray | None = None,
    ) -> AxisMatrix:
        """Derivatives at points; see :func:`.evaluation_matrix`."""
        if self.pieces is None:
            return evaluation_matrix(basis, cells, self.bounds, self.periodic, points, orders, row_weights)
        return self.pieces.evaluation(basis, cells, self.periodic, points, orders, row_weights)


class Block(ABC):
    """Rows of some terms at some points.

    After :meth:`linearize` the products :meth:`forward` and :meth:`adjoint` are available; rows are lists with one
    tensor of the block's shape per term.

    Attributes
    ----------
    terms
        What is imposed.
    fields, parameters
        Names of the unknowns, in their order.
    scales
        Divisor of every term's rows.
    shape
        Shape of the points.
    root
        Square roots of the quadrature weights; broadcasts to ``shape``.
    singular
        Singular functions whose coefficients are unknowns after the parameters, or None.
    labels
        Of every coefficient of the finest level the unknown that it is a multiple of, and the factor; None where each
        is its own.  See :class:`.Ties`.
    """

    terms: list[CompiledTerm]
    fields: tuple[str, ...]
    parameters: tuple[str, ...]
    scales: list[float]
    shape: tuple[int, ...]
    root: torch.Tensor
    singular: SingularColumns | None = None
    labels: tuple[torch.Tensor, torch.Tensor] | None = None
    _env: dict[Leaf, Value]
    _sensitivity: list[dict[Jet, Any]]
    _by_parameter: list[dict[str, Value]]

    def take_over(self, other: Block) -> None:
        """Products at the linearisation of ``other``, which has the same rows in another precision."""
        dtype = self.root.dtype

        def cast(value: Value) -> Value:
            return value.to(dtype) if isinstance(value, torch.Tensor) else value

        self._sensitivity = [{k: cast(v) for k, v in row.items()} for row in other._sensitivity]
        self._by_parameter = [{k: cast(v) for k, v in row.items()} for row in other._by_parameter]
        self.singular = None if other.singular is None else other.singular.to(dtype)

    def positions(self) -> torch.Tensor:
        """The points (dim, n)."""
        values = [torch.as_tensor(v) for (kind, _), v in self._env.items() if kind == "coordinate"]
        return torch.stack([v.to(self.root).expand(self.shape).reshape(-1) for v in values])

    @abstractmethod
    def linearize(self, coefficients: torch.Tensor, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        """Weighted residuals at ``coefficients`` (fields, ...); remembers the sensitivities."""

    @abstractmethod
    def forward(self, direction: torch.Tensor, parameters: torch.Tensor) -> list[torch.Tensor]:
        """Derivative of the rows along a direction of coefficients and parameters."""

    @abstractmethod
    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        """Add the transpose to ``out``; returns the part that belongs to the parameters."""

    @abstractmethod
    def elements(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The Jacobian with respect to the finest coefficients as dense pieces.

        Yields pairs ``(columns, rows)``: for E cells (or points) the indices (E, L) of their coefficients in the
        flattened (fields, ...) array, and their rows (E, P, L), on the CPU.
        """

    def relabel(self, labels: tuple[torch.Tensor, torch.Tensor] | None) -> None:
        """Set :attr:`labels`."""
        self.labels = labels

    def _labelled(self, columns: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A piece of the Jacobian for the coefficients that are unknowns."""
        if self.labels is None:
            return columns, rows
        number, factor = self.labels
        return number[columns], rows * factor[columns].to(rows)[:, None, :]

    def products(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The normal matrix of the rows with respect to the finest coefficients as dense pieces.

        Yields
        ------
        columns
            For E cells (or points) the numbers of their coefficients, as :meth:`elements` has them, (E, L).
        products
            Of their columns, (E, L, L), on the CPU.
        """
        return squared(self.elements())

    # -- parameters: dense columns ``root * d residual / d parameter / scale`` ---
    def _column(self, k: int, name: str) -> torch.Tensor | None:
        s = self._by_parameter[k].get(name)
        return None if s is None else (self.root * s / self.scales[k]).expand(self.shape)

    def _add_parameters(self, k: int, row: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        for i, name in enumerate(self.parameters):
            column = self._column(k, name)
            if column is not None:
                row = row + column * parameters[i]
        if self.singular is not None:
            row = row + self.singular.forward(k, parameters[len(self.parameters) :])
        return row

    def _parameter_adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        gradient = self.root.new_zeros(len(self.parameters))
        for i, name in enumerate(self.parameters):
            for k, row in enumerate(rows):
                column = self._column(k, name)
                if column is not None:
                    gradient[i] += (column * row).sum()
        return gradient if self.singular is None else torch.cat([gradient, self.singular.adjoint(rows)])

    def parameter_diagonal(self) -> torch.Tensor:
        """Squared norms of the columns of the parameters."""
        squares = self.root.new_zeros(len(self.parameters))
        for i, name in enumerate(self.parameters):
            for k in range(len(self.terms)):
                column = self._column(k, name)
                if column is not None:
                    squares[i] += column.square().sum()
        return squares if self.singular is None else torch.cat([squares, self.singular.squares()])


def squared(pieces: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The normal matrices (E, L, L) of dense pieces of a Jacobian: pairs of columns (E, L) and rows (E, P, L)."""
    for columns, rows in pieces:
        step = max(1, PIECE // columns.shape[1] ** 2)
        for part in zip(columns.split(step), rows.split(step), strict=True):
            yield part[0], torch.bmm(part[1].mT, part[1])
