"""Terms on a tensor product of points, by sum factorisation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Sequence
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix
from hermite_pinn.cuda.tensor_grid.sum_factorization import SumFactorization
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

from .block import PIECE, Axis
from .block_memory import BlockMemory
from .channel_block import ChannelBlock
from .dense_block import DenseBlock
from .separated_rows import SeparatedRow, separated_row
from .vertex_basis import changed_columns

__all__ = ["TensorBlock"]


def _spread(values: np.ndarray | torch.Tensor, axis: int, dim: int) -> torch.Tensor:
    return torch.as_tensor(values).reshape([-1 if i == axis else 1 for i in range(dim)])


class TensorBlock(ChannelBlock[SumFactorization], DenseBlock):
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
    def _evaluators(self, channels: Sequence[Channels | None]) -> list[SumFactorization | None]:
        matrices = [self._matrix(i, self.resolution[i]) for i in range(self.dim)]
        return [None if c is None else SumFactorization(matrices, c) for c in channels]

    def evaluator(self, axis: int, cells: int, orders: Sequence[int]) -> AxisMatrix:
        """Derivatives along an axis at the points times the roots of weights, by order: (points, coefficients)."""
        return self.axes[axis].evaluation(self.basis, cells, self.points[axis], orders, self._roots[axis])

    def evaluated(self, axis: int, cells: int, orders: Sequence[int]) -> dict[Hashable, sparse.csr_matrix]:
        """The matrices of :meth:`evaluator`."""
        return self.evaluator(axis, cells, orders).matrices

    def _matrix(self, axis: int, cells: int) -> AxisMatrix:
        return self.evaluator(axis, cells, self._orders[axis]).to(self.dtype, self.device)

    def diagonal(
        self, resolution: tuple[int, ...], shape: tuple[int, ...], change: Sequence[np.ndarray] | None = None
    ) -> torch.Tensor:
        """Squared column norms of a level; see :class:`DenseBlock`."""
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

        turned: dict[tuple[int, int, int], AxisMatrix] = {}

        def turned_product(axis: int, a: int, b: int) -> AxisMatrix:
            key = (axis, min(a, b), max(a, b))
            if key not in turned:
                m = matrices[axis].matrices[a]
                one = sparse.csr_matrix((product(axis, a, b), m.indices, m.indptr), shape=m.shape)
                turned[key] = AxisMatrix({"product": one}, self.dtype, self.device).transposed
            return turned[key]

        for k, t in enumerate(self.terms):
            for f, name in enumerate(self.fields):
                members: list[tuple[tuple[int, ...], Value]] = [(o, s) for (n, o), s in t.constant.items() if n == name]
                members += [(o, s) for (n, o), s in self._sensitivity[k].items() if n == name]
                for (i, (o1, s1)), (j, (o2, s2)) in itertools.combinations_with_replacement(enumerate(members), 2):
                    weight = (1.0 if i == j else 2.0) / self.scales[k] ** 2
                    s = s1 * s2
                    if isinstance(s, torch.Tensor) and s.numel() > 1:
                        part = s.expand(self.shape)
                        for axis in range(self.dim):
                            part = turned_product(axis, o1[axis], o2[axis]).apply([("product", part)], axis)
                        squares[f].add_(part, alpha=weight)
                    else:
                        outer = torch.tensor(float(s) * weight, dtype=self.dtype, device=self.device)
                        for axis in range(self.dim):
                            outer = outer[..., None] * column_sum(axis, o1[axis], o2[axis])
                        squares[f] += outer
        return squares.clamp_(min=0.0)

    @property
    def separable(self) -> bool:
        """Whether nothing but fields takes part; see :class:`DenseBlock`."""
        return not self.parameters and self.singular is None

    def separated(self, field: str) -> list[SeparatedRow]:
        """See :class:`DenseBlock`."""
        matrices = [self._matrix(axis, n).matrices for axis, n in enumerate(self.resolution)]
        rows = []
        for k, t in enumerate(self.terms):
            jets = (t.constant | self._sensitivity[k]).items()
            members = [(orders, s) for (name, orders), s in jets if name == field]
            rows += separated_row(members, lambda axis, order: matrices[axis][order], self.scales[k])
        return rows

    def memory(self, resolution: Sequence[int]) -> BlockMemory:
        """What the block would hold on other cells, with as many points in each; see :class:`DenseBlock`."""
        dim = self.dim
        shape = [
            len(p) // small * cells if len(p) > 1 else 1
            for p, small, cells in zip(self.points, self.resolution, resolution, strict=True)
        ]
        coefficients = [a.coefficients(self.basis, n) for n, a in zip(resolution, self.axes, strict=True)]
        count = float(math.prod(shape))
        kept = math.prod(n for n, one in zip(shape, self.root.shape, strict=True) if one > 1)
        for factorized in self._factorized:
            if factorized is None:
                continue
            nodes = factorized.plan.nodes  # arrays on the way from coefficients to channels
            for axis in range(dim):
                forward = math.prod(coefficients[:axis]) * math.prod(shape[axis:])
                adjoint = math.prod(coefficients[: axis + 1]) * math.prod(shape[axis + 1 :])
                kept += nodes[axis] * forward + (nodes[axis + 1] * adjoint if axis < dim - 1 else 0)
        leaves = {
            ("coordinate", a.name): tuple(n if i == axis else 1 for axis, n in enumerate(shape))
            for i, a in enumerate(self.axes)
        }
        variables = {jet for t in self.terms for jet in t.variable}
        leaves_of_all = leaves | {("jet", jet): tuple(shape) for jet in variables}
        held = max((t.held(leaves_of_all) for t in self.terms), default=0)
        sensitivity = sum(t.kept(leaves_of_all) for t in self.terms)
        rows = count * len(self.terms)
        jets = count * len(variables)
        scaled = any(s != 1.0 for s in self.scales)
        return BlockMemory(float(kept), float(sensitivity), rows, held + jets + 2 * count, scaled * rows + jets + count)

    def elements(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The Jacobian as dense pieces, cell by cell; see :class:`Block`."""
        for columns, rows in self._elements(self.resolution):
            yield self._labelled(columns, rows)

    has_levels: ClassVar[bool] = True

    def level_elements(self, resolution: tuple[int, ...]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """See :class:`DenseBlock`."""
        return self._elements(resolution)

    def _elements(self, resolution: tuple[int, ...]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The Jacobian with respect to the coefficients of a level, cell by cell of that."""
        dim, cells, factors, columns = self.dim, [], [], []
        for i, points in enumerate(self.points):
            matrices = self._matrix(i, resolution[i]).matrices
            first = matrices[self._orders[i][0]]
            entries = first.indices.reshape(len(points), -1)
            groups = 1 + int((entries[1:] != entries[:-1]).any(1).sum())  # cells that hold points
            per = len(points) // groups
            cells.append((groups, per))
            columns.append(torch.as_tensor(first.indices.reshape(groups, per, -1)[:, 0].astype(np.int64)))
            factors.append({o: torch.as_tensor(m.data.reshape(groups, per, -1)) for o, m in matrices.items()})
        sizes = [a.coefficients(self.basis, n) for a, n in zip(self.axes, resolution, strict=True)]
        local = [c.shape[1] for c in columns]
        inside, count = math.prod(per for _, per in cells), math.prod(local)
        others = math.prod(groups for groups, _ in cells[1:])
        chunk = max(1, PIECE // (others * len(self.terms) * inside * len(self.fields) * count))
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
