"""How much of small cells lies on one side of a boundary."""

from __future__ import annotations

import numpy as np

__all__ = ["filled"]


def filled(level: np.ndarray) -> np.ndarray:
    """Parts of small cells in which a function is negative, as if it were linear in each.

    Parameters
    ----------
    level
        Its values at the middles of small cells, (n, m, ..., m): n groups of m along every axis, m at least 2.

    Returns
    -------
    ndarray
        Between 0 and 1, of the same shape.

    Examples
    --------
    >>> filled(np.array([[-3.0, -1.0, 1.0, 3.0], [-2.5, -0.5, 1.5, 3.5]])).tolist()
    [[1.0, 1.0, 0.0, 0.0], [1.0, 0.75, 0.0, 0.0]]
    """
    width = sum(np.abs(np.gradient(level, axis=axis)) for axis in range(1, level.ndim))  # over one small cell
    return np.clip(0.5 - level / np.maximum(width, 1e-300), 0.0, 1.0)
