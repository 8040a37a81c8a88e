"""Whether a march will come to its end in the time that a run has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hermite_pinn.run.monitor import Monitor

from .march_plan import MarchPlan
from .march_states import Course

__all__ = ["Pace", "TooLongError", "begins_slowly", "never", "unlikely"]

SEEN = 0.1  # part of the time left that tells how long a march takes: its first steps are short
SECOND = 0.6  # of the seconds of the first march, which those of one for comparison may take
SPARED = 1.5  # times the seconds of a coarser march, which a finer one leaves it


class Pace:
    """Tells when a march will come to its end, by its speed in the later half of its time.

    Its first steps are short, and its last cells may be small.

    Parameters
    ----------
    clock
        Tells the seconds.

    Examples
    --------
    >>> now = [0.0]
    >>> pace = Pace(lambda: now[0])
    >>> for seconds, done in ((2.0, 0.1), (4.0, 0.2), (8.0, 0.6)):
    ...     now[0] = seconds
    ...     left = pace.left(done)
    >>> round(left, 9)
    4.0
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.began = clock, clock()
        self._marks = deque([(0.0, 0.0)])

    def left(self, done: float) -> float | None:
        """Seconds until the end, where a part of the times is done; None where nothing is known of it."""
        spent = self.clock() - self.began
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= 0.5 * spent:
            marks.popleft()
        since, before = marks[0]
        marks.append((spent, done))
        return (1.0 - done) * (spent - since) / (done - before) if done > before else None


class TooLongError(Exception):
    """A march that would not come to its end in time; never leaves the method."""


def never(expected: float) -> bool:
    """A march that goes on whatever time it takes."""
    return False


def begins_slowly(monitor: Monitor, another: float = SECOND) -> Callable[[float], bool]:
    """Whether a march, which begins now, leaves too little time for another one, which tells its error.

    It is known by the seconds until its end, which the answer is told.

    Parameters
    ----------
    monitor
        Of the run.
    another
        What the other one takes, in parts of the seconds of this one; zero where none is to follow.

    Examples
    --------
    >>> now = [0.0]
    >>> too_long = begins_slowly(Monitor(max_time=100.0, clock=lambda: now[0]), 0.6)
    >>> too_long(300.0)  # nothing is known yet
    False
    >>> now[0] = 20.0
    >>> too_long(40.0), too_long(60.0)
    (False, True)
    """
    began, given = monitor.clock(), monitor.left

    def too_long(expected: float) -> bool:
        left, spent = monitor.left, monitor.clock() - began
        if left is None or given is None or spent < SEEN * given:
            return False
        return expected + another * (spent + expected) > left

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
