"""Unknown fields and parameters from noisy values, over draws of the noise: errors, and what runs say of them.

What docs/estimates.md quotes.  Of fields, the estimated error is compared with the largest true relative error; of
parameters, the true error with the standard error: its root mean square in these units should be about one.

Examples
--------
python -m hermite_pinn.validation.accuracy.noisy --draws 5 --only kink > noisy.md
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import problems

from .suite import machine

__all__ = ["CASES", "Draw", "Row", "draw_of", "row_of", "to_markdown"]


# -- problems ---
def _conductivity(coefficient: Callable[[Any], Any], noise: float, count: int, seed: int) -> hp.Problem:
    """(a u')' = f on a line with u = x + sin(2 pi x) / 8; f follows from a written as an expression."""
    random = np.random.default_rng(seed)
    x = random.random((count, 1))
    values = x[:, 0] + np.sin(2 * math.pi * x[:, 0]) / 8 + noise * random.standard_normal(count)

    def flux(s: Any) -> Any:
        return coefficient(s) * (1 + math.pi * hp.cos(2 * math.pi * s) / 4)

    # the flux is given instead of its derivative, so that the coefficient may have kinks
    return hp.Problem(
        hp.Box(x=(0, 1)),
        ["u", "a"],
        lambda u, a, x: a * u.x - flux(x),
        [hp.Data(x, u=values, noise=noise), hp.Smoothness("u", "a")],
        exact={"u": lambda x: x + hp.sin(2 * math.pi * x) / 8, "a": coefficient},
    )


def _diffusion(seed: int) -> hp.Problem:
    """u_t = (a u_x)_x + f with a = 1 + sin(pi x) / 2 from values all over space and time."""
    random = np.random.default_rng(seed)
    where = random.random((600, 2))

    def solution(x: Any, t: Any) -> Any:
        return hp.exp(-t) * hp.sin(math.pi * x) + x

    def coefficient(x: Any) -> Any:
        return 1 + hp.sin(math.pi * x) / 2

    def source(x: Any, t: Any) -> Any:
        slope = hp.exp(-t) * math.pi * hp.cos(math.pi * x) + 1
        bend = -hp.exp(-t) * math.pi**2 * hp.sin(math.pi * x)
        return -hp.exp(-t) * hp.sin(math.pi * x) - math.pi * hp.cos(math.pi * x) / 2 * slope - coefficient(x) * bend

    values = solution(*where.T) + 0.01 * random.standard_normal(len(where))
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        ["u", "a"],
        lambda u, a, x, t: u.t - a * u.xx - a.x * u.x - source(x, t),
        [hp.Data(where, u=values, noise=0.01), hp.Dirichlet(a=1.0), hp.Smoothness("u", "a")],
        exact={"u": solution, "a": lambda x, t: coefficient(x) + 0 * t},
    )


def _rates(seed: int, factor: float = 1.0) -> tuple[hp.Problem, dict[str, float]]:
    """Diffusion and decay of a sum of two waves; both rates are sought from a start that is off by a factor."""
    random, k, r = np.random.default_rng(seed), 0.1, 0.5
    where = random.random((200, 2))

    def solution(x: Any, t: Any) -> Any:
        waves = ((1, 1.0), (2, 0.5))
        return sum(c * hp.sin(n * math.pi * x) * hp.exp(-(k * (n * math.pi) ** 2 + r) * t) for n, c in waves)

    values = solution(*where.T) + 0.02 * random.standard_normal(len(where))
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u, k, r: u.t - k * u.xx + r * u,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: solution(x, 0.0)), hp.Data(where, u=values, noise=0.02)],
        parameters=[hp.Parameter("k", init=k * factor), hp.Parameter("r", init=r * factor)],
    )
    return problem, {"k": k, "r": r}


def _transfer(seed: int) -> tuple[hp.Problem, dict[str, float]]:
    """A heat transfer coefficient at the end of a rod, in its condition."""
    random, h = np.random.default_rng(seed), 2.0
    where = random.random((60, 1))
    values = 1 - h / (1 + h) * where[:, 0] + 0.02 * random.standard_normal(len(where))
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u: u.xx,
        [
            hp.Dirichlet(u=1.0, on="x-"),
            hp.Condition(lambda u, h: u.x + h * u, on="x+"),
            hp.Data(where, u=values, noise=0.02),
        ],
        parameters=[hp.Parameter("h", init=0.1)],
    )
    return problem, {"h": h}


Made = tuple[hp.Problem, Mapping[str, float]]


def _fields(make: Callable[[int], hp.Problem]) -> Callable[[int], Made]:
    return lambda seed: (make(seed), {})


#: By name, what makes a problem of a draw, and the true values of its parameters.
CASES: dict[str, Callable[[int], Made]] = {
    "coefficient of inverse_poisson, noise 0.01": _fields(lambda s: problems.inverse_poisson(noise=0.01, seed=s)),
    "coefficient of inverse_poisson, unknown noise 0.1": _fields(
        lambda s: problems.inverse_poisson(known=False, seed=s)
    ),
    "smooth conductivity": _fields(lambda s: _conductivity(lambda x: 1 + hp.sin(math.pi * x) / 2, 1e-2, 200, s)),
    "conductivity with waves": _fields(
        lambda s: _conductivity(lambda x: 1 + hp.sin(5 * math.pi * x) / 4, 1e-3, 200, s)
    ),
    "conductivity with a kink": _fields(lambda s: _conductivity(lambda x: 1 + hp.abs(x - 0.4), 1e-3, 200, s)),
    "diffusion in space and time": _fields(_diffusion),
    "two rates": _rates,
    "two rates, start 100 times too large": lambda s: _rates(s, 100.0),
    "two rates, start 100 times too small": lambda s: _rates(s, 0.01),
    "heat transfer at an end": _transfer,
}


# -- measurement ---
@dataclass(frozen=True)
class Draw:
    """One run.

    Attributes
    ----------
    error, estimate
        Of the fields: the largest true relative error, and the estimated one; or of the parameters: the root mean
        square error in standard errors, huge without any, and 1.
    seconds
        Of CPU time.
    status
        Of the run.
    """

    error: float
    estimate: float
    seconds: float
    status: str


@dataclass(frozen=True)
class Row:
    """Draws of a case."""

    name: str
    draws: tuple[Draw, ...]

    @property
    def close(self) -> float:
        """Share of estimates within a factor of 3.

        Examples
        --------
        >>> Row("a", (Draw(1e-2, 2e-2, 1.0, "completed"), Draw(1e-2, 2e-3, 1.0, "completed"))).close
        0.5
        """
        return sum(1 / 3 <= d.estimate / d.error <= 3 for d in self.draws) / len(self.draws)


def draw_of(problem: hp.Problem, truth: Mapping[str, float]) -> Draw:
    """Solve by the default call, and compare.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted, with its message: that says nothing of the problem.
    """
    began = time.process_time()
    solution = hp.solve(problem, tol=1e-4, progress=False, throw=False)
    seconds, status = time.process_time() - began, solution.status.name.lower()
    if solution.status is hp.Status.INTERRUPTED:
        raise KeyboardInterrupt(solution.message)
    if truth:
        errors = solution.stats.get("standard_errors", dict.fromkeys(truth, 0.0))
        pulls = [(solution.parameters[name] - value) / max(errors[name], 1e-300) for name, value in truth.items()]
        return Draw(math.sqrt(float(np.mean(np.square(pulls)))), 1.0, seconds, status)
    error = max(e["relative_l2"] for e in solution.error().values())
    estimate = solution.estimated_error
    return Draw(error, math.inf if estimate is None else estimate, seconds, status)


def row_of(name: str, draws: int) -> Row:
    """So many draws of a case."""
    return Row(name, tuple(draw_of(*CASES[name](seed)) for seed in range(draws)))


def to_markdown(rows: Sequence[Row]) -> str:
    """A table with a line for every case."""

    def mean(values: Sequence[float]) -> float:
        return math.sqrt(sum(v * v for v in values) / len(values))

    lines = [
        "| problem | error, or pull | estimate | within a factor of 3 | CPU seconds | status |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        error, estimate = mean([d.error for d in r.draws]), mean([d.estimate for d in r.draws])
        seconds, statuses = mean([d.seconds for d in r.draws]), ", ".join(sorted({d.status for d in r.draws}))
        lines.append(f"| {r.name} | {error:.1e} | {estimate:.1e} | {r.close:.0%} | {seconds:.1f} | {statuses} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=5, help="of the noise of every case")
    parser.add_argument("--only", default="", help="names that contain this")
    options = parser.parse_args(arguments)
    rows = [row_of(name, options.draws) for name in CASES if options.only in name]
    sys.stdout.write(f"{machine()}\n\n{to_markdown(rows)}\n")


if __name__ == "__main__":
    main()
