"""Chebyshev collocation: points, derivatives, interpolation, and fast diagonalisation on boxes.

Source: L. N. Trefethen, Spectral Methods in MATLAB, 2000, chapters 6 to 9; J.-P. Berrut and L. N. Trefethen,
Barycentric Lagrange interpolation, SIAM Rev. 46, 501 (2004).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, gmres

__all__ = ["Inverse", "along", "derivative", "interpolate", "interpolation", "krylov", "lobatto"]

Array = np.ndarray


def lobatto(degree: int, lower: float = -1.0, upper: float = 1.0) -> Array:
    """The ``degree + 1`` Chebyshev points of an interval, both ends among them, in ascending order.

    Examples
    --------
    >>> lobatto(2, 0, 1).round(12).tolist()
    [0.0, 0.5, 1.0]
    """
    points: Array = lower + (upper - lower) * np.sin(np.pi * np.arange(degree + 1) / (2 * degree)) ** 2
    return points


def _weights(count: int) -> Array:
    weights = (-1.0) ** np.arange(count)
    weights[[0, -1]] *= 0.5
    return weights


def derivative(points: Array) -> Array:
    """The matrix that takes values at Chebyshev points to values of the derivative there."""
    weights = _weights(len(points))
    away = points[:, None] - points[None, :] + np.eye(len(points))
    matrix: Array = weights[None, :] / weights[:, None] / away
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(1))
    return matrix


def interpolation(points: Array, wanted: Array) -> Array:
    """The matrix (wanted, points) that evaluates the interpolant through Chebyshev points."""
    away = np.subtract.outer(wanted, points)
    rows, columns = np.nonzero(away == 0)
    away[rows, columns] = 1.0
    matrix: Array = _weights(len(points)) / away
    matrix /= matrix.sum(1, keepdims=True)
    matrix[rows] = 0.0
    matrix[rows, columns] = 1.0
    return matrix


def interpolate(axes: Sequence[Array], values: Array, wanted: Array) -> Array:
    """Values at points (dim, n) of the interpolant through a tensor product of Chebyshev points."""
    first, *others = (interpolation(x, w) for x, w in zip(axes, wanted, strict=True))
    found = np.tensordot(first, values, (1, 0))
    for matrix in others:
        found = np.einsum("nk,nk...->n...", matrix, found)
    return found


def along(axis: int, matrix: Array, values: Array) -> Array:
    """A matrix applied along one axis of an array."""
    return np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)


@dataclass(frozen=True, eq=False)
class Inverse:
    """The inverse of ``sum_i scale * d^2/dx_i^2 + shift`` with values of zero on the boundary of a box.

    Attributes
    ----------
    vectors, inverses
        Eigenvectors of the second derivatives along the axes, and their inverses.
    symbol
        Eigenvalues of the whole.

    Notes
    -----
    R. E. Lynch, J. R. Rice and D. H. Thomas, Numer. Math. 6, 185 (1964).
    """

    vectors: Sequence[Array]
    inverses: Sequence[Array]
    symbol: Array

    @classmethod
    def of(cls, axes: Sequence[Array], scale: float = 1.0, shift: float = 0.0) -> Inverse:
        """From the Chebyshev points of the axes."""
        values: list[Array] = []
        vectors: list[Array] = []
        inverses: list[Array] = []
        done: dict[bytes, tuple[Array, Array, Array]] = {}
        for points in axes:
            key = points.tobytes()
            if key not in done:
                first = derivative(points)
                found, right = linalg.eig((first @ first)[1:-1, 1:-1])
                done[key] = found.real, right.real, linalg.inv(right.real)
            for kept, new in zip((values, vectors, inverses), done[key], strict=True):
                kept.append(new)
        symbol = np.full((1,) * len(axes), shift)
        for axis, found in enumerate(values):
            symbol = symbol + scale * found.reshape([-1 if i == axis else 1 for i in range(len(axes))])
        return cls(vectors, inverses, symbol)

    def __call__(self, values: Array) -> Array:
        """Solve for a right-hand side at the points inside."""
        for axis, matrix in enumerate(self.inverses):
            values = along(axis, matrix, values)
        values = values / self.symbol
        for axis, matrix in enumerate(self.vectors):
            values = along(axis, matrix, values)
        return values


def krylov(
    operator: Callable[[Array], Array], near: Callable[[Array], Array], right: Array, tolerance: float = 1e-13
) -> Array:
    """Solve ``operator(u) = right`` by GMRES with the inverse of a similar operator."""
    shape = right.shape
    size = right.size
    matrix = LinearOperator((size, size), matvec=lambda v: near(operator(v.reshape(shape))).ravel(), dtype=float)
    start = near(right)
    found, _ = gmres(matrix, start.ravel(), rtol=tolerance, restart=80, maxiter=4)
    solved: Array = found.reshape(shape)
    return solved
