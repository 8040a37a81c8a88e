"""Points and weights in the cells of a uniform axis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from hermite_pinn.immutable import read_only

__all__ = ["gauss_axis", "gauss_pieces", "golden_axis", "golden_pieces", "per_axis", "sobol_cube"]

#: Vertices of an axis, or its bounds and the number of its equal cells.
Vertices = np.ndarray | tuple[float, float, int]


@lru_cache(maxsize=32)
def _legendre(points: int) -> tuple[np.ndarray, np.ndarray]:
    """The Gauss rule on (-1, 1), which cannot be written to."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return read_only(nodes), read_only(weights)


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
    nodes, weights = _legendre(points)
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


def gauss_pieces(vertices: Vertices, points: int) -> tuple[np.ndarray, np.ndarray]:
    """:func:`gauss_axis` for cells between any vertices.

    Examples
    --------
    >>> gauss_pieces(np.array([0.0, 1.0, 4.0]), 1)[0].tolist()
    [0.5, 2.5]
    """
    if isinstance(vertices, tuple):
        return gauss_axis(*vertices, points)
    nodes, weights = _legendre(points)
    left, h = vertices[:-1, None], np.diff(vertices)[:, None]
    return (left + h * (nodes + 1) / 2).ravel(), (h * weights / 2).ravel()


def golden_pieces(vertices: Vertices, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """:func:`golden_axis` for cells between any vertices.

    Examples
    --------
    >>> golden_pieces(np.array([0.0, 1.0, 2.0]), 0.25)[0].round(3).tolist()
    [0.25, 1.868]
    """
    if isinstance(vertices, tuple):
        return golden_axis(*vertices, offset)
    h = np.diff(vertices)
    inside = (offset + np.arange(len(h)) * 0.6180339887498949) % 1.0
    return vertices[:-1] + h * inside, h


def per_axis(value: int | Sequence[int], dim: int) -> tuple[int, ...]:
    """One number per axis."""
    return (value,) * dim if isinstance(value, int) else tuple(value)


def sobol_cube(dim: int, count: int, seed: int) -> torch.Tensor:
    """Scrambled Sobol points in the unit cube, (count, dim), float64; the first has the precision of float32.

    PyTorch computes the first point in its default dtype, which is the program's and may be half precision.

    Examples
    --------
    >>> sobol_cube(2, 4, seed=0).shape
    torch.Size([4, 2])
    """
    engine = torch.quasirandom.SobolEngine(dim, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    first = engine.quasi.to(torch.float32) / 2**engine.MAXBIT
    unit: torch.Tensor = engine.draw(count, dtype=torch.float64)
    unit[:1] = first
    return unit
