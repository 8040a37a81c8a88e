"""Time steps of high order for what finite elements leave: ``M u' = f(u)``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

__all__ = ["Implicit", "diagonal", "fractions", "march_diffusion", "march_stiff", "march_waves"]

Array = np.ndarray
Matrix = Any


def fractions(lower: int, upper: int) -> tuple[float, Array, Array]:
    """The Pade approximation of the exponential with these degrees, in partial fractions.

    Returns
    -------
    tuple
        Value at infinity (0 unless the degrees are equal), poles and residues; of conjugate pairs only the poles with
        positive imaginary part.

    Examples
    --------
    >>> at_infinity, poles, residues = fractions(2, 3)
    >>> parts = [(r / (0.1 - p) * (2 if p.imag else 1)).real for p, r in zip(poles, residues)]
    >>> bool(abs(sum(parts) - math.exp(0.1)) < 1e-9)
    True
    """
    n, d = lower, upper
    above = [math.comb(n, k) * math.factorial(n + d - k) / math.factorial(n + d) for k in range(n + 1)]
    below = [(-1) ** k * math.comb(d, k) * math.factorial(n + d - k) / math.factorial(n + d) for k in range(d + 1)]
    numerator, denominator = np.polynomial.Polynomial(above), np.polynomial.Polynomial(below)
    poles = denominator.roots().astype(complex)
    at_infinity = above[-1] / below[-1] if n == d else 0.0
    poles = poles[poles.imag > -1e-9]
    poles = np.where(abs(poles.imag) < 1e-9, poles.real, poles)
    residues = numerator(poles) / denominator.deriv()(poles)
    return float(at_infinity), poles, residues


def _factor(matrix: Matrix) -> Callable[[Array], Array]:
    return splu(
        matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0
    ).solve


def _twice(pole: complex, values: Array) -> Array:
    """The part of a pole, and of its conjugate if it has one."""
    return 2 * values.real if pole.imag else values.real


def march_diffusion(mass: Matrix, stiffness: Matrix, start: Array, times: Sequence[float], steps: int) -> list[Array]:
    """States of ``M u' = -K u`` at equally spaced times, by the Pade approximation (4, 5): L-stable, of order nine.

    Parameters
    ----------
    mass, stiffness
        M and K, sparse, symmetric.
    start
        u at time zero.
    times
        Equally spaced, from the first step on.
    steps
        From one time to the next.
    """
    h = times[0] / steps
    _, poles, residues = fractions(4, 5)
    solves = [_factor(h * stiffness + (p if p.imag else p.real) * mass) for p in poles]
    u, found = start, []
    for _ in times:
        for _ in range(steps):
            right = mass @ u
            u = sum(
                (
                    _twice(p, -r * solve(right.astype(complex) if p.imag else right))
                    for p, r, solve in zip(poles, residues, solves, strict=True)
                ),
                np.zeros_like(u),
            )
        found.append(u)
    return found


def march_waves(mass: Matrix, stiffness: Matrix, start: Array, times: Sequence[float], steps: int) -> list[Array]:
    """States of ``M u'' = -K u`` from rest, by the Pade approximation (4, 4): no damping, order eight.

    Parameters as for :func:`march_diffusion`.
    """
    h = times[0] / steps
    at_infinity, poles, residues = fractions(4, 4)
    solves = [_factor(h * stiffness + (p * p / h) * mass) for p in poles]
    u, v, found = start, np.zeros_like(start), []
    for _ in times:
        for _ in range(steps):
            next_u, next_v = at_infinity * u, at_infinity * v
            for p, r, solve in zip(poles, residues, solves, strict=True):
                a = -solve(mass @ (v + (p / h) * u))
                next_u = next_u + _twice(p, r * a)
                next_v = next_v + _twice(p, r * (u + p * a) / h)
            u, v = next_u, next_v
        found.append(u)
    return found


@dataclass(frozen=True, eq=False)
class Implicit:
    """A system ``M u' = f(u)`` with its Jacobian, both sparse."""

    mass: Matrix
    rate: Callable[[Array], Array]
    jacobian: Callable[[Array], Matrix]


#: Coefficients a_ij and c_ij of RODAS, from stage 2 on; stage 6 starts where stage 5 ends.
_A = (
    (1.544,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
)
_C = (
    (-5.6688,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
)


def march_stiff(system: Implicit, start: Array, times: Sequence[float], tolerance: float) -> list[Array]:
    """States at some times, by RODAS with steps under error control: order four, L-stable, one factorisation a step.

    Parameters
    ----------
    system
        What is integrated; it must not depend on time.
    start
        u at time zero.
    times
        In ascending order; all are met by a step.
    tolerance
        Of the error of a step, relative to the root mean square of u.

    Notes
    -----
    E. Hairer and G. Wanner, Solving Ordinary Differential Equations II, section IV.7 and code RODAS.
    """
    u, now, h, found = start, 0.0, min(1e-3, times[0]), []
    for end in times:
        while now < end * (1 - 1e-12):
            count = math.ceil((end - now) / h - 1e-9)
            h = (end - now) / count
            tried, error = _rodas(system, u, h)
            scale = tolerance * math.sqrt(float(np.mean(u * u)) + 1e-300)
            away = math.sqrt(float(np.mean(error * error))) / scale
            if away <= 1:
                u, now = tried, now + h
            h = h * min(4.0, max(0.2, 0.9 * max(away, 1e-12) ** -0.25))
        found.append(u)
    return found


def _rodas(system: Implicit, u: Array, h: float) -> tuple[Array, Array]:
    """One step and an estimate of its error."""
    solve = splu((system.mass * (4.0 / h) - system.jacobian(u)).tocsc()).solve
    increments = [solve(system.rate(u))]
    for a, c in zip(_A, _C[:4], strict=True):
        at = u + sum(x * k for x, k in zip(a, increments, strict=True))
        history = sum(x / h * k for x, k in zip(c, increments, strict=True))
        increments.append(solve(system.rate(at) + system.mass @ history))
    at = at + increments[-1]
    history = sum(x / h * k for x, k in zip(_C[4], increments, strict=True))
    increments.append(solve(system.rate(at) + system.mass @ history))
    return at + increments[-1], increments[-1]


def diagonal(values: Array) -> Matrix:
    """A sparse diagonal matrix."""
    return sparse.diags_array(values)
