"""How long the levels of a run took, and how long the next one will take."""

from __future__ import annotations

from hermite_pinn.cuda.runtime.cache import compile_clock
from hermite_pinn.run.monitor import Monitor

__all__ = ["Pace"]

LEAST = 0.5  # of the time in proportion to the unknowns: what a level surely takes


class Pace:
    """Times of the levels; compilation of kernels, which comes once, does not count.

    Parameters
    ----------
    monitor
        Whose clock tells the seconds, and which knows how long nobody looked at it.

    Attributes
    ----------
    blind
        The part of the last level in which nobody looked at the clock, and so could not have ended the run.

    Examples
    --------
    >>> now = [0.0]
    >>> monitor = Monitor(max_time=9.0, clock=lambda: now[0])
    >>> pace = Pace(monitor)
    >>> for seconds, unknowns in ((1.2, 100), (2.0, 500)):
    ...     pace.begin()
    ...     now[0] += 0.5 * seconds
    ...     monitor.check_time()
    ...     now[0] += 0.5 * seconds
    ...     pace.end(unknowns)
    >>> round(pace.expected(2500), 6), round(pace.blind, 6)
    (6.0, 0.5)
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor, self.blind = monitor, 0.0
        self.levels: list[tuple[float, int]] = []
        self._began = 0.0

    def _now(self) -> float:
        return self.monitor.clock() - sum(compile_clock.get() or ())

    def begin(self) -> None:
        """A level begins."""
        self._began = self._now()
        self.monitor.look()
        self.monitor.longest = 0.0

    def end(self, unknowns: int) -> None:
        """It is done, and had so many unknowns."""
        took = self._now() - self._began
        self.monitor.look()
        self.blind = min(1.0, self.monitor.longest / took) if took > 0 else 0.0
        self.levels.append((took, unknowns))

    @property
    def last(self) -> float | None:
        """Seconds of the last level; None before there is one."""
        return self.levels[-1][0] if self.levels else None

    def expected(self, unknowns: int) -> float | None:
        """Seconds of a level with so many unknowns; None before there is one to compare with.

        Times grow from level to level as they did, at most in proportion to the unknowns, and at least half as much.
        """
        if not self.levels:
            return None
        seconds, known = self.levels[-1]
        most = seconds * unknowns / known
        if len(self.levels) < 2 or self.levels[-2][1] >= known:
            return most
        before, fewer = self.levels[-2]
        grown = seconds + (seconds - before) / (known - fewer) * (unknowns - known)
        return min(max(grown, LEAST * most), most)
