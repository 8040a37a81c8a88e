"""Whether an equation contradicts conditions on derivatives alone, which no field can then satisfy."""

from __future__ import annotations

from collections.abc import Sequence

from hermite_pinn.methods.course import Ending
from hermite_pinn.methods.evidence import contradictions
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.run.status import Status

from .stage import Discretization, Stage

__all__ = ["unbalanced"]

LEVELS = 3  # before it is looked at
NOTHING = 1.0  # relative error estimated of levels that know nothing of the solution


def unbalanced(grid: Discretization, stage: Stage, estimates: Sequence[float | None]) -> Ending | None:
    """The ending of a run of a linear problem with a gauge whose source does not balance what flows in.

    A field that only its derivatives determine exists if its sources and fluxes have the same sum.  Otherwise the
    least residual stays on every level, and the field, which cannot lower it, is noise of rounding: levels differ by
    more than their size.

    Parameters
    ----------
    grid
        What the stages share.
    stage
        The last one.
    estimates
        Relative errors estimated after every stage, None where nothing was known.
    """
    problem = grid.problem
    if not problem.gauges or len(estimates) < LEVELS:
        return None
    if any(e is not None and e < NOTHING for e in estimates[1 - LEVELS :]):
        return None
    if not all(compile_term(problem, term).affine for term in problem.terms):
        return None
    found = contradictions(problem, grid.field(stage), stage.parameters)
    if not found:
        return None
    return Ending(
        Status.STALLED,
        "ended since finer levels do not lower the residual: sources and conditions on derivatives do not balance",
    )
