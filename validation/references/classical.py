"""What a classical method of high order achieves on the same problems: spectral collocation on the whole box.

Smooth problems on boxes are the home ground of such methods; they stand in the tables beside this package's results so
that nobody has to guess.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Classical", "fourier_convection", "helmholtz_spectral"]


@dataclass(frozen=True)
class Classical:
    """A method with its relative L2 error and seconds."""

    method: str
    error: float
    seconds: float


def helmholtz_spectral(a: float | Sequence[float], k: float, dim: int) -> Classical:
    """Chebyshev collocation with fast diagonalisation for ``Delta u + k^2 u = f`` on the unit square or cube.

    Parameters
    ----------
    a
        Wave numbers as for :func:`hermite_pinn.problems.helmholtz2d`.
    k, dim
        Coefficient; 2 or 3.

    Notes
    -----
    L. N. Trefethen, Spectral Methods in MATLAB, chapters 6 and 7; the degree is 48 plus two points per half wave.

    Examples
    --------
    >>> helmholtz_spectral(3, 1.0, 2).error < 1e-12
    True
    """
    waves = (float(a),) * dim if isinstance(a, (int, float)) else tuple(float(w) for w in a)
    began = time.perf_counter()
    degree = int(48 + 2 * max(waves))
    x = np.cos(np.pi * np.arange(degree + 1) / degree)
    c = np.where((np.arange(degree + 1) % degree) == 0, 2.0, 1.0) * (-1.0) ** np.arange(degree + 1)
    d = np.outer(c, 1 / c) / (x[:, None] - x[None, :] + np.eye(degree + 1))
    d -= np.diag(d.sum(1))
    second = 4.0 * (d @ d)[1:-1, 1:-1]  # on (0, 1)
    points = 0.5 * (x + 1.0)[1:-1]
    values, vectors = np.linalg.eig(second)
    inverse = np.linalg.inv(vectors)
    lines = [np.sin(w * math.pi * points) for w in waves]
    exact = lines[0]
    for line in lines[1:]:
        exact = exact[..., None] * line
    f = (k**2 - math.pi**2 * sum(w**2 for w in waves)) * exact
    total = np.zeros([1] * dim, dtype=complex)
    for axis in range(dim):
        total = total + values.reshape([-1 if i == axis else 1 for i in range(dim)])
        f = np.moveaxis(np.tensordot(inverse, f, (1, axis)), 0, axis)
    u = f / (total + k**2)
    for axis in range(dim):
        u = np.moveaxis(np.tensordot(vectors, u, (1, axis)), 0, axis)
    seconds = time.perf_counter() - began
    error = float(np.linalg.norm(u.real - exact) / np.linalg.norm(exact))
    return Classical(f"Chebyshev collocation, degree {degree}", error, seconds)


def fourier_convection(c: float) -> Classical:
    """Fourier collocation and classical Runge-Kutta for ``u_t + c u_x = 0`` from sin x, at t = 1.

    With 64 modes and as many steps as stability needs, but at least 400.

    Examples
    --------
    >>> fourier_convection(30.0).error < 1e-4
    True
    """
    began = time.perf_counter()
    steps = max(400, math.ceil(32 * abs(c) / 2.5))
    x = 2 * math.pi * np.arange(64) / 64
    wave = 1j * np.fft.fftfreq(64, 1 / 64)
    u = np.fft.fft(np.sin(x))
    h = 1.0 / steps
    wave[32] = 0.0

    def slope(v: np.ndarray) -> np.ndarray:
        return -c * wave * v

    for _ in range(steps):
        k1 = slope(u)
        k2 = slope(u + h / 2 * k1)
        k3 = slope(u + h / 2 * k2)
        u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(u + h * k3))
    seconds = time.perf_counter() - began
    exact = np.sin(x - c)
    error = float(np.linalg.norm(np.fft.ifft(u).real - exact) / np.linalg.norm(exact))
    return Classical(f"Fourier and Runge-Kutta, {steps} steps", error, seconds)
