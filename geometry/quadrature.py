"""Points and weights in the cells of a uniform axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["gauss_axis", "golden_axis", "per_axis"]


def gauss_axis(lower: float, upper: float, cells: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss points of every cell of an axis and their weights.

    Parameters
    ----------
    lower, upper
        Ends of the axis.
    cells
        Number of equal cells.
    points
        Points per cell; polynomials of degree ``2 points - 1`` are integrated exactly in each.

    Returns
    -------
    positions, weights
        float64, (cells * points,); the weights sum to ``upper - lower``.

    Examples
    --------
    >>> x, w = gauss_axis(0.0, 2.0, 3, 2)
    >>> round(float(np.sum(w * x**3)), 12)
    4.0
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    h = (upper - lower) / cells
    left = lower + h * np.arange(cells)
    return (left[:, None] + h * (nodes + 1) / 2).ravel(), np.tile(weights * h / 2, cells)


def golden_axis(lower: float, upper: float, cells: int, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """One point per cell, whose positions in the cells follow the golden ratio, and the lengths of the cells.

    Examples
    --------
    >>> golden_axis(0.0, 2.0, 2, 0.25)[0].round(3).tolist()
    [0.25, 1.868]
    """
    cell = np.arange(cells)
    inside = (offset + cell * 0.6180339887498949) % 1.0
    return lower + (upper - lower) * (cell + inside) / cells, np.full(cells, (upper - lower) / cells)


def per_axis(value: int | Sequence[int], dim: int) -> tuple[int, ...]:
    """One number per axis."""
    return (value,) * dim if isinstance(value, int) else tuple(value)
