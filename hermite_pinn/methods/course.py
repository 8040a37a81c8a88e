"""How a run ends: by itself, by a limit, a callback or Ctrl-C, or because it diverged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hermite_pinn.cuda.runtime.failures import recognized
from hermite_pinn.errors import BackendUnavailableError, DivergedError, OutOfMemoryError
from hermite_pinn.run.interrupt import hold, release
from hermite_pinn.run.monitor import Monitor, StopRun
from hermite_pinn.run.status import Status

__all__ = ["Ending", "run_to_end"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Ending:
    """Why a run ended.

    Attributes
    ----------
    status
        Of the solution.
    message
        A sentence for the user.
    """

    status: Status
    message: str


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


def _obstacle(error: RuntimeError | MemoryError, monitor: Monitor) -> Ending | None:
    """The ending of a run that could not go on for want of memory or of a kernel; None after other errors."""
    if isinstance(error, BackendUnavailableError):
        # other processes would wait for one that went on alone
        alone = monitor.ranks.size == 1
        return Ending(Status.INTERRUPTED, f"this is the best state so far: {error}") if alone else None
    full = error if isinstance(error, OutOfMemoryError) else recognized(error, "going on")
    told = isinstance(full, OutOfMemoryError)
    return Ending(Status.MAX_SIZE, f"this is the best state so far: {full}") if told else None


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
        From ``work`` or ``settle``; its attribute ``outcome`` holds the outcome with the last good state.
    """
    try:
        try:
            ending = _worked(work)
        except KeyboardInterrupt:
            ending = Ending(Status.INTERRUPTED, interrupted())
        except (RuntimeError, MemoryError) as error:
            obstacle = None if error is monitor.foreign else _obstacle(error, monitor)
            if obstacle is None or not usable():
                raise
            ending = obstacle
        ending = settle(ending)
    except DivergedError as error:
        error.outcome = outcome(Ending(Status.DIVERGED, str(error)))  # type: ignore[attr-defined]
        raise
    return outcome(ending)
