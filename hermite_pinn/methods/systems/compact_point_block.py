"""Terms at scattered points of a cut domain, by sparse rows on its compact levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sparse

from hermite_pinn.problem.problem import Problem

from .compact_block import CompactBlock, LevelState
from .level_cells import level_cells
from .level_gram import LevelGram
from .point_block import PointBlock

__all__ = ["CompactPointBlock"]


class CompactPointBlock(PointBlock, CompactBlock):
    """As :class:`PointBlock`; columns are those of the coefficients (V m**d, T) that exist.

    Parameters
    ----------
    problem
        On a cut domain.
    """

    def __init__(self, problem: Problem, *args: Any, **options: Any) -> None:
        self._problem = problem
        super().__init__(*args, **options)

    def add_to(self, gram: LevelGram, level: LevelState) -> None:
        """Column norms; scattered points have no part in the blocks of vertices.  See :class:`CompactBlock`."""
        gram.squares += self.diagonal(level.resolution, tuple(gram.squares.shape)).cpu()

    def _csr(
        self, resolution: tuple[int, ...], orders: tuple[int, ...], change: Sequence[np.ndarray] | None = None
    ) -> sparse.csr_matrix:
        matrix = super()._csr(resolution, orders, change)
        level, domain = level_cells(self._problem, self.basis, resolution), self._problem.domain
        counts = [level.m * (n + (not a.periodic)) for n, a in zip(resolution, self.axes, strict=True)]
        along = np.unravel_index(matrix.indices, counts)
        space = np.stack([along[i] for i in domain.space_axes], 1)
        number = level.numbers(space // level.m).astype(np.int64)
        record = np.ravel_multi_index(tuple((space % level.m).T), (level.m,) * level.dim)
        times = 1 if domain.time_axis is None else counts[domain.time_axis]
        time = 0 if domain.time_axis is None else along[domain.time_axis]
        known = number >= 0
        columns = np.where(known, (number * level.record + record) * times + time, 0)
        shape = (matrix.shape[0], level.count * level.record * times)
        return sparse.csr_matrix((np.where(known, matrix.data, 0.0), columns, matrix.indptr), shape=shape)
