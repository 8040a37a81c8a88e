"""Estimated errors against true ones, level by level, over the problem library and random problems.

Every default run of a problem gives one row for each of its levels from the second on, the coarse ones included;
what a level knows does not depend on those after it.  Errors above one are counted as one: nothing is known then.

Examples
--------
python -m hermite_pinn.validation.accuracy.estimates --seconds 10 --random 3 > estimates.md
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.run.callbacks import Callback, RunState

from .cut_manufactured import CUT_KINDS, cut_manufactured
from .manufactured import KINDS, manufactured
from .suite import machine

__all__ = ["CASES", "Row", "rows_of", "summary", "to_markdown"]

logger = logging.getLogger(__name__)

#: Names and settings of the problems of the library: their defaults, and harder ones.
CASES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("helmholtz2d", {}),
    ("helmholtz2d", {"a": 4}),
    ("helmholtz2d", {"a": 20}),
    ("helmholtz2d", {"a": (7.3, 3.1), "k": 60.0}),
    ("helmholtz3d", {"a": 1}),
    ("helmholtz3d", {}),
    ("poisson2d", {}),
    ("poisson3d", {}),
    ("convection", {"c": 5}),
    ("convection", {}),
    ("taylor_green", {}),
    ("flow_mixing", {}),
    ("heat", {}),
    ("wave", {}),
    ("burgers", {"nu": 0.1}),
    ("burgers", {}),
    ("allen_cahn", {}),
    ("klein_gordon", {}),
    ("kovasznay", {}),
    ("stokes", {}),
    ("kdv", {}),
    ("cavity", {"lid": "regularised"}),
    ("plate", {}),
    ("plate", {"support": "clamped"}),
    ("plate", {"form": "auxiliary"}),
    ("kuramoto_sivashinsky", {}),
    ("l_shape", {}),
    ("plate_with_hole", {}),
    ("poisson_mesh", {"mesh": "gear", "solution": "manufactured"}),
)


@dataclass(frozen=True)
class Row:
    """A level of a run.

    Attributes
    ----------
    problem
        Its name and settings.
    level, cells
        Number of the level, and cells per axis.
    truth, estimate
        Relative L2 errors, the largest of the fields with a known solution.
    """

    problem: str
    level: int
    cells: tuple[int, ...]
    truth: float
    estimate: float

    @property
    def ratio(self) -> float:
        """Estimate over truth, both at most one."""
        return min(self.estimate, 1.0) / min(self.truth, 1.0)


class _Levels(Callback):
    """Remembers the last state of every level; ends the run once a level takes too long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.states: dict[tuple[str, int], tuple[float | None, Any]] = {}
        self._began, self._level = time.perf_counter(), 0

    def on_step(self, state: RunState) -> str | None:
        """Note a state."""
        now = time.perf_counter()
        if state.level != self._level:
            took, self._began = now - self._began, now
            if self._level and took > self.seconds / 4:
                return "the next level would take too long"
            self._level = state.level
        field = state.field
        self.states[field.layout.basis, state.level] = (state.error, field)
        return None


def rows_of(name: str, problem: hp.Problem, seconds: float = 10.0, tol: float = 1e-9, **options: Any) -> list[Row]:
    """The levels of a run, from the first that has an estimate.

    Parameters
    ----------
    seconds
        About the time of the last level that counts.
    tol, options
        For ``solve``.

    Examples
    --------
    >>> [row.level for row in rows_of("line", manufactured("waves on a line", 1), tol=1e-3)][:2]
    [2, 3]
    """
    levels = _Levels(seconds)
    solution = hp.solve(
        problem, tol=tol, callbacks=[levels], max_time=2 * seconds, progress=False, throw=False, **options
    )
    if solution.status is hp.Status.MAX_TIME and len(levels.states) > 1:
        levels.states.popitem()  # the last one may be unfinished
    rows = []
    for (_, level), (estimate, field) in levels.states.items():
        state = copy.copy(solution)
        state.field = field
        errors = [e["relative_l2"] for e in state.error().values()]
        known = [e for e in errors if 0.0 < e < math.inf]
        if estimate is not None and known and max(known) > ROUNDING:
            rows.append(Row(name, level, tuple(field.layout.resolutions[-1]), max(known), estimate))
    return rows


ROUNDING = 1e-11  # errors below are those of rounding, which is estimated by its order only


def cases(seconds: float, random: int) -> Iterator[tuple[str, Callable[[], hp.Problem]]]:
    """The library, and ``random`` problems of every kind."""
    for name, settings in CASES:
        label = " ".join([name, *(f"{k}={v}" for k, v in settings.items())])
        yield label, lambda name=name, settings=settings: problems.make(name, **settings)  # type: ignore[misc]
    for kinds, make in ((KINDS, manufactured), (CUT_KINDS, cut_manufactured)):
        for kind in kinds:
            for seed in range(random):
                yield f"{kind} {seed}", partial(make, kind, seed)


@dataclass(frozen=True)
class Summary:
    """How many rows there are, and the share within a factor of 3.

    Attributes
    ----------
    low, under, high
        How many lie below by more than 10, below by more than 3, and above by more than 10.
    """

    count: int
    close: float
    low: int
    under: int = 0
    high: int = 0


def summary(rows: Sequence[Row]) -> Summary:
    """See :class:`Summary`.

    Examples
    --------
    >>> summary([Row("a", 2, (8,), 1e-3, 2e-3), Row("a", 3, (16,), 1e-3, 1e-5)])
    Summary(count=2, close=0.5, low=1, under=1, high=0)
    """
    close = sum(1 / 3 <= r.ratio <= 3 for r in rows)
    low, under, high = (
        sum(r.ratio < 0.1 for r in rows),
        sum(r.ratio < 1 / 3 for r in rows),
        sum(r.ratio > 10 for r in rows),
    )
    return Summary(len(rows), close / max(1, len(rows)), low, under, high)


def to_markdown(rows: Iterable[Row]) -> str:
    """A line for every problem: by level the true error, and the estimate over it."""
    by_problem: dict[str, list[Row]] = {}
    for row in rows:
        by_problem.setdefault(row.problem, []).append(row)
    lines = ["| problem | true error on the levels from the second on (estimate / truth) |", "|---|---|"]
    for name, own in by_problem.items():
        cells = []
        for r in own:
            mark = "**" if not 1 / 3 <= r.ratio <= 3 else ""
            cells.append(f"{r.truth:.1e} ({mark}{r.ratio:.2g}{mark})")
        lines.append(f"| {name} | {', '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="about the time of the last level of a problem")
    parser.add_argument("--random", type=int, default=3, help="random problems of every kind")
    parser.add_argument("--only", default="", help="names that contain this")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    for name, make in cases(options.seconds, options.random):
        if options.only in name:
            rows += rows_of(name, make(), options.seconds)
            logger.info("%s: %s", name, summary(rows))
    found = summary(rows)
    sys.stdout.write(
        f"{found.count} rows: {found.close:.1%} within a factor of 3, {found.under} below by more than 3, {found.low} by more "
        f"than 10, {found.high} above by more than 10; {machine()}\n\n" + to_markdown(rows) + "\n"
    )


if __name__ == "__main__":
    main()
