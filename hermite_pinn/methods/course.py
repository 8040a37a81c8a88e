"""How a run ends: by itself, by a limit, a callback or Ctrl-C, or because it diverged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hermite_pinn.errors import DivergedError
from hermite_pinn.run.ending import Ending, described, keep_result, obstacle
from hermite_pinn.run.interrupt import hold, release
from hermite_pinn.run.monitor import Monitor, StopRun
from hermite_pinn.run.status import Status

__all__ = ["Ending", "run_to_end"]

Result = TypeVar("Result")


def _worked(work: Callable[[], Ending]) -> Ending:
    """How the work ended, unless a signal or an error ended it; no signal disturbs what comes after it."""
    release()
    try:
        return work()
    except StopRun as stop:
        return Ending(stop.status, stop.message)
    finally:
        hold()


def _unchanged(ending: Ending) -> Ending:
    return ending


def run_to_end(
    work: Callable[[], Ending],
    outcome: Callable[[Ending], Result],
    *,
    interrupted: Callable[[], str],
    settle: Callable[[Ending], Ending] = _unchanged,
    usable: Callable[[], bool] = lambda: False,
    monitor: Monitor,
) -> Result:
    """Work until something ends it, and say how it ended: the one place where a run's signals become its outcome.

    Parameters
    ----------
    work
        The whole run; returns how it ended by itself.
    outcome
        Makes the outcome of an ending from the state that is best then.
    interrupted
        The message if the user pressed Ctrl-C, or a signal asked the run to end; called where :func:`.cause` knows it.
    settle
        What is left to do after any end but a divergence, such as saving the state; may give another ending.
    usable
        Whether there is a state worth returning if what comes next cannot be done: the memory does not suffice, or
        a kernel that is first needed there can neither be loaded nor compiled.
    monitor
        Of the run; what a callback raised comes out as it is.

    Returns
    -------
    Result
        Also when :class:`.StopRun`, ``KeyboardInterrupt``, of which :class:`.Terminated` is one, or a lack of memory
        or of a kernel ended the work.  A first signal after the work is held back: see :func:`.hold`.

    Raises
    ------
    DivergedError
        From ``work`` or ``settle``; its attribute ``outcome`` holds the outcome with the last good state.  So does
        that of any other exception, if there is a usable state.
    """
    try:
        try:
            ending = _worked(work)
        except KeyboardInterrupt:
            ending = Ending(Status.INTERRUPTED, interrupted())
        except (RuntimeError, MemoryError) as error:
            ended = obstacle(error, monitor)
            if ended is None or not usable():
                raise
            ending = ended
        ending = settle(ending)
    except DivergedError as error:
        error.outcome = outcome(Ending(Status.DIVERGED, str(error)))  # type: ignore[attr-defined]
        raise
    except Exception as error:
        if usable() and monitor.ranks.size == 1:  # other processes may be gone
            lost = Ending(Status.INTERRUPTED, f"this is the best state before {described(error)}")
            keep_result(error, lambda: outcome(lost))
        raise
    return outcome(ending)
