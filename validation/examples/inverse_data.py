"""What inverse examples measure: exact values where there are formulas, else those of solvers of another kind."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import solve_bvp, solve_ivp

__all__ = ["lorenz", "porous_channel", "reaction", "reaction_rate", "wake"]

Array = np.ndarray


def lorenz(count: int, push: float = 0.0) -> tuple[Array, Array]:
    """Times (count, 1) and states (3, count) of the Lorenz equations with 10, 15 and 8/3 from (-8, 7, 27).

    ``push`` sin 2 pi t is added to the third equation.

    Examples
    --------
    >>> lorenz(25)[1].shape
    (3, 25)
    """

    def slopes(t: float, u: Array) -> list[float]:
        x, y, z = u
        return [10.0 * (y - x), x * (15.0 - z) - y, x * y - 8 / 3 * z + push * math.sin(2 * math.pi * t)]

    t = np.linspace(0.0, 3.0, count)
    states = solve_ivp(slopes, (0, 3), [-8.0, 7.0, 27.0], t_eval=t, rtol=1e-12, atol=1e-12).y
    return t[:, None], np.asarray(states)


def porous_channel(count: int) -> tuple[Array, Array]:
    """Places (count, 1) and speeds (count,) in a porous channel of viscosity and permeability 0.001.

    Examples
    --------
    >>> porous_channel(5)[1].shape
    (5,)
    """
    x = np.linspace(1 / (count + 1), 1, count, endpoint=False)
    rate = math.sqrt(1e-3 * 0.4 / 1e-6)
    return x[:, None], 1 - np.cosh(rate * (x - 0.5)) / math.cosh(rate / 2)


def reaction_rate() -> tuple[Array, Array]:
    """Places (100, 1) and values (100,) of u with 0.01 u'' - k u = sin 2 pi x and a bell of k.

    Examples
    --------
    >>> reaction_rate()[1].shape
    (100,)
    """

    def slopes(x: Array, y: Array) -> Array:
        rate = 0.1 + np.exp(-0.5 * (x - 0.5) ** 2 / 0.15**2)
        return np.stack([y[1], (rate * y[0] + np.sin(2 * np.pi * x)) / 0.01])

    x = np.linspace(0, 1, 100)
    found = solve_bvp(slopes, lambda a, b: np.array([a[0], b[0]]), x, np.zeros((2, 100)), tol=1e-10, max_nodes=20_000)
    return x[:, None], np.asarray(found.sol(x)[0])


def reaction() -> tuple[Array, Array]:
    """Places in x and t (n, 2) and concentrations (2, n) of a + 2 b -> c with a rate of 0.1 and a diffusivity of 0.002.

    By a method of lines with Chebyshev points; the ends hold 1 and 0.

    Examples
    --------
    >>> reaction()[1].shape
    (2, 420)
    """
    n = 64
    x, second = _chebyshev(n)
    start = np.exp(-20 * x)
    start[0], start[-1] = 1.0, 0.0

    def slopes(t: float, y: Array) -> Array:
        a, b = y.reshape(2, -1)
        spent = 0.1 * a * b**2
        rates = np.stack([2e-3 * second @ a - spent, 2e-3 * second @ b - 2 * spent])
        rates[:, [0, -1]] = 0.0
        return rates.ravel()

    t, inner = np.linspace(0.0, 10.0, 21)[1:], slice(1, -1, 3)
    y = solve_ivp(slopes, (0, 10), np.tile(start, 2), method="Radau", t_eval=t, rtol=1e-10, atol=1e-12).y
    where = np.stack([g.ravel() for g in np.meshgrid(x[inner], t, indexing="ij")], 1)
    return where, y.reshape(2, n + 1, -1)[:, inner].reshape(2, -1)


def _chebyshev(n: int) -> tuple[Array, Array]:
    """Points on (0, 1) and the second derivative there; L. N. Trefethen, Spectral Methods in MATLAB, chapter 6."""
    s = -np.cos(math.pi * np.arange(n + 1) / n)
    c = np.where((np.arange(n + 1) == 0) | (np.arange(n + 1) == n), 2.0, 1.0) * (-1.0) ** np.arange(n + 1)
    first = np.outer(c, 1 / c) / (s[:, None] - s[None, :] + np.eye(n + 1))
    first -= np.diag(first.sum(1))
    first *= 2.0
    return (s + 1) / 2, first @ first


def wake(count: int) -> tuple[Array, Array]:
    """Places in x, y and t (count, 3) and velocities (2, count) of vortices that are carried along, of viscosity 0.01.

    A stream function that is a sum of waves of one length decays without changing its shape, and a uniform flow may
    carry it: an exact solution of the equations of Navier and Stokes.

    Examples
    --------
    >>> wake(10)[1].shape
    (2, 10)
    """
    wave, speed, waves = 1.6, 0.8, [(0.3, 0.5, 0.0), (1.2, 0.4, 1.0), (2.2, 0.3, 2.0)]  # direction, strength, phase
    where = np.random.default_rng(0).uniform((1.0, -2.0, 0.0), (8.0, 2.0, 7.0), (count, 3))
    x, y, t = where.T
    u, v = np.full(count, speed), np.zeros(count)
    for angle, strength, phase in waves:
        a, b = wave * math.cos(angle), wave * math.sin(angle)
        slope = strength * np.exp(-0.01 * wave**2 * t) * np.cos(a * (x - speed * t) + b * y + phase)
        u, v = u + b * slope, v - a * slope
    return where, np.stack([u, v])
