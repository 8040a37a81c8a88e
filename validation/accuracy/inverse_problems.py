"""Inverse problems with known answers: those that DeepXDE's examples pose, and others, with data made here.

Every function returns the problem and the true values of its parameters, or none where a field is unknown, whose
``exact`` tells it then.  Equations and settings follow ``examples/pinn_inverse`` of DeepXDE where a docstring says so;
data that are files there are made here by a solver of another kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.integrate import solve_bvp, solve_ivp

import hermite_pinn as hp

__all__ = [
    "Made",
    "brinkman_forchheimer",
    "diffusion",
    "elliptic_source",
    "klein_gordon",
    "lorenz",
    "navier_stokes",
    "oscillator",
    "reaction",
    "reaction_rate",
]

Array = np.ndarray
Made = tuple[hp.Problem, Mapping[str, float]]


def oscillator(
    seed: int,
    *,
    noise: float = 0.03,
    damping: float = 5.0,
    stiffness: float = 300.0,
    start: tuple[float, float] = (1.0, 200.0),
    told: float | None = None,
) -> Made:
    """x'' + a x' + b x = 0 on (0, 2) from rest at 1, with 60 noisy values; the noise told may be another.

    Examples
    --------
    >>> oscillator(0)[1]
    {'a': 5.0, 'b': 300.0}
    """
    random, t = np.random.default_rng(seed), np.linspace(0.02, 2.0, 60)
    w = math.sqrt(stiffness - damping**2 / 4)
    x = np.exp(-damping / 2 * t) * (np.cos(w * t) + damping / 2 / w * np.sin(w * t))
    problem = hp.Problem(
        hp.Box(t=(0, 2)),
        ["x"],
        lambda x, a, b: x.tt + a * x.t + b * x,
        [
            hp.Dirichlet(x=1.0, on="t-"),
            hp.Neumann(x=0.0, on="t-"),
            hp.Data(t[:, None], x=x + noise * random.standard_normal(60), noise=noise if told is None else told),
        ],
        parameters=[hp.Parameter("a", init=start[0]), hp.Parameter("b", init=start[1])],
    )
    return problem, {"a": damping, "b": stiffness}


def lorenz(count: int = 25, *, forced: bool = False) -> Made:
    """The Lorenz equations on (0, 3) from (-8, 7, 27), with exact values; all three parameters are sought from 1.

    DeepXDE: Lorenz_inverse, and Lorenz_inverse_forced with 200 values, where 10 sin 2 pi t drives the third equation.

    Examples
    --------
    >>> lorenz()[0].fields
    ('x', 'y', 'z')
    """
    push = 10.0 if forced else 0.0

    def slopes(t: float, u: Array) -> list[float]:
        x, y, z = u
        return [10.0 * (y - x), x * (15.0 - z) - y, x * y - 8 / 3 * z + push * math.sin(2 * math.pi * t)]

    t = np.linspace(0.0, 3.0, count)
    x, y, z = solve_ivp(slopes, (0, 3), [-8.0, 7.0, 27.0], t_eval=t, rtol=1e-12, atol=1e-12).y
    problem = hp.Problem(
        hp.Box(t=(0, 3)),
        ["x", "y", "z"],
        lambda x, y, z, t, s, r, b: (
            x.t - s * (y - x),
            y.t - x * (r - z) + y,
            z.t - x * y + b * z - push * hp.sin(2 * math.pi * t),
        ),
        [hp.Initial(x=-8.0, y=7.0, z=27.0), hp.Data(t[1:, None], x=x[1:], y=y[1:], z=z[1:])],
        parameters=[hp.Parameter(name, init=1.0) for name in "srb"],
    )
    return problem, {"s": 10.0, "r": 15.0, "b": 8 / 3}


def brinkman_forchheimer(count: int = 5, *, viscosity: float = 1e-3, permeability: float = 1e-3) -> Made:
    """Flow through a porous channel, -v u'' / 0.4 + 1e-3 u / K = 1, from some exact values; v and K from 0.1.

    DeepXDE: brinkman_forchheimer, with five values.

    Examples
    --------
    >>> brinkman_forchheimer()[1]
    {'v': 0.001, 'K': 0.001}
    """
    x = np.linspace(1 / (count + 1), 1, count, endpoint=False)
    rate = math.sqrt(1e-3 * 0.4 / (viscosity * permeability))
    values = permeability / 1e-3 * (1 - np.cosh(rate * (x - 0.5)) / math.cosh(rate / 2))
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, v, K: -v / 0.4 * u.xx + 1e-3 * u / K - 1.0,
        [hp.Dirichlet(u=0.0), hp.Data(x[:, None], u=values)],
        parameters=[hp.Parameter("v", init=0.1), hp.Parameter("K", init=0.1)],
    )
    return problem, {"v": viscosity, "K": permeability}


def diffusion() -> Made:
    """The diffusivity, 1, of u = sin pi x exp -t from ten exact values at the end and a start of 2.

    DeepXDE: diffusion_1d_inverse.

    Examples
    --------
    >>> diffusion()[1]
    {'c': 1.0}
    """

    def exact(x: Any, t: Any) -> Any:
        return hp.sin(math.pi * x) * hp.exp(-t)

    where = np.stack([np.linspace(-1, 1, 10), np.ones(10)], 1)
    problem = hp.Problem(
        hp.Box(x=(-1, 1), t=(0, 1)),
        "u",
        lambda u, c, x, t: u.t - c * u.xx + (1 - math.pi**2) * exact(x, t),
        [
            hp.Dirichlet(u=exact, on=("x-", "x+")),
            hp.Initial(u=lambda x: hp.sin(math.pi * x)),
            hp.Data(where, u=exact(*where.T)),
        ],
        parameters=[hp.Parameter("c", init=2.0)],
        exact={"u": exact},
    )
    return problem, {"c": 1.0}


def reaction_rate() -> Made:
    """The rate k(x) in 0.01 u'' - k u = sin 2 pi x from a hundred exact values of u.

    DeepXDE: diffusion_reaction_rate.

    Examples
    --------
    >>> reaction_rate()[0].fields
    ('u', 'k')
    """

    def rate(x: Any) -> Any:
        return 0.1 + hp.exp(-0.5 * (x - 0.5) ** 2 / 0.15**2)

    def slopes(x: Array, y: Array) -> Array:
        return np.stack([y[1], (rate(x) * y[0] + np.sin(2 * np.pi * x)) / 0.01])

    x = np.linspace(0, 1, 100)
    found = solve_bvp(slopes, lambda a, b: np.array([a[0], b[0]]), x, np.zeros((2, 100)), tol=1e-10, max_nodes=20_000)
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        ["u", "k"],
        lambda u, k, x: 0.01 * u.xx - k * u - hp.sin(2 * math.pi * x),
        [hp.Dirichlet(u=0.0), hp.Data(x[:, None], u=found.sol(x)[0]), hp.Smoothness("k")],
        exact={"k": rate},
    )
    return problem, {}


def elliptic_source(count: int = 100) -> Made:
    """The source q(x) in u'' = q from exact values of u = sin pi x.

    DeepXDE: elliptic_inverse_field with a hundred values, elliptic_inverse_field_batch with ten thousand.

    Examples
    --------
    >>> elliptic_source()[0].fields
    ('u', 'q')
    """
    x = np.linspace(-1, 1, count)
    problem = hp.Problem(
        hp.Box(x=(-1, 1)),
        ["u", "q"],
        lambda u, q: q - u.xx,
        [hp.Dirichlet(u=0.0), hp.Data(x[:, None], u=np.sin(math.pi * x)), hp.Smoothness("q")],
        exact={"u": lambda x: hp.sin(math.pi * x), "q": lambda x: -(math.pi**2) * hp.sin(math.pi * x)},
    )
    return problem, {}


def klein_gordon() -> Made:
    """The square of the mass, 4, in u_tt - u_xx + m u = 0 from fifty exact values and a start of 1.

    DeepXDE: Klein_Gordon_inverse.

    Examples
    --------
    >>> klein_gordon()[1]
    {'m': 4.0}
    """
    w = math.sqrt(math.pi**2 + 4.0)

    def exact(x: Any, t: Any) -> Any:
        return hp.sin(math.pi * x) * hp.cos(w * t)

    where = np.random.default_rng(42).uniform((-1.0, 0.0), (1.0, 1.0), (50, 2))
    problem = hp.Problem(
        hp.Box(x=(-1, 1), t=(0, 1)),
        "u",
        lambda u, m: u.tt - u.xx + m * u,
        [
            hp.Dirichlet(u=0.0, on=("x-", "x+")),
            hp.Initial(u=lambda x: hp.sin(math.pi * x), u_t=0.0),
            hp.Data(where, u=exact(*where.T)),
        ],
        parameters=[hp.Parameter("m", init=1.0)],
        exact={"u": exact},
    )
    return problem, {"m": 4.0}


def reaction(noise: float | None = None, seed: int = 0) -> Made:
    """Rate and diffusivity of a + 2 b -> c from a field of values: a_t = D a_xx / 1000 - k a b^2, b_t alike with 2 k.

    DeepXDE: reaction_inverse.  The data are those of a method of lines with Chebyshev points.

    Parameters
    ----------
    noise
        Of the values, told; exact ones without.
    seed
        Of the noise.

    Examples
    --------
    >>> reaction()[1]
    {'k': 0.1, 'D': 2.0}
    """
    k, diffusivity, n = 0.1, 2.0, 64
    x, second = _chebyshev(n)
    left = np.exp(-20 * x)
    left[0], left[-1] = 1.0, 0.0  # what the sides hold

    def slopes(t: float, y: Array) -> Array:
        a, b = y.reshape(2, -1)
        spent = k * a * b**2
        rates = np.stack([1e-3 * diffusivity * second @ a - spent, 1e-3 * diffusivity * second @ b - 2 * spent])
        rates[:, [0, -1]] = 0.0
        return rates.ravel()

    t = np.linspace(0.0, 10.0, 21)[1:]
    y = solve_ivp(slopes, (0, 10), np.tile(left, 2), method="Radau", t_eval=t, rtol=1e-10, atol=1e-12).y
    inner = slice(1, -1, 3)
    where = np.stack([g.ravel() for g in np.meshgrid(x[inner], t, indexing="ij")], 1)
    a, b = (field[inner].ravel() for field in y.reshape(2, n + 1, -1))
    if noise is not None:
        random = np.random.default_rng(seed)
        a, b = a + noise * random.standard_normal(a.shape), b + noise * random.standard_normal(b.shape)

    def start(x: Any) -> Any:
        return hp.exp(-20 * x)

    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 10)),
        ["a", "b"],
        lambda a, b, k, D: (
            a.t - 1e-3 * D * a.xx + k * a * b**2,
            b.t - 1e-3 * D * b.xx + 2 * k * a * b**2,
        ),
        [
            hp.Dirichlet(a=lambda x: 1 - x, b=lambda x: 1 - x, on=("x-", "x+")),
            hp.Initial(a=start, b=start),
            hp.Data(where, a=a, b=b, noise=noise),
        ],
        parameters=[hp.Parameter("k", init=0.05), hp.Parameter("D", init=1.0)],
    )
    return problem, {"k": k, "D": diffusivity}


def _chebyshev(n: int) -> tuple[Array, Array]:
    """Points on (0, 1) and the second derivative there; L. N. Trefethen, Spectral Methods in MATLAB, chapter 6."""
    s = -np.cos(math.pi * np.arange(n + 1) / n)
    c = np.where((np.arange(n + 1) == 0) | (np.arange(n + 1) == n), 2.0, 1.0) * (-1.0) ** np.arange(n + 1)
    first = np.outer(c, 1 / c) / (s[:, None] - s[None, :] + np.eye(n + 1))
    first -= np.diag(first.sum(1))
    first *= 2.0
    return (s + 1) / 2, first @ first


def navier_stokes(count: int = 7000, noise: float = 0.0, seed: int = 0) -> Made:
    """The factors of transport, 1, and of friction, 0.01, from scattered velocities of vortices that are carried along.

    DeepXDE: Navier_Stokes_inverse, whose wake of a cylinder is a file; the same box, times, number of values and
    starts from 0.  A stream function that is a sum of waves of one length decays without changing its shape, and may
    be carried by a uniform flow: an exact solution.  Nothing is known on the sides or at the start.

    Parameters
    ----------
    count
        Number of values of u and v.
    noise
        Relative to the root mean square of the velocities; exact values without.
    seed
        Of the places and the noise.

    Examples
    --------
    >>> navier_stokes(10)[1]
    {'transport': 1.0, 'friction': 0.01}
    """
    friction, wave, speed = 0.01, 1.6, 0.8
    waves = [(0.3, 0.5, 0.0), (1.2, 0.4, 1.0), (2.2, 0.3, 2.0)]  # direction, strength, phase

    def velocity(x: Array, y: Array, t: Array) -> tuple[Array, Array]:
        u, v = np.full(x.shape, speed), np.zeros(x.shape)
        for angle, strength, phase in waves:
            a, b = wave * math.cos(angle), wave * math.sin(angle)
            slope = strength * np.exp(-friction * wave**2 * t) * np.cos(a * (x - speed * t) + b * y + phase)
            u, v = u + b * slope, v - a * slope
        return u, v

    random = np.random.default_rng(seed)
    where = random.uniform((1.0, -2.0, 0.0), (8.0, 2.0, 7.0), (count, 3))
    u, v = velocity(*where.T)
    sigma = noise * float(np.sqrt(np.mean(u**2 + v**2)))
    u, v = u + sigma * random.standard_normal(count), v + sigma * random.standard_normal(count)

    def equations(u: Any, v: Any, p: Any, transport: Any, friction: Any) -> tuple[Any, ...]:
        return (
            u.x + v.y,
            u.t + transport * (u * u.x + v * u.y) + p.x - friction * (u.xx + u.yy),
            v.t + transport * (u * v.x + v * v.y) + p.y - friction * (v.xx + v.yy),
        )

    problem = hp.Problem(
        hp.Box(x=(1, 8), y=(-2, 2), t=(0, 7)),
        ["u", "v", "p"],
        equations,
        [hp.Data(where, u=u, v=v, noise=sigma or None), hp.Gauge("p")],
        parameters=[hp.Parameter("transport", init=0.0), hp.Parameter("friction", init=0.0)],
    )
    return problem, {"transport": 1.0, "friction": friction}
