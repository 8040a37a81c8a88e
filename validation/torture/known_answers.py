"""Problems with known answers, easy and hard, and what must be said of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import j0

import hermite_pinn as hp

__all__ = ["ANSWERS", "Answer"]

pi = math.pi
Function = Callable[..., Any]


@dataclass(frozen=True)
class Answer:
    """A problem and the truth.

    Attributes
    ----------
    problem
        Makes it.
    truth
        Functions of NumPy arrays by field; by default the problem's known solution, if there is one.
    expected
        ``"success"``; ``"any"`` status that is honest; ``"no stall"``: giving up is wrong, the end of the time is not;
        ``"no success"``.
    parameters
        True values.
    options
        Of :func:`hermite_pinn.solve`; the time is limited to 20 s.
    error
        Most that success may leave.
    limit
        Seconds after which the case counts as hanging.
    """

    problem: Callable[[], hp.Problem]
    truth: Mapping[str, Function] = field(default_factory=dict)
    expected: str = "any"
    parameters: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    error: float | None = None
    limit: float = 60.0
    long: bool = False
    needs_estimate: bool = True


def _on(
    residual: Any,
    truth: Function,
    *conditions: Any,
    x: tuple[float, float] = (0, 1),
    expected: str = "success",
    **more: Any,
) -> Answer:
    """A problem in one dimension; without conditions the truth at both ends is told."""
    extra = {k: more.pop(k) for k in list(more) if k in ("parameters_sought", "max_order")}
    sought = extra.pop("parameters_sought", ())

    def problem() -> hp.Problem:
        given = conditions or (hp.Dirichlet(u=lambda x: hp.tabulated(truth)(x)),)
        return hp.Problem(hp.Box(x=x), ["u"], residual, list(given), parameters=sought, **extra)

    return Answer(problem, {"u": truth}, expected, **more)


ZERO = hp.Dirichlet(u=0.0)
START = hp.Dirichlet(u=1.0, on="x-")


def _library(name: str, levels: int | None = None, expected: str = "any", **settings: Any) -> Answer:
    """A problem of the library, whose known solution is the truth; at coarse levels the estimate is hard."""
    options: dict[str, Any] = {"max_time": 30.0} | ({} if levels is None else {"levels": levels})
    return Answer(lambda: hp.problems.make(name, **settings), {}, expected, options=options, long=levels is None)


def _polar() -> Answer:
    return Answer(
        lambda: hp.Problem(
            hp.Box(r=(0, 1), p=(0, 2 * pi)),
            ["u"],
            lambda u, r: r**2 * u.rr + r * u.r + u.pp,
            [hp.Periodic("p"), hp.Dirichlet(u=lambda p: hp.cos(2 * p), on="r+")],
        ),
        {"u": lambda r, p: r**2 * np.cos(2 * p)},
        "success",
    )


def _elasticity(modulus: float = 1.0, amplitude: float = 1.0) -> Answer:
    """Plane elasticity with a component that is zero."""

    def residual(u: Any, v: Any, x: Any, y: Any) -> Any:
        a, s, c = amplitude, hp.sin(pi * x) * hp.sin(pi * y / 2), hp.cos(pi * x) * hp.cos(pi * y / 2)
        first = 3 * u.xx + u.yy + 2 * v.xy + a * (3 * pi**2 + pi**2 / 4) * s
        second = 3 * v.yy + v.xx + 2 * u.xy - a * pi**2 * c
        return modulus * first, modulus * second

    def problem() -> hp.Problem:
        known = hp.Dirichlet(u=lambda x, y: amplitude * hp.sin(pi * x) * hp.sin(pi * y / 2), v=0.0)
        return hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u", "v"], residual, [known])

    truth = {"u": lambda x, y: amplitude * np.sin(pi * x) * np.sin(pi * y / 2), "v": lambda x, y: 0 * x}
    return Answer(problem, truth, "success")


def _brinkman(expected: str = "any") -> Answer:
    """Flow between walls in a porous medium, viscosity and permeability unknown, from exact values."""
    nu, k, drag, force = 1e-3, 1e-3, 0.5, 1.0

    def slope(x: Any, y: Any) -> Any:
        return np.array([y[1], (y[0] / k * nu + drag * y[0] * np.abs(y[0]) - force) / nu])

    from scipy.integrate import solve_bvp

    mesh = np.linspace(0, 1, 400)
    found = solve_bvp(
        slope, lambda a, b: np.array([a[0], b[0]]), mesh, np.zeros((2, 400)), tol=1e-10, max_nodes=100_000
    )

    def truth(x: Any) -> Any:
        return found.sol(x)[0]

    at = np.linspace(0.05, 0.95, 10)
    sought = [hp.Parameter("nu", init=1e-2, bounds=(1e-6, 1.0)), hp.Parameter("K", init=1e-2, bounds=(1e-6, 1.0))]
    return _on(
        lambda u, nu, K: nu * u.xx - nu / K * u - drag * u * u + force,
        truth,
        ZERO,
        hp.Data(at[:, None], u=truth(at)),
        parameters_sought=sought,
        parameters={"nu": nu, "K": k},
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
    """Poisson in the square with a source as narrow as told; truth by a Gaussian minus what its boundary values make."""
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

    return _on(
        lambda u, x: u.xxxx - load(x),
        truth,
        hp.Dirichlet(u=0.0, on="x-"),
        hp.Neumann(u=0.0, on="x-"),
        hp.Condition(lambda u: u.xx, on="x+", name="moment"),
        hp.Condition(lambda u: u.xxx, on="x+", name="shear"),
        expected="any",
        max_order=4,
    )


def _layer(eps: float, expected: str) -> Answer:
    def truth(x: Any) -> Any:
        return x - np.exp((x - 1) / eps) * (1 - np.exp(-x / eps)) / (1 - math.exp(-1 / eps))

    return _on(lambda u: -eps * u.xx + u.x - 1, truth, ZERO, expected=expected)


def _steep(width: float) -> Answer:
    def source(x: Any, m: Any) -> Any:
        z = (x - 0.47) / width
        return -2 * z / (1 + z * z) ** 2 / width**2

    return _on(lambda u, x: u.xx - source(x, hp), lambda x: np.arctan((x - 0.47) / width), expected="any")


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


def _sized(size: float, length: float) -> Answer:
    """A field of one size on a box of another."""
    wave = pi / length
    return _on(
        lambda u, x: u.xx + size * wave**2 * hp.sin(wave * x), lambda x: size * np.sin(wave * x), ZERO, x=(0, length)
    )


def _gauged() -> Answer:
    return Answer(
        lambda: hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1)),
            ["u"],
            lambda u, x, y: u.laplacian + 2 * pi**2 * hp.cos(pi * x) * hp.cos(pi * y),
            [hp.Neumann(u=0.0), hp.Gauge("u")],
        ),
        {"u": lambda x, y: np.cos(pi * x) * np.cos(pi * y)},
        "success",
    )


def _identified() -> Answer:
    at = np.linspace(0.1, 0.9, 9)
    return _on(
        lambda u, k: k * u.xx + 1,
        lambda x: x * (1 - x) / 6,
        ZERO,
        hp.Data(at[:, None], u=at * (1 - at) / 6),
        parameters_sought=[hp.Parameter("k", init=1.0, bounds=(0.1, 10))],
        parameters={"k": 3.0},
    )


#: Answers by name.
ANSWERS: dict[str, Answer] = {
    # right answers that must be called right
    "a parabola": _on(lambda u: u.xx + 2, lambda x: x * (1 - x), ZERO),
    "a constant": _on(lambda u: u.xx, lambda x: 0 * x + 3, hp.Dirichlet(u=3.0)),
    "zero": _on(lambda u: u.xx - u, lambda x: 0 * x, ZERO),
    "zero, nonlinear": _on(lambda u: u.xx - u**3 - u, lambda x: 0 * x, ZERO),
    "a sine": _on(lambda u, x: u.xx + pi**2 * hp.sin(pi * x), lambda x: np.sin(pi * x), ZERO),
    "tiny": _sized(1e-12, 1.0),
    "huge": _sized(1e12, 1.0),
    "on a short box": _sized(1.0, 1e-9),
    "on a long box": _sized(1.0, 1e6),
    "tiny on a long box": _sized(1e-8, 1e4),
    "far from the origin": _on(
        lambda u, x: u.xx + pi**2 * hp.sin(pi * x), lambda x: np.sin(pi * x), ZERO, x=(1000, 1001)
    ),
    "a constant is fixed by a gauge": _gauged(),
    "a parameter from exact data": _identified(),
    "polar coordinates": _polar(),
    "Euler's equation from zero": _on(lambda u, x: x**2 * u.xx + x * u.x - u, lambda x: x, hp.Dirichlet(u=1.0, on="x+")),
    "Bessel's equation from zero": _on(
        lambda u, x: x * u.xx + u.x + x * u, j0, hp.Dirichlet(u=float(j0(3.0)), on="x+"), x=(0, 3)
    ),
    "Legendre's equation": _on(
        lambda u, x: (1 - x**2) * u.xx - 2 * x * u.x + 6 * u, lambda x: (3 * x**2 - 1) / 2, hp.Dirichlet(u=1.0, on="x+"), x=(0.5, 1)
    ),
    "spherical coordinates": Answer(
        lambda: hp.Problem(
            hp.Box(r=(0, 2)), ["u"], lambda u, r: r * u.rr + 2 * u.r + r * u, [hp.Dirichlet(u=math.sin(2.0) / 2, on="r+")]
        ),
        {"u": lambda r: np.sinc(r / pi)},
        "success",
    ),
    "a component that is zero": _elasticity(),
    "a boundary layer": _layer(1e-2, "success"),
    "a thin boundary layer": _layer(1e-6, "no stall"),
    "a quotient": _on(lambda u: u.x - 1 / (2 * u), lambda x: np.sqrt(1 + x), START),
    "a negative power": _on(lambda u: u.x - u**-2 / 3, lambda x: (1 + x) ** (1 / 3), START),
    "a root": _on(lambda u: u.x - hp.sqrt(u), lambda x: (1 + x / 2) ** 2, START),
    "a logarithm": _on(lambda u, x: u.x - hp.log(u) + hp.log(1 + x) - 1, lambda x: 1 + x, START),
    "a quotient of a negative field": _on(
        lambda u: u.x - 1 / (2 * u), lambda x: -np.sqrt(1 + x), hp.Dirichlet(u=-1.0, on="x-")
    ),
    "Bratu": _on(
        lambda u: u.xx + hp.exp(u), lambda x: -2 * np.log(np.cosh((x - 0.5) * 0.75858229952537717) / math.cosh(0.37929114976268859)),
        ZERO,
    ),
    "heat": _library("heat", expected="success"),
    "stokes": _library("stokes", expected="success"),
    # hard ones, of which the truth must be told
    "a narrow layer inside": _steep(1e-3),
    "a layer inside": _steep(2e-2),
    "a narrow source": _source(2e-3),
    "a source": _source(2e-2),
    "a narrow load": _cantilever(5e-4),
    "a root at the boundary": _on(
        lambda u, x: 4 * x**2 * u.xx + u, lambda x: np.sqrt(x), hp.Dirichlet(u=lambda x: x), expected="any"
    ),
    "many waves": _on(lambda u: u.xx + 200.0**2 * u, lambda x: np.sin(200 * x) / math.sin(200.0), expected="any"),
    "many waves, few levels": _on(
        lambda u: u.xx + 200.0**2 * u, lambda x: np.sin(200 * x) / math.sin(200.0), expected="any", options={"levels": 3}
    ),
    "values that jump": _hot_lid(),
    "a start that jumps": _quenched(),
    "stiff material": _elasticity(7e10, 1e-5),
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
    "a tolerance below rounding": _on(
        lambda u, x: u.xx + pi**2 * hp.sin(pi * x), lambda x: np.sin(pi * x), ZERO, expected="no success", options={"tol": 1e-20}
    ),
    "a tolerance below rounding in the plane": Answer(
        hp.problems.poisson2d, expected="no success", options={"tol": 1e-20}, limit=90.0, long=True
    ),
    "a second": Answer(
        lambda: hp.problems.helmholtz2d(a=40), expected="any", options={"max_time": 1.0, "tol": 1e-10}
    ),
    "two seconds in space": Answer(
        lambda: hp.problems.helmholtz3d(a=10), expected="any", options={"max_time": 2.0, "tol": 1e-10}
    ),
    # the library on coarse levels
    **{
        f"{name}, {levels} levels": _library(name, levels)
        for name in ("allen_cahn", "burgers", "convection", "heat", "helmholtz2d", "kdv", "klein_gordon", "kovasznay", "plate",
                     "poisson2d", "stokes", "taylor_green", "wave")
        for levels in (2, 3, 4)
    },
}  # fmt: skip
