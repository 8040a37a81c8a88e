"""Problems with known answers that are hard to find, or too coarse a grid for them: what is said must be true."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.integrate import solve_bvp, solve_ivp

import hermite_pinn as hp

from .known_answers import ZERO, Answer, elasticity, library, on

__all__ = ["HARD_ANSWERS"]

pi = math.pi


def _brinkman(expected: str = "any") -> Answer:
    """Flow between walls in a porous medium, viscosity and permeability unknown, from exact values."""
    nu, k, drag, force = 1e-3, 1e-3, 0.5, 1.0

    def slope(x: Any, y: Any) -> Any:
        return np.array([y[1], (y[0] / k * nu + drag * y[0] * np.abs(y[0]) - force) / nu])

    mesh = np.linspace(0, 1, 400)
    found = solve_bvp(
        slope, lambda a, b: np.array([a[0], b[0]]), mesh, np.zeros((2, 400)), tol=1e-10, max_nodes=100_000
    )

    def truth(x: Any) -> Any:
        return found.sol(x)[0]

    at = np.linspace(0.05, 0.95, 10)
    sought = [hp.Parameter("nu", init=1e-2, bounds=(1e-6, 1.0)), hp.Parameter("kappa", init=1e-2, bounds=(1e-6, 1.0))]
    return on(
        lambda u, nu, kappa: nu * u.xx - nu / kappa * u - drag * u * u + force,
        truth,
        ZERO,
        hp.Data(at[:, None], u=truth(at)),
        parameters_sought=sought,
        parameters={"nu": nu, "kappa": k},
        expected=expected,
    )


def _oscillator() -> Answer:
    """Two coefficients from noisy values, from a start far away."""
    decay, frequency = 2.5, math.sqrt(300 - 2.5**2)

    def truth(t: Any) -> Any:
        return np.exp(-decay * t) * (np.cos(frequency * t) + decay / frequency * np.sin(frequency * t))

    at = np.linspace(0.01, 0.99, 60)
    noise = 0.03 * np.random.default_rng(0).standard_normal(60)
    sought = [hp.Parameter("c", init=1.0, bounds=(0, 50)), hp.Parameter("k", init=200.0, bounds=(1, 1000))]
    return Answer(
        lambda: hp.Problem(
            hp.Box(t=(0, 1)),
            ["u"],
            lambda u, c, k: u.tt + c * u.t + k * u,
            [hp.Initial(u=1.0), hp.Initial(u_t=0.0), hp.Data(at[:, None], u=truth(at) + noise, noise=0.03)],
            parameters=sought,
        ),
        {"u": truth},
        parameters={"c": 5.0, "k": 300.0},
        noise=0.01,
    )


def _lorenz() -> Answer:
    """Three parameters of a chaotic system from exact values."""
    at = np.linspace(0.1, 2.9, 25)
    path = solve_ivp(
        lambda t, w: [10 * (w[1] - w[0]), w[0] * (28 - w[2]) - w[1], w[0] * w[1] - 8 / 3 * w[2]],
        (0, 3), [1.0, 1.0, 1.0], rtol=1e-11, atol=1e-12, dense_output=True,
    ).sol  # fmt: skip
    names = ("u", "v", "w")
    truth = {name: (lambda t, k=k: path(np.ravel(t))[k].reshape(np.shape(t))) for k, name in enumerate(names)}
    values = dict(zip(names, path(at), strict=True))
    return Answer(
        lambda: hp.Problem(
            hp.Box(t=(0, 3)),
            list(names),
            lambda u, v, w, s, r, b: (u.t - s * (v - u), v.t - u * (r - w) + v, w.t - u * v + b * w),
            [hp.Initial(u=1.0, v=1.0, w=1.0), hp.Data(at[:, None], **values)],
            parameters=[hp.Parameter(p, init=1.0) for p in "srb"],
        ),
        truth,
        parameters={"s": 10.0, "r": 28.0, "b": 8 / 3},
        long=True,
    )


def _beam(end: float, **options: Any) -> Answer:
    return Answer(
        lambda: hp.Problem(
            hp.Box(x=(0, 1), t=(0, end)),
            ["u"],
            lambda u: u.tt + u.xxxx,
            [
                ZERO,
                hp.Condition(lambda u: u.xx, on=["x-", "x+"], name="moment"),
                hp.Initial(u=lambda x: hp.sin(pi * x)),
                hp.Initial(u_t=0.0),
            ],
            max_order=4,
        ),
        {"u": lambda x, t: np.sin(pi * x) * np.cos(pi**2 * t)},
        options={"max_time": 30.0} | options,
        long=True,
    )


def _source(width: float, **more: Any) -> Answer:
    """Poisson in the square, whose solution is a Gaussian of a width."""
    s = width

    def u(x: Any, y: Any, m: Any) -> Any:
        return m.exp(-((x - 0.43) ** 2 + (y - 0.58) ** 2) / (2 * s * s))

    def residual(u_: Any, x: Any, y: Any) -> Any:
        q = ((x - 0.43) ** 2 + (y - 0.58) ** 2) / (s * s)
        return u_.laplacian - (q - 2) / (s * s) * hp.exp(-q / 2)

    return Answer(
        lambda: hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1)),
            ["u"],
            lambda u, x, y: residual(u, x, y),
            [hp.Dirichlet(u=lambda x, y: u(x, y, hp))],
        ),
        {"u": lambda x, y: u(x, y, np)},
        **more,
    )


def _cantilever(width: float) -> Answer:
    """A load as narrow as told: the deflection is that of a point load to the square of the width."""
    at = 0.6

    def truth(x: Any) -> Any:
        return np.where(x < at, x**2 * (3 * at - x), at**2 * (3 * x - at)) / 6

    def load(x: Any) -> Any:
        return hp.exp(-(((x - at) / width) ** 2) / 2) / (width * math.sqrt(2 * pi))

    return on(
        lambda u, x: u.xxxx - load(x),
        truth,
        hp.Dirichlet(u=0.0, on="x-"),
        hp.Neumann(u=0.0, on="x-"),
        hp.Condition(lambda u: u.xx, on="x+", name="moment"),
        hp.Condition(lambda u: u.xxx, on="x+", name="shear"),
        expected="any",
        max_order=4,
    )


def _steep(width: float) -> Answer:
    def source(x: Any, m: Any) -> Any:
        z = (x - 0.47) / width
        return -2 * z / (1 + z * z) ** 2 / width**2

    return on(lambda u, x: u.xx - source(x, hp), lambda x: np.arctan((x - 0.47) / width), expected="any")


def _hot_lid() -> Answer:
    """Values that jump at two corners."""

    def truth(x: Any, y: Any) -> Any:
        k = np.arange(1, 400, 2)[:, None]
        ratio = np.exp(k * pi * (y - 1)) * (1 - np.exp(-2 * k * pi * y)) / (1 - np.exp(-2 * k * pi))
        return np.sum(4 / (k * pi) * np.sin(k * pi * x) * ratio, 0)

    return Answer(
        lambda: hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1)),
            ["u"],
            lambda u: u.laplacian,
            [hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"]), hp.Dirichlet(u=1.0, on="y+")],
        ),
        {"u": truth},
    )


def _quenched() -> Answer:
    def truth(x: Any, t: Any) -> Any:
        k = np.arange(1, 200, 2)[:, None]
        return np.sum(4 / (k * pi) * np.sin(k * pi * x) * np.exp(-((k * pi) ** 2) * t), 0)

    return Answer(
        lambda: hp.Problem(hp.Box(x=(0, 1), t=(0, 0.2)), ["u"], lambda u: u.t - u.xx, [hp.Initial(u=1.0), ZERO]),
        {"u": truth},
    )


#: By name.
HARD_ANSWERS: dict[str, Answer] = {
    "a narrow layer inside": _steep(1e-3),
    "a layer inside": _steep(2e-2),
    "a narrow source": _source(2e-3, expected="no stall"),
    "a source": _source(2e-2),
    "a narrow load": _cantilever(5e-4),
    "a root at the boundary": on(
        lambda u, x: 4 * x**2 * u.xx + u, lambda x: np.sqrt(x), hp.Dirichlet(u=lambda x: x), expected="any"
    ),
    "many waves": on(lambda u: u.xx + 200.0**2 * u, lambda x: np.sin(200 * x) / math.sin(200.0), expected="any"),
    "many waves, few levels": on(
        lambda u: u.xx + 200.0**2 * u, lambda x: np.sin(200 * x) / math.sin(200.0), expected="any", options={"levels": 3}
    ),
    "values that jump": _hot_lid(),
    "a start that jumps": _quenched(),
    "stiff material": elasticity(7e10, 1e-5),
    "viscosity and permeability": _brinkman(),
    "an oscillator from noisy values": _oscillator(),
    "Lorenz": _lorenz(),
    "a beam": _beam(3.0),
    "a beam in levels": _beam(3.0, levels=3),
    "a long beam in levels": _beam(16.0, levels=4),
    "viscous shock": Answer(
        lambda: hp.problems.burgers(nu=0.0031831), {}, "no stall", options={"max_time": 40.0}, limit=90.0, long=True,
    ),
    # limits
    "a tolerance below rounding": on(
        lambda u, x: u.xx + pi**2 * hp.sin(pi * x), lambda x: np.sin(pi * x), ZERO, expected="no success", options={"tol": 1e-20}
    ),
    "a tolerance below rounding in the plane": Answer(
        hp.problems.poisson2d, expected="no success", options={"tol": 1e-20}, limit=90.0, long=True
    ),
    "Kuramoto-Sivashinsky in its chaotic time": library("kuramoto_sivashinsky", 2, time=1.0),
    "a second": Answer(
        lambda: hp.problems.helmholtz2d(a=40), expected="any", options={"max_time": 1.0, "tol": 1e-10}
    ),
    "two seconds in space": Answer(
        lambda: hp.problems.helmholtz3d(a=10), expected="any", options={"max_time": 2.0, "tol": 1e-10}
    ),
    # the library on coarse levels
    **{
        f"{name}, {levels} levels": library(name, levels)
        for name in ("allen_cahn", "burgers", "convection", "heat", "helmholtz2d", "kdv", "klein_gordon", "kovasznay", "plate",
                     "poisson2d", "stokes", "taylor_green", "wave")
        for levels in (2, 3, 4)
    },
}  # fmt: skip
