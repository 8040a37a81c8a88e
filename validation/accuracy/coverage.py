"""Whether standard errors cover: how many of a hundred draws of the noise leave a parameter within one of them.

Of independent normal noise of a told size 68 in 100 lie within one standard error and 95 within two; the root mean
square of the errors in standard errors (the pull) is one, and their mean, the bias, lies within 0.1 of zero.

Examples
--------
python -m hermite_pinn.validation.accuracy.coverage --draws 100 --only diffusivity > coverage.md
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

from .suite import machine

__all__ = ["CASES", "Pulls", "oscillator", "pulls_of", "to_markdown"]

Made = tuple[hp.Problem, Mapping[str, float]]


# -- problems: of a seed, with the true values of their parameters ---
def oscillator(
    seed: int,
    *,
    noise: float = 0.03,
    damping: float = 5.0,
    stiffness: float = 300.0,
    start: tuple[float, float] = (1.0, 200.0),
) -> Made:
    """A damped oscillation, x'' + a x' + b x = 0 on (0, 2) from rest at 1, with 60 noisy values; far from the start.

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
            hp.Data(t[:, None], x=x + noise * random.standard_normal(60), noise=noise),
        ],
        parameters=[hp.Parameter("a", init=start[0]), hp.Parameter("b", init=start[1])],
    )
    return problem, {"a": damping, "b": stiffness}


def _diffusivity(seed: int) -> Made:
    """A diffusivity from 60 values of a heat equation with a noise of a fiftieth."""
    random, k = np.random.default_rng(seed), 0.3
    where = random.random((60, 2))
    exact = np.sin(math.pi * where[:, 0]) * np.exp(-k * math.pi**2 * where[:, 1])
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u, k: u.t - k * u.xx,
        [
            hp.Dirichlet(u=0.0),
            hp.Initial(u=lambda x: hp.sin(math.pi * x)),
            hp.Data(where, u=exact + 0.02 * random.standard_normal(len(where)), noise=0.02),
        ],
        parameters=[hp.Parameter("k", init=1.0)],
    )
    return problem, {"k": k}


def _boundary_value(seed: int) -> Made:
    """The value at one end of a rod with a source, from 30 values inside."""
    random, value = np.random.default_rng(seed), 0.7
    x = random.random((30, 1))
    exact = np.sin(math.pi * x[:, 0]) + value * x[:, 0]
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, x: u.xx + math.pi**2 * hp.sin(math.pi * x),
        [
            hp.Dirichlet(u=0.0, on="x-"),
            hp.Condition(lambda u, value: u - value, on="x+"),
            hp.Data(x, u=exact + 0.05 * random.standard_normal(len(x)), noise=0.05),
        ],
        parameters=[hp.Parameter("value", init=0.0)],
    )
    return problem, {"value": value}


def _growth(seed: int) -> Made:
    """Rate and capacity of logistic growth, u' = r u (1 - u / c), from 25 values."""
    random, rate, capacity, began = np.random.default_rng(seed), 2.0, 3.0, 0.1
    t = np.linspace(0.16, 4.0, 25)
    exact = capacity / (1 + (capacity / began - 1) * np.exp(-rate * t))
    problem = hp.Problem(
        hp.Box(t=(0, 4)),
        "u",
        lambda u, r, c: u.t - r * u * (1 - u / c),
        [
            hp.Initial(u=began),
            hp.Data(t[:, None], u=exact + 0.05 * random.standard_normal(len(t)), noise=0.05),
        ],
        parameters=[hp.Parameter("r", init=1.0), hp.Parameter("c", init=2.0)],
    )
    return problem, {"r": rate, "c": capacity}


def _reaction(seed: int) -> Made:
    """The rate of a quadratic reaction beside diffusion, u'' = k u^2 - f, where the noise is not given."""
    random, k = np.random.default_rng(seed), 4.0
    x = random.random((80, 1))
    exact = 1 + np.sin(math.pi * x[:, 0])

    def source(x: Any) -> Any:
        return k * (1 + hp.sin(math.pi * x)) ** 2 + math.pi**2 * hp.sin(math.pi * x)

    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, k, x: u.xx - k * u**2 + source(x),
        [hp.Dirichlet(u=1.0), hp.Data(x, u=exact + 0.05 * random.standard_normal(len(x)), noise="auto")],
        parameters=[hp.Parameter("k", init=1.0)],
    )
    return problem, {"k": k}


