"""Blocks of weighted collocation rows on a nested tensor grid, with their exact linearisation.

A block is a set of points with the terms imposed there.  All blocks see the same unknown: the coefficients ``(fields, m N_1, ...)`` of
the finest level.  Rows are multiplied by ``sqrt(quadrature weight) / scale``, so that the sum of squares approximates an integral.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.axis import AxisMatrix, evaluation_matrix
from hermite_pinn.cuda.channels import Channels
from hermite_pinn.program import Leaf, Value
from hermite_pinn.residuals import CompiledTerm, Jet

from hermite_pinn.cuda.sum_factorization import SumFactorization

__all__ = ["Axis", "Block", "PointBlock", "TensorBlock"]


@dataclass(frozen=True)
class Axis:
    """One axis of the grid and, for a tensor block, the points and weights along it."""

    name: str
    bounds: tuple[float, float]
    periodic: bool


class Block:
    """Rows of some terms at some points.

    After :meth:`linearize` the products :meth:`forward` and :meth:`adjoint` are available; rows are lists with one tensor per
    term.
    """

    terms: list[CompiledTerm]
    fields: tuple[str, ...]
    scales: list[float]

    def linearize(self, coefficients: torch.Tensor, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        """Weighted residuals at ``coefficients`` (fields, ...); remembers the sensitivities."""
        raise NotImplementedError

    def forward(self, direction: torch.Tensor, parameters: torch.Tensor) -> list[torch.Tensor]:
        """Derivative of the rows along a direction of coefficients and parameters."""
        raise NotImplementedError

    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        """Add the transpose to ``out``; returns the part that belongs to the parameters."""
        raise NotImplementedError

    def diagonal(self, resolution: tuple[int, ...], shape: tuple[int, ...]) -> torch.Tensor:
        """Squared column norms for the coefficients of a level, of shape ``shape``."""
        raise NotImplementedError


def _spread(values: np.ndarray | torch.Tensor, axis: int, dim: int) -> torch.Tensor:
    return torch.as_tensor(values).reshape([-1 if i == axis else 1 for i in range(dim)])


class TensorBlock(Block):
    """Terms on a tensor product of points: the interior or a whole face of a box.

    Parameters
    ----------
    terms
        What is imposed.
    fields, parameters
        Names of the unknowns, in their order.
    basis, resolution, axes
        The finest level.
    points, weights
        Per axis the positions and quadrature weights (a single point with weight 1 across a face).
    scales
        Divisor of every term's rows.
    """

    def __init__(
        self,
        terms: Sequence[CompiledTerm],
        fields: tuple[str, ...],
        parameters: tuple[str, ...],
        basis: str,
        resolution: tuple[int, ...],
        axes: Sequence[Axis],
        points: Sequence[np.ndarray],
        weights: Sequence[np.ndarray],
        scales: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.terms, self.fields, self.parameters = list(terms), fields, parameters
        self.basis, self.axes, self.resolution = basis, list(axes), resolution
        self.points, self.weights = list(points), list(weights)
        self.scales = [1.0] * len(self.terms) if scales is None else list(scales)
        self.dim = len(self.axes)
        self.shape = tuple(len(p) for p in points)
        self.dtype, self.device = dtype, torch.device(device)
        self._env: dict[Leaf, Value] = {
            ("coordinate", a.name): _spread(p, i, self.dim).to(self.device, dtype)
            for i, (a, p) in enumerate(zip(self.axes, points, strict=True))
        }
        self._roots = [np.sqrt(w) for w in weights]
        root: torch.Tensor = torch.ones([1] * self.dim, dtype=dtype, device=self.device)
        for i, w in enumerate(self._roots):
            root = root * (_spread(w, i, self.dim).to(self.device, dtype) if np.ptp(w) > 0 else float(w[0]))
        self.root = root
        self._plan()
        self._sensitivity: list[dict[Jet, Value]] = [{} for _ in self.terms]
        self._by_parameter: list[dict[str, Value]] = [{} for _ in self.terms]

    # -- channels ---------------------------------------------------------------------------------------------------------
    def _plan(self) -> None:
        """Per field: one merged channel per term for the constant sensitivities, one channel per jet with a variable one."""
        self._constant: list[dict[int, int]] = []  # field -> {term: channel}
        self._variable: list[dict[tuple[int, ...], int]] = []  # field -> {orders: channel}
        self._factorized: list[SumFactorization | None] = []
        orders = [set[int]() for _ in range(self.dim)]
        channels: list[Channels | None] = []
        for f in self.fields:
            listed: list[tuple[tuple[float, tuple[int, ...]], ...]] = []
            constant: dict[int, int] = {}
            for k, t in enumerate(self.terms):
                members = tuple((s, o) for (name, o), s in t.constant.items() if name == f)
                if members:
                    if members not in listed:
                        listed.append(members)
                    constant[k] = listed.index(members)
            variable: dict[tuple[int, ...], int] = {}
            for t in self.terms:
                for name, o in t.variable:
                    if name == f and o not in variable:
                        variable[o] = len(listed)
                        listed.append(((1.0, o),))
            self._constant.append(constant)
            self._variable.append(variable)
            channels.append(Channels(self.dim, tuple(listed)) if listed else None)
            for _, o in itertools.chain.from_iterable(listed):
                for i in range(self.dim):
                    orders[i].add(o[i])
        self._orders = [tuple(sorted(o)) or (0,) for o in orders]
        matrices = [self._matrix(i, self.resolution[i]) for i in range(self.dim)]
        for c in channels:
            self._factorized.append(None if c is None else SumFactorization(matrices, c))

    def _matrix(self, axis: int, cells: int) -> AxisMatrix:
        a = self.axes[axis]
        found = evaluation_matrix(
            self.basis, cells, a.bounds, a.periodic, self.points[axis], self._orders[axis], self._roots[axis]
        )
        return AxisMatrix(found.matrices, self.dtype, self.device)

    def matrix(self, axis: int) -> AxisMatrix:
        """Evaluation matrices of the finest level along one axis, rows weighted, by derivative order."""
        return self._matrix(axis, self.resolution[axis])

    def _channels(self, coefficients: torch.Tensor) -> list[list[torch.Tensor]]:
        return [[] if s is None else s.forward(c) for s, c in zip(self._factorized, coefficients, strict=True)]

    # -- linearisation ----------------------------------------------------------------------------------------------------
    def linearize(self, coefficients: torch.Tensor, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        channels = self._channels(coefficients)
        jets: dict[Jet, Value] = {}
        for f, name in enumerate(self.fields):
            for o, channel in self._variable[f].items():
                jets[(name, o)] = channels[f][channel] / self.root
        env = self._env | {("parameter", name): value for name, value in parameters.items()}
        rows = []
        for k, t in enumerate(self.terms):
            value, sensitivity, by_parameter = t.evaluate(env, jets)
            row = (value * self.root).expand(self.shape).clone()
            for f in range(len(self.fields)):
                if k in self._constant[f]:
                    row += channels[f][self._constant[f][k]]
            self._sensitivity[k] = {j: self._compact(s) for j, s in sensitivity.items()}
            self._by_parameter[k] = {name: self._compact(s) for name, s in by_parameter.items()}
            rows.append(row.div_(self.scales[k]))
        return rows

    def _compact(self, value: Value) -> Value:
        return value.to(self.dtype) if isinstance(value, torch.Tensor) else float(value)

    def forward(self, direction: torch.Tensor, parameters: torch.Tensor) -> list[torch.Tensor]:
        channels = self._channels(direction)
        rows = []
        for k, t in enumerate(self.terms):
            parts = [channels[f][c[k]] for f, c in enumerate(self._constant) if k in c]
            row = parts[0] if len(parts) == 1 and not t.variable else None
            if row is None:
                row = torch.zeros(self.shape, dtype=self.dtype, device=self.device)
                for part in parts:
                    row += part
            for (name, o), s in self._sensitivity[k].items():
                f = self.fields.index(name)
                channel = channels[f][self._variable[f][o]]
                row.addcmul_(channel, s.expand(self.shape)) if isinstance(s, torch.Tensor) else row.add_(channel, alpha=s)
            for i, name in enumerate(self.parameters):
                if name in self._by_parameter[k]:
                    row = row + self._by_parameter[k][name] * self.root * parameters[i]
            if self.scales[k] != 1.0:
                row = row / self.scales[k]
            rows.append(row)
        # a merged channel that serves several terms is one buffer; rows must be tensors of their own
        return [r.clone() if any(r.data_ptr() == q.data_ptr() for q in rows[:i]) else r for i, r in enumerate(rows)]

    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        scaled = [r if s == 1.0 else r / s for r, s in zip(rows, self.scales, strict=True)]
        for f, name in enumerate(self.fields):
            factorized = self._factorized[f]
            if factorized is None:
                continue
            count = factorized.plan.nodes[0]
            weights: list[torch.Tensor | None] = [None] * count
            for k, channel in self._constant[f].items():
                weights[channel] = scaled[k] if weights[channel] is None else weights[channel] + scaled[k]
            for o, channel in self._variable[f].items():
                for k, r in enumerate(scaled):
                    s = self._sensitivity[k].get((name, o))
                    if s is not None:
                        part = r * s
                        weights[channel] = part if weights[channel] is None else weights[channel] + part
            filled = [torch.zeros(self.shape, dtype=self.dtype, device=self.device) if w is None else w for w in weights]
            factorized.adjoint(filled, out[f], add=True)
        gradient = torch.zeros(len(self.parameters), dtype=self.dtype, device=self.device)
        for i, name in enumerate(self.parameters):
            for k, r in enumerate(scaled):
                if name in self._by_parameter[k]:
                    gradient[i] += (r * self.root * self._by_parameter[k][name]).sum()
        return gradient

    def parameter_diagonal(self) -> torch.Tensor:
        """Squared norms of the columns of the parameters."""
        found = torch.zeros(len(self.parameters), dtype=self.dtype, device=self.device)
        for i, name in enumerate(self.parameters):
            for k in range(len(self.terms)):
                if name in self._by_parameter[k]:
                    column = self.root * self._by_parameter[k][name] / self.scales[k]
                    found[i] += (column.expand(self.shape) ** 2).sum()
        return found

    def diagonal(self, resolution: tuple[int, ...], shape: tuple[int, ...]) -> torch.Tensor:
        matrices = [self._matrix(i, resolution[i]) for i in range(self.dim)]
        found = torch.zeros(shape, dtype=self.dtype, device=self.device)
        products: dict[tuple[int, int, int], np.ndarray] = {}

        def product(axis: int, a: int, b: int) -> np.ndarray:
            key = (axis, min(a, b), max(a, b))
            if key not in products:
                products[key] = matrices[axis].matrices[a].data * matrices[axis].matrices[b].data
            return products[key]

        def column_sum(axis: int, a: int, b: int) -> torch.Tensor:
            m = matrices[axis].matrices[a]
            total = np.bincount(m.indices, weights=product(axis, a, b), minlength=m.shape[1])
            return torch.as_tensor(total).to(self.device, self.dtype)

        for k, t in enumerate(self.terms):
            for f, name in enumerate(self.fields):
                members: list[tuple[tuple[int, ...], Value]] = [(o, s) for (n, o), s in t.constant.items() if n == name]
                members += [(o, s) for (n, o), s in self._sensitivity[k].items() if n == name]
                for (i, (o1, s1)), (j, (o2, s2)) in itertools.combinations_with_replacement(enumerate(members), 2):
                    weight = (1.0 if i == j else 2.0) / self.scales[k] ** 2
                    s = s1 * s2
                    if isinstance(s, torch.Tensor) and s.numel() > 1:
                        keyed = [
                            m.with_matrices({"product": product(a, o1[a], o2[a])}).transposed for a, m in enumerate(matrices)
                        ]
                        part = s.expand(self.shape)
                        for axis, m in enumerate(keyed):
                            part = m.apply([("product", part)], axis)
                        found[f].add_(part, alpha=weight)
                    else:
                        outer = torch.tensor(float(s) * weight, dtype=self.dtype, device=self.device)
                        for axis in range(self.dim):
                            outer = outer[..., None] * column_sum(axis, o1[axis], o2[axis])
                        found[f] += outer
        return found.clamp_(min=0.0)


class PointBlock(Block):
    """Terms at scattered points, by sparse rows on the finest level.

    Parameters
    ----------
    points
        (n, dim).
    weights
        Quadrature weight of every point, (n,).
    columns
        Data of the points by name.
    """

    def __init__(
        self,
        terms: Sequence[CompiledTerm],
        fields: tuple[str, ...],
        parameters: tuple[str, ...],
        basis: str,
        resolution: tuple[int, ...],
        axes: Sequence[Axis],
        points: np.ndarray,
        weights: np.ndarray,
        columns: Mapping[str, np.ndarray],
        scales: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.terms, self.fields, self.parameters = list(terms), fields, parameters
        self.basis, self.axes = basis, list(axes)
        self.points = points
        self.scales = [1.0] * len(self.terms) if scales is None else list(scales)
        self.dtype, self.device = dtype, torch.device(device)
        self.root = torch.as_tensor(np.sqrt(weights)).to(self.device, dtype)
        self._env: dict[Leaf, Value] = {
            ("coordinate", a.name): torch.as_tensor(points[:, i].copy()).to(self.device, dtype) for i, a in enumerate(self.axes)
        }
        self._env |= {("data", name): torch.as_tensor(v).to(self.device, dtype) for name, v in columns.items()}
        self._jets = sorted({j for t in self.terms for j in t.jets})
        self._matrices = {o: self._csr(resolution, o) for o in {o for _, o in self._jets}}
        self._rows = AxisMatrix(dict(self._matrices), self.dtype, self.device)
        self._sensitivity: list[dict[Jet, torch.Tensor]] = [{} for _ in self.terms]
        self._by_parameter: list[dict[str, torch.Tensor]] = [{} for _ in self.terms]

    def _csr(self, resolution: tuple[int, ...], orders: tuple[int, ...]) -> sparse.csr_matrix:
        """Rows of one derivative: the row-wise Kronecker product of the 1-D rows."""
        n = len(self.points)
        columns, values = np.zeros((n, 1), dtype=np.int64), np.ones((n, 1))
        total = 1
        for i, a in enumerate(self.axes):
            one = evaluation_matrix(self.basis, resolution[i], a.bounds, a.periodic, self.points[:, i], (orders[i],))
            m = one.matrices[orders[i]]
            width = np.diff(m.indptr)
            if np.ptp(width):
                raise AssertionError("rows of one axis have equal length")
            c, v = m.indices.reshape(n, -1), m.data.reshape(n, -1)
            columns = (columns[:, :, None] * m.shape[1] + c[:, None, :]).reshape(n, -1)
            values = (values[:, :, None] * v[:, None, :]).reshape(n, -1)
            total *= m.shape[1]
        rows = np.repeat(np.arange(n), columns.shape[1])
        return sparse.csr_matrix((values.ravel(), (rows, columns.ravel())), shape=(n, total))

    def linearize(self, coefficients: torch.Tensor, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        jets: dict[Jet, Value] = {
            (name, o): self._rows.apply([(o, coefficients[self.fields.index(name)].reshape(-1))], 0) for name, o in self._jets
        }
        env = self._env | {("parameter", name): value for name, value in parameters.items()}
        rows = []
        for k, t in enumerate(self.terms):
            value, sensitivity, by_parameter = t.evaluate(env, jets)
            factor = self.root / self.scales[k]
            rows.append((value * factor).expand_as(self.root).clone())
            self._sensitivity[k] = {j: s * factor for j, s in (t.constant | sensitivity).items()}
            self._by_parameter[k] = {name: s * factor for name, s in by_parameter.items()}
        return rows

    def forward(self, direction: torch.Tensor, parameters: torch.Tensor) -> list[torch.Tensor]:
        found = {(name, o): self._rows.apply([(o, direction[self.fields.index(name)].reshape(-1))], 0) for name, o in self._jets}
        rows = []
        for k in range(len(self.terms)):
            row = torch.zeros_like(self.root)
            for j, s in self._sensitivity[k].items():
                row += s * found[j]
            for i, name in enumerate(self.parameters):
                if name in self._by_parameter[k]:
                    row += self._by_parameter[k][name] * parameters[i]
            rows.append(row)
        return rows

    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        gradient = torch.zeros(len(self.parameters), dtype=self.dtype, device=self.device)
        for k, r in enumerate(rows):
            for (name, o), s in self._sensitivity[k].items():
                self._rows.transposed.apply([(o, s * r)], 0, out[self.fields.index(name)].view(-1), add=True)
            for i, name in enumerate(self.parameters):
                if name in self._by_parameter[k]:
                    gradient[i] += torch.dot(self._by_parameter[k][name].expand_as(r), r)
        return gradient

    def parameter_diagonal(self) -> torch.Tensor:
        """Squared norms of the columns of the parameters."""
        found = torch.zeros(len(self.parameters), dtype=self.dtype, device=self.device)
        for i, name in enumerate(self.parameters):
            for by_parameter in self._by_parameter:
                if name in by_parameter:
                    found[i] += (by_parameter[name].expand_as(self.root) ** 2).sum()
        return found

    def diagonal(self, resolution: tuple[int, ...], shape: tuple[int, ...]) -> torch.Tensor:
        matrices = {o: self._csr(resolution, o) for o in self._matrices}
        found = torch.zeros(shape, dtype=self.dtype, device=self.device)
        for sensitivity in self._sensitivity:
            for f, name in enumerate(self.fields):
                total = None
                for (n, o), s in sensitivity.items():
                    if n == name:
                        part = sparse.diags(s.expand_as(self.root).cpu().numpy().astype(float)) @ matrices[o]
                        total = part if total is None else total + part
                if total is not None:
                    squares = np.asarray(total.multiply(total).sum(0)).ravel()
                    found[f] += torch.as_tensor(squares).to(self.device, self.dtype).view(shape[1:])
        return found
