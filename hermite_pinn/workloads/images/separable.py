"""Linear equations for pixels whose matrix is a sum of two products along the axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

__all__ = ["AxisMatrices", "SeparableSystem"]

#: Eigenvalues below this part of the largest one are those of what the equations do not see.
UNSEEN = 1e-13


@dataclass(frozen=True)
class AxisMatrices:
    """Symmetric matrices (n, n) of one axis: of the derivative, and of what stands beside the other axis' one."""

    derivative: np.ndarray
    mass: np.ndarray


class SeparableSystem:
    """Solves ``mass_y V derivative_x + derivative_y V mass_x = F`` by diagonalising along both axes.

    Of what the equations do not determine the solution has nothing.

    Parameters
    ----------
    down, along
        Matrices of the axes y and x; the masses must be positive definite.

    References
    ----------
    R. E. Lynch, J. R. Rice, D. H. Thomas, Numer. Math. 6 (1964).

    Examples
    --------
    >>> one = AxisMatrices(np.array([[2.0, -1.0], [-1.0, 2.0]]), np.eye(2))
    >>> SeparableSystem(one, one).solve(np.array([[[2.0, 2.0], [2.0, 2.0]]])).round(12).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """

    def __init__(self, down: AxisMatrices, along: AxisMatrices) -> None:
        rows, self._down = scipy.linalg.eigh(down.derivative, down.mass)
        columns, self._along = scipy.linalg.eigh(along.derivative, along.mass)
        values = rows[:, None] + columns
        seen = np.abs(values) > UNSEEN * np.abs(values).max(initial=0.0)
        self._inverse = np.where(seen, 1.0 / np.where(seen, values, 1.0), 0.0)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The solution for right-hand sides (channels, rows, columns)."""
        modes = self._down.T @ right @ self._along * self._inverse
        return np.asarray(self._down @ modes @ self._along.T)
