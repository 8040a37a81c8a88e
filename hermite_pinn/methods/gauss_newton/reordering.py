"""A change of the basis in the course of a nested iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermite_pinn.methods.base import Task
from hermite_pinn.methods.course import Ending
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.methods.systems.basis_change import changed_basis
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry

from .convergence import Convergence
from .fast_diagonalization import separable
from .nested_state import NestedState
from .options import GaussNewtonOptions
from .order import ORDERS, cheapest_course, falls_smoothly
from .refinement import roughness
from .stage import Discretization, Stage
from .time_slabs import parabolic

__all__ = ["Reordering"]


class Reordering:
    """Decides once in a run whether to go on with another basis.

    Parameters
    ----------
    options, task
        Of the run.  The basis stays where it or the levels are given, where the domain is cut or has breaks, and where
        parameters or noisy data take part.

    Attributes
    ----------
    open
        Whether the basis may still change.
    before
        What the run had before the change.
    """

    before: tuple[Discretization, NestedState]

    def __init__(self, options: GaussNewtonOptions, task: Task) -> None:
        problem, misfit = task.problem, Misfit(task.problem)
        given = task.field is not None or task.levels is not None or task.start is not None or options.basis != "auto"
        hard = (
            problem.domain.is_cut
            or bool(problem.domain.breaks)
            or bool(problem.parameters)
            or bool(misfit.noisy)
            or bool(misfit.automatic)
        )
        self.options, self.task = options, task
        self.open = not (given or hard)
        self._changed = False

    def saved_basis(self, basis: str) -> str:
        """The basis of a checkpoint, which the run then goes on with.

        Raises
        ------
        CorruptFileError
            If it is none that this run can have.
        """
        saved: Mapping[str, Any] = self.task.saved or {}
        if saved.get("basis") in (None, basis):
            return basis
        entry = Entry.of(saved, "the checkpoint").at("basis")
        name = entry.text()
        if not self.open or name not in ORDERS[ORDERS.index(basis) :]:
            raise entry.refuse(f"the basis of this run, {basis}")
        self.open = False
        return name

    def turned(
        self, grid: Discretization, state: NestedState, solver: LevenbergMarquardt[GridSystem]
    ) -> NestedState | None:
        """The state with which the run goes on with another basis, or None where it keeps its own."""
        best, problem = state.best, grid.problem
        if not self.open or best is None or not falls_smoothly(state.convergence):
            return None
        resolution = best.resolutions[-1]
        alone = len(problem.fields) == 1  # coupled fields may well take more steps
        fast = (
            alone
            and not solver.state().get("without_diagonalization", True)
            and separable(grid.system([state.path[0]]))
        )
        rough = roughness(best.finest, grid.basis, problem.periodic)
        course = cheapest_course(
            state.convergence,
            resolution,
            [n if n % 2 else n // 2 for n in state.path[0]],
            problem.order,
            len(problem.fields),
            fast=fast,
            shares=[r / max(rough) for r in rough] if max(rough) > 0 else (),
            most="quintic" if parabolic(problem) else "septic",  # third derivatives at a start make layers of rounding
        )
        most = self.options.max_unknowns
        if course is None or (most is not None and len(problem.fields) * course.unknowns > most):
            return None
        self.open, self._changed, self.before = False, True, (grid, state)
        first = course.resolutions[0]
        finest = changed_basis(best.finest, (grid.basis, resolution), (course.basis, first), problem.periodic)
        start = Stage([first], finest.reshape(-1).clone(), finest, dict(best.parameters), speeds=best.speeds)
        convergence = Convergence(course.basis, state.convergence.tol)
        return NestedState(convergence, state.norms, [first], start, state.marching)

    def was_better(self, state: NestedState, ending: Ending) -> bool:
        """Whether a run that was ended on its way had a smaller error before the change."""
        if not self._changed or ending.status in (Status.CONVERGED, Status.DIVERGED):
            return False
        own = None if state.best is None else state.best.error
        earlier = self.before[1].best
        assert earlier is not None
        assert earlier.error is not None
        return own is None or own > earlier.error
