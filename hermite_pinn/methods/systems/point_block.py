"""Terms at scattered points, by sparse rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.geometry import Samples
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

from .block import PIECE, Axis
from .block_memory import BlockMemory
from .dense_block import DenseBlock
from .vertex_basis import changed_columns

__all__ = ["PointBlock"]


class PointBlock(DenseBlock):
    """Terms at scattered points, by sparse rows on the finest level.

    Parameters
    ----------
    samples
        Points with quadrature weights, data by name, and normals.
    """

    def __init__(
        self,
        terms: Sequence[CompiledTerm],
        fields: tuple[str, ...],
        parameters: tuple[str, ...],
        basis: str,
        resolution: tuple[int, ...],
        axes: Sequence[Axis],
        samples: Samples,
        scales: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.terms, self.fields, self.parameters = list(terms), fields, parameters
        self.basis, self.axes, self.resolution = basis, list(axes), resolution
        self.points = samples.x.T.cpu().numpy()
        self.shape = (samples.count,)
        self.scales = [1.0] * len(self.terms) if scales is None else list(scales)
        self.dtype, self.device = dtype, torch.device(device)
        self.root = torch.as_tensor(np.sqrt(samples.weights.cpu().numpy())).to(self.device, dtype)
        self._env: dict[Leaf, Value] = {}
        self._env |= samples.to(self.device, dtype).leaves([a.name for a in self.axes])
        self._jets = sorted({j for t in self.terms for j in t.jets})
        self._matrices = {o: self._csr(resolution, o) for o in {o for _, o in self._jets}}
        matrices: dict[Hashable, sparse.csr_matrix] = dict(self._matrices.items())
        self._rows = AxisMatrix(matrices, self.dtype, self.device)
        self._sensitivity: list[dict[Jet, torch.Tensor]] = [{} for _ in self.terms]
        self._by_parameter = [{} for _ in self.terms]

    def _csr(
        self, resolution: tuple[int, ...], orders: tuple[int, ...], change: Sequence[np.ndarray] | None = None
    ) -> sparse.csr_matrix:
        """Rows of one derivative: the row-wise Kronecker product of the 1-D rows."""
        n = len(self.points)
        columns, values = np.zeros((n, 1), dtype=np.int64), np.ones((n, 1))
        total = 1
        for i, a in enumerate(self.axes):
            one = a.evaluation(self.basis, resolution[i], self.points[:, i], (orders[i],))
            m = one.matrices[orders[i]] if change is None else changed_columns(one.matrices[orders[i]], change[i])
            if np.ptp(np.diff(m.indptr)):
                raise AssertionError("rows of one axis have equal length")
            c, v = m.indices.reshape(n, -1), m.data.reshape(n, -1)
            columns = (columns[:, :, None] * m.shape[1] + c[:, None, :]).reshape(n, -1)
            values = (values[:, :, None] * v[:, None, :]).reshape(n, -1)
            total *= m.shape[1]
        width = columns.shape[1]
        start = np.arange(0, n * width + 1, width)
        return sparse.csr_matrix((values.ravel(), columns.ravel(), start), shape=(n, total))

    def jets(self, coefficients: torch.Tensor) -> dict[Jet, Value]:
        """Values (n,) of the jets that the terms need."""
        return {
            (name, o): self._rows.apply([(o, coefficients[self.fields.index(name)].reshape(-1))], 0)
            for name, o in self._jets
        }

    def linearize(self, coefficients: torch.Tensor, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        """Weighted residuals at ``coefficients``; see :class:`Block`."""
        jets = self.jets(coefficients)
        env = self._env | {("parameter", name): value for name, value in parameters.items()}
        rows, singular = [], None if self.singular is None else self.singular.state(parameters)
        if singular is not None:
            jets |= {jet: jets[jet] + value for jet, value in singular[0].items()}
        for k, t in enumerate(self.terms):
            value, sensitivity, by_parameter = t.evaluate(env, jets)
            factor = self.root / self.scales[k]
            if self.singular is not None and singular is not None:
                value = value + singular[1][k]
                self.singular.weigh(k, sensitivity, factor)
            rows.append((value * factor).expand_as(self.root).clone())
            self._sensitivity[k] = {j: s * factor for j, s in (t.constant | sensitivity).items()}
            self._by_parameter[k] = by_parameter
        return rows

    def forward(self, direction: torch.Tensor, parameters: torch.Tensor) -> list[torch.Tensor]:
        """Derivative of the rows along a direction; see :class:`Block`."""
        by_jet = {
            (name, o): self._rows.apply([(o, direction[self.fields.index(name)].reshape(-1))], 0)
            for name, o in self._jets
        }
        rows = []
        for k in range(len(self.terms)):
            row = torch.zeros_like(self.root)
            for j, s in self._sensitivity[k].items():
                row += s * by_jet[j]
            rows.append(self._add_parameters(k, row, parameters))
        return rows

    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        """Transpose of :meth:`forward`; see :class:`Block`."""
        for k, r in enumerate(rows):
            for (name, o), s in self._sensitivity[k].items():
                self._rows.transposed.apply([(o, s * r)], 0, out[self.fields.index(name)].view(-1), add=True)
        return self._parameter_adjoint(rows)

    def diagonal(
        self, resolution: tuple[int, ...], shape: tuple[int, ...], change: Sequence[np.ndarray] | None = None
    ) -> torch.Tensor:
        """Squared column norms of a level; see :class:`DenseBlock`."""
        matrices = {o: self._csr(resolution, o, change) for o in self._matrices}
        diagonal = torch.zeros(shape, dtype=self.dtype, device=self.device)
        for sensitivity in self._sensitivity:
            for f, name in enumerate(self.fields):
                total = None
                for (n, o), s in sensitivity.items():
                    if n == name:
                        part = sparse.diags(s.expand_as(self.root).cpu().numpy().astype(float)) @ matrices[o]
                        total = part if total is None else total + part
                if total is not None:
                    squares = np.asarray(total.multiply(total).sum(0)).ravel()
                    diagonal[f] += torch.as_tensor(squares).to(self.device, self.dtype).view(shape[1:])
        return diagonal

    def memory(self, resolution: Sequence[int]) -> BlockMemory:
        """What the block would hold on other cells: what it holds on these; see :class:`DenseBlock`."""
        count, local = len(self.points), (2 * BASES[self.basis].coefficients) ** len(self.axes)
        orders, rows = len(self._matrices), float(count * len(self.terms))
        return BlockMemory(6.0 * count * local * orders, rows, rows)

    def elements(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The Jacobian as dense pieces, point by point; see :class:`Block`."""
        yield self._labelled(*self._elements(self._matrices))

    has_levels: ClassVar[bool] = True

    def level_elements(self, resolution: tuple[int, ...]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """See :class:`DenseBlock`."""
        yield self._elements({o: self._csr(resolution, o) for o in self._matrices})

    def _elements(self, matrices: Mapping[tuple[int, ...], sparse.csr_matrix]) -> tuple[torch.Tensor, torch.Tensor]:
        """The Jacobian, point by point, from the rows of derivatives on a level."""
        first = next(iter(matrices.values()))
        n, size = len(self.points), first.shape[1]
        index = torch.as_tensor(first.indices.reshape(n, -1).astype(np.int64))
        values = {o: torch.as_tensor(m.data.reshape(n, -1)) for o, m in matrices.items()}
        rows = torch.zeros(n, len(self.terms), len(self.fields), index.shape[1], dtype=self.dtype)
        for k, sensitivity in enumerate(self._sensitivity):
            for (name, o), s in sensitivity.items():
                rows[:, k, self.fields.index(name)] += s.expand_as(self.root).cpu()[:, None] * values[o]
        columns = index[:, None, :] + torch.arange(len(self.fields))[None, :, None] * size
        return columns.reshape(n, -1), rows.reshape(n, len(self.terms), -1)

    def products(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The normal matrix as dense pieces, cell by cell of those that have points; see :class:`Block`."""
        yield from self._products(self.elements())

    def level_products(self, resolution: tuple[int, ...]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """See :class:`DenseBlock`; cell by cell of those that have points."""
        yield from self._products(self.level_elements(resolution))

    @staticmethod
    def _products(
        pieces: Iterator[tuple[torch.Tensor, torch.Tensor]],
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for columns, rows in pieces:
            _, cells, counts = np.unique(columns[:, 0].numpy(), return_inverse=True, return_counts=True)
            order = np.argsort(cells, kind="stable")
            starts = np.cumsum(counts) - counts
            for count in np.unique(counts):  # points in a cell
                own = starts[counts == count]
                for some in np.array_split(own, max(1, len(own) * columns.shape[1] ** 2 // PIECE)):
                    at = torch.as_tensor(order[some[:, None] + np.arange(count)])
                    every = rows[at].flatten(1, 2)
                    yield columns[at[:, 0]], torch.bmm(every.mT, every)
