"""Systems of short times after a start at which a solution has layers thinner than a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from hermite_pinn.residuals.compiled import CompiledTerm

from .cell_channels import CellPoints, TimeRule
from .cut_rows import CutRows
from .cut_system import CutSystem
from .grid_rows import GridRows
from .grid_system import GridSystem

__all__ = ["CutStartSystem", "StartSystem"]


class _StartRows(GridRows):
    """Rows that know how short the cells in time are.

    In a time shorter than the square of a cell the values there can hardly change, so that conditions which weigh no
    more than the equation of a long time would be ignored.
    """

    def _steepness(self, orders: Sequence[int], h: float) -> float:
        domain, axis = self.problem.domain, self.problem.domain.time_axis
        assert axis is not None
        in_time = orders[axis]
        step = min(h, domain.lengths[axis] / self.resolution[axis])
        return super()._steepness(orders, h) * (h / step) ** in_time


class _CutStartRows(_StartRows, CutRows):
    """The same, with equations at points inside alone, as where they are not defined outside; see :class:`CutRows`."""

    def defined_outside(
        self, terms: Sequence[CompiledTerm], points: CellPoints, inside: np.ndarray, rule: TimeRule | None
    ) -> bool:
        """False: they are not asked for there."""
        return False


class StartSystem(GridSystem):
    """As :class:`GridSystem`, with conditions as firm as short times ask."""

    _rows_of: ClassVar[type[GridRows]] = _StartRows


class CutStartSystem(CutSystem):
    """The same on cut domains, where cells at the boundary are divided and have points inside alone.

    With equations in whole cells, the parts outside would have to be warmed first by what comes through the boundary.
    """

    _rows_of: ClassVar[type[GridRows]] = _CutStartRows
