"""The system of a cut domain with residuals at points inside alone: for times when fields do not continue outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from hermite_pinn.residuals.compiled import CompiledTerm

from .cell_channels import CellPoints, TimeRule
from .cut_rows import CutRows
from .cut_system import CutSystem
from .grid_rows import GridRows

__all__ = ["InnerSystem"]


class _InnerRows(CutRows):
    """Rows of equations at points inside alone, as where they are not defined outside; see :class:`CutRows`."""

    def defined_outside(
        self, terms: Sequence[CompiledTerm], points: CellPoints, inside: np.ndarray, rule: TimeRule | None
    ) -> bool:
        """False: they are not asked for there."""
        return False


class InnerSystem(CutSystem):
    """As :class:`CutSystem`, but cells at the boundary are divided and have points inside alone.

    Shortly after the start of time a solution that is warmed from its boundary has a layer thinner than a cell.  With
    equations in whole cells, the parts outside would have to be warmed first.
    """

    _rows_of: ClassVar[type[GridRows]] = _InnerRows
