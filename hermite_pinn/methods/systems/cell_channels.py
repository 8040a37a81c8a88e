"""Derivative channels at points in the cells of a cut domain, and the transpose: dense products, cell by cell."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix

from .level_cells import LevelCells

__all__ = ["CellChannels", "CellPoints", "PointGroup", "TimeRule"]


@dataclass(frozen=True, eq=False)
class PointGroup:
    """Points in cells: at the same positions in all of them, or one in each at its own.

    Attributes
    ----------
    cells
        Positions of the cells, int64, (C, d).
    inside
        Positions in a cell, between 0 and 1: (Q, d), or (C, d) of one point each.
    own
        Whether every cell has its own point.
    """

    cells: np.ndarray
    inside: np.ndarray
    own: bool = False

    @property
    def per_cell(self) -> int:
        """Points in a cell."""
        return 1 if self.own else len(self.inside)

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self.cells) * self.per_cell


@dataclass(frozen=True, eq=False)
class TimeRule:
    """Points in time with their weights, and the rows of the basis there by order of differentiation.

    Attributes
    ----------
    points, weights
        float64, (n,).
    rows
        Makes the derivatives of one order from the coefficients along time.
    """

    points: np.ndarray
    weights: np.ndarray
    rows: AxisMatrix


@dataclass(frozen=True, eq=False)
class CellPoints:
    """Groups of points in the cells of a level, one after another.

    Attributes
    ----------
    level
        Whose cells they are.
    groups
        The points; all their cells are active.
    """

    level: LevelCells
    groups: tuple[PointGroup, ...]
    _values: dict[tuple[int, tuple[int, ...]], np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def count(self) -> int:
        """Number of points."""
        return sum(g.count for g in self.groups)

    @cached_property
    def x(self) -> np.ndarray:
        """The points over the space axes, float64, (d, count)."""
        level, parts = self.level, []
        for g in self.groups:
            t = g.cells + g.inside if g.own else (g.cells[:, None, :] + g.inside).reshape(-1, level.dim)
            parts.append(level.lower + t * level.widths)
        return np.ascontiguousarray(np.concatenate(parts).T) if parts else np.zeros((level.dim, 0))

    @cached_property
    def corners(self) -> tuple[np.ndarray, ...]:
        """By group, the numbers of the vertices of its cells, (C, 2 ** d)."""
        return tuple(self.level.corners_of(g.cells) for g in self.groups)

    def slices(self) -> list[slice]:
        """By group, the part of the points."""
        ends = np.cumsum([0, *(g.count for g in self.groups)])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    def values(self, group: int, orders: tuple[int, ...]) -> np.ndarray:
        """Derivatives of the functions of a cell at the points of a group: (Q, K), or (C, K) of points of their own."""
        key = group, orders
        if key not in self._values:
            self._values[key] = self.level.values(self.groups[group].inside, orders)
        return self._values[key]

    def matrix(self, orders: tuple[int, ...]) -> sparse.csr_matrix:
        """One derivative at the points from the coefficients (V m**d,) over space."""
        level, blocks = self.level, []
        record = np.arange(level.record)
        for g, group in enumerate(self.groups):
            columns = (self.corners[g][:, :, None] * level.record + record).reshape(len(group.cells), 1, -1)
            values = self.values(g, orders)
            values = values[:, None, :] if group.own else values[None]
            shape = (len(group.cells), group.per_cell, columns.shape[2])
            columns, values = np.broadcast_to(columns, shape), np.broadcast_to(values, shape)
            starts = np.arange(0, columns.size + 1, shape[2])
            size = (group.count, level.count * level.record)
            blocks.append(sparse.csr_matrix((values.ravel(), columns.ravel(), starts), shape=size))
        return sparse.vstack(blocks).tocsr()


class CellChannels:
    """Channels of the coefficients (V m**d, T) of one field at points of cells, times the roots of weights.

    Parameters
    ----------
    points
        Over the space axes.
    channels
        What to evaluate; orders are over all axes.
    space, time
        Numbers of the space axes, and of the time axis or None.
    rule
        Points in time; None without time.
    root
        Roots of the weights, (points, times).
    """

    def __init__(
        self,
        points: CellPoints,
        channels: Channels,
        space: Sequence[int],
        time: int | None,
        rule: TimeRule | None,
        root: torch.Tensor,
    ) -> None:
        self.points, self.rule, self.root = points, rule, root
        self.shape = tuple(root.shape)
        self.count = len(channels)
        dtype, device = root.dtype, root.device
        by_order: dict[int, list[tuple[int, list[tuple[float, tuple[int, ...]]]]]] = {}
        for k, members in enumerate(channels.channels):
            parts: dict[int, list[tuple[float, tuple[int, ...]]]] = {}
            for weight, orders in members:
                at = 0 if time is None else orders[time]
                parts.setdefault(at, []).append((weight, tuple(orders[i] for i in space)))
            for at, own in parts.items():
                by_order.setdefault(at, []).append((k, own))
        self._stacks: list[tuple[int, list[int], list[torch.Tensor]]] = []
        for at, listed in sorted(by_order.items()):
            matrices = []
            for g, group in enumerate(points.groups):
                rows = [sum(w * points.values(g, o) for w, o in own) for _, own in listed]
                stacked = np.stack(rows, 1) if group.own else np.concatenate(rows, 0)
                matrices.append(torch.as_tensor(stacked).to(device, dtype))
            self._stacks.append((at, [k for k, _ in listed], matrices))
        self._corners = [torch.as_tensor(c.reshape(-1)).to(device) for c in points.corners]

    @cached_property
    def _gathered(self) -> AxisMatrix:
        """Sums over the cells at a vertex, from the records of all corners of all cells."""
        corners = np.concatenate([c.reshape(-1) for c in self.points.corners])
        n = len(corners)
        matrix = sparse.csr_matrix((np.ones(n), (corners, np.arange(n))), shape=(self.points.level.count, n))
        return AxisMatrix({0: matrix}, self.root.dtype, self.root.device)

    def _in_time(self, coefficients: torch.Tensor, order: int) -> torch.Tensor:
        return coefficients if self.rule is None else self.rule.rows.apply([(order, coefficients)], 1)

    def forward(self, coefficients: torch.Tensor) -> list[torch.Tensor]:
        """The channels, (points, times) each, in buffers that the next call overwrites."""
        found, times, written = self._channel_buffers, self.shape[1], set[int]()
        for order, listed, matrices in self._stacks:
            records = self._in_time(coefficients, order).reshape(self.points.level.count, -1)
            for g, part in enumerate(self._parts):
                group, matrix = self.points.groups[g], matrices[g]
                local = records.index_select(0, self._corners[g]).view(len(group.cells), -1, times)
                plain = times == 1 and not group.own
                if plain and len(listed) == 1 and listed[0] not in written:
                    whole = found[listed[0]][part].view(len(group.cells), -1)
                    torch.matmul(local.view(len(group.cells), -1), matrix.T, out=whole)
                    continue
                out = local.view(len(group.cells), -1) @ matrix.T if plain else torch.matmul(matrix, local)
                out = out.view(len(group.cells), len(listed), group.per_cell, times)
                for i, k in enumerate(listed):
                    target = found[k][part].view(len(group.cells), group.per_cell, times)
                    target.add_(out[:, i]) if k in written else target.copy_(out[:, i])
            written.update(listed)
        return [c.mul_(self.root) for c in found]

    @cached_property
    def _parts(self) -> list[slice]:
        return self.points.slices()

    @cached_property
    def _channel_buffers(self) -> list[torch.Tensor]:
        return [torch.empty(self.shape, dtype=self.root.dtype, device=self.root.device) for _ in range(self.count)]

    @cached_property
    def _local_buffer(self) -> torch.Tensor:
        """Records of all corners of all cells."""
        level = self.points.level
        corners = sum(len(g.cells) for g in self.points.groups) * 2**level.dim
        shape = corners, level.record * self.shape[1]
        return torch.empty(shape, dtype=self.root.dtype, device=self.root.device)

    def adjoint(
        self, channels: Sequence[torch.Tensor], out: torch.Tensor | None = None, add: bool = False
    ) -> torch.Tensor:
        """The transpose, written or added to ``out`` (V m**d, T)."""
        weighted = [c * self.root for c in channels]
        level, times, locals_ = self.points.level, self.shape[1], self._local_buffer
        for order, listed, matrices in self._stacks:
            first = 0
            for g, part in enumerate(self._parts):
                group, matrix = self.points.groups[g], matrices[g]
                cells = len(group.cells)
                target = locals_[first : first + cells * 2**level.dim]
                first += len(target)
                parts = [weighted[k][part].view(cells, group.per_cell, times) for k in listed]
                rows = parts[0] if len(parts) == 1 else torch.stack(parts, 1).view(cells, -1, times)
                if times == 1 and not group.own:
                    torch.matmul(rows.reshape(cells, -1), matrix, out=target.view(cells, -1))
                else:
                    target.copy_(torch.matmul(matrix.mT, rows).view(target.shape))
            if self.rule is None and out is not None:
                self._gathered.apply([(0, locals_)], 0, out.view(level.count, -1), add=add)
            else:
                u = self._gathered.apply([(0, locals_)], 0).view(-1, times)
                out = u if self.rule is None else self.rule.rows.transposed.apply([(order, u)], 1, out, add=add)
            add = True
        assert out is not None
        return out
