"""The solution of Burgers' equation with a sine as initial value, by the transformation of Cole and Hopf.

With u = -2 nu (log phi)_x the equation becomes the heat equation for phi, whose solution is an integral over the line:

    u(x, t) = -int sin(pi s) exp(E) dz / int exp(E) dz,
    s = x - z sqrt(4 nu t),        E = -cos(pi s) / (2 pi nu) - z^2.

The integrands are entire and decay like exp(-z^2), so that the trapezoidal rule converges faster than any power of its
step; the largest exponent is subtracted before the sums.

Source: J. D. Cole, Quart. Appl. Math. 9, 225 (1951); E. Hopf, Comm. Pure Appl. Math. 3, 201 (1950).
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["cole_hopf"]

_EXPONENT = 42.0  # terms below exp(-42) of the largest are left out
_CHUNK = 1 << 22


def cole_hopf(x: np.ndarray, t: np.ndarray, nu: float, refine: int = 1) -> np.ndarray:
    """Solution of ``u_t + u u_x = nu u_xx``, ``u(x, 0) = -sin(pi x)``, of period 2.

    Parameters
    ----------
    x, t
        Points, of one shape; t not negative.
    nu
        Viscosity.
    refine
        Divisor of the step of the quadrature, to measure its error.

    Examples
    --------
    >>> cole_hopf(np.array([0.5]), np.array([0.0]), 0.1)
    array([-1.])
    """
    shape = np.shape(x)
    x, t = np.ravel(np.asarray(x, dtype=float)), np.ravel(np.asarray(t, dtype=float))
    if x.size == 0:
        return np.zeros(shape)
    largest = 1.0 / (2 * math.pi * nu)
    reach = math.sqrt(_EXPONENT + 2 * largest)
    # the curvature of the exponent is at most 2 + 2 pi t, so peaks in z are no narrower than its inverse root; the
    # sines oscillate in z with the frequency 2 pi sqrt(nu t)
    step = 0.25 / math.sqrt(1.0 + math.pi * float(t.max()) * (1.0 + 4 * math.pi * nu)) / refine
    count = math.ceil(reach / step)
    z = step * np.arange(-count, count + 1)
    values = np.empty(x.size)
    rows = max(1, _CHUNK // z.size)
    for start in range(0, x.size, rows):
        part = slice(start, start + rows)
        s = np.pi * (x[part, None] - np.sqrt(4 * nu * t[part, None]) * z)
        exponent = -largest * np.cos(s) - z**2
        weights = np.exp(exponent - exponent.max(1, keepdims=True))
        values[part] = -(np.sin(s) * weights).sum(1) / weights.sum(1)
    return values.reshape(shape)
