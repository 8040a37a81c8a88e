"""The regularised lid-driven cavity by a spectral Galerkin method for the stream function.

    Delta^2 psi / Re = psi_y Delta psi_x - psi_x Delta psi_y,        u = psi_y,  v = -psi_x,

on [0, 1]^2 with psi = psi.n = 0 on the boundary, save psi_y = 16 x^2 (1 - x)^2 on the lid y = 1.  psi is the lifting
16 x^2 (1 - x)^2 y^2 (y - 1) plus a sum of products of Legendre combinations that vanish with their slopes at both ends.
The weak form is solved by Newton's method, from the solution at a smaller Reynolds number where it is large.

The solution has weak singularities in the corners (psi like r^3.74, H. K. Moffatt, J. Fluid Mech. 18, 1, 1964), so that
the convergence in the degree is algebraic; the test of the references states what is reached.

Source of the lid's profile and of the basis: J. Shen, J. Comput. Phys. 95, 228 (1991); SIAM J. Sci. Comput. 15, 1489
(1994).
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.polynomial import legendre

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["regularised_cavity", "stream_function"]

Array = np.ndarray


def regularised_cavity(x: Array, y: Array, reynolds: float, field: str) -> Array:
    """Velocity component ``"u"`` or ``"v"`` at points of one shape.

    Examples
    --------
    >>> regularised_cavity(np.array([]), np.array([]), 10.0, "u").shape
    (0,)
    """
    if np.size(x) == 0:
        return np.zeros(np.shape(x))
    psi = stream_function(float(reynolds))
    slope = 2 * legendre.legder(psi, axis=1) if field == "u" else -2 * legendre.legder(psi, axis=0)
    velocity: Array = legendre.legval2d(2 * np.asarray(x) - 1, 2 * np.asarray(y) - 1, slope)
    return velocity


@functools.cache
def stream_function(reynolds: float, degree: int = 32) -> Array:
    """Legendre coefficients of psi in ``2 x - 1`` and ``2 y - 1``.

    Parameters
    ----------
    reynolds
        Reynolds number.
    degree
        Number of functions per axis.

    Raises
    ------
    InvalidArgumentError
        If Newton's method does not converge.
    """
    size = degree + 4
    functions = np.zeros((degree, size))
    for k in range(degree):
        functions[k, [k, k + 2, k + 4]] = 1.0, -2 * (2 * k + 5) / (2 * k + 7), (2 * k + 3) / (2 * k + 7)
        functions[k] /= (2 * k + 3) * np.sqrt(4 * k + 10)  # unit norm of the second derivative
    lifting = np.zeros((size, size))
    lid = legendre.poly2leg([1, 0, -2, 0, 1])  # 16 x^2 (1 - x)^2
    height = legendre.poly2leg(np.array([-1.0, -1.0, 1.0, 1.0]) / 8)  # y^2 (y - 1)
    lifting[: len(lid), : len(height)] = np.outer(lid, height)
    start = np.zeros((size, size)) if reynolds <= 200 else stream_function(reynolds / 2, degree) - lifting
    s, w = legendre.leggauss(3 * size // 2 + 1)
    weights = np.outer(w, w).ravel()
    line = [legendre.legval(s, 2.0**m * legendre.legder(functions.T, m)).T for m in range(3)]  # (point, function)
    whole = [legendre.legval(s, 2.0**m * legendre.legder(np.eye(size), m)).T for m in range(3)]

    def basis(i: int, j: int) -> Array:
        return np.kron(line[i], line[j])

    def values(psi: Array, i: int, j: int) -> Array:
        return (whole[i] @ psi @ whole[j].T).reshape(-1, 1)

    along_x, along_y, bent = basis(1, 0), basis(0, 1), basis(2, 0) + basis(0, 2)
    weighted = weights[:, None] * bent
    stiffness = weighted.T @ bent / reynolds
    psi = lifting + start
    for _ in range(20):
        psi_x, psi_y, curl = values(psi, 1, 0), values(psi, 0, 1), values(psi, 2, 0) + values(psi, 0, 2)
        carried = weights[:, None] * (psi_y * along_x - psi_x * along_y)
        residual = weighted.T @ curl / reynolds + carried.T @ curl
        turned = (weights[:, None] * curl * along_x).T @ along_y
        jacobian = stiffness + carried.T @ bent + turned - turned.T
        c = np.linalg.solve(jacobian, residual).reshape(degree, degree)
        step = functions.T @ c @ functions
        psi = psi - step
        if np.abs(step).max() <= 1e-11 * np.abs(psi).max():
            return psi
    raise InvalidArgumentError(f"the reference for the cavity does not converge for Re = {reynolds:g}")
