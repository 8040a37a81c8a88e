"""Problems in five and more axes: status, true error, estimate and processor time of the default call.

python -m hermite_pinn.validation.accuracy.many_axes [--only NAME]
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.problems.base import named

from .suite import machine

__all__ = ["CASES", "main"]

POINTS = 5000
ALWAYS = 600.0


def _product(dim: int) -> hp.Problem:
    """Poisson's equation with a product of sines."""
    names = [f"x{i + 1}" for i in range(dim)]

    def product(*x: Any) -> Any:
        return functools.reduce(lambda a, b: a * b, [hp.sin(math.pi * s) for s in x])

    exact = named(product, names)
    residual = named(lambda u, *x: u.laplacian + dim * math.pi**2 * product(*x), ["u", *names])
    return _problem(names, residual, [hp.Dirichlet(u=0.0)], exact)


def _heat(dim: int) -> hp.Problem:
    """Heat in a cube, with PINNacle's exponential solution."""
    names = [f"x{i + 1}" for i in range(dim)]

    def square(*x: Any) -> Any:
        return functools.reduce(lambda a, b: a + b, [s**2 for s in x])

    def whole(*x: Any) -> Any:
        return hp.exp(x[-1] + square(*x[:-1]) / 2)

    residual = named(lambda u, *x: u.t - (u.laplacian - square(*x[:-1]) * whole(*x)) / dim, ["u", *names, "t"])
    exact, first = named(whole, [*names, "t"]), named(lambda *x: hp.exp(square(*x) / 2), names)
    bounds = dict.fromkeys(names, (-0.5, 0.5)) | {"t": (0.0, 1.0)}
    return hp.Problem(
        hp.Box(**bounds), ["u"], residual, [hp.Dirichlet(u=exact), hp.Initial(u=first)], exact={"u": exact}
    )  # type: ignore[arg-type]


def _rational(dim: int) -> hp.Problem:
    """A solution that is no short sum of products."""
    names = [f"x{i + 1}" for i in range(dim)]
    exact = named(lambda *x: 1.0 / (1.0 + sum(x)), names)
    residual = named(lambda u, *x: u.laplacian - 2.0 * dim / (1.0 + sum(x)) ** 3, ["u", *names])
    return _problem(names, residual, [hp.Dirichlet(u=exact)], exact)


def _problem(names: Sequence[str], residual: Any, conditions: Sequence[Any], exact: Any) -> hp.Problem:
    box = hp.Box(**dict.fromkeys(names, (0.0, 1.0)))  # type: ignore[arg-type]
    return hp.Problem(box, ["u"], residual, list(conditions), exact={"u": exact})


CASES: dict[str, Callable[[], hp.Problem]] = {
    "PNd, 5 axes": lambda: hp.problems.poisson_sines(dim=5),
    "PNd, 10 axes": lambda: hp.problems.poisson_sines(dim=10),
    "product of sines, 6 axes": lambda: _product(6),
    "heat, 5 axes and time": lambda: _heat(5),
    "1 / (1 + sum), 5 axes": lambda: _rational(5),
}


def row_of(name: str) -> str:
    """The row of a case."""
    problem = CASES[name]()
    begun = time.process_time()
    solution = hp.solve(problem, progress=False, max_time=ALWAYS, throw=False)
    seconds = time.process_time() - begun
    lower, lengths = np.array(problem.domain.lower), np.array(problem.domain.lengths)
    points = lower + lengths * np.random.default_rng(0).random((POINTS, problem.domain.dim))
    error, estimate = solution.error(points)["u"]["relative_l2"], solution.estimated_error
    spelled = "" if estimate is None else f"{estimate:.1e}"
    last = solution.stats["fits"][-1]
    return f"| {name} | {solution.status.label} | {error:.1e} | {spelled} | {last['products']} | {seconds:.1f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names that contain this")
    options = parser.parse_args(arguments)
    sys.stdout.write(
        f"{machine()}\n\n| problem | status | true error | estimate | products | CPU seconds |\n|---|---|---|---|---|---|\n"
    )
    for name in CASES:
        if options.only in name:
            sys.stdout.write(row_of(name) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
