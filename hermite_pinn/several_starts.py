"""Several starts of the unknown parameters, of which the best result is returned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.problem.parameters import Parameter
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.status import Status

__all__ = ["best_of", "drawn", "misfit_of"]

WIDE = 100.0  # ratio of positive bounds beyond which sizes are drawn, not values
DECADE = 10.0  # factor by which a start without bounds may be smaller or larger


def drawn(parameter: Parameter, random: np.random.Generator) -> float:
    """A start of a parameter: between its bounds, or else up to ten times smaller or larger than its first one.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> 0.2 <= drawn(Parameter("k", init=2.0), random) <= 20.0
    True
    """
    low, high = parameter.bounds
    if math.isfinite(low) and math.isfinite(high):
        if low > 0.0 and high > WIDE * low:
            return float(math.exp(random.uniform(math.log(low), math.log(high))))
        return float(random.uniform(low, high))
    size = parameter.init if parameter.init != 0.0 else 1.0
    value = size * DECADE ** random.uniform(-1.0, 1.0) * (1.0 if parameter.init else random.choice([-1.0, 1.0]))
    return float(min(max(value, low), high))


def misfit_of(problem: Problem, solution: Solution) -> float:
    """Root mean square misfit of the data in units of their noise, or of their size where that is not told; or 0."""
    known = Misfit(problem)
    squares = []
    for t in problem.terms:
        if t.region.measured is None:
            continue
        left = solution.residuals.get(t.name, math.inf)
        unit = float(np.sqrt(np.mean(t.noise**2))) if isinstance(t.noise, np.ndarray) else known.size_of(t)
        squares.append((left / unit) ** 2)
    return math.sqrt(sum(squares) / len(squares)) if squares else 0.0


def best_of(problem: Problem, count: int, seed: int, run: Callable[[Problem, int], Solution]) -> Solution:
    """Run from several starts of the parameters, and return the result that fits the data best.

    Parameters
    ----------
    problem
        Its own start is the first one.
    count, seed
        How many; the parameters of the k-th are drawn with the seed ``seed + k``.
    run
        Solves a problem; is told the number of starts that are left, that one included.

    Returns
    -------
    Solution
        Its ``stats["starts"]`` has a row for each: ``seed``, ``start``, ``parameters``, ``status``, ``misfit``.

    Raises
    ------
    InvalidArgumentError
        If the problem has no unknown parameters.
    """
    if not problem.parameters:
        raise InvalidArgumentError(
            "starts draws values of unknown parameters, and the problem has none; give start=, or deflate= for another "
            "solution"
        )
    rows: list[dict[str, Any]] = []
    found: list[Solution] = []
    for k in range(count):
        chosen = _parameters(problem, seed + k) if k else problem.parameters
        solution = run(problem.replace(parameters=chosen) if k else problem, count - k)
        found.append(solution)
        rows.append(
            {
                "seed": seed + k,
                "start": {p.name: p.init for p in chosen},
                "parameters": dict(solution.parameters),
                "status": solution.status.label,
                "misfit": misfit_of(problem, solution),
            }
        )
        if solution.status in (Status.STOPPED, Status.INTERRUPTED):
            break
    best = min(range(len(found)), key=lambda k: (not found[k].status.success, rows[k]["misfit"]))
    result = found[best]
    ended = sum(s.status.success for s in found)
    result.problem = problem
    result.stats["starts"] = rows
    result.message += f"; the best of {len(found)} starts, that with seed {seed + best}; {ended} ended with success"
    return result


def _parameters(problem: Problem, seed: int) -> Sequence[Parameter]:
    random = np.random.default_rng(seed)
    return [replace(p, init=drawn(p, random)) for p in problem.parameters]
