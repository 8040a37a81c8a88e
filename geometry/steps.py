"""Steps along the gradient of a signed distance, to where it vanishes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["stepped"]

STEP = 1e-6  # of the size, for differences
NEWTON = 8


def stepped(distance: Callable[[np.ndarray], np.ndarray], x: np.ndarray, size: float) -> np.ndarray:
    """Closest points (dim, n) of a boundary to points (dim, n), by steps along the gradient of the signed distance.

    Where that is the distance, the first step ends there; the others take away what its differences leave.

    Examples
    --------
    >>> found = stepped(lambda x: np.linalg.norm(x, axis=0) - 1, np.array([[3.0], [4.0]]), 2.0)
    >>> found.T.round(9).tolist()
    [[0.6, 0.8]]
    """
    result = x.copy()
    active = np.arange(x.shape[1])
    for _ in range(NEWTON):
        here = result[:, active]
        value = distance(here)
        rows = []
        for axis in range(len(x)):
            offset = np.zeros((len(x), 1))
            offset[axis] = STEP * size
            rows.append((distance(here + offset) - distance(here - offset)) / (2 * STEP * size))
        slope = np.stack(rows)
        square = np.maximum((slope**2).sum(0), 1e-6)
        result[:, active] = here - value / square * slope
        active = active[np.abs(value) > 1e-14 * size]
        if not active.size:
            break
    return result
