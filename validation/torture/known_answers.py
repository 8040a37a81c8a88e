"""Problems whose answer is known and found, which must be said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import j0

import hermite_pinn as hp

__all__ = ["ANSWERS", "START", "ZERO", "Answer", "elasticity", "library", "on"]

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
    noise
        Relative error of the fields that the noise of data may make, of which no estimate tells.
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
    noise: float = 0.0


def on(
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


def library(name: str, levels: int | None = None, expected: str = "any", **settings: Any) -> Answer:
    """A problem of the library, whose known solution is the truth; at coarse levels the estimate is hard."""
    options: dict[str, Any] = {"max_time": 60.0 if expected == "success" else 30.0} | (
        {} if levels is None else {"levels": levels}
    )
    return Answer(
        lambda: hp.problems.make(name, **settings), {}, expected, options=options, limit=90.0, long=levels is None
    )


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


def elasticity(modulus: float = 1.0, amplitude: float = 1.0) -> Answer:
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


def _layer(eps: float, expected: str) -> Answer:
    def truth(x: Any) -> Any:
        return x - np.exp((x - 1) / eps) * (1 - np.exp(-x / eps)) / (1 - math.exp(-1 / eps))

    return on(lambda u: -eps * u.xx + u.x - 1, truth, ZERO, expected=expected)


def _sized(size: float, length: float) -> Answer:
    """A field of one size on a box of another."""
    wave = pi / length
    return on(
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
    return on(
        lambda u, k: k * u.xx + 1,
        lambda x: x * (1 - x) / 6,
        ZERO,
        hp.Data(at[:, None], u=at * (1 - at) / 6),
        parameters_sought=[hp.Parameter("k", init=1.0, bounds=(0.1, 10))],
        parameters={"k": 3.0},
    )


#: By name.
ANSWERS: dict[str, Answer] = {
    "a parabola": on(lambda u: u.xx + 2, lambda x: x * (1 - x), ZERO),
    "a constant": on(lambda u: u.xx, lambda x: 0 * x + 3, hp.Dirichlet(u=3.0)),
    "zero": on(lambda u: u.xx - u, lambda x: 0 * x, ZERO),
    "zero, nonlinear": on(lambda u: u.xx - u**3 - u, lambda x: 0 * x, ZERO),
    "a sine": on(lambda u, x: u.xx + pi**2 * hp.sin(pi * x), lambda x: np.sin(pi * x), ZERO),
    "tiny": _sized(1e-12, 1.0),
    "huge": _sized(1e12, 1.0),
    "on a short box": _sized(1.0, 1e-9),
    "on a long box": _sized(1.0, 1e6),
    "tiny on a long box": _sized(1e-8, 1e4),
    "far from the origin": on(
        lambda u, x: u.xx + pi**2 * hp.sin(pi * x), lambda x: np.sin(pi * x), ZERO, x=(1000, 1001)
    ),
    "a constant is fixed by a gauge": _gauged(),
    "a parameter from exact data": _identified(),
    "polar coordinates": _polar(),
    "Euler's equation from zero": on(lambda u, x: x**2 * u.xx + x * u.x - u, lambda x: x, hp.Dirichlet(u=1.0, on="x+")),
    "Bessel's equation from zero": on(
        lambda u, x: x * u.xx + u.x + x * u, j0, hp.Dirichlet(u=float(j0(3.0)), on="x+"), x=(0, 3)
    ),
    "Legendre's equation": on(
        lambda u, x: (1 - x**2) * u.xx - 2 * x * u.x + 6 * u, lambda x: (3 * x**2 - 1) / 2, hp.Dirichlet(u=1.0, on="x+"), x=(0.5, 1)
    ),
    "spherical coordinates": Answer(
        lambda: hp.Problem(
            hp.Box(r=(0, 2)), ["u"], lambda u, r: r * u.rr + 2 * u.r + r * u, [hp.Dirichlet(u=math.sin(2.0) / 2, on="r+")]
        ),
        {"u": lambda r: np.sinc(r / pi)},
        "success",
    ),
    "a component that is zero": elasticity(),
    "a boundary layer": _layer(1e-2, "success"),
    "a thin boundary layer": _layer(1e-6, "no stall"),
    "a quotient": on(lambda u: u.x - 1 / (2 * u), lambda x: np.sqrt(1 + x), START),
    "a negative power": on(lambda u: u.x - u**-2 / 3, lambda x: (1 + x) ** (1 / 3), START),
    "a root": on(lambda u: u.x - hp.sqrt(u), lambda x: (1 + x / 2) ** 2, START),
    "a logarithm": on(lambda u, x: u.x - hp.log(u) + hp.log(1 + x) - 1, lambda x: 1 + x, START),
    "a quotient of a negative field": on(
        lambda u: u.x - 1 / (2 * u), lambda x: -np.sqrt(1 + x), hp.Dirichlet(u=-1.0, on="x-")
    ),
    "Bratu": on(
        lambda u: u.xx + hp.exp(u), lambda x: -2 * np.log(np.cosh((x - 0.5) * 0.75858229952537717) / math.cosh(0.37929114976268859)),
        ZERO,
    ),
    "heat": library("heat", expected="success"),
    "stokes": library("stokes", expected="success"),
}  # fmt: skip
