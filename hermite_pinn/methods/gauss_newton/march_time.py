"""Whether a march will come to its end in the time that a run has."""

from __future__ import annotations

from collections.abc import Callable

from hermite_pinn.run.monitor import Monitor

from .march_plan import MarchPlan
from .stepping import Course

__all__ = ["TooLongError", "begins_slowly", "never", "unlikely"]

SEEN = 0.1  # part of the time that tells how long the first march takes
SECOND = 0.6  # of the seconds of the first march, which those of one for comparison may take
SPARED = 1.5  # times the seconds of a coarser march, which a finer one leaves it


class TooLongError(Exception):
    """A march that would not come to its end in time; never leaves the method."""


def never(expected: float) -> bool:
    """A march that goes on whatever time it takes."""
    return False


def begins_slowly(monitor: Monitor) -> Callable[[float], bool]:
    """Whether the first march, which begins now, leaves too little time for another one, which tells its error.

    It is known by the seconds until its end, which the answer is told.

    Examples
    --------
    >>> now = [0.0]
    >>> too_long = begins_slowly(Monitor(max_time=100.0, clock=lambda: now[0]))
    >>> too_long(300.0)  # nothing is known yet
    False
    >>> now[0] = 20.0
    >>> too_long(40.0), too_long(60.0)
    (False, True)
    """
    began = monitor.clock()

    def too_long(expected: float) -> bool:
        left, limit = monitor.left, monitor.max_time
        if left is None or limit is None or left >= (1.0 - SEEN) * limit:
            return False
        return expected + SECOND * (monitor.clock() - began + expected) > left

    return too_long


def unlikely(
    monitor: Monitor, plan: MarchPlan, spared: float, under_way: Callable[[], Course | None]
) -> Callable[[float], bool]:
    """Whether a finer march does not end in time, when there is just enough of it left for a coarser one.

    That is soon so where it needs more cells than it began with.

    Parameters
    ----------
    plan
        Of the finer march.
    spared
        Seconds that the coarser one takes.
    under_way
        The march as far as it came.
    """
    told, longest = monitor.clock(), 0.0

    def too_long(expected: float) -> bool:
        nonlocal told, longest
        now, left, course = monitor.clock(), monitor.left, under_way()
        told, longest = now, max(longest, now - told)
        grown = course is not None and course.cells != plan.cells
        return left is not None and expected > left and (grown or left < SPARED * spared + longest)

    return too_long