#: By name, what makes a problem of a draw, and the true values of its parameters.
CASES: dict[str, Callable[[int], Made]] = {
    "damped oscillation": lambda s: oscillator(s, start=(4.0, 280.0)),
    "diffusivity": _diffusivity,
    "boundary value": _boundary_value,
    "logistic growth": _growth,
    "quadratic reaction, noise not given": _reaction,
    "far oscillator from 1, 200": oscillator,
    "far oscillator, noise 0.1": lambda s: oscillator(s, noise=0.1),
    "far oscillator, noise 0.003": lambda s: oscillator(s, noise=0.003),
    "far oscillator, stiffness from 50": lambda s: oscillator(s, start=(1.0, 50.0)),
    "far oscillator, stiffness from 1000": lambda s: oscillator(s, start=(1.0, 1000.0)),
    "far oscillator, 100 from 300": lambda s: oscillator(s, damping=3.0, stiffness=100.0, start=(1.0, 300.0)),
    "far oscillator, 900 from 500": lambda s: oscillator(s, damping=2.0, stiffness=900.0, start=(1.0, 500.0)),
    "far oscillator, 1600 from 800": lambda s: oscillator(s, damping=1.0, stiffness=1600.0, start=(5.0, 800.0)),
}


# -- measurement ---
@dataclass(frozen=True)
class Pulls:
    """Errors of a parameter in standard errors, over draws of the noise.

    Attributes
    ----------
    name, parameter
        Of the case, and of its parameter.
    values
        One for every draw.
    seconds
        Of CPU time for all draws of the case.
    statuses
        That the runs ended with.

    Examples
    --------
    >>> pulls = Pulls("decay", "k", (0.5, -0.5, 1.5, 2.5), 1.0, ("completed",))
    >>> pulls.within(1.0), pulls.within(2.0)
    (0.5, 0.75)
    >>> pulls.bias, round(pulls.size, 3)
    (1.0, 1.5)
    """

    name: str
    parameter: str
    values: tuple[float, ...]
    seconds: float
    statuses: tuple[str, ...]

    def within(self, errors: float) -> float:
        """Share of the draws within so many standard errors."""
        return sum(abs(v) <= errors for v in self.values) / len(self.values)

    @property
    def bias(self) -> float:
        """Mean."""
        return float(np.mean(self.values))

    @property
    def size(self) -> float:
        """Root mean square."""
        return float(np.sqrt(np.mean(np.square(self.values))))


def pulls_of(name: str, draws: int) -> list[Pulls]:
    """Solve draws of a case by the default call; a parameter without a standard error counts as infinitely far off.

    Raises
    ------
    KeyboardInterrupt
        If a run was interrupted, with its message: that says nothing of the problem.
    """
    began, found, statuses = time.process_time(), dict[str, list[float]](), set[str]()
    for seed in range(draws):
        problem, truth = CASES[name](seed)
        solution = hp.solve(problem, progress=False, throw=False)
        if solution.status is hp.Status.INTERRUPTED:
            raise KeyboardInterrupt(solution.message)
        errors = solution.stats.get("standard_errors", {})
        statuses.add(solution.status.label)
        for parameter, value in truth.items():
            error = errors.get(parameter, 0.0)
            pull = (solution.parameters[parameter] - value) / error if error > 0 else math.inf
            found.setdefault(parameter, []).append(pull)
    seconds = time.process_time() - began
    return [Pulls(name, p, tuple(values), seconds, tuple(sorted(statuses))) for p, values in found.items()]


def to_markdown(rows: Sequence[Pulls]) -> str:
    """A table with a line for every parameter."""
    lines = [
        "| problem | parameter | draws | within one | within two | within three | bias | pull | CPU seconds per draw | status |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        count = len(r.values)
        lines.append(
            f"| {r.name} | {r.parameter} | {count} | {r.within(1.0):.0%} | {r.within(2.0):.0%} | {r.within(3.0):.0%} | {r.bias:+.2f} "
            f"| {r.size:.2f} | {r.seconds / count:.1f} | {', '.join(r.statuses)} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100, help="of the noise of every case")
    parser.add_argument("--only", default="", help="names that contain this")
    options = parser.parse_args(arguments)
    rows = [row for name in CASES if options.only in name for row in pulls_of(name, options.draws)]
    sys.stdout.write(f"{machine()}\n\n{to_markdown(rows)}\n")


if __name__ == "__main__":
    main()
