"""How a run ended, and what an error that ends it must not lose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hermite_pinn.cuda.runtime.failures import recognized
from hermite_pinn.errors import BackendUnavailableError, OutOfMemoryError

from .monitor import Monitor
from .status import Status

__all__ = ["Ending", "described", "keep_result", "obstacle"]


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


def described(error: BaseException) -> str:
    """An error in one line.

    Examples
    --------
    >>> described(ValueError("no")), described(KeyError())
    ('ValueError: no', 'KeyError')
    """
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def obstacle(error: Exception, monitor: Monitor) -> Ending | None:
    """The ending of a run that could not go on for want of memory or of a kernel; None after other errors.

    Parameters
    ----------
    monitor
        Of the run; what a callback raised is none of these.
    """
    if error is monitor.foreign or not isinstance(error, RuntimeError | MemoryError):
        return None
    if isinstance(error, BackendUnavailableError):
        # other processes would wait for one that went on alone
        alone = monitor.ranks.size == 1
        return Ending(Status.INTERRUPTED, f"this is the best state so far: {error}") if alone else None
    full = error if isinstance(error, OutOfMemoryError) else recognized(error, "going on")
    told = isinstance(full, OutOfMemoryError)
    return Ending(Status.MAX_SIZE, f"this is the best state so far: {full}") if told else None


def keep_result(error: Exception, result: Callable[[], object]) -> None:
    """Give an error that ends a run the best result so far as its attribute ``outcome``, unless it has one.

    Examples
    --------
    >>> error = ValueError("in the second method")
    >>> keep_result(error, lambda: "that of the first")
    >>> error.outcome
    'that of the first'
    """
    if getattr(error, "outcome", None) is None:
        with suppress(Exception):  # of classes with slots; nor may a result hide the error
            error.outcome = result()  # type: ignore[attr-defined]
