"""Terms at points in the cells that a domain touches: whole cells, also where they reach outside, and its boundary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

from .block import PIECE
from .cell_channels import CellChannels, TimeRule
from .channel_block import ChannelBlock
from .compact_block import CompactBlock, LevelState, Placement
from .level_gram import LevelGram

__all__ = ["CutBlock"]


class CutBlock(ChannelBlock[CellChannels], CompactBlock):
    """Terms at points of cells times points in time.

    Parameters
    ----------
    terms, fields, parameters, scales
        See :class:`~hermite_pinn.methods.systems.block.Block`.
    names
        Of all axes.
    space, time
        Numbers of the space axes, and of the time axis or None.
    placement
        Where the rows are.
    normals
        Outward normals over the space axes, (d, points), or None.
    kept
        Where a term holds, (points, times), or None for everywhere.
    """

    def __init__(
        self,
        terms: Sequence[CompiledTerm],
        fields: tuple[str, ...],
        parameters: tuple[str, ...],
        names: Sequence[str],
        space: Sequence[int],
        time: int | None,
        placement: Placement,
        scales: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        normals: np.ndarray | None = None,
        kept: np.ndarray | None = None,
    ) -> None:
        self.terms, self.fields, self.parameters = list(terms), fields, parameters
        self.scales = [1.0] * len(self.terms) if scales is None else list(scales)
        self.dtype, self.device = dtype, torch.device(device)
        self.names, self.dim, self.space, self.time = tuple(names), len(names), tuple(space), time
        self.normals = normals
        points, rule, root = placement.points, placement.rule, placement.root
        self.points, self.rule, self.space_root = points, rule, root
        to = partial(torch.Tensor.to, device=self.device, dtype=dtype)
        whole = root[:, None] if rule is None else root[:, None] * np.sqrt(rule.weights)
        if kept is not None:
            whole = np.where(kept, whole, 1e-100)
            self.space_root = root * np.sqrt(kept.mean(1))
        self.root = to(torch.as_tensor(whole))
        self.shape = tuple(self.root.shape)
        self._env: dict[Leaf, Value] = {
            ("coordinate", names[axis]): to(torch.as_tensor(x)[:, None])
            for axis, x in zip(self.space, points.x if placement.taken_at is None else placement.taken_at, strict=True)
        }
        if rule is not None and time is not None:
            self._env[("coordinate", names[time])] = to(torch.as_tensor(rule.points)[None, :])
        if normals is not None:
            for k, axis in enumerate(self.space):
                self._env[("normal", axis)] = to(torch.as_tensor(normals[k])[:, None])
            if time is not None:
                self._env[("normal", time)] = 0.0
        self._plan()
        self._sensitivity: list[dict[Jet, Value]] = [{} for _ in self.terms]
        self._by_parameter: list[dict[str, Value]] = [{} for _ in self.terms]

    def _evaluators(self, channels: Sequence[Channels | None]) -> list[CellChannels | None]:
        return [None if c is None else self.evaluator(c, self.root) for c in channels]

    def evaluator(self, channels: Channels, root: torch.Tensor) -> CellChannels:
        """Makes channels at the points, times some roots."""
        return CellChannels(self.points, channels, self.space, self.time, self.rule, root)

    def _sensitize(self, jets: Mapping[Jet, Value], parameters: Mapping[str, float]) -> None:
        """Remember the sensitivities at given jets at the points, of shape (points, times)."""
        env = self._env | {("parameter", name): value for name, value in parameters.items()}
        for k, t in enumerate(self.terms):
            _, sensitivity, by_parameter = t.evaluate(env, {j: jets.get(j, 0.0) for j in t.variable})
            self._sensitivity[k] = {j: self._compact(s) for j, s in sensitivity.items()}
            self._by_parameter[k] = {name: self._compact(s) for name, s in by_parameter.items()}

    # -- dense pieces ---
    def local_rows(self, part: slice, group: int) -> Iterator[tuple[int, torch.Tensor]]:
        """The rows of some cells of a group by the coefficients over space, for each order of differentiation in time.

        Sensitivities that vary in time are taken at their mean.

        Yields
        ------
        order
            Of differentiation in time.
        rows
            (C, Q, terms, fields, K), without the weights in time.
        """
        g = self.points.groups[group]
        start = self.points.slices()[group].start
        per = g.per_cell
        rows = slice(start + part.start * per, start + part.stop * per)
        count = part.stop - part.start
        size = 2**self.points.level.dim * self.points.level.record
        found: dict[int, torch.Tensor] = {}
        root = torch.as_tensor(self.space_root[rows]).reshape(count, per, 1)
        for k, t in enumerate(self.terms):
            for (name, orders), s in (t.constant | self._sensitivity[k]).items():
                order = 0 if self.time is None else orders[self.time]
                values = torch.as_tensor(self.points.values(group, tuple(orders[i] for i in self.space)))
                values = values[part][:, None, :] if g.own else values[None]
                weight: torch.Tensor = torch.as_tensor(s, dtype=torch.float64).cpu() / self.scales[k]
                if weight.ndim:
                    weight = weight.expand(self.shape)[rows].mean(1).reshape(count, per, 1)
                if order not in found:
                    found[order] = torch.zeros(count, per, len(self.terms), len(self.fields), size, dtype=torch.float64)
                found[order][:, :, k, self.fields.index(name)] += values * (weight * root)
        yield from found.items()

    def pieces(self) -> Iterator[tuple[int, slice]]:
        """Groups and parts of their cells whose rows fit into memory."""
        size = 2**self.points.level.dim * self.points.level.record * len(self.terms) * len(self.fields)
        for g, group in enumerate(self.points.groups):
            step = max(1, PIECE // (size * group.per_cell))
            for first in range(0, len(group.cells), step):
                yield g, slice(first, min(first + step, len(group.cells)))

    def elements(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The Jacobian as dense pieces, cell by cell; see :class:`Block`.  Columns are those of compact levels."""
        level, fields = self.points.level, len(self.fields)
        times = 1 if self.rule is None else self.rule.rows.shape[1]
        unknowns = level.count * level.record * times
        record = torch.arange(level.record)
        for g, part in self.pieces():
            corners = torch.as_tensor(self.points.corners[g][part])
            space = (corners[:, :, None] * level.record + record).reshape(len(corners), -1)
            rows = dict(self.local_rows(part, g))
            if self.rule is None:
                (own,) = rows.values()
                columns = space[:, None, :] + torch.arange(fields)[None, :, None] * unknowns
                yield columns.reshape(len(corners), -1), own.reshape(len(corners), -1, columns[0].numel())
                continue
            for q, weight in enumerate(np.sqrt(self.rule.weights)):
                line = {o: self.rule.rows.matrices[o][[q]] for o in rows}
                at = torch.as_tensor(next(iter(line.values())).indices.astype(np.int64))
                total: torch.Tensor | int = 0
                for o, own in rows.items():
                    total = total + own[..., None] * torch.as_tensor(weight * line[o].data)
                columns = (space[:, :, None] * times + at)[:, None] + torch.arange(fields)[
                    None, :, None, None
                ] * unknowns
                yield (
                    columns.reshape(len(corners), -1),
                    torch.as_tensor(total).reshape(len(corners), -1, columns[0].numel()),
                )

    def products(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The normal matrix as dense pieces, by cells of space and time; see :class:`Block`.

        Sensitivities that vary in time are taken at their mean.
        """
        if self.rule is None:
            yield from super().products()
            return
        fields, record = len(self.fields), self.points.level.record
        times = self.rule.rows.shape[1]
        unknowns = self.points.level.count * record * times
        for g, part in self.pieces():
            rows = {o: r.flatten(3).flatten(1, 2) for o, r in self.local_rows(part, g)}  # (C, Q terms, fields K)
            corners = torch.as_tensor(self.points.corners[g][part])
            space = (corners[:, :, None] * record + torch.arange(record)).reshape(len(corners), -1)
            columns = (space[:, None, :] + torch.arange(fields)[:, None] * (unknowns // times)).flatten(1) * times
            over = {(o, p): torch.bmm(rows[o].mT, rows[p]) for o in rows for p in rows}
            for at, along in _products_in_time(self.rule, tuple(rows)):
                step = max(1, PIECE // (columns.shape[1] * len(at)) ** 2)
                for first in range(0, len(corners), step):
                    some = slice(first, first + step)
                    total: torch.Tensor | int = 0
                    for key, one in over.items():
                        total = total + one[some][:, :, None, :, None] * along[key][:, None, :]
                    where = (columns[some][:, :, None] + at).flatten(1)
                    yield where, torch.as_tensor(total).reshape(len(where), where.shape[1], where.shape[1])

    # -- levels ---
    def add_to(self, gram: LevelGram, level: LevelState) -> None:
        """Column norms and blocks of vertices; see :class:`CompactBlock`."""
        own = self if level.finest else self._on(level)
        gram.add(((own.points.corners[g][part], own.local_rows(part, g)) for g, part in own.pieces()), own.rule)

    def _on(self, level: LevelState) -> CutBlock:
        """The rows on another level, with the sensitivities at the state of the system."""
        placement = level.place(self.terms, Placement(self.points, self.space_root, self.rule))
        own = CutBlock(
            self.terms, self.fields, self.parameters, self.names, self.space, self.time, placement, self.scales,
            self.dtype, self.device, self.normals,
        )  # fmt: skip
        wanted = () if all(t.affine for t in self.terms) else {j for t in self.terms for j in t.jets}
        own._sensitize(level.jets(wanted, own.points, own.rule), level.parameters)
        return own


def _products_in_time(
    rule: TimeRule, orders: Sequence[int]
) -> Iterator[tuple[torch.Tensor, dict[tuple[int, int], torch.Tensor]]]:
    """By cell of time, its coefficients (T,), and by pair of orders the products of their columns (T, T)."""
    weights, matrices = rule.weights, rule.rows.matrices
    first = next(iter(matrices.values())).indices.reshape(len(weights), -1)
    groups = np.split(np.arange(len(weights)), np.flatnonzero((first[1:] != first[:-1]).any(1)) + 1)
    lines = {o: matrices[o].data.reshape(len(weights), -1) for o in orders}
    for q in groups:
        pairs = {(o, p): (lines[o][q] * weights[q, None]).T @ lines[p][q] for o in orders for p in orders}
        yield torch.as_tensor(first[q[0]].astype(np.int64)), {k: torch.as_tensor(v) for k, v in pairs.items()}
