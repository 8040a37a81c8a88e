"""Dense nested levels as integers: every vertex once, as its difference from what the coarser vertices predict."""

from __future__ import annotations

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

    @classmethod
    def takes(cls, field: GridField) -> bool:
        """Whether a field, once collapsed, is one dense level of a refinable basis that the head adds up."""
        layout = field.tables.get(TABLE)
        return layout is not None and layout.levels == 1 and layout.nested and layout.basis in BASES and field.linear

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
        return self.hierarchy.count(level)

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
        table = HermiteGrid(self.layout, self.field.tensors()[TABLE].detach().cpu().double())
        finest = table.level_coefficients(0).contiguous()
        numbers: list[np.ndarray] = []
        decoded: torch.Tensor | None = None
        for level in range(self.levels):
            steps = self._steps(level, scales)
            wanted = self.hierarchy.split(self.hierarchy.restricted(level, finest))
            decoded = self._predicted(level, decoded)
            own = self.hierarchy.split(decoded)
            parts = []
            for part in self.hierarchy.added(level):
                whole = rounded((wanted[part] - own[part]) / steps)
                own[part] += whole * steps
                parts.append(self.hierarchy.in_order(whole).numpy().astype(np.int64))
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
            for part in self.hierarchy.added(level):
                change = torch.empty_like(own[part])
                stop = start + change.numel()
                self.hierarchy.put(change, flat[start:stop].double())
                own[part] += change * steps
                start = stop
        assert decoded is not None
        described, layout = self.field.describe(), self.layout
        if described["encoder"] == {"name": self.field.encoder.name, "layout": layout.key}:
            layout = layout.with_levels([self.hierarchy.resolutions[len(numbers) - 1]])
            described["encoder"] = {**described["encoder"], "layout": layout.key}
        else:
            for level in range(len(numbers), self.levels):
                decoded = self.hierarchy.prolonged(level, decoded)
        table = HermiteGrid.from_coefficients(layout, [decoded]).table.to(self.field.dtype)
        return GridField.from_description(described, {**kept, TABLE: table})
