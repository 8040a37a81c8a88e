"""The rows of a step of equations of second order in time: those of the Runge-Kutta method of Gauss.

Collocation of ``u.tt`` alone is stable for short steps only.  The method of Gauss for ``u`` and ``u.t`` together is
stable for all, and keeps the energy of linear waves: at its points, ``u.t`` is the integral of ``u.tt`` by its weights,
and ``u`` that of ``u.t``.  The coefficients of a cubic at the end of a step, the value and the first derivative, stand
for the second derivatives at two points; the rows are those that they have at these points by the method.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import scipy.sparse as sparse

from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix
from hermite_pinn.methods.systems.grid_rows import GridRows
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.tensor_block import TensorBlock

__all__ = ["StageBlock", "StageRows", "WaveSteps", "stage_matrices"]

STAGES = 2


def stage_matrices(length: float) -> dict[int, np.ndarray]:
    """By order of the derivative in time, its values at the points of a step, from cubic coefficients.

    Parameters
    ----------
    length
        Of the step.

    Returns
    -------
    dict
        Matrices (2, 4); the columns are the value and the derivative, times the length, at the start and at the end.

    Examples
    --------
    >>> import numpy as np
    >>> rows = stage_matrices(2.0)  # of u = t: values 0 and 2, derivatives 1 that count as 2
    >>> bool(np.allclose(rows[1] @ [0.0, 2.0, 2.0, 2.0], 1.0)), bool(np.allclose(rows[2] @ [0.0, 2.0, 2.0, 2.0], 0.0))
    (True, True)
    """
    root = np.sqrt(3.0) / 6.0
    a = np.array([[0.25, 0.25 - root], [0.25 + root, 0.25]])
    b, points = np.array([0.5, 0.5]), np.array([0.5 - root, 0.5 + root])
    # value and derivative at the end, from those at the start and the second derivatives, in units of the step
    given = np.array([[1.0, 1.0], [0.0, 1.0]])
    own = np.stack([b @ a, b])
    bends = np.linalg.solve(own, np.concatenate([-given, np.eye(2)], 1))
    slopes = a @ bends
    slopes[:, 1] += 1.0
    values = a @ a @ bends
    values[:, 0] += 1.0
    values[:, 1] += points
    return {0: values, 1: slopes / length, 2: bends / length**2}


class StageBlock(TensorBlock):
    """Terms at the points of a step, with the values of the method of Gauss there."""

    def evaluator(self, axis: int, cells: int, orders: Sequence[int]) -> AxisMatrix:
        """See :meth:`TensorBlock.evaluator`."""
        a = self.axes[axis]
        if a.name != "t":
            return super().evaluator(axis, cells, orders)
        made = stage_matrices(a.bounds[1] - a.bounds[0])
        matrices: dict[Hashable, sparse.csr_matrix] = {}
        columns, rows = np.tile(np.arange(2 * STAGES), STAGES), np.arange(STAGES + 1) * 2 * STAGES
        for order in orders:
            values = (made[order] * self._roots[axis][:, None]).ravel()
            matrices[order] = sparse.csr_matrix((values, columns, rows), shape=(STAGES, 2 * STAGES))
        return AxisMatrix(matrices)


class StageRows(GridRows):
    """Makes such blocks."""

    _block_of = StageBlock


class WaveSteps(GridSystem):
    """The system of a step of equations of second order in time."""

    _rows_of = StageRows
