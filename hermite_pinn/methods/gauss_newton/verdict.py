"""Whether a nested iteration is over after a stage, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hermite_pinn.methods.course import Ending
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.status import Status

from .convergence import Convergence
from .stage import Stage

__all__ = ["BY_ITSELF", "coarser_is_better", "determined", "moves", "verdict", "with_noise"]

NEGLIGIBLE = 0.3  # of what noise leaves open: an error of discretisation that hardly adds to it
CLOSE = 0.4  # of that: a level that moved the fields by less is the last, since finer ones only follow the noise
WORSE = 1.0  # rise of the risk of prediction with which a finer level is not taken: the data tell the two apart
DOUBLED = 2.0  # times the change to a finer level, which the error of the coarser one hardly exceeds

#: How a run ends that no limit of time, callback, user or error ends.
BY_ITSELF = (
    Status.CONVERGED,
    Status.COMPLETED,
    Status.MAX_SIZE,
    Status.STALLED,
    Status.UNDETERMINED,
    Status.UNSOLVED,
)


def with_noise(error: float | None, noise: float | None) -> float | None:
    """An estimated error of discretisation together with what the noise of the data leaves open."""
    return error if error is None or not noise else math.hypot(error, noise)


def coarser_is_better(before: Stage | None, stage: Stage, tol: float | None) -> Ending | None:
    """The ending of a run whose last level predicts noisy data worse than the one before; None if it does not.

    Weights of penalties that serve on one level leave more freedom on the next, which the noise of the data takes.  The
    coarser stage, whose error is set, is then the result.  Where the two levels differ by more than the noise leaves
    open, the data do not tell them apart alone, and the run goes on.

    Parameters
    ----------
    before, stage
        The level before, or None, and the last one.
    tol
        That was asked for.
    """
    if before is None or stage.choice is None or not stage.choice.weights:
        return None
    if before.risk is None or stage.risk is None:
        return None
    noise = before.noise or 0.0
    if not (before.settled and stage.settled) or stage.risk <= before.risk + WORSE or stage.change > noise:
        return None
    before.error = error = math.hypot(noise, DOUBLED * stage.change)
    asked = "" if tol is None or tol >= error else f", more than tol={tol:g}"
    return Ending(
        Status.COMPLETED,
        f"estimated relative error {error:.1e}{asked}; the noise of the data leaves {noise:.1e}; "
        "the next level, which predicts the data worse, is not taken",
    )


def verdict(
    problem: Problem, convergence: Convergence, stage: Stage, done: int, planned: int | None, limits: str
) -> Ending | None:
    """The ending of a run after a finished stage, or None if another stage follows.

    Parameters
    ----------
    convergence
        What all stages changed.
    stage
        The last one.
    done, planned
        Number of stages so far, and of all, or None where they are not planned.
    limits
        The limits that an iteration may have met, for messages.
    """
    if planned is None and stage.choice is not None and stage.choice.on_the_way:
        return None
    tol, error = convergence.tol, stage.error
    fitted = stage.shift is None or stage.shift.settled
    estimate = "unknown" if error is None else f"{error:.1e}"
    if fitted and convergence.met and stage.settled and error is not None and tol is not None and error <= tol:
        return Ending(Status.CONVERGED, f"estimated relative error {estimate} <= {tol:g}")
    grid, noise = convergence.estimates[-1] if convergence.estimates else None, stage.noise or 0.0
    told = grid is not None and grid <= NEGLIGIBLE * noise
    resolved = convergence.met or (told and not (problem.parameters and convergence.last.coarse))
    if noise > 0 and convergence.changes and not problem.parameters:
        resolved = resolved or convergence.changes[-1] <= CLOSE * noise
    open_yet = planned is None and error is not None and tol is not None and error <= tol  # another level confirms it
    known = grid is not None and fitted and stage.settled and (convergence.met or (resolved and not open_yet))
    if known and (planned is None or (done >= planned and tol is not None)):
        asked = "" if tol is None or tol >= noise else f", more than tol={tol:g}: that takes more data or less noise"
        return Ending(
            Status.COMPLETED,
            f"estimated relative error {estimate}, of which the discretisation adds {grid:.1e}; "
            f"the noise of the data leaves {noise:.1e}{asked}",
        )
    if planned is None:
        if convergence.rounded:
            return Ending(
                Status.STALLED,
                f"rounding limits the estimated error to about {convergence.last.rounding:.0e} (tol={tol:g})",
            )
        if convergence.stagnant:
            return Ending(
                Status.STALLED,
                f"two refinements did not lower the estimated relative error {estimate} (tol={tol:g})",
            )
        return None
    if done < planned:
        return None
    if not stage.settled:
        return Ending(Status.STALLED, f"the iteration did not settle ({limits}); estimated relative error {estimate}")
    if error is None:
        message = f"all levels asked for ({done}) done, but nothing is known of the error: an estimate takes two levels"
    else:
        message = f"all {done} levels done, estimated relative error {estimate}{moves(stage)}"
    if tol is not None:
        beyond = "" if error is None or error <= tol else f" > tol={tol:g}"
        return Ending(Status.MAX_SIZE, message + f"{beyond}: more levels would be needed")
    if error is not None and error >= 1.0 and len(convergence.changes) > 1:
        return Ending(Status.UNSOLVED, message + ": the levels do not resolve the solution")
    return Ending(Status.COMPLETED, message)


def moves(stage: Stage) -> str:
    """What is to be said of a fit that the last level still moved; nothing of another."""
    if stage.shift is None or stage.shift.settled:
        return ""
    return f"; the last level still moved the fit of the data by {stage.shift.distance:.2g} standard errors"


def determined(ending: Ending, free: int, missing: Sequence[str]) -> Ending:
    """The ending itself, but :attr:`Status.UNDETERMINED` for a problem whose solution is not unique.

    Parameters
    ----------
    free
        Independent changes that the equations and conditions do not see.
    missing
        Conditions that the problem lacks.
    """
    many = (
        "1 independent change of the fields alters" if free == 1 else f"{free} independent changes of the fields alter"
    )
    reasons = [f"{many} no equation and no condition"] if free else []
    reasons += missing
    if not reasons or ending.status not in BY_ITSELF:
        return ending
    return Ending(Status.UNDETERMINED, f"{ending.message}; but {'; '.join(reasons)}")
