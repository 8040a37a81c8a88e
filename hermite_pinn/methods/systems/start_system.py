"""The system of a cut domain for short times after a start at which a solution has layers thinner than a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from hermite_pinn.residuals.compiled import CompiledTerm

from .cell_channels import CellPoints, TimeRule
from .cut_rows import CutRows
from .cut_system import CutSystem
from .grid_rows import GridRows

__all__ = ["CutStartSystem"]


class _CutStartRows(CutRows):
    """Rows of equations at points inside alone, as where they are not defined outside; see :class:`CutRows`."""

    def defined_outside(
        self, terms: Sequence[CompiledTerm], points: CellPoints, inside: np.ndarray, rule: TimeRule | None
    ) -> bool:
        """False: they are not asked for there."""
        return False


class CutStartSystem(CutSystem):
    """As :class:`CutSystem`, but cells at the boundary are divided and have points inside alone.

    With equations in whole cells, the parts outside would have to be warmed first by what comes through the boundary.
    """

    _rows_of: ClassVar[type[GridRows]] = _CutStartRows
