"""Gauss-Legendre points and weights in the cells of a uniform axis."""

from __future__ import annotations

import numpy as np

__all__ = ["gauss_axis"]


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
