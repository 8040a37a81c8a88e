"""Whether a level is to be asked how far it moved a fit of noisy data."""

from __future__ import annotations

from hermite_pinn.problem.problem import Problem

from .fit_shift import FitShift, fit_shift
from .stage import Stage
from .standard_errors import bounded

__all__ = ["level_shift"]

BELOW, FAR_BELOW = 0.1, 1e-3  # of the tolerance: noise that small does not matter, along several axes and one


def level_shift(problem: Problem, before: Stage, stage: Stage, tol: float | None) -> FitShift | None:
    """By how much a level moved a fit of noisy data; None where the equations and the noise do not ask for it.

    Along one axis, where levels cost little, the last one itself must not move the fit; along several, where each costs
    several times the one before, what is ahead by the rate that was seen.

    Parameters
    ----------
    problem
        What is being fitted.
    before, stage
        The level before and the last one.
    tol
        That was asked for.
    """
    alone = problem.domain.dim == 1
    chosen = stage.choice is not None and bool(stage.choice.weights)
    if chosen or not (problem.parameters or alone) or any(t.region.penalty is not None for t in problem.terms):
        return None
    if (stage.noise or 0.0) < (FAR_BELOW if alone else BELOW) * (tol or 0.0):
        return None
    fixed = frozenset(bounded(problem.parameters, stage.parameters))
    shift = fit_shift(before.open, stage.open, before.parameters, stage.parameters, fixed)
    return shift if shift is None or alone else shift.after(before.shift)
