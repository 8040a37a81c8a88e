"""An evolution problem, marched through again and again with smaller tolerances until the estimated error is met."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from hermite_pinn.field.singular_part import SingularPart
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.scales import row_scales, source_norms
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry

from .line_choice import line_of
from .march import LEAST, March, estimated_error
from .march_checkpoint import restored_marches, saved_marches
from .march_field import begun_field, change_between
from .march_plan import MarchPlan, Past, coarser_plans, finer_plan, finest_that_fits
from .march_run import MarchRun
from .march_time import TooLongError, begins_slowly, never, unlikely
from .periods import one_period, periods
from .stage import Discretization
from .start_layers import beside_layers

__all__ = ["Evolution"]

logger = logging.getLogger(__name__)

FIRST = 0.1  # tolerance of the first march
CELLS = 8  # of its start, along every axis of space
STAGNANT = 0.9
LOOSE = 0.4  # tolerance of a first march that would take too long otherwise
DROP = 16.0  # of the tolerance from march to march, at most
LINE_LEAST = 1e-10  # tolerance of a first march along one axis, which rounding allows
ENOUGH = 0.2  # of the tolerance that is asked for: what a march has to meet at most
SHORT = "the time left is too short for a finer march, and no coarser one came to its end"
HASTE = 0.6  # of the time that a march is expected to take: it is not begun with less left


def _marched_problem(problem: Problem, basis: str) -> tuple[Problem, SingularPart | None]:
    """What is marched through, and what is known beside it: layers at the start, along one axis of space."""
    rest, known = beside_layers(problem)
    return (rest, known) if line_of(rest, basis) is not None else (problem, None)


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
        self.task, self.monitor = task, task.monitor
        self.problem, known = _marched_problem(one_period(task.problem, self.repeats), basis)
        self.tol = 1e-6 if task.tol is None else task.tol
        self.norms = source_norms(self.problem)
        scales = row_scales(self.problem, self.norms)
        grid = Discretization(self.problem, basis, None, torch.float64, task.device, scales, known=known)
        self.run = MarchRun(self.problem, grid, self.monitor, self.tol)
        self.marches: list[March] = []  # those that came to their end; only the last one has a field of its own

    def outcome(self) -> Outcome:
        """Solve, and say how it ended."""
        return run_to_end(
            self._marches,
            self._outcome,
            interrupted=lambda: f"{cause()}; this is the best state so far",
            usable=lambda: bool(self.marches),
            monitor=self.monitor,
        )

    # -- the marches ---
    def _marches(self) -> Ending:
        """March after march until one is the last."""
        if self.task.saved is not None:
            self.marches = restored_marches(self.run, Entry.of(self.task.saved, "the checkpoint"))
        while True:
            ending = self._verdict()
            if ending is not None:
                return ending
            self._march()

    def _march(self) -> None:
        """The first march, a finer one, or a coarser one where only one is known and no finer one can end in time."""
        if not self.marches:
            self._first()
        elif len(self.marches) > 1:
            plan = self._wanted(finer_plan(self._past(), self._ratio, self.run.order))
            what = f"the next march ({'x'.join(map(str, plan.cells))} cells in space)"
            self.monitor.require(plan.seconds, what, HASTE)
            self._append(self._taken(plan, never))
        elif not self._refined():
            self._compare()

    def _refined(self) -> bool:
        """A finer march than the only one; False where it would leave no time for a coarser one, or is not possible."""
        past, left = self._past(), self.monitor.left
        spared = coarser_plans(past, self.run.order, 0.0)[0].seconds
        fits = self._fitting(past, None if left is None else left - spared)
        if fits is None:
            return False
        plan = self._wanted(fits)
        try:
            march = self._taken(plan, unlikely(self.monitor, plan, spared, lambda: self.run.partial))
        except TooLongError:
            logger.info("a finer march would not end in time; a coarser one tells the error")
            return False
        except StopRun as stop:
            if stop.status not in (Status.STALLED, Status.MAX_SIZE):
                raise
            logger.info("a finer march is not possible (%s); a coarser one tells the error", stop.message)
            return False
        self._append(march)
        return True

    def _fitting(self, past: Past, left: float | None) -> MarchPlan | None:
        """The finer march that is expected to end in the time left."""
        if self.run.along is None:
            return finest_that_fits(past, self.run.order, left)
        plan = finer_plan(past, self._ratio, self.run.order)
        return plan if left is None or plan.seconds <= left else None

    def _wanted(self, plan: MarchPlan) -> MarchPlan:
        """A plan for the method of lines: its tolerance is not far below the last one, nor below what is asked for.

        High orders would go there in one march, whose steps would be many times those that its cells deserve.
        """
        past = self.marches[-1].tol
        if self.run.along is not None:
            return replace(plan, tol=past / DROP)
        least = max(ENOUGH * self.tol, past / DROP)
        return replace(plan, tol=min(max(plan.tol, least), past / LEAST)) if self.run.by_lines else plan

    def _first(self) -> None:
        """The first march, begun anew, coarser, where it would leave no time for another one, which tells its error."""
        cells = (CELLS,) * len(self.problem.domain.space_axes)
        tol = FIRST if self.run.along is None else max(ENOUGH * self.tol, LINE_LEAST)
        longest = self.run.longest
        plans = [
            MarchPlan(tol, cells, longest, 0.0),
            MarchPlan(LOOSE, cells, longest, 0.0, steps=max(tol, FIRST)),  # cells cost more than steps
            MarchPlan(LOOSE, cells, longest, 0.0, below=tuple(2 * n for n in cells)),
        ]
        for k, plan in enumerate(plans, 1):
            too_long = begins_slowly(self.monitor) if k < len(plans) else never
            try:
                march = self._taken(plan, too_long)
            except TooLongError:
                logger.info("the first march would take most of the time; it begins anew with a larger tolerance")
            else:
                self._append(march)
                return

    def _taken(self, plan: MarchPlan, too_long: Callable[[float], bool]) -> March:
        return self.run.take(plan, self.marches, too_long)

    def _append(self, march: March) -> None:
        """Take a march as the best one."""
        marches = self.marches
        if marches:
            march.change = self._change(marches[-1], march)
            march.error = estimated_error(march, marches, self.run.order)
        for earlier in marches:
            earlier.field = march.field  # fields over all times are large
        marches.append(march)
        self._record(march)
        self.task.save(self._saved, True)

    def _compare(self) -> None:
        """March once more, coarser, and put this march before the only one, whose error the change between them tells.

        Raises
        ------
        StopRun
            If no coarser march comes to its end.
        """
        (march,) = self.marches
        plans = coarser_plans(self._past(), self.run.order, self.monitor.left)
        why = ""
        for k, plan in enumerate(plans, 1):
            try:
                coarser = self._taken(plan, begins_slowly(self.monitor, 0.0) if k < len(plans) else never)
            except TooLongError:
                continue
            except StopRun as stop:
                if stop.status not in (Status.STALLED, Status.MAX_SIZE):
                    raise
                why = f" ({stop.message})"
                continue
            if coarser.cells == march.cells:
                break
            march.change = self._change(coarser, march)
            march.error = estimated_error(march, [coarser], self.run.order)
            coarser.field = march.field
            self.marches.insert(0, coarser)
            self._record(march)
            self.task.save(self._saved, True)
            return
        raise StopRun(Status.MAX_TIME, f"{SHORT}{why}")

    def _change(self, before: March, after: March) -> float:
        domain = self.problem.domain
        return max(change_between(before.field, after.field, domain.lower, domain.upper))

    @property
    def _ratio(self) -> float:
        """Of the cells of a finer march to those before: half as many more are enough where the order is high."""
        return 1.5 if self.run.order > 4 else 2.0

    def _past(self) -> Past:
        """What the last march says of the next one."""
        last = self.marches[-1]
        if self.run.along is not None:  # all cells are others in the next march, so that the change tells of all
            return replace(last.said, seconds=last.seconds, space_errors=(), time_error=None)
        return replace(last.said, seconds=last.seconds)

    def _verdict(self) -> Ending | None:
        marches = self.marches
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
    def _record(self, march: March) -> None:
        course = march.course
        assert course is not None
        self.monitor.record(
            loss=march.local**2,
            terms={},
            level=len(self.marches),
            unknowns=march.field.parameter_count,
            field=lambda: march.field,
            error=march.error,
            inner=course.inner,
            slabs=course.steps,
        )

    def _outcome(self, ending: Ending) -> Outcome:
        marches, partial = self.marches, self.run.partial
        message, status = ending.message, ending.status
        if marches:
            best = marches[-1]
            found, error = best.field, best.error
            if error is None:
                message += "; nothing is known of the error: an estimate takes two marches"
        else:
            found, reached = begun_field(self.run.grid, partial, FIRST, CELLS)
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

    def _saved(self) -> dict[str, Any]:
        return saved_marches(self.run, self.marches)
