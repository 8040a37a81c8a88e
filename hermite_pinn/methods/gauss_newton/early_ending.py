"""Whether finer levels are of no use: the statement leaves its solution open, or has none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hermite_pinn.methods.course import Ending
from hermite_pinn.methods.evidence import contradictions
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.run.status import Status

from .stage import Discretization, Stage

__all__ = ["early_ending"]

LEVELS = 3  # before either is looked at
FINER = 4  # times the number of values that are measured: cells that these say nothing of
NOTHING = 1.0  # relative error estimated of levels that know nothing of the solution


def early_ending(grid: Discretization, stage: Stage, done: int, estimates: Sequence[float | None]) -> Ending | None:
    """The ending of a run that finer levels cannot help, or None.

    Parameters
    ----------
    grid
        What the stages share.
    stage, done
        The last one, and how many there were.
    estimates
        Relative errors estimated after every stage, None where nothing was known.
    """
    if done < LEVELS:
        return None
    if _is_open(grid.problem, stage):
        return Ending(Status.UNDETERMINED, f"ended after {done} levels, since finer ones determine no more")
    if _is_unbalanced(grid, stage, estimates):
        return Ending(
            Status.STALLED,
            "ended since finer levels do not lower the residual: sources and conditions on derivatives do not balance",
        )
    return None


def _is_open(problem: Problem, stage: Stage) -> bool:
    """Whether a condition or an equation is missing; between data, once cells are finer than these."""
    values = sum(t.region.measured.count for t in problem.terms if t.region.measured is not None)
    resolved = not problem.loose or math.prod(stage.resolutions[-1]) >= FINER * values
    return bool(problem.surely_missing) and resolved


def _is_unbalanced(grid: Discretization, stage: Stage, estimates: Sequence[float | None]) -> bool:
    """Whether the sources of a linear problem with a gauge do not balance what flows in.

    A field that only its derivatives determine exists if its sources and fluxes have the same sum.  Otherwise the
    least residual stays on every level, and the field, which cannot lower it, is noise of rounding: levels differ by
    more than their size.
    """
    problem = grid.problem
    known = len(estimates) < LEVELS or any(e is not None and e < NOTHING for e in estimates[1 - LEVELS :])
    if not problem.gauges or known or not all(compile_term(problem, term).affine for term in problem.terms):
        return False
    return bool(contradictions(problem, grid.field(stage), stage.parameters))
