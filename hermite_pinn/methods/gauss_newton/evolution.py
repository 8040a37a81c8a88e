"""An evolution problem, marched through again and again with smaller tolerances until the estimated error is met."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.field.field import GridField, basis_for, linear_field
from hermite_pinn.geometry import Domain
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.methods.systems.rough_terms import is_averaged
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.residuals.scales import row_scales, source_norms
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

from .line_choice import LINES, line_of, lines_of
from .line_field import line_field
from .line_implicit import ImplicitLines
from .line_march import LineMarch, StiffError
from .march import LEAST, March, estimated_error
from .march_field import FEWEST, begun_field, change_between, march_field, time_cells
from .march_plan import MarchPlan, Past, coarser_plan, finer_plan, finest_that_fits
from .march_time import begins_slowly, unlikely
from .periods import one_period, periods
from .stage import Discretization
from .step_choice import steps_fit
from .stepping import LARGEST, Course, Stepping
from .time_slabs import time_orders

__all__ = ["Evolution"]

logger = logging.getLogger(__name__)

FIRST = 0.1  # tolerance of the first march
CELLS = 8  # of its start, along every axis of space
STAGNANT = 0.9
LOOSE = 0.4  # tolerance of a first march that would take too long otherwise
BETWEEN = 0.5  # of the tolerance, that cubics between states may miss
DROP = 16.0  # of the tolerance from march to march, at most
LINE_LEAST = 1e-10  # tolerance of a first march along one axis, which rounding allows
LOST = 0.25  # of the tolerance of a march along one axis, for what its field loses of it
ENOUGH = 0.2  # of the tolerance that is asked for: what a march has to meet at most
SHORT = "the time left is too short for a finer march, and coarser cells do not hold the solution"
LONGEST = 0.25  # step of a march of high order with fitted steps, as a part of all times
AVERAGED = 2  # order where coefficients jump within cells
HASTE = 0.6  # of the time that a march is expected to take: it is not begun with less left


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

    marches: list[March] = field(default_factory=list)
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
        self.repeats = periods(task.problem)
        self.task, self.problem, self.monitor, self.basis = (
            task,
            one_period(task.problem, self.repeats),
            task.monitor,
            basis,
        )
        self.tol = 1e-6 if task.tol is None else task.tol
        self.norms = source_norms(self.problem)
        scales = row_scales(self.problem, self.norms)
        self.grid = Discretization(self.problem, basis, None, torch.float64, task.device, scales)
        self.state = _State()
        self.along = line_of(self.problem, basis)
        self.equations = lines_of(self.problem, basis) if self.tol >= LINES and self.along is None else None

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
        """The first march, a finer one, or a coarser one where only one is known and no finer one can end in time."""
        marches = self.state.marches
        if not marches:
            self._first()
            return
        past, left = self._past(), self.monitor.left
        alone = len(marches) == 1
        spared = coarser_plan(past, self.order, 0.0).seconds if alone else 0.0
        if alone:
            fits = self._fitting(past, None if left is None else left - spared)
            plan = None if fits is None else self._wanted(fits)
        else:
            plan = self._wanted(finer_plan(past, self._ratio, self.order))
            what = f"the next march ({'x'.join(map(str, plan.cells))} cells in space)"
            self.monitor.require(plan.seconds, what, HASTE)
        if plan is not None:
            try:
                march = self._taken(
                    plan, unlikely(self.monitor, plan, spared, lambda: self.state.partial) if alone else _never
                )
            except _TooLongError:
                logger.info("a finer march would not end in time; a coarser one tells the error")
            except StopRun as stop:
                if not alone or self.along is None or stop.status not in (Status.STALLED, Status.MAX_SIZE):
                    raise
                logger.info("a finer march is not possible (%s); a coarser one tells the error", stop.message)
            else:
                self._append(march)
                return
        self._compare(coarser_plan(past, self.order, self.monitor.left))

    def _fitting(self, past: Past, left: float | None) -> MarchPlan | None:
        """The finer march that is expected to end in the time left."""
        if self.along is None:
            return finest_that_fits(past, self.order, left)
        plan = finer_plan(past, self._ratio, self.order)
        return plan if left is None or plan.seconds <= left else None

    def _wanted(self, plan: MarchPlan) -> MarchPlan:
        """A plan for the method of lines: its tolerance is not far below the last one, nor below what is asked for.

        High orders would go there in one march, whose steps would be many times those that its cells deserve.
        """
        past = self.state.marches[-1].tol
        if self.along is not None:
            return replace(plan, tol=past / DROP)
        least = max(ENOUGH * self.tol, past / DROP)
        return replace(plan, tol=min(max(plan.tol, least), past / LEAST)) if self.equations is not None else plan

    def _first(self) -> None:
        """The first march, begun anew with a larger tolerance where it would take most of the time."""
        cells = (CELLS,) * len(self.problem.domain.space_axes)
        tol = FIRST if self.along is None else max(ENOUGH * self.tol, LINE_LEAST)
        try:
            march = self._taken(
                MarchPlan(tol, cells, self._longest, 0.0), lambda expected: begins_slowly(self.monitor, expected)
            )
        except _TooLongError:
            logger.info("the first march would take most of the time; it begins anew with a larger tolerance")
            march = self._taken(MarchPlan(LOOSE, cells, self._longest, 0.0), _never)
        self._append(march)

    @property
    def _longest(self) -> float:
        """Step of the first march at most, as a part of all times: longer where steps are of high order and dear."""
        fitted = min(time_orders(self.problem).values()) == 0
        return LONGEST if fitted and BASES[self.basis].coefficients > 2 else LARGEST

    def _taken(self, plan: MarchPlan, too_long: Callable[[float], bool]) -> March:
        """A march that came to its end.

        Raises
        ------
        _TooLongError
            If ``too_long``, told the seconds until the end that are expected, says so.
        """
        began = self.monitor.clock()
        tell = self._progress(plan.tol, too_long)
        course = self._course(plan, tell)
        if self.along is not None:
            found, lost = line_field(self.grid, course, LOST * plan.tol)
            return self._made(plan, course, found, lost, self.monitor.clock() - began)
        count, lost = time_cells(self.grid, course, 0.25 * self._shown_tol(plan), self._fewest(plan))
        found = march_field(self.grid, course, count)
        return self._made(plan, course, found, lost, self.monitor.clock() - began)

    def _made(self, plan: MarchPlan, course: Course, found: GridField, lost: float, seconds: float) -> March:
        local = math.hypot(course.space_error, course.time_error, lost)
        self.state.partial = None
        errors = course.space_errors, course.time_error
        said = Past(plan.tol, course.cells, *errors, min(self._longest, course.longest), 0.0)
        return March(plan.tol, found, course.cells, said, course, None, local, None, seconds)

    def _course(self, plan: MarchPlan, tell: Callable[[float], None]) -> Course:
        """A march by the method of lines where that serves, or with implicit steps."""
        shown = self.monitor.advanced if self._finest(plan) else _unseen
        options = plan.cells, plan.tol, tell, self.monitor.check_time, plan.largest, shown
        if self.along is not None:
            line = ImplicitLines(self.grid, *options, equations=self.along)
            self.state.partial = line.course
            return line.run()
        if self.equations is not None:
            lines = LineMarch(self.grid, *options, equations=self.equations, between=BETWEEN * self._shown_tol(plan))
            self.state.partial = lines.course
            try:
                return lines.run()
            except StiffError as stiff:
                self._take_implicit_steps(str(stiff))
        stepping = Stepping(self.grid, *options)
        self.state.partial = stepping.course
        return stepping.run()

    def _shown_tol(self, plan: MarchPlan) -> float:
        """What the field of a march may lose in time: states between short steps cost memory only."""
        return plan.tol if self.equations is None else min(plan.tol, self.tol)

    def _take_implicit_steps(self, why: str) -> None:
        """Leave the method of lines.

        Raises
        ------
        StopRun
            If implicit steps do not serve, or a march by the method of lines has come to its end before.
        """
        names = [n for n in (self.basis, basis_for(self.problem.order)) if steps_fit(self.problem, n)]
        if self.state.marches or not names:
            raise StopRun(Status.STALLED, f"the method of lines needs {why}, and implicit steps do not serve")
        logger.info("the method of lines needs %s; implicit steps are taken", why)
        self.equations, self.basis = None, names[0]
        self.grid = replace(self.grid, basis=self.basis)

    def _finest(self, plan: MarchPlan) -> bool:
        """Whether a march is finer than all before it, so that others may want to look at it."""
        return all(plan.tol < m.tol for m in self.state.marches)

    def _fewest(self, plan: MarchPlan) -> int:
        """Cells in time of the field of a march: twice those of the one before, fewer in a coarser one."""
        marches = self.state.marches
        if not marches:
            return 2 * FEWEST
        axis = self.problem.domain.time_axis
        assert axis is not None
        known = marches[-1].field.layout.resolutions[-1][axis]
        return 2 * known if plan.tol < marches[-1].tol else max(FEWEST, known // 2)

    def _append(self, march: March) -> None:
        """Take a march as the best one."""
        marches = self.state.marches
        if marches:
            march.change = self._change(marches[-1], march)
            march.error = estimated_error(march, marches, self.order)
        for earlier in marches:
            if earlier.course is not None:
                earlier.course.records.clear()
        marches.append(march)
        self._record(march)
        self.task.save(self._saved, True)

    def _compare(self, plan: MarchPlan) -> None:
        """March once more, coarser, and put this march before the only one, whose error the change between them tells.

        Raises
        ------
        StopRun
            If the coarser march needs as many cells, or does not come to its end.
        """
        (march,) = self.state.marches
        try:
            coarser = self._taken(plan, _never)
        except StopRun as stop:
            if stop.status is not Status.STALLED:
                raise
            raise StopRun(Status.MAX_TIME, f"{SHORT} ({stop.message})") from None
        pairs = list(zip(march.cells, coarser.cells, strict=True))
        if all(own <= other for own, other in pairs):  # it has taken more cells than it began with
            if march.cells == coarser.cells:
                raise StopRun(Status.MAX_TIME, SHORT)
            self._append(coarser)
            return
        if any(own < other for own, other in pairs):
            raise StopRun(Status.MAX_TIME, SHORT)
        march.change = self._change(coarser, march)
        march.error = estimated_error(march, [coarser], self.order)
        self.state.marches.insert(0, coarser)
        self._record(march)
        self.task.save(self._saved, True)

    def _change(self, before: March, after: March) -> float:
        domain = self.problem.domain
        return max(change_between(before.field, after.field, domain.lower, domain.upper))

    @property
    def _ratio(self) -> float:
        """Of the cells of a finer march to those before: half as many more are enough where the order is high."""
        return 1.5 if self.order > 4 else 2.0

    @property
    def order(self) -> int:
        """Power of the cells and steps that the error falls with: two where what jumps is averaged over cells."""
        return AVERAGED if self._averaged else 2 * BASES[self.basis].coefficients

    @cached_property
    def _averaged(self) -> bool:
        equations = [t for t in self.problem.terms if t.region.is_interior]
        return any(is_averaged(self.problem, compile_term(self.problem, t)) for t in equations)

    def _past(self) -> Past:
        """What the last march says of the next one."""
        last = self.state.marches[-1]
        if self.along is not None:  # all cells are others in the next march, so that the change tells of all
            return replace(last.said, seconds=last.seconds, space_errors=(), time_error=None)
        return replace(last.said, seconds=last.seconds)

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
    def _progress(self, tol: float, too_long: Callable[[float], bool]) -> Callable[[float], None]:
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
            if left is not None and too_long(left):
                raise _TooLongError

        return tell

    def _record(self, march: March) -> None:
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
            found, reached = begun_field(self.grid, partial, FIRST, CELLS)
            error = None
            message += f"; the first march came to t={reached:.4g} only, and what follows is its last state"
        stats: dict[str, Any] = {
            "resolution": found.layout.resolutions[-1],
            "marches": [m.told() for m in marches],
            "residual_scales": dict(zip(self.problem.residuals, self.norms, strict=True)),
        }
        if self.repeats:
            stats["periods"] = dict(self.repeats)
        return Outcome(found, {}, status, message, None if status is Status.DIVERGED else error, stats, bool(marches))

    # -- checkpoints ---
    def _saved(self) -> dict[str, Any]:
        marches = self.state.marches
        return {
            "marches": [m.saved() for m in marches],
            "basis": self.basis,
            "lines": self.equations is not None,
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
            basis, by_lines = saved.at("basis").text(BASES), saved.at("lines").flag()
            if not by_lines and self.equations is not None and steps_fit(self.problem, basis):
                self.equations, self.basis = None, basis  # the method of lines was left
                self.grid = replace(self.grid, basis=basis)
            elif basis != self.basis:
                raise saved.at("basis").refuse(f"{self.basis!r}, which this tolerance asks for")
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
            self.state.marches = [March.restored(row, found, space) for row in rows]


def _never(expected: float) -> bool:
    """A march that goes on whatever time it takes."""
    return False


def _unseen(domain: Domain, field: Callable[[], GridField]) -> None:
    """Steps that nobody looks at."""


class _TooLongError(Exception):
    """A march that would not come to its end in time; never leaves this module."""
