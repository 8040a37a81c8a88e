"""Ordinary differential equations from their start values by the default call: errors, estimates, statuses.

What docs/estimates.md says of them.  Errors are relative ones in the mean square over the axis, of the worst field; of
solutions that end, or are not the only ones, there is none.

Examples
--------
python -m hermite_pinn.validation.accuracy.ordinary --only kepler
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import airy, erf, jv

import hermite_pinn as hp

from .suite import machine

__all__ = ["CASES", "Case", "Row", "row_of", "to_markdown"]

POINTS = 2001  # on the whole axis, and as many at distances from the start that grow by a factor
NEAREST = 1e-12  # of these, of the axis
ALWAYS = 240.0  # seconds at most

Truth = Callable[[np.ndarray], Any]
Rates = Callable[[float, np.ndarray], Sequence[float]]


@dataclass(frozen=True)
class Case:
    """A problem and its solution: values of the fields (fields, p) at times (p,), or None where there is no one."""

    problem: hp.Problem
    truth: Truth | None


@dataclass(frozen=True)
class Row:
    """How a run ended, its true error, its estimate, and the CPU seconds that it took."""

    name: str
    status: hp.Status
    error: float | None
    estimate: float | None
    seconds: float
    message: str


def _one(end: float, residual: Callable[..., Any], truth: Truth | None, **start: float) -> Case:
    """One field from zero."""
    return Case(hp.Problem(hp.Box(t=(0, end)), "u", residual, [hp.Initial(**start)]), truth)


def _reference(rates: Rates, start: Sequence[float], count: int, method: str = "DOP853", atol: float = 1e-15) -> Truth:
    """The first components by a classical method with small tolerances."""

    def truth(times: np.ndarray) -> np.ndarray:
        span, tol = (0.0, float(times[-1])), 1e-13 if method == "DOP853" else 1e-11
        return np.asarray(solve_ivp(rates, span, start, method, times, rtol=tol, atol=atol).y[:count])

    return truth


def _decaying(growth: float) -> Case:
    """The solution of u'' = u that decays, between others that grow."""
    return _one(growth, lambda u: u.tt - u, lambda t: np.exp(-t), u=1.0, u_t=-1.0)


def _oscillator(periods: float) -> Case:
    return _one(2 * np.pi * periods, lambda u: u.tt + u, np.cos, u=1.0, u_t=0.0)


def _bessel(order: int, end: float, **start: float) -> Case:
    truth = None if order > 1 else lambda t: jv(order, t)
    return _one(end, lambda u, t: t * t * u.tt + t * u.t + (t * t - order**2) * u, truth, **start)


def _damped(rate: float) -> Case:
    def truth(t: np.ndarray) -> Any:
        return (1 + rate * t) * np.exp(-rate * t)

    return _one(1.0, lambda u: u.tt + 2 * rate * u.t + rate**2 * u, truth, u=1.0, u_t=0.0)


def _robertson() -> Case:
    def rates(t: float, y: np.ndarray) -> list[float]:
        slow, fast, back = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
        return [back - slow, slow - back - fast, fast]

    problem = hp.Problem(
        hp.Box(t=(0, 1e4)),
        ["a", "b", "c"],
        lambda a, b, c: (
            a.t + 0.04 * a - 1e4 * b * c,
            b.t - 0.04 * a + 1e4 * b * c + 3e7 * b * b,
            c.t - 3e7 * b * b,
        ),
        [hp.Initial(a=1.0, b=0.0, c=0.0)],
    )
    return Case(problem, _reference(rates, [1.0, 0.0, 0.0], 3, "Radau", 1e-18))


def _van_der_pol(stiffness: float, end: float) -> Case:
    def rates(t: float, y: np.ndarray) -> list[float]:
        return [y[1], stiffness * (1 - y[0] ** 2) * y[1] - y[0]]

    truth = _reference(rates, [2.0, 0.0], 1, "DOP853" if stiffness < 10 else "Radau")
    return _one(end, lambda u: u.tt - stiffness * (1 - u * u) * u.t + u, truth, u=2.0, u_t=0.0)


def _lorenz(end: float) -> Case:
    def rates(t: float, y: np.ndarray) -> list[float]:
        return [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]

    problem = hp.Problem(
        hp.Box(t=(0, end)),
        ["x", "y", "z"],
        lambda x, y, z: (x.t - 10 * (y - x), y.t - x * (28 - z) + y, z.t - x * y + 8 / 3 * z),
        [hp.Initial(x=1.0, y=1.0, z=1.0)],
    )
    return Case(problem, _reference(rates, [1.0, 1.0, 1.0], 3))


def _kepler(e: float, orbits: int) -> Case:
    def truth(t: np.ndarray) -> np.ndarray:
        anomaly = t.copy()
        for _ in range(200):
            anomaly -= 0.7 * (anomaly - e * np.sin(anomaly) - t) / (1 - e * np.cos(anomaly))
        return np.array([np.cos(anomaly) - e, np.sqrt(1 - e * e) * np.sin(anomaly)])

    problem = hp.Problem(
        hp.Box(t=(0, 2 * np.pi * orbits)),
        ["x", "y"],
        lambda x, y: (x.tt + x / (x * x + y * y) ** 1.5, y.tt + y / (x * x + y * y) ** 1.5),
        [hp.Initial(x=1 - e, y=0.0, x_t=0.0, y_t=float(np.sqrt((1 + e) / (1 - e))))],
    )
    return Case(problem, truth)


def _pendulum() -> Case:
    truth = _reference(lambda t, y: [y[1], -np.sin(y[0])], [3.0, 0.0], 1)
    return _one(20.0, lambda u: u.tt + hp.sin(u), truth, u=3.0, u_t=0.0)


def _falling_rate() -> Case:
    """A rate that is halved where the solution crosses a value."""
    crossed = np.log(2) / 2

    def truth(t: np.ndarray) -> Any:
        return np.where(t < crossed, np.exp(-2 * t), 0.5 * np.exp(-(t - crossed)))

    return _one(3.0, lambda u: u.t + hp.where(u > 0.5, 2.0, 1.0) * u, truth, u=1.0)


def _pulse() -> Case:
    width, middle = 1e-3, 0.543

    def truth(t: np.ndarray) -> Any:
        return width * np.sqrt(np.pi) / 2 * (erf((t - middle) / width) + erf(middle / width))

    return _one(1.0, lambda u, t: u.t - hp.exp(-(((t - middle) / width) ** 2)), truth, u=0.0)


CASES: dict[str, Callable[[], Case]] = {
    "decay": lambda: _one(10.0, lambda u: u.t + u, lambda t: np.exp(-t), u=1.0),
    "growth": lambda: _one(10.0, lambda u: u.t - u, np.exp, u=1.0),
    "logistic": lambda: _one(10.0, lambda u: u.t - u * (1 - u), lambda t: 1 / (1 + 99 * np.exp(-t)), u=0.01),
    "oscillator, 1 period": lambda: _oscillator(1),
    "oscillator, 50 periods": lambda: _oscillator(50),
    "oscillator, 1000 periods": lambda: _oscillator(1000),
    "airy": lambda: _one(20.0, lambda u, t: u.tt + t * u, lambda t: airy(-t)[0], u=airy(0)[0], u_t=-float(airy(0)[1])),
    "bessel 0": lambda: _bessel(0, 20.0, u=1.0, u_t=0.0),
    "bessel 1": lambda: _bessel(1, 10.0, u=0.0, u_t=0.5),
    "bessel 2 (open)": lambda: _bessel(2, 10.0, u=0.0),
    "bessel 2 with its slope (open)": lambda: _bessel(2, 10.0, u=0.0, u_t=0.0),
    "t u' = 2 u (open)": lambda: _one(2.0, lambda u, t: t * u.t - 2 * u, None, u=0.0),
    "t u' + u = 2 t": lambda: _one(2.0, lambda u, t: t * u.t + u - 2 * t, lambda t: t, u=0.0),
    "lane-emden 5": lambda: _one(
        10.0, lambda u, t: t * u.tt + 2 * u.t + t * u**5, lambda t: 1 / np.sqrt(1 + t * t / 3), u=1.0, u_t=0.0
    ),
    "decaying branch, 10": lambda: _decaying(10.0),
    "decaying branch, 15": lambda: _decaying(15.0),
    "decaying branch, 20": lambda: _decaying(20.0),
    "decaying branch, 25": lambda: _decaying(25.0),
    "decaying branch, 30": lambda: _decaying(30.0),
    "line between growth": lambda: _one(20.0, lambda u, t: u.t - u + t - 1, lambda t: t, u=0.0),
    "u' = 2 sqrt(u) (open)": lambda: _one(1.0, lambda u: u.t - 2 * hp.sqrt(u), None, u=0.0),
    "u' = 3 u^(2/3) (open)": lambda: _one(1.0, lambda u: u.t - 3 * u ** (2 / 3), None, u=0.0),
    "tank": lambda: _one(0.9, lambda u: u.t + 2 * hp.sqrt(u), lambda t: (1 - t) ** 2, u=1.0),
    "tank that empties": lambda: _one(2.0, lambda u: u.t + 2 * hp.sqrt(u), None, u=1.0),
    "root of time": lambda: _one(1.0, lambda u, t: u.t - hp.sqrt(t), lambda t: t**1.5 / 1.5, u=0.0),
    "critically damped, 1e4": lambda: _damped(1e4),
    "critically damped, 1e6": lambda: _damped(1e6),
    "rate that falls": _falling_rate,
    "slope that falls": lambda: _one(
        3.0,
        lambda u: u.t + hp.where(u > 0.5, 1.0, 0.5),
        lambda t: np.where(t < 0.5, 1 - t, 0.75 - 0.5 * t),
        u=1.0,
    ),
    "sliding": lambda: _one(3.0, lambda u: u.t + hp.where(u > 0.5, 1.0, -1.0), None, u=1.0),
    "blow-up": lambda: _one(2.0, lambda u: u.t - u * u, None, u=1.0),
    "pole at 1.571": lambda: _one(1.5, lambda u: u.t - 1 - u * u, np.tan, u=0.0),
    "pole close by": lambda: _one(0.999, lambda u: u.t - u * u, lambda t: 1 / (1 - t), u=1.0),
    "stiff, driven": lambda: _one(
        1.0, lambda u, t: u.t + 1e6 * (u - hp.cos(t)) + hp.sin(t), lambda t: np.cos(t) - np.exp(-1e6 * t), u=0.0
    ),
    "pulse": _pulse,
    "robertson": _robertson,
    "van der pol, 1": lambda: _van_der_pol(1.0, 20.0),
    "van der pol, 100": lambda: _van_der_pol(100.0, 300.0),
    "lorenz": lambda: _lorenz(10.0),
    "kepler, 0.5": lambda: _kepler(0.5, 3),
    "kepler, 0.9": lambda: _kepler(0.9, 2),
    "pendulum": _pendulum,
}


def row_of(name: str) -> Row:
    """The row of a case, by the default call."""
    case = CASES[name]()
    begun = time.process_time()
    solution = hp.solve(case.problem, progress=False, max_time=ALWAYS, throw=False)
    seconds = time.process_time() - begun
    error = None if case.truth is None else _error(case.problem, case.truth, solution)
    return Row(name, solution.status, error, solution.estimated_error, seconds, solution.message)


def _error(problem: hp.Problem, truth: Truth, solution: hp.Solution) -> float:
    """The largest relative error of a field in the mean square over the axis."""
    lower, length = problem.domain.lower[0], problem.domain.lengths[0]
    whole = np.linspace(0.0, 1.0, POINTS)[1:]
    times = lower + length * np.unique(np.concatenate([whole, np.geomspace(NEAREST, 1.0, POINTS)]))
    weights = np.gradient(times)
    worst = 0.0
    for name, own in zip(problem.fields, np.atleast_2d(truth(times)), strict=True):
        wrong = np.asarray(getattr(solution, name)(times)) - own
        worst = max(worst, float(np.sqrt(weights @ wrong**2 / (weights @ own**2))))
    return worst


def to_markdown(rows: Sequence[Row]) -> str:
    """A table."""

    def spelled(value: float | None) -> str:
        return "" if value is None else f"{value:.1e}"

    lines = ["| problem | status | true error | estimate | CPU seconds |", "|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r.name} | {r.status.label} | {spelled(r.error)} | {spelled(r.estimate)} | {r.seconds:.1f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names that contain this")
    options = parser.parse_args(arguments)
    rows = [row_of(name) for name in CASES if options.only in name]
    sys.stdout.write(f"{machine()}\n\n{to_markdown(rows)}\n")


if __name__ == "__main__":
    main()
