"""An evolution problem, marched through again and again with smaller tolerances until the estimated error is met."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.field.field import GridField, linear_field
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.residuals.scales import row_scales, source_norms
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

from .march_field import change_between, march_field, time_cells
from .stage import Discretization
from .stepping import Course, Stepping

__all__ = ["Evolution"]

logger = logging.getLogger(__name__)

FIRST = 0.1  # tolerance of the first march
CELLS = 8  # of its start, along every axis of space
LEAST = 1.5  # rate of convergence that is assumed at least
UNKNOWN = 2.0  # rate where there was one change only
UNRESOLVED = 0.5  # change of a field above which a march had nothing to do with the one before
STAGNANT = 0.9
FAINT = 0.02  # part of the tolerance that cells along an axis may miss without being halved
GROWN = 1.5  # times how much longer than the one before a march took: how much longer the next one will
HASTE = 0.6  # of the time that a march is expected to take: it is not begun with less left


@dataclass
class _March:
    """A march that came to its end.

    Attributes
    ----------
    tol
        Of its steps and cells.
    field
        What it found.
    course
        How; None for one of a checkpoint.
    cells
        Along the axes of space at its end.
    change
        From the march before, the largest of all fields; None for the first.
    local
        What steps and cells say that they miss.
    error
        Estimate of the relative error, or None.
    seconds
        That it took.
    """

    tol: float
    field: GridField
    cells: tuple[int, ...]
    course: Course | None = None
    change: float | None = None
    local: float = 0.0
    error: float | None = None
    seconds: float = 0.0


@dataclass
class _State:
    """Where a run stands.

    Attributes
    ----------
    marches
        Those that came to their end; only the last one has its states.
    partial
        The march under way.
    """

    marches: list[_March] = field(default_factory=list)
    partial: Course | None = None


class Evolution:
    """One run of :class:`GaussNewton` on an evolution problem in a box, step after step in time.

    The first march is coarse.  Every further one has cells in space of half the size, at least, and a tolerance for its
    steps that is smaller by the order of the basis, so that the change from march to march tells the error of all that
    happened in the time until then, by growth and by drift too.

    Parameters
    ----------
    task
        What to solve.
    basis
        Of the grid.
    """

    def __init__(self, task: Task, basis: str) -> None:
        self.task, self.problem, self.monitor, self.basis = task, task.problem, task.monitor, basis
        self.tol = 1e-6 if task.tol is None else task.tol
        self.norms = source_norms(self.problem)
        scales = row_scales(self.problem, self.norms)
        self.grid = Discretization(self.problem, basis, None, torch.float64, task.device, scales)
        self.state = _State()

    @property
    def factor(self) -> float:
        """By how much half the cells and steps lower the error of a smooth solution."""
        return 4.0 ** BASES[self.basis].coefficients

    def outcome(self) -> Outcome:
        """Solve, and say how it ended."""
        return run_to_end(
            self._marches,
            self._outcome,
            interrupted=lambda: f"{cause()}; this is the best state so far",
            usable=lambda: bool(self.state.marches),
            monitor=self.monitor,
        )

    # -- the marches ---
    def _marches(self) -> Ending:
        """March after march until one is the last."""
        if self.task.saved is not None:
            self._restore(Entry.of(self.task.saved, "the checkpoint"))
        while True:
            ending = self._verdict()
            if ending is not None:
                return ending
            self._march()

    def _march(self) -> None:
        marches = self.state.marches
        tol, cells = FIRST, (CELLS,) * len(self.problem.domain.space_axes)
        if marches:
            tol, cells = marches[-1].tol / self.factor, tuple(2 * n for n in marches[-1].cells)
            expected = marches[-1].seconds * 2.0**self.problem.domain.dim
            self.monitor.require(expected, f"the next march ({'x'.join(map(str, cells))} cells in space)", HASTE)
        began = self.monitor.clock()
        stepping = Stepping(self.grid, cells, tol, self._progress(tol), self.monitor.check_time)
        self.state.partial = stepping.course
        course = stepping.run()
        count, lost = time_cells(self.grid, course, 0.25 * tol)
        found = march_field(self.grid, course, count)
        local = math.hypot(course.space_error, course.time_error, lost)
        march = _March(tol, found, course.cells, course, None, local, None, self.monitor.clock() - began)
        if marches:
            domain = self.problem.domain
            march.change = max(change_between(marches[-1].field, found, domain.lower, domain.upper))
            march.error = self._estimate(march, marches)
        self.state.partial = None
        marches.append(march)
        self._record(march)
        self.task.save(self._saved, True)

    def _finer(self, last: _March) -> tuple[float, tuple[int, ...]]:
        """The tolerance of the next march, and its first cells: halved where they miss anything to speak of."""
        tol, course = last.tol / self.factor, last.course
        known = course.space_errors if course is not None and course.space_errors else (math.inf,) * len(last.cells)
        return tol, tuple(2 * n if e > FAINT * tol else n for n, e in zip(last.cells, known, strict=True))

    def _expected(self, marches: list[_March]) -> float:
        """Seconds of the next march: as many times more as the last one took, or half the cells and steps would."""
        last, most = marches[-1].seconds, 2.0**self.problem.domain.dim
        before = marches[-2].seconds if len(marches) > 1 else 0.0
        return last * (min(most, max(2.0, GROWN * last / before)) if before > 0 else most)

    def _estimate(self, march: _March, earlier: list[_March]) -> float:
        """The error that the change from march to march tells of, and at least what the march says of itself.

        The change of a march is the error of the one before; its own is smaller by the rate at which changes fell, or
        by two where there was no other, and by what the order of the basis allows at most.
        """
        assert march.change is not None
        before, rate = earlier[-1].change, UNKNOWN
        if before is not None and march.change > 0:
            rate = min(max(LEAST, before / march.change), self.factor)
        if before is not None and before > UNRESOLVED:
            rate = min(rate, UNKNOWN)
        return max(march.change / (rate - 1.0), march.local)

    def _verdict(self) -> Ending | None:
        marches = self.state.marches
        if not marches or marches[-1].error is None:
            return None
        error = marches[-1].error
        if error <= self.tol:
            return Ending(Status.CONVERGED, f"estimated relative error {error:.1e} <= {self.tol:g}")
        known = [m.error for m in marches if m.error is not None]
        if len(known) > 2 and known[-1] < 1e-6 and min(known[-2:]) > STAGNANT * known[-3]:
            return Ending(
                Status.STALLED,
                f"two marches with smaller steps did not lower the estimated relative error {error:.1e} (tol={self.tol:g})",
            )
        return None

    # -- what it tells ---
    def _progress(self, tol: float) -> Callable[[float], None]:
        axis = self.problem.domain.time_axis
        assert axis is not None
        lower, length = self.problem.domain.lower[axis], self.problem.domain.lengths[axis]
        began = self.monitor.clock()

        def tell(time: float) -> None:
            done = (time - lower) / length
            left = (self.monitor.clock() - began) * (1.0 - done) / done if done > 0 else None
            course = self.state.partial
            cells = "" if course is None else f", {'x'.join(map(str, course.cells))} cells"
            self.monitor.progress.update(done, f"steps to {tol:.0e}: t={time:.4g}{cells}", left)
            self.monitor.check_time()

        return tell

    def _record(self, march: _March) -> None:
        course = march.course
        assert course is not None
        self.monitor.record(
            loss=march.local**2,
            terms={},
            level=len(self.state.marches),
            unknowns=march.field.parameter_count,
            field=lambda: march.field,
            error=march.error,
            inner=course.inner,
            slabs=course.steps,
        )

    def _outcome(self, ending: Ending) -> Outcome:
        marches, partial = self.state.marches, self.state.partial
        message, status = ending.message, ending.status
        if marches:
            best = marches[-1]
            found, error = best.field, best.error
            if error is None:
                message += "; nothing is known of the error: an estimate takes two marches"
        else:
            found, reached = self._begun(partial)
            error = None
            message += f"; the first march came to t={reached:.4g} only, and what follows is its last state"
        stats: dict[str, Any] = {
            "resolution": found.layout.resolutions[-1],
            "marches": [self._told(m) for m in marches],
            "residual_scales": dict(zip(self.problem.residuals, self.norms, strict=True)),
        }
        return Outcome(found, {}, status, message, None if status is Status.DIVERGED else error, stats, bool(marches))

    def _told(self, march: _March) -> dict[str, Any]:
        """A march in the statistics."""
        told: dict[str, Any] = {"tol": march.tol, "cells": march.cells, "change": march.change, "error": march.error}
        if march.course is not None:
            c = march.course
            told |= {"steps": c.steps, "refused": c.refused, "newton": c.newton, "inner": c.inner}
        return told | {"seconds": march.seconds}

    def _begun(self, course: Course | None) -> tuple[GridField, float]:
        """The field of a march that did not come to its end, and the time that it reached."""
        axis = self.problem.domain.time_axis
        assert axis is not None
        if course is not None and course.records:
            count, _ = time_cells(self.grid, course, FIRST)
            return march_field(self.grid, course, count), course.records[-1].time
        cells = [CELLS] * self.problem.domain.dim
        pyramid = self.grid.pyramid([tuple(cells)])
        system = self.grid.system([tuple(cells)])
        vector = system.impose(torch.zeros(pyramid.size, dtype=self.grid.dtype, device=self.grid.device))
        return system.at(vector), self.problem.domain.lower[axis]

    # -- checkpoints ---
    def _saved(self) -> dict[str, Any]:
        marches = self.state.marches
        return {
            "marches": [
                {
                    "tol": m.tol,
                    "cells": list(m.cells),
                    "change": m.change,
                    "local": m.local,
                    "error": m.error,
                    "seconds": m.seconds,
                }
                for m in marches
            ],
            "time_cells": marches[-1].field.layout.resolutions[-1][self.problem.domain.time_axis or 0],
            "vector": marches[-1].field.level_coefficients(0).reshape(-1),
        }

    def _restore(self, saved: Entry) -> None:
        """Take over the marches of a checkpoint."""
        with intact(saved.source):
            space = len(self.problem.domain.space_axes)
            axis = self.problem.domain.time_axis
            assert axis is not None
            rows = saved.at("marches").items()
            if not rows:
                raise saved.at("marches").refuse("one march at least")
            resolution = [n.integer(1) for n in rows[-1].at("cells").items(space)]
            resolution.insert(axis, saved.at("time_cells").integer(1))
            pyramid = self.grid.pyramid([tuple(resolution)])
            vector = saved.at("vector").tensor((pyramid.size,)).to(self.grid.device, self.grid.dtype)
            found = linear_field(
                self.problem.domain,
                self.problem.fields,
                self.problem.periodic,
                self.basis,
                pyramid.resolutions,
                [vector.view(pyramid.shapes[0])],
            )
            self.state.marches = [_restored(row, found, space) for row in rows]


def _restored(row: Entry, found: GridField, space: int) -> _March:
    """A march of a checkpoint."""

    def known(key: str) -> float | None:
        return None if row.at(key).value is None else row.at(key).number(0.0)

    cells = tuple(n.integer(1) for n in row.at("cells").items(space))
    local, seconds = row.at("local").number(0.0), row.at("seconds").number(0.0)
    return _March(row.at("tol").number(0.0), found, cells, None, known("change"), local, known("error"), seconds)
