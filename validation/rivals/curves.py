"""Times at equal error."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .contest import Point

__all__ = ["ratio_at", "seconds_at"]


def seconds_at(points: Sequence[Point], error: float) -> float | None:
    """CPU seconds in which a code reaches an error, along straight lines of log time over log error.

    Parameters
    ----------
    points
        Runs of a code.  Those that another run beats in both time and error do not count.
    error
        To be reached.

    Returns
    -------
    float or None
        None if no run is as good.  Where the cheapest run is better than the error asked for, its time.

    Examples
    --------
    >>> runs = [Point("8", 8, 0.1, 1e-2), Point("16", 16, 0.4, 1e-4)]
    >>> round(seconds_at(runs, 1e-3), 9)
    0.2
    >>> seconds_at(runs, 1e-1), seconds_at(runs, 1e-5)
    (0.1, None)
    """
    best: list[Point] = []
    for point in sorted((p for p in points if math.isfinite(p.error)), key=lambda p: (p.seconds, p.error)):
        if not best or point.error < best[-1].error:
            best.append(point)
    before: Point | None = None
    for point in best:
        if point.error <= error:
            if before is None or point.error <= 0:
                return point.seconds
            along = math.log(before.error / error) / math.log(before.error / point.error)
            return before.seconds * (point.seconds / before.seconds) ** along
        before = point
    return None


def ratio_at(ours: Sequence[Point], theirs: Sequence[Point], error: float) -> float | None:
    """CPU seconds of this package over those of a rival at equal error, or None if one of them does not reach it.

    Examples
    --------
    >>> ratio_at([Point("a", 1, 1.0, 1e-6)], [Point("b", 1, 4.0, 1e-7)], 1e-6)
    0.25
    """
    mine, other = seconds_at(ours, error), seconds_at(theirs, error)
    return None if mine is None or other is None else mine / other
