"""Whether an evolution problem is marched through step after step, and on which basis."""

from __future__ import annotations

import logging
import math

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import HermitePinnError
from hermite_pinn.expressions.program import is_smooth
from hermite_pinn.field.field import Field, basis_for
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.systems.rough_terms import is_averaged
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.residuals.scales import source_scales

from .forgotten_start import JUMP, start_rate
from .line_choice import line_basis, lines_basis
from .options import GaussNewtonOptions
from .stage import Discretization
from .step_system import SpaceModes, StepSystem
from .time_slabs import time_orders, why_at_once

__all__ = ["step_basis", "steps_fit"]

logger = logging.getLogger(__name__)

FINE = 1e-3  # tolerance below which a basis of higher order takes fewer unknowns
LEVELS, CROSSINGS = 1e-5, 20.0  # tolerances and times that are for levels whose order is chosen on the way
FEW = 4  # cells on which the numbers of points and unknowns are compared


def step_basis(options: GaussNewtonOptions, task: Task, field: Field | None) -> str | None:
    """The basis of a march step after step, or None where the problem is solved by nested levels.

    Steps are for problems of evolution in whole boxes without breaks, with as many points as unknowns: first or second
    order in time, the same for all fields, and conditions on the faces that the grid satisfies exactly.  They are taken
    where the levels of a whole time axis are many: in two or more axes of space where an equation has second
    derivatives, and on one where one has third derivatives or higher.  Small tolerances of simple equations are for
    levels all the same, and so is diffusion from data that jump or contradict a side.

    Parameters
    ----------
    options, task
        The run.
    field
        The kind of field that was asked for, or None.
    """
    problem, domain = task.problem, task.problem.domain
    if not _default(options, task, field) or domain.time_axis is None or domain.is_cut or domain.breaks:
        return None
    if problem.domain.dim == 2:
        along = line_basis(problem, options.basis if task.field is None else task.field.basis)
        if along is not None:
            return along
    if problem.domain.dim == 1 or problem.order < (3 if problem.domain.dim == 2 else 2):
        return None
    if problem.order == 2 and start_rate(problem) == JUMP:
        return None  # the first step would be halved without end
    tol = 1e-6 if task.tol is None else task.tol
    fitted, periodic = min(time_orders(problem).values()) == 0, _is_periodic(problem)
    if fitted and tol < FINE and not periodic:
        return None  # fitted steps of higher order have large factors, but for those by waves
    wished = "cubic" if tol >= FINE else "quintic" if fitted else "septic"
    if tol < LEVELS and task.field is None and _suits_levels(problem):
        return None
    by_lines = lines_basis(problem, tol, None if task.field is None else task.field.basis)
    if by_lines is not None:
        return by_lines
    least = basis_for(problem.order)
    names = [least] if task.field is None else [task.field.basis]
    if task.field is None and periodic:
        names.insert(0, max(wished, least, key=lambda name: BASES[name].coefficients))
    return next((name for name in names if steps_fit(problem, name)), None)


def _is_periodic(problem: Problem) -> bool:
    """Whether all axes of space wrap."""
    return all(problem.periodic[i] for i in problem.domain.space_axes)


def _suits_levels(problem: Problem) -> bool:
    """Whether levels on all of space and time take less time for a small tolerance than steps of low order.

    That is so for one field without periodic axes, whose linear problems fast diagonalisation solves in a few steps:
    decay with constant coefficients, and waves that do not cross the box too often.
    """
    axis, lengths = problem.domain.time_axis, problem.domain.lengths
    equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    if len(problem.fields) != 1 or len(equations) != 1 or any(problem.periodic) or axis is None:
        return False
    (field,), own = problem.fields, equations[0]
    if time_orders(problem)[field] == 1:
        return not own.variable
    pure = [
        own.constant.get((field, tuple(2 * (i == a) for i in range(len(lengths)))), 0.0) for a in range(len(lengths))
    ]
    if pure[axis] == 0.0 or any(sum(orders) > 1 for _, orders in own.variable):
        return False
    speeds = (
        math.sqrt(abs(c / pure[axis])) / a for i, (c, a) in enumerate(zip(pure, lengths, strict=True)) if i != axis
    )
    return lengths[axis] * max(speeds) <= CROSSINGS


def _default(options: GaussNewtonOptions, task: Task, field: Field | None) -> bool:
    """Whether nothing was asked for that only nested levels have."""
    automatic = options.slabs == "auto" and options.inner == "auto" and options.refine == "auto"
    plain = automatic and options.gauss is None and options.max_unknowns is None
    alone = task.ranks.size == 1 and task.device.type == "cpu" and task.start is None and task.levels is None
    own = task.field is None or (task.field.linear and task.field.encoder == "hermite")
    return plain and alone and own and task.dtype in (None, torch.float64)


def steps_fit(problem: Problem, basis: str) -> bool:
    """Whether implicit steps on a basis have as many points as unknowns."""
    orders = set(time_orders(problem).values())
    if why_at_once(problem, basis) is not None:
        return False
    if orders == {0, 1}:
        return _fits_fitted(problem)
    if len(orders) != 1 or orders & {0} or max(orders) > 2:
        return False
    if not all(_is_regular(problem, t) for t in problem.terms if t.region.is_interior):
        return False  # where coefficients jump, cells beside them would be halved without end
    m = BASES[basis].coefficients
    if m % 2 or (max(orders) == 2 and m != 2):
        return False  # a mode that changes its sign from cell to cell vanishes at the points; steps would not be stable
    if problem.gauges or problem.parameters or any(t.noise is not None for t in problem.terms):
        return False
    axis = problem.domain.time_axis
    assert axis is not None
    lower, length = problem.domain.lower[axis], problem.domain.lengths[axis]
    grid = Discretization(problem, basis, None, torch.float64, torch.device("cpu"), source_scales(problem))
    cells = (FEW,) * len(problem.domain.space_axes)
    try:
        system = StepSystem(grid, cells, lower, lower + length / FEW, time_orders(problem), None, SpaceModes(basis))
    except HermitePinnError as error:
        logger.info("no steps in time: %s", error)
        return False
    return system.square


def _fits_fitted(problem: Problem) -> bool:
    """Whether the equations of fields without a derivative in time can be fitted step by step.

    That is so in two axes of space, whose matrices have small factors, for conditions on whole faces and coefficients
    that do not jump, with an equation without derivatives in time for each of those fields.
    """
    own, axis = [t for t in problem.terms if t.region.is_interior], problem.domain.time_axis
    assert axis is not None
    still = [all(orders[axis] == 0 for _, orders in compile_term(problem, t).jets) for t in own]
    if sum(still) != list(time_orders(problem).values()).count(0):
        return False
    smooth = all(is_smooth(problem.plan.known(t.residual)) for t in own)
    faces = all(t.region.is_interior or t.region.everywhere or t.region.plane is not None for t in problem.terms)
    return problem.domain.dim == 3 and smooth and faces and not problem.parameters


def _is_regular(problem: Problem, term: Term) -> bool:
    """Whether an equation is smooth, or averaged over cells where it is not."""
    return is_smooth(problem.plan.known(term.residual)) or is_averaged(problem, compile_term(problem, term))
