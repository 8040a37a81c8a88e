"""What a system on a cut domain tells its blocks about one of its levels, and about its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.program import Value
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

from .cell_channels import CellChannels, CellPoints, PointGroup, TimeRule
from .compact_block import Placement
from .cut_rows import CutRows

__all__ = ["CutLevel"]


@dataclass(frozen=True)
class CutLevel:
    """A level of a system on a cut domain; a :class:`.LevelState`.

    Attributes
    ----------
    rows
        What made the blocks.
    resolution
        Cells per axis of the level.
    coefficients
        Of the state, on the finest level (fields, V m**d, T).
    parameters
        Of the state.
    """

    rows: CutRows
    resolution: tuple[int, ...]
    coefficients: torch.Tensor
    parameters: Mapping[str, float]

    @property
    def finest(self) -> bool:
        """Whether the level is the one that the blocks are made for."""
        return self.resolution == self.rows.resolution

    def place(self, terms: Sequence[CompiledTerm], rows: Placement) -> Placement:
        """Where rows of the finest level are on this one."""
        return self.rows.on_level(terms, rows, self.resolution)

    def jets(self, wanted: Iterable[Jet], points: CellPoints, rule: TimeRule | None) -> dict[Jet, Value]:
        """The jets of the state at points of cells times points in time; where it does not reach, their means."""
        made = self.rows
        cells, inside = made.level.locate(points.x)
        known = np.flatnonzero(made.level.has(cells))
        own = CellPoints(made.level, (PointGroup(cells[known], inside[known], own=True),))
        if rule is not None:
            rule = made.rule_at(rule.points, rule.weights, made.resolution)
        times = 1 if rule is None else len(rule.points)
        root = torch.ones(len(known), times, dtype=made.dtype, device=made.device)
        at, dim = torch.as_tensor(known), made.problem.domain.dim
        jets: dict[Jet, Value] = {}
        for name, orders in sorted(wanted):
            channel = CellChannels(own, Channels.of(dim, [orders]), made.space, made.time, rule, root)
            (value,) = channel.forward(self.coefficients[made.problem.fields.index(name)])
            whole = value.mean().expand(points.count, times).clone()
            whole[at] = value
            jets[name, orders] = whole
        return jets
