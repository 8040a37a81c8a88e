"""From pixels to coefficients along an axis: least squares, and of all that reach them the least bent function."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.linalg
from scipy.interpolate import make_interp_spline

from hermite_pinn.cuda.encoder.basis import BASES, basis_values

__all__ = ["SLOPES", "axis_fit", "slopes"]

#: How values at the vertices determine slopes there.
SLOPES = ("smooth", "central")


@lru_cache(maxsize=8)
def axis_fit(basis: str, cells: int, count: int, rule: str = "smooth") -> np.ndarray:
    """The matrix from values at ``count`` equidistant points to the coefficients of a basis.

    The function of the coefficients ``c`` has the least squares of misfits at the points; among all such functions it
    has the least ``int (d^m f)^2``, ``m`` the number of coefficients of a vertex.  With as many vertices as points that
    is the natural spline of degree ``2 m - 1`` through all values, which has ``2 m - 2`` continuous derivatives.

    Parameters
    ----------
    basis
        A key of ``BASES``.
    cells
        Of the grid.
    count
        Points, both ends among them.
    rule
        ``"smooth"``, as said; ``"central"``, for cubics with a vertex on every point: slopes are differences of the two
        neighbours, and at the ends those of the parabola through three values (Catmull and Rom).

    Returns
    -------
    ndarray
        (``m (cells + 1)``, count); the derivatives of a vertex are in cells.

    References
    ----------
    I. J. Schoenberg, Proc. Natl. Acad. Sci. 52 (1964): natural splines bend least.
    E. Catmull, R. Rom, Computer Aided Geometric Design (1974).

    Examples
    --------
    >>> axis_fit("cubic", 2, 3)[1::2].round(6).tolist()  # slopes
    [[-1.25, 1.5, -0.25], [-0.5, 0.0, 0.5], [0.25, -1.5, 1.25]]
    """
    orders = BASES[basis].coefficients
    if rule == "central":
        return _catmull_rom(count)
    if cells == count - 1 and BASES[basis].refinable:
        return _natural_spline(orders, count)
    values = _values(basis, cells, np.linspace(0.0, cells, count), 0)
    left, sizes, right = scipy.linalg.svd(values)
    rank = int((sizes > 1e-10 * sizes[0]).sum())
    least = (right[:rank].T / sizes[:rank]) @ left[:, :rank].T
    free = right[rank:].T
    if not free.shape[1]:
        return np.asarray(least)
    bending = _bending(basis, cells, orders)
    moves = np.linalg.lstsq(free.T @ bending @ free, free.T @ bending @ least, rcond=1e-12)[0]
    return np.asarray(least - free @ moves)


def slopes(basis: str, cells: int, count: int, length: float, rule: str = "smooth") -> np.ndarray:
    """The matrix (count, count) from values at points to slopes there of the function of :func:`axis_fit`.

    Parameters
    ----------
    basis, cells, count, rule
        As there.
    length
        Of the axis.
    """
    at = _values(basis, cells, np.linspace(0.0, cells, count), 1)
    return np.asarray(at @ axis_fit(basis, cells, count, rule)) * (cells / length)


def _natural_spline(orders: int, count: int) -> np.ndarray:
    """Derivatives at the points, in spacings, of natural splines through values."""
    ends = [(order, np.zeros(count)) for order in range(orders, 2 * orders - 1)]
    spline = make_interp_spline(
        np.arange(count), np.eye(count), k=2 * orders - 1, bc_type=(ends, ends) if ends else None
    )
    derivatives = [spline(np.arange(count), nu=order) for order in range(orders)]
    return np.stack(derivatives, 1).reshape(orders * count, count)


def _catmull_rom(count: int) -> np.ndarray:
    """Values and central differences at the points, in spacings."""
    values = np.eye(count)
    differences = np.gradient(values, axis=0, edge_order=2 if count > 2 else 1)
    return np.stack([values, differences], 1).reshape(2 * count, count)


def _values(basis: str, cells: int, places: np.ndarray, order: int) -> np.ndarray:
    """Derivatives of all functions of a grid at places in cells, (places, coefficients)."""
    first = np.minimum(places.astype(int), cells - 1)
    local = np.stack(basis_values(basis, places - first, order), 1)
    orders = local.shape[1] // 2
    matrix = np.zeros((len(places), orders * (cells + 1)))
    columns = orders * first[:, None] + np.arange(2 * orders)
    np.put_along_axis(matrix, columns, local, 1)
    return matrix


def _bending(basis: str, cells: int, order: int) -> np.ndarray:
    """Integrals of products of derivatives."""
    nodes, weights = np.polynomial.legendre.leggauss(2 * order)
    local = np.stack(basis_values(basis, (nodes + 1) / 2, order), 1)
    element = local.T @ (weights[:, None] / 2 * local)
    width = len(element)
    matrix = np.zeros((width // 2 * (cells + 1),) * 2)
    for cell in range(cells):
        part = slice(cell * width // 2, cell * width // 2 + width)
        matrix[part, part] += element
    return matrix
