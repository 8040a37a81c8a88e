"""One march through an evolution problem: the method that takes its steps, and the field of what it found."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import GridField, basis_for
from hermite_pinn.geometry import Domain
from hermite_pinn.methods.systems.rough_terms import is_averaged
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.run.monitor import Monitor, StopRun
from hermite_pinn.run.progress_text import spelled_time
from hermite_pinn.run.status import Status

from .line_choice import LINES, line_of, lines_of
from .line_field import line_field
from .line_implicit import ImplicitLines
from .line_march import LineMarch, StiffError
from .march import March
from .march_field import FEWEST, shown_field
from .march_plan import MarchPlan, Past
from .march_states import Course
from .march_time import Pace, TooLongError
from .stage import SIZE_POINTS, Discretization
from .step_choice import steps_fit
from .stepping import LARGEST, Stepping
from .time_slabs import time_orders

__all__ = ["MarchRun"]

logger = logging.getLogger(__name__)

BETWEEN = 0.5  # of the tolerance, that cubics between states may miss
LOST = 0.25  # of the tolerance of a march along one axis, for what its field loses of it
LONGEST = 0.25  # step of a march of high order with fitted steps, as a part of all times
AVERAGED = 2  # order where coefficients jump within cells


class MarchRun:
    """Runs marches of a problem, all by the same method unless the first finds that another one serves better.

    Parameters
    ----------
    problem
        On one period.
    grid
        Its discretisation.
    monitor
        Of the run.
    tol
        That is asked for.

    Attributes
    ----------
    along
        The equations of steps along one axis of space, or None.
    equations
        Those of the method of lines, or None.
    partial
        The march under way.
    """

    def __init__(self, problem: Problem, grid: Discretization, monitor: Monitor, tol: float) -> None:
        self.problem, self.grid, self.monitor, self.tol = problem, grid, monitor, tol
        self.along = line_of(problem, grid.basis)
        self.equations = lines_of(problem, grid.basis) if tol >= LINES and self.along is None else None
        self.partial: Course | None = None

    @property
    def by_lines(self) -> bool:
        """Whether marches are by the method of lines."""
        return self.equations is not None

    @property
    def order(self) -> int:
        """Power of the cells and steps that the error falls with: two where what jumps is averaged over cells."""
        return AVERAGED if self._averaged else 2 * BASES[self.grid.basis].coefficients

    @cached_property
    def _averaged(self) -> bool:
        equations = [t for t in self.problem.terms if t.region.is_interior]
        return any(is_averaged(self.problem, compile_term(self.problem, t)) for t in equations)

    @property
    def longest(self) -> float:
        """Step of the first march at most, as a part of all times: longer where steps are of high order and dear."""
        fitted = min(time_orders(self.problem).values()) == 0
        return LONGEST if fitted and BASES[self.grid.basis].coefficients > 2 else LARGEST

    def take(self, plan: MarchPlan, earlier: Sequence[March], too_long: Callable[[float], bool]) -> March:
        """A march that came to its end; its states are given up, as its field tells all of them.

        Parameters
        ----------
        plan
            Of the march.
        earlier
            Marches before.
        too_long
            Told the seconds until the end that are expected.

        Raises
        ------
        TooLongError
            If ``too_long`` says so.
        StopRun
            If it does not come to its end.
        """
        began = self.monitor.clock()
        course = self._course(plan, earlier, self._progress(plan.tol, too_long))
        found, lost = self._field(plan, course, earlier)
        local = math.hypot(course.space_error, course.time_error, lost) * self._excess(found)
        self.partial = None
        errors = course.space_errors, course.time_error
        said = Past(plan.tol, course.cells, *errors, min(self.longest, course.longest), 0.0)
        course.records.clear()
        return March(plan.tol, found, course.cells, said, course, None, local, None, self.monitor.clock() - began)

    def _excess(self, found: GridField) -> float:
        """Size of what is known beside the fields of a march against the sum, where it is larger."""
        if self.grid.known is None:
            return 1.0
        x = self.problem.domain.interior.quasi_random(SIZE_POINTS, 0).x.to(torch.float64)
        sums = found.evaluate(x, Channels.value(len(x)))[:, 0].square().mean(1).sqrt()
        known = self.grid.known_sizes()
        return max(1.0, float(torch.where(known > 0, known / sums, 0.0).max()))

    def _field(self, plan: MarchPlan, course: Course, earlier: Sequence[March]) -> tuple[GridField, float]:
        """The field of a march, and what it loses of it."""
        if self.along is not None:
            return line_field(self.grid, course, LOST * plan.tol)
        return shown_field(self.grid, course, 0.25 * self._shown_tol(plan), self._fewest(plan, earlier))

    def _course(self, plan: MarchPlan, earlier: Sequence[March], tell: Callable[[float], None]) -> Course:
        """A march by the method of lines where that serves, or with implicit steps."""
        finest = all(plan.tol < m.tol for m in earlier)  # others may want to look at it
        shown = self.monitor.advanced if finest else _unseen
        options = plan.cells, plan.tol, tell, self.monitor.check_time, plan.largest, shown
        if self.along is not None:
            line = ImplicitLines(self.grid, *options, equations=self.along, below=plan.below)
            self.partial = line.course
            return line.run()
        if self.equations is not None:
            between = BETWEEN * self._shown_tol(plan)
            lines = LineMarch(self.grid, *options, equations=self.equations, between=between, below=plan.below)
            self.partial = lines.course
            try:
                return lines.run()
            except StiffError as stiff:
                self._take_implicit_steps(str(stiff), earlier)
        stepping = Stepping(self.grid, *options, plan.below, plan.steps)
        self.partial = stepping.course
        return stepping.run()

    def _shown_tol(self, plan: MarchPlan) -> float:
        """What the field of a march may lose in time: states between short steps cost memory only."""
        return min(plan.tol, self.tol) if self.by_lines else plan.tol

    def _fewest(self, plan: MarchPlan, earlier: Sequence[March]) -> int:
        """Cells in time of the field of a march: twice those of the one before, fewer in a coarser one."""
        if not earlier:
            return 2 * FEWEST
        axis = self.problem.domain.time_axis
        assert axis is not None
        known = earlier[-1].field.layout.resolutions[-1][axis]
        return 2 * known if plan.tol < earlier[-1].tol else max(FEWEST, known // 2)

    def _take_implicit_steps(self, why: str, earlier: Sequence[March]) -> None:
        """Leave the method of lines.

        Raises
        ------
        StopRun
            If implicit steps do not serve, or a march by the method of lines has come to its end before.
        """
        basis = self.grid.basis
        names = [n for n in (basis, basis_for(self.problem.order)) if steps_fit(self.problem, n)]
        if earlier or not names:
            raise StopRun(Status.STALLED, f"the method of lines needs {why}, and implicit steps do not serve")
        logger.info("the method of lines needs %s; implicit steps are taken", why)
        self.leave_lines(names[0])

    def leave_lines(self, basis: str) -> None:
        """Take implicit steps on a basis from here on."""
        self.equations, self.grid = None, replace(self.grid, basis=basis)

    def _progress(self, tol: float, too_long: Callable[[float], bool]) -> Callable[[float], None]:
        axis = self.problem.domain.time_axis
        assert axis is not None
        lower, length = self.problem.domain.lower[axis], self.problem.domain.lengths[axis]
        pace = Pace(self.monitor.clock)

        def tell(time: float) -> None:
            done = (time - lower) / length
            left = pace.left(done)
            course = self.partial
            cells = "" if course is None else f", {'x'.join(map(str, course.cells))} cells"
            ends = "" if left is None else f", {spelled_time(left)} to the end of this march"
            self.monitor.progress.update(done, f"steps to {tol:.0e}: t={time:.4g}{cells}{ends}", None)
            self.monitor.check_time()
            if left is not None and too_long(left):
                raise TooLongError

        return tell


def _unseen(domain: Domain, field: Callable[[], GridField]) -> None:
    """Steps that nobody looks at."""
