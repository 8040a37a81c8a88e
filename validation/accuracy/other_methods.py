"""The cases by other methods than Gauss-Newton, for a given time and several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import InvalidArgumentError

from .cases import Case

__all__ = ["Training", "train_case", "train_suite", "training_json", "training_markdown"]


@dataclass(frozen=True)
class Training:
    """What a method reached in a given time.

    ``errors`` and ``steps`` by seed: largest relative L2 error of the case's fields on an off-lattice grid, float64,
    final parameters; optimiser steps.  ``seconds`` is the median wall time without compilation.
    """

    case: Case
    method: str
    errors: tuple[float, ...]
    steps: tuple[int, ...]
    seconds: float
    parameters: int

    @property
    def error(self) -> float:
        """Median over the seeds."""
        return statistics.median(self.errors)

    @property
    def rate(self) -> float:
        """Steps a second."""
        return statistics.median(self.steps) / self.seconds


def train_case(case: Case, method: hp.Method, max_time: float, seeds: Sequence[int], device: str = "auto") -> Training:
    """Train one case once per seed.

    Parameters
    ----------
    case
        Its levels, tolerance and basis belong to ``gauss_newton`` and are not used.
    max_time
        Seconds of every run.
    seeds
        At least one.

    Raises
    ------
    InvalidArgumentError
        Without seeds.
    """
    if not seeds:
        raise InvalidArgumentError("at least one seed is needed, got none")
    errors, steps, seconds, parameters = [], [], [], 0
    for seed in seeds:
        problem = problems.make(case.problem, **case.settings)
        solution = hp.solve(problem, method=method, max_time=max_time, seed=seed, device=device, progress=False)
        errors.append(case.worst({f: e["relative_l2"] for f, e in solution.error().items()}))
        steps.append(int(solution.stats["steps"]))
        seconds.append(float(solution.stats["seconds"]))
        parameters = int(solution.stats["parameters"])
    return Training(case, method.name, tuple(errors), tuple(steps), statistics.median(seconds), parameters)


def train_suite(
    cases: Sequence[Case],
    method: hp.Method,
    max_time: float,
    seeds: Sequence[int],
    device: str = "auto",
    report: Callable[[Training], None] = lambda training: None,
) -> list[Training]:
    """Train every problem of some cases once per seed; problems of third and higher order are left out."""
    trainings, seen = [], set()
    for case in cases:
        if case.name in seen or problems.make(case.problem, **case.settings).order > 2:
            continue
        seen.add(case.name)
        training = train_case(case, method, max_time, seeds, device)
        report(training)
        trainings.append(training)
    return trainings


def training_markdown(results: Sequence[Training]) -> str:
    """The results as a Markdown table."""
    lines = ["| case | method | error (median of seeds) | range | seconds | steps | steps a second | parameters |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for r in results:
        lines.append(
            f"| {r.case.name} | {r.method} | {r.error:.2e} ({len(r.errors)}) | {min(r.errors):.2e} to {max(r.errors):.2e} | {r.seconds:.0f} | "
            f"{statistics.median(r.steps):.0f} | {r.rate:.1f} | {r.parameters:,} |"
        )
    return "\n".join(lines)


def training_json(results: Sequence[Training]) -> list[dict[str, Any]]:
    """The results as plain data."""
    return [asdict(r) | {"error": r.error, "rate": r.rate} for r in results]
