"""What a Gauss-Newton run gives back: its best state, with what is to be said of that."""

from __future__ import annotations

from typing import Any

from hermite_pinn.field.field import GridField
from hermite_pinn.methods.base import Doubt, Outcome
from hermite_pinn.methods.course import Ending
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.status import Status

from .geometry_notes import geometry_notes
from .nested_state import NestedState
from .stage import Discretization, Stage
from .standard_errors import bound_note, bounded, parameter_doubts, parameter_sensitivity, standard_errors
from .verdict import BY_ITSELF

__all__ = ["nested_outcome"]

INSIDE = "an equation or a start is not defined at points of cut cells outside the domain, so these were divided and have points inside alone"


def nested_outcome(
    ending: Ending,
    best: Stage,
    state: NestedState,
    grid: Discretization,
    solver: LevenbergMarquardt[GridSystem],
    inner_steps: int,
    field: GridField,
) -> Outcome:
    """The outcome of a nested iteration.

    Parameters
    ----------
    ending
        How it ended.
    best
        Its best state.
    state, grid, solver
        Where it stands, and what it solves with.
    inner_steps
        Most steps of a linear solve.
    field
        The best state as a field.
    """
    problem, message = grid.problem, ending.message
    stats: dict[str, Any] = {
        "inner_steps": solver.inner_total,
        "basis": grid.basis,
        "resolution": best.resolutions[-1],
        "points": best.points,
        "slabs": best.slabs,
        "precision": "mixed" if grid.mixed else "float64",
        "memory_estimate": grid.memory(best.resolutions, best.slabs),
        "residual_scales": dict(zip(problem.residuals, state.norms, strict=True)),
    }
    if ending.status in (Status.MAX_SIZE, Status.MAX_TIME, Status.COMPLETED):
        message = "; ".join(part for part in (message, _unresolved(problem, best, state)) if part)
    if best.choice is not None and (best.choice.weights or best.choice.on_the_way):
        stats |= best.choice.stats(problem)
        message += f"; {best.choice.sentence(problem)}"
    if best.open is not None and "degrees_of_freedom" not in stats:
        stats["degrees_of_freedom"] = best.open.freedom
    notes = geometry_notes(problem, best.resolutions[-1])
    if notes:
        stats["geometry"] = list(notes)
        message = "; ".join((message, *notes))
    message = "; ".join((message, *problem.jump_notes))
    if best.undefined_outside:
        message += f"; {INSIDE}"
    doubts: tuple[Doubt, ...] = ()
    if problem.parameters and ending.status in BY_ITSELF:
        system = _linearized(grid, best)
        known = parameter_sensitivity(system, best.vector, solver.inner_tol, inner_steps)
        bounds = bounded(problem.parameters, best.parameters)
        grid_error = max((e or 0.0 for e in state.convergence.estimates[-1:]), default=0.0)
        grid_error = max(grid_error, state.convergence.last.coarse)  # nobody knows what such a level does to parameters
        shift, far = best.shift, 0.0
        if shift is not None:  # this tells directly what the last level did to parameters
            grid_error, far = (0.0 if shift.settled else grid_error), shift.distance
        errors = standard_errors(
            system, known, best.choice, values=best.parameters, bounds=bounds, error=grid_error, far=far
        )
        message = "; ".join(part for part in (message, bound_note(bounds)) if part)
        doubts = tuple(parameter_doubts(problem.parameters, best.parameters, known, errors))
        if errors:
            stats["standard_errors"] = errors
    error = None if ending.status is Status.DIVERGED else best.error
    minimised = best.settled and ending.status in BY_ITSELF
    parameters = {p.name: best.parameters[p.name] for p in problem.parameters}
    return Outcome(field, parameters, ending.status, message, error, stats, minimised, doubts)


def _unresolved(problem: Problem, stage: Stage, state: NestedState) -> str:
    """What the last finished stage did not resolve, for the message."""
    cells = [a / n for a, n in zip(problem.domain.lengths, stage.resolutions[-1], strict=True)]
    return state.convergence.last.unresolved(problem.domain.names, cells)


def _linearized(grid: Discretization, stage: Stage) -> GridSystem:
    """The system of a stage, linearised there."""
    system = grid.system(stage.resolutions)
    if stage.choice is not None:
        system.smooth(stage.choice.weights, stage.choice.emphasis)
    system.linearize(stage.vector)
    return system
