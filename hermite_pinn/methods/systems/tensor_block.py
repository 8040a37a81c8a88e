"""Terms on a tensor product of points, by sum factorisation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix, evaluation_matrix
from hermite_pinn.cuda.tensor_grid.sum_factorization import SumFactorization
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

from .block import Axis, Block
from .vertex_basis import changed_columns

__all__ = ["TensorBlock"]

_PIECE = 4_000_000  # numbers in one piece of a Jacobian


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

    # -- channels ---
    def _plan(self) -> None:
        """Merge the jets with constant sensitivities to one channel per term and field; the others stay."""
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
        evaluated = evaluation_matrix(
            self.basis, cells, a.bounds, a.periodic, self.points[axis], self._orders[axis], self._roots[axis]
        )
        return AxisMatrix(evaluated.matrices, self.dtype, self.device)

    def _channels(self, coefficients: torch.Tensor) -> list[list[torch.Tensor]]:
        return [[] if s is None else s.forward(c) for s, c in zip(self._factorized, coefficients, strict=True)]

    @property
    def nodes(self) -> list[tuple[int, ...]]:
        """Of every field that occurs, the numbers of arrays on the way from coefficients to channels."""
        return [s.plan.nodes for s in self._factorized if s is not None]

    # -- linearisation ---
    def linearize(self, coefficients: torch.Tensor, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        """Weighted residuals at ``coefficients``; see :class:`Block`."""
        channels = self._channels(coefficients)
        jets: dict[Jet, Value] = {}
        for f, name in enumerate(self.fields):
            for o, channel in self._variable[f].items():
                jets[(name, o)] = channels[f][channel] / self.root
        env = self._env | {("parameter", name): value for name, value in parameters.items()}
        rows = []
        for k, t in enumerate(self.terms):
            # jets with a constant sensitivity enter by their channel below, also where another term needs them alone
            own = {jet: jets[jet] for jet in t.variable}
            value, sensitivity, by_parameter = t.evaluate(env, own)
            row = (value * self.root).expand(self.shape).clone()
            for f in range(len(self.fields)):
                if k in self._constant[f]:
                    row += channels[f][self._constant[f][k]]
            self._sensitivity[k] = {j: self._compact(s) for j, s in sensitivity.items()}
            self._by_parameter[k] = {name: self._compact(s) for name, s in by_parameter.items()}
            rows.append(row.div_(self.scales[k]))
        return rows

    def sensitivity(self, k: int) -> dict[Jet, Value]:
        """Variable sensitivities of term ``k`` at the last linearisation."""
        return self._sensitivity[k]

    def _compact(self, value: Value) -> Value:
        return value.to(self.dtype) if isinstance(value, torch.Tensor) else float(value)

    def forward(self, direction: torch.Tensor, parameters: torch.Tensor) -> list[torch.Tensor]:
        """Derivative of the rows along a direction; see :class:`Block`."""
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
                row.addcmul_(channel, s.expand(self.shape)) if isinstance(s, torch.Tensor) else row.add_(
                    channel, alpha=s
                )
            if self.scales[k] != 1.0:
                row = row / self.scales[k]
            rows.append(self._add_parameters(k, row, parameters))
        # a merged channel that serves several terms is one buffer; rows must be tensors of their own
        return [r.clone() if any(r.data_ptr() == q.data_ptr() for q in rows[:i]) else r for i, r in enumerate(rows)]

    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        """Transpose of :meth:`forward`; see :class:`Block`."""
        scaled = [r if s == 1.0 else r / s for r, s in zip(rows, self.scales, strict=True)]
        for f, name in enumerate(self.fields):
            factorized = self._factorized[f]
            if factorized is None:
                continue
            count = factorized.plan.nodes[0]
            weights: list[torch.Tensor | None] = [None] * count

            def put(channel: int, part: torch.Tensor, weights: list[torch.Tensor | None] = weights) -> None:
                present = weights[channel]
                weights[channel] = part if present is None else present + part

            for k, channel in self._constant[f].items():
                put(channel, scaled[k])
            for o, channel in self._variable[f].items():
                for k, r in enumerate(scaled):
                    s = self._sensitivity[k].get((name, o))
                    if s is not None:
                        put(channel, r * s)
            filled = [
                torch.zeros(self.shape, dtype=self.dtype, device=self.device) if w is None else w for w in weights
            ]
            factorized.adjoint(filled, out[f], add=True)
        return self._parameter_adjoint(rows)

    def diagonal(
        self, resolution: tuple[int, ...], shape: tuple[int, ...], change: Sequence[np.ndarray] | None = None
    ) -> torch.Tensor:
        """Squared column norms of a level; see :class:`Block`."""
        matrices = [self._matrix(i, resolution[i]) for i in range(self.dim)]
        if change is not None:
            matrices = [
                AxisMatrix({o: changed_columns(m, c) for o, m in a.matrices.items()}, self.dtype, self.device)
                for a, c in zip(matrices, change, strict=True)
            ]
        squares = torch.zeros(shape, dtype=self.dtype, device=self.device)
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
                            m.with_matrices({"product": product(a, o1[a], o2[a])}).transposed
                            for a, m in enumerate(matrices)
                        ]
                        part = s.expand(self.shape)
                        for axis, m in enumerate(keyed):
                            part = m.apply([("product", part)], axis)
                        squares[f].add_(part, alpha=weight)
                    else:
                        outer = torch.tensor(float(s) * weight, dtype=self.dtype, device=self.device)
                        for axis in range(self.dim):
                            outer = outer[..., None] * column_sum(axis, o1[axis], o2[axis])
                        squares[f] += outer
        return squares.clamp_(min=0.0)

    def elements(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The Jacobian as dense pieces, cell by cell; see :class:`Block`."""
        dim, cells, factors, columns = self.dim, [], [], []
        for i, points in enumerate(self.points):
            matrices = self._matrix(i, self.resolution[i]).matrices
            first = matrices[self._orders[i][0]]
            entries = first.indices.reshape(len(points), -1)
            groups = 1 + int((entries[1:] != entries[:-1]).any(1).sum())  # cells that hold points
            per = len(points) // groups
            cells.append((groups, per))
            columns.append(torch.as_tensor(first.indices.reshape(groups, per, -1)[:, 0].astype(np.int64)))
            factors.append({o: torch.as_tensor(m.data.reshape(groups, per, -1)) for o, m in matrices.items()})
        sizes = [self._matrix_columns(i) for i in range(dim)]
        local = [c.shape[1] for c in columns]
        inside, count = math.prod(per for _, per in cells), math.prod(local)
        others = math.prod(groups for groups, _ in cells[1:])
        chunk = max(1, _PIECE // (others * len(self.terms) * inside * len(self.fields) * count))
        for begin in range(0, cells[0][0], chunk):
            part = slice(begin, min(begin + chunk, cells[0][0]))
            shape = [part.stop - part.start, *(groups for groups, _ in cells[1:])]
            rows = torch.zeros(*shape, len(self.terms), inside, len(self.fields), count, dtype=self.dtype)
            for k, t in enumerate(self.terms):
                for (name, orders), s in (t.constant | self._sensitivity[k]).items():
                    value: torch.Tensor = self._by_cell(s, cells, part) / self.scales[k]
                    for i, o in enumerate(orders):
                        f = factors[i][o][part] if i == 0 else factors[i][o]
                        where = [1] * (3 * dim)
                        where[i], where[dim + i], where[2 * dim + i] = f.shape
                        value = value * f.reshape(where)
                    rows[..., k, :, self.fields.index(name), :] += value.expand(
                        *shape, *(per for _, per in cells), *local
                    ).reshape(*shape, inside, count)
            index = torch.zeros([1] * (2 * dim), dtype=torch.int64)
            for i, c in enumerate(columns):
                c = c[part] if i == 0 else c
                where = [1] * (2 * dim)
                where[i], where[dim + i] = c.shape
                index = index * sizes[i] + c.reshape(where)
            flat = index.expand(*shape, *local).reshape(-1, 1, count)
            fields = torch.arange(len(self.fields))[None, :, None] * math.prod(sizes)
            elements = flat.shape[0]
            yield (flat + fields).reshape(elements, -1), rows.reshape(elements, len(self.terms) * inside, -1)

    def _matrix_columns(self, axis: int) -> int:
        return BASES[self.basis].coefficients * (self.resolution[axis] + (not self.axes[axis].periodic))

    def _by_cell(self, value: Value, cells: Sequence[tuple[int, int]], part: slice) -> torch.Tensor:
        """A value at the points, (cells ..., points in a cell ..., 1 ...), for a part of the first axis."""
        dim = self.dim
        if not isinstance(value, torch.Tensor) or value.numel() == 1:
            return torch.full([1] * (3 * dim), float(value), dtype=self.dtype)
        spread = value.to(self.dtype).cpu()
        sizes = [size if n > 1 else 1 for (g, p), n in zip(cells, spread.shape, strict=True) for size in (g, p)]
        spread = spread.reshape(sizes).permute(*range(0, 2 * dim, 2), *range(1, 2 * dim, 2))
        if spread.shape[0] > 1:
            spread = spread[part]
        return spread.reshape(*spread.shape, *[1] * dim)
