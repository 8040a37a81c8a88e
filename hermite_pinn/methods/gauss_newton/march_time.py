"""Whether a march will come to its end in the time that a run has."""

from __future__ import annotations

from collections.abc import Callable

from hermite_pinn.run.monitor import Monitor

from .march_plan import MarchPlan
from .stepping import Course

__all__ = ["begins_slowly", "unlikely"]

SEEN, MOST = 0.1, 0.7  # parts of the time: what tells how long the first march takes, and what it may take
SPARED = 1.5  # times the seconds of a coarser march, which a finer one leaves it


def begins_slowly(monitor: Monitor, expected: float) -> bool:
    """Whether the first march would take most of the time that is left, by the seconds until its end."""
    left, limit = monitor.left, monitor.max_time
    return left is not None and limit is not None and left < (1.0 - SEEN) * limit and expected > MOST * left


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
