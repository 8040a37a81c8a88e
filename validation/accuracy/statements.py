"""Errors of what statements can hold beside equations: integrals, point sources, places inside, complex fields.

``python -m hermite_pinn.validation.accuracy.statements`` prints a table: the status, the largest error of the fields
whose solution is known, the estimate, unknown fields, and seconds of the processor on one thread.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import cos, cosh, exp, pi, sin

__all__ = ["STATEMENTS", "main", "source_errors"]

LINE = hp.Box(x=(0, 1))
SQUARE = hp.Box(x=(0, 1), y=(0, 1))
SCREEN = 5.0  # of -u'' + SCREEN**2 u, for point sources


def _memory() -> hp.Problem:
    def residual(y: Any, x: Any) -> Any:
        return y.x + y - hp.Integral(y, "x", upper=x, kernel=lambda x, s: exp(s - x))

    known = {"y": lambda x: exp(-x) * cosh(x)}
    return hp.Problem(hp.Box(x=(0, 5)), "y", residual, [hp.Dirichlet(y=1.0, on="x-")], exact=known)


def _fredholm() -> hp.Problem:
    def residual(u: Any, x: Any) -> Any:
        return u - sin(x) - 0.1 * hp.Integral(u, "x", kernel=lambda x, s: cos(x - s))

    return hp.Problem(hp.Box(x=(0, 2 * pi)), "u", residual, exact={"u": lambda x: sin(x) / (1 - 0.1 * pi)})


def _given_mass() -> hp.Problem:
    def residual(u: Any, x: Any, y: Any) -> Any:
        return u.laplacian + 2 * pi**2 * cos(pi * x) * cos(pi * y)

    mass = hp.Condition(lambda u: hp.Integral(u) - 0.3, on="x-", name="mass")
    known = {"u": lambda x, y: cos(pi * x) * cos(pi * y) + 0.3}
    return hp.Problem(SQUARE, "u", residual, [hp.Neumann(u=0.0), mass], exact=known)


def _mean_heat() -> hp.Problem:
    def residual(u: Any, x: Any, t: Any) -> Any:
        return u.t - u.xx - (hp.Integral(u, "x") - 2 / pi * exp(-t)) - (pi**2 - 1) * exp(-t) * sin(pi * x)

    conditions = [hp.Initial(u=lambda x: sin(pi * x)), hp.Dirichlet(u=0.0)]
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)), "u", residual, conditions, exact={"u": lambda x, t: exp(-t) * sin(pi * x)}
    )


def _impedance() -> hp.Problem:
    k, a, b = 10.0, 10.0 * math.cos(0.5), 10.0 * math.sin(0.5)

    def wave(x: Any, y: Any) -> Any:
        return exp(1j * (a * x + b * y))

    def entering(n: Any, x: Any, y: Any) -> Any:
        return 1j * (a * n.x + b * n.y - k) * wave(x, y)

    sides = hp.Robin(u=(-1j * k, 1.0, entering))
    return hp.Problem(SQUARE, {"u": complex}, lambda u: u.laplacian + k**2 * u, [sides], exact={"u": wave})


def _soliton() -> hp.Problem:
    def known(x: Any, t: Any) -> Any:
        return hp.sech(x - 0.5 * t) * exp(1j * (0.5 * x + 0.375 * t))

    conditions = [hp.Initial(psi=lambda x: known(x, 0.0)), hp.Dirichlet(psi=known)]

    def residual(psi: Any) -> Any:
        return 1j * psi.t + psi.xx / 2 + abs(psi) ** 2 * psi

    return hp.Problem(hp.Box(x=(-6, 6), t=(0, 0.5)), {"psi": complex}, residual, conditions, exact={"psi": known})


def _seam() -> hp.Problem:
    def residual(u: Any, x: Any) -> Any:
        return u.xx + 4 * pi**2 * sin(2 * pi * x)

    return hp.Problem(
        LINE,
        "u",
        residual,
        [hp.Periodic("x"), hp.Dirichlet(u=0.5, on="x-")],
        exact={"u": lambda x: sin(2 * pi * x) + 0.5},
    )


def _inside() -> hp.Problem:
    def residual(u: Any, x: Any, y: Any) -> Any:
        return u.laplacian + 2 * pi**2 * sin(pi * x) * sin(pi * y)

    plane = hp.Condition(lambda u, y: (u - sin(pi * y), u.x), on={"x": 0.5})
    known = {"u": lambda x, y: sin(pi * x) * sin(pi * y)}
    return hp.Problem(SQUARE, "u", residual, [hp.Dirichlet(u=0.0, on=["y-", "y+"]), plane], exact=known)


STATEMENTS: dict[str, Callable[[], hp.Problem]] = {
    "memory exp(s - x), x to 5": _memory,
    "Fredholm, cos(x - s)": _fredholm,
    "Neumann, integral given, 2-D": _given_mass,
    "heat with its mean": _mean_heat,
    "Helmholtz k = 10, impedance": _impedance,
    "cubic Schrödinger, soliton": _soliton,
    "periodic, value on the seam": _seam,
    "value and slope at x = 1/2": _inside,
}


def source_errors(widths: tuple[float, ...] = (0.04, 0.02, 0.01)) -> dict[float, float]:
    """Largest relative error at three points away from a source of ``-u'' + 25 u`` in (0, 1), by its width."""
    x, at, k = np.array([0.05, 0.6, 0.9]), 0.3, SCREEN
    low, high = np.minimum(x, at), np.maximum(x, at)
    known = np.sinh(k * low) * np.sinh(k * (1 - high)) / (k * np.sinh(k))
    found = {}
    for width in widths:
        source = hp.Source(at, 1.0, width=width)

        def residual(u: Any, x: Any, source: hp.Source = source) -> Any:
            return u.xx - k**2 * u + source(x)

        solution = hp.solve(hp.Problem(LINE, "u", residual, [hp.Dirichlet(u=0.0)]), tol=1e-9, progress=False)
        found[width] = float(np.abs(solution.u(x) / known - 1).max())
    return found


def main() -> None:
    """Print the tables."""
    write = sys.stdout.write
    write(f"{'statement':32}{'status':>14}{'error':>10}{'estimate':>10}{'fields':>8}{'seconds':>9}\n")
    for name, make in STATEMENTS.items():
        hp.solve(make(), progress=False)  # kernels are compiled
        start = time.process_time()
        solution = hp.solve(make(), progress=False)
        seconds = time.process_time() - start
        error = max(e["relative_l2"] for e in solution.error().values())
        estimate = math.nan if solution.estimated_error is None else solution.estimated_error
        row = f"{name:32}{solution.status.label:>14}{error:10.1e}{estimate:10.1e}{len(solution.fields):8}"
        write(f"{row}{seconds:9.2f}\n")
    write("\nwidth of a source, error away from it\n")
    for width, error in source_errors().items():
        write(f"{width:8g}{error:12.2e}\n")


if __name__ == "__main__":
    main()
