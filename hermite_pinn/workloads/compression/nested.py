"""Dense nested levels as integers: every vertex once, as its difference from what the coarser vertices predict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.field.field import GridField
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.field.tree import TABLE
from hermite_pinn.schema import Entry

from .coding import Coding, rounded
from .hierarchy import Hierarchy
from .norms import record_norms
from .vertices import Vertices

__all__ = ["Nested"]


class Nested(Coding):
    """The finest level of a linear field whose levels are dense and nested.

    The sum of the levels is a field on the finest one; levels that were coarser say nothing that is not said there.
    Its vertices are split into those of a :class:`.Hierarchy`.  Each level starts from what the decoded vertices before
    it predict, so that errors of prediction and of rounding do not add up: in the end every coefficient is off by less
    than one step, and the step is the scale of its field by the norm of its function.
    """

    name: ClassVar[str] = "nested"

    def __init__(self, field: GridField) -> None:
        super().__init__(field)
        self.hierarchy = Hierarchy.of(self.layout)
        self.vertices = Vertices.of(self.layout)

    @classmethod
    def takes(cls, field: GridField) -> bool:
        """Whether a field, once collapsed, is one level of a refinable basis, and a good part of it is there."""
        layout = field.tables.get(TABLE)
        if layout is None or layout.levels > 1 or not field.linear:
            return False
        known = layout.basis in BASES and BASES[layout.basis].refinable
        return known and (layout.dense or Vertices.many(layout))

    @property
    def layout(self) -> GridLayout:
        """The single level."""
        return self.field.tables[TABLE]

    @property
    def levels(self) -> int:
        """Resolutions of the hierarchy."""
        return self.hierarchy.levels

    @property
    def coded(self) -> frozenset[str]:
        """The table."""
        return frozenset([TABLE])

    def count(self, level: int) -> int:
        """See :meth:`Coding.count`."""
        listed = self.vertices.at(self.hierarchy, level)
        if listed is None:
            return self.hierarchy.count(level)
        parts = self.hierarchy.added(level)
        return sum(int(listed[part[1::2]].sum()) for part in parts) * self.layout.record * self.layout.features

    def memory(self, levels: int) -> float:
        """Bytes; all vertices of a resolution are held, those that are not there too."""
        return 48.0 * math.prod(self.hierarchy.shape((levels if self._coarsens else self.levels) - 1))

    @property
    def _coarsens(self) -> bool:
        """Whether there is a field on every coarser grid."""
        return self.field.encoder.describe() == {"name": self.field.encoder.name, "layout": self.layout.key}

    def first_scales(self, tol: float, norms: np.ndarray) -> np.ndarray:
        """See :meth:`Coding.first_scales`: as if errors of the coefficients of a vertex were independent."""
        return np.asarray(tol * norms * np.sqrt(12.0 / self.layout.record))

    def weigh(self, change: Callable[[GridField], np.ndarray]) -> None:
        """See :meth:`Coding.weigh`; the norms of the functions are known."""

    def take(self, described: Entry) -> None:
        """See :meth:`Coding.take`; the scales are all."""

    def _steps(self, level: int, scales: np.ndarray) -> torch.Tensor:
        norms = record_norms(self.layout.basis, self.layout.dim)
        spare = self.layout.features - len(scales)  # features that no field reads
        of_features = np.concatenate([scales, np.repeat(scales[-1:], spare)])
        return self.hierarchy.steps(level, of_features.reshape(-1, *(1,) * self.layout.dim) / norms)

    def encode(self, scales: np.ndarray) -> list[np.ndarray]:
        """See :meth:`Coding.encode`."""
        finest = self.vertices.spread(self.field.tensors()[TABLE].detach().cpu().double())
        numbers: list[np.ndarray] = []
        decoded: torch.Tensor | None = None
        for level in range(self.levels):
            steps = self._steps(level, scales)
            wanted = self.hierarchy.split(self.hierarchy.restricted(level, finest))
            decoded = self._predicted(level, decoded)
            own = self.hierarchy.split(decoded)
            listed = self.vertices.at(self.hierarchy, level)
            parts = []
            for part in self.hierarchy.added(level):
                whole = self.hierarchy.in_order(rounded((wanted[part] - own[part]) / steps))
                if listed is not None:
                    whole = whole * listed[part[1::2]].reshape(-1)
                own[part] += self.hierarchy.from_order(whole, own[part]) * steps
                taken = whole if listed is None else whole[:, listed[part[1::2]].reshape(-1)]
                parts.append(taken.reshape(-1).numpy().astype(np.int64))
            self.vertices.extend(self.hierarchy, level, own)
            numbers.append(np.concatenate(parts))
        return numbers

    def _predicted(self, level: int, decoded: torch.Tensor | None) -> torch.Tensor:
        if decoded is None:
            return torch.zeros(self.hierarchy.shape(level), dtype=torch.float64)
        return self.hierarchy.prolonged(level, decoded).contiguous()

    def decode(self, numbers: Sequence[np.ndarray], scales: np.ndarray, kept: Mapping[str, torch.Tensor]) -> GridField:
        """See :meth:`Coding.decode`; of fewer levels a field on a coarser grid, where its encoder can be one."""
        decoded: torch.Tensor | None = None
        for level, whole in enumerate(numbers):
            steps = self._steps(level, scales)
            decoded = self._predicted(level, decoded)
            own, flat, start = self.hierarchy.split(decoded), torch.from_numpy(whole), 0
            listed = self.vertices.at(self.hierarchy, level)
            for part in self.hierarchy.added(level):
                change = torch.zeros_like(self.hierarchy.in_order(own[part]))
                there = slice(None) if listed is None else listed[part[1::2]].reshape(-1)
                stop = start + change[:, there].numel()
                change[:, there] = flat[start:stop].double().view(len(change), -1)
                own[part] += self.hierarchy.from_order(change, own[part]) * steps
                start = stop
            self.vertices.extend(self.hierarchy, level, own)
        assert decoded is not None
        described, layout = self.field.describe(), self.layout
        if len(numbers) == self.levels:
            table = self.vertices.gathered(decoded)
        elif self._coarsens:
            layout = layout.with_levels([self.hierarchy.resolutions[len(numbers) - 1]])
            described["encoder"] = {**described["encoder"], "layout": layout.key}
            table = HermiteGrid.from_coefficients(layout, [decoded]).table
        else:
            for level in range(len(numbers), self.levels):
                decoded = self.hierarchy.prolonged(level, decoded)
            table = self.vertices.gathered(decoded)
        return GridField.from_description(described, {**kept, TABLE: table.to(self.field.dtype)})
