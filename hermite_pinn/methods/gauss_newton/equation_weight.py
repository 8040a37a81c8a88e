"""The weight of ordinary equations against noisy data, once levels resolve them."""

from __future__ import annotations

from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import Misfit

from .penalty_weights import Choice
from .stage import Stage

__all__ = ["stiffened"]

STIFFER = 1e-2  # times the weight of the data against the equations
LEAST = 1e-4  # the smallest such factor
ROUNDED = 1e-11  # weight of the data below which their effect on least squares is nearly rounding


def stiffened(problem: Problem, before: Stage | None, stage: Stage) -> Choice | None:
    """The weights of a next level on which the equations weigh more; None where that would tell nothing new.

    Equations of finite weight may be violated for the sake of the data.  Where solutions amplify small changes, as
    relaxation oscillations do, such violations take part of the misfit and make parameters look less well known.  A
    fit is that of the equations once a hundred times their weight does not move it.

    Parameters
    ----------
    problem
        With its data.
    before, stage
        The last two levels.
    """
    misfit = Misfit(problem)
    if before is None or stage.shift is None or not stage.shift.settled or not stage.settled:
        return None
    if problem.domain.dim > 1 or not problem.parameters or any(t.weight is not None for t in misfit.noisy):
        return None
    own = 1.0 if stage.choice is None else stage.choice.emphasis
    if own > 1.0 or before.loosely:  # the last level had a larger weight and has not moved the fit
        return None
    following = STIFFER * own
    if following < 0.99 * LEAST or misfit.strength * following < ROUNDED:
        return None
    return Choice({}, 1.0, 1.0, following)
