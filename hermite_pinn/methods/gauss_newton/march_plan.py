"""The next march through an evolution problem: the axes it refines, and whether it fits into the time left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MarchPlan", "Past", "coarser_plans", "finer_plan", "finest_that_fits"]

FAINT = 0.02  # part of the next tolerance that an axis may miss without being refined
RATIOS = (2.0, 1.5, 1.25)  # by which cells grow, the best first
MULTIPLE = 8  # of which numbers of cells are, so that three doublings can be looked at
FEWEST = 4  # cells along an axis
POWER = 1.3  # of the cells that the time of a step grows with
REVERSE = (4.0 / 3.0, 2.0, 4.0)  # by which cells of a coarser march are larger, the best first
HURRY = 1.5  # times the seconds of a coarser march that must be left
LONGEST = 0.25  # step, as a part of all times


@dataclass(frozen=True)
class Past:
    """What a march that came to its end says of the next one.

    Attributes
    ----------
    tol
        Of its steps and cells.
    cells
        Along the axes of space at its end.
    space_errors
        Along the axes of space, what the cells miss; empty if that is not known.
    time_error
        What the steps miss; None if that is not known.
    largest
        Its longest step, as a part of all times.
    seconds
        That it took.
    """

    tol: float
    cells: tuple[int, ...]
    space_errors: tuple[float, ...]
    time_error: float | None
    largest: float
    seconds: float


@dataclass(frozen=True)
class MarchPlan:
    """A march that may come next.

    Attributes
    ----------
    tol, cells
        Of its steps, and at its start.
    largest
        Step, as a part of all times.
    seconds
        That it is expected to take.
    below
        Cells that it does not reach by halving, so that it can be compared; None: it takes what its tolerance needs.
    steps
        Tolerance of implicit steps where that of the cells is larger, or None.
    """

    tol: float
    cells: tuple[int, ...]
    largest: float
    seconds: float
    below: tuple[int, ...] | None = None
    steps: float | None = None


def _missing(past: Past, tol: float, fall: float) -> tuple[list[bool], bool]:
    """Which axes of space, and whether the steps, miss anything that counts for a tolerance.

    Until the end errors may grow, those of all axes: what is left as it is has to miss next to nothing beside what the
    worst axis will miss, which the change between the marches tells.
    """
    space = past.space_errors or (math.inf,) * len(past.cells)
    time = math.inf if past.time_error is None else past.time_error
    worst = max(*space, time)
    faint = FAINT * min(tol, worst / fall) if math.isfinite(worst) else 0.0
    return [e >= faint for e in space], time >= faint


def finer_plan(past: Past, ratio: float, order: int) -> MarchPlan:
    """A march with more cells along the axes that miss anything that counts, and shorter steps where these do.

    Parameters
    ----------
    past
        The march before.
    ratio
        By which the cells grow, at most 2.
    order
        The power of the cells' size that errors fall with.

    Examples
    --------
    Only the first axis misses anything here, and the steps do not:

    >>> plan = finer_plan(Past(0.1, (8, 8), (1e-2, 1e-9), 1e-9, 1 / 16, 1.0), 2.0, 4)
    >>> plan.tol, plan.cells, plan.largest
    (0.00625, (16, 8), 0.0625)
    """
    tol = past.tol / (ratio**order if ratio >= 2.0 else ratio ** (order - 1))  # cells are not to be halved in between
    space, time = _missing(past, tol, ratio**order)
    cells = tuple(_grown(n, ratio) if e else n for n, e in zip(past.cells, space, strict=True))
    more = math.prod(b / a for a, b in zip(past.cells, cells, strict=True)) ** POWER
    steps = 2.0 if time else 1.0
    return MarchPlan(tol, cells, past.largest / steps, past.seconds * more * steps)


def coarser_plans(past: Past, order: int, left: float | None = None) -> list[MarchPlan]:
    """Marches on larger cells and steps, whose distance tells the error where no finer one fits.

    Their cells stay coarser, whatever they miss: a march that took the same cells would tell nothing.

    Parameters
    ----------
    past, order
        As in :func:`finer_plan`.
    left
        Seconds; None without a limit.

    Returns
    -------
    list of MarchPlan
        Those that are expected to end in the time left, the best first; the coarsest of all where none is.

    Examples
    --------
    >>> past = Past(0.1, (32, 8), (), None, 1 / 16, 8.0)
    >>> [[plan.cells for plan in coarser_plans(past, 4, left)] for left in (9.0, 3.0)]
    [[(24, 6), (16, 4), (8, 4)], [(16, 4), (8, 4)]]
    """
    plans = [_coarser(past, ratio, order) for ratio in REVERSE]
    found = [plan for plan in plans if plan.cells != past.cells and (left is None or HURRY * plan.seconds <= left)]
    return found or plans[-1:]


def _coarser(past: Past, ratio: float, order: int) -> MarchPlan:
    cells = tuple(_reduced(n, ratio) for n in past.cells)
    less = math.prod(b / a for a, b in zip(past.cells, cells, strict=True))
    tol = past.tol * min(ratio, 2.0) ** order  # steps are to follow the solution still
    return MarchPlan(tol, cells, min(LONGEST, 2.0 * past.largest), past.seconds * less, past.cells)


def _reduced(cells: int, ratio: float) -> int:
    """Cells that are even, or a multiple of eight where there are many."""
    unit = MULTIPLE if cells >= 4 * MULTIPLE else 2
    return max(FEWEST, unit * round(cells / ratio / unit))


def finest_that_fits(past: Past, order: int, left: float | None) -> MarchPlan | None:
    """The finer march with the most cells that is expected to end in the time left; None if there is none.

    Parameters
    ----------
    past, order
        As in :func:`finer_plan`.
    left
        Seconds; None without a limit.

    Examples
    --------
    >>> past = Past(0.1, (32, 32), (), None, 1 / 16, 10.0)
    >>> [None if plan is None else plan.cells for plan in (finest_that_fits(past, 4, s) for s in (None, 70.0, 12.0))]
    [(64, 64), (48, 48), None]
    """
    plans: Sequence[MarchPlan] = [finer_plan(past, ratio, order) for ratio in RATIOS]
    return next((plan for plan in plans if left is None or plan.seconds <= left), None)


def _grown(cells: int, ratio: float) -> int:
    if ratio >= 2.0:
        return 2 * cells
    return min(2 * cells, MULTIPLE * max(cells // MULTIPLE + 1, math.ceil(ratio * cells / MULTIPLE)))
