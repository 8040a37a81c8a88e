"""Whether an evolution problem is marched through by the method of lines, and on which basis."""

from __future__ import annotations

from collections.abc import Sequence

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import is_smooth, leaves
from hermite_pinn.field.field import basis_for
from hermite_pinn.methods.systems.constraints import is_hard
from hermite_pinn.methods.systems.rough_terms import is_averaged
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term

from .line_equations import LineEquation, line_equations
from .line_soundness import is_sound
from .space_lines import SpaceLines, line_orders
from .start_layers import beside_layers
from .time_slabs import time_orders, why_at_once

__all__ = ["LINES", "line_basis", "line_of", "lines_basis", "lines_of"]

LINES = 1e-4  # below which methods of higher order take fewer steps
FEW = 8  # cells on which the equations are looked at
REACTIONS = 400.0  # times that a reaction takes within all times: where it is much faster, implicit steps are longer


def lines_of(problem: Problem, basis: str) -> list[LineEquation] | None:
    """The equations of the method of lines on a basis, by field; None where it does not serve.

    It does for explicit equations of first or second order in time, whose conditions on the faces the grid satisfies.
    Diffusion has to have constant coefficients: that part is integrated exactly, the rest with short steps.
    """
    orders = time_orders(problem)
    order = line_orders(orders)
    axis = problem.domain.time_axis
    if order is None or axis is None or why_at_once(problem, basis) is not None:
        return None
    if problem.gauges or problem.parameters or any(t.noise is not None for t in problem.terms):
        return None
    equations = line_equations(problem, orders)
    rough = [t for t in problem.terms if t.region.is_interior and not is_smooth(problem.plan.known(t.residual))]
    if rough and (order == 1 or all(is_averaged(problem, compile_term(problem, t)) for t in rough)):
        return None  # what jumps is averaged over the cells of implicit steps
    if equations is None or not all(
        _serves(e, name, order, axis) for e, name in zip(equations, problem.fields, strict=True)
    ):
        return None
    name = problem.domain.names[axis]
    for term in problem.terms:
        if term.region.is_interior:
            continue
        if term.trace is None or term.where is not None:
            return None
        if ("coordinate", name) in leaves(term.trace.value) and not is_smooth(problem.plan.known(term.trace.value)):
            return None
    lines = SpaceLines(problem, basis, equations, order, (FEW,) * len(problem.domain.space_axes))
    if not lines.square:
        return None
    times = problem.domain.lengths[axis]
    return None if order == 1 and lines.reaction() * times > REACTIONS else equations


def _serves(equation: LineEquation, own: str, order: int, axis: int) -> bool:
    """Whether what is not integrated exactly does not need very short steps on fine cells."""
    constant = isinstance(equation.factor, float | int)
    for name, o in equation.term.jets:
        space, time = sum(o) - o[axis], o[axis]
        if space == 0 or time == order:
            continue
        if time:  # damping of waves by diffusion
            return False
        if order == 2 and space > 2:
            return False
        if order == 1 and space > 1:
            pure = max(o) == space and space % 2 == 0
            if not (constant and pure and name == own and (name, o) in equation.term.constant):
                return False
    return True


def lines_basis(problem: Problem, tol: float, given: str | None) -> str | None:
    """The basis of a march by the method of lines, or None.

    Parameters
    ----------
    problem
        What is solved, with one axis of time.
    tol
        That is asked for.
    given
        The basis that was asked for, or None.
    """
    if tol < LINES or len(problem.domain.space_axes) < 2:
        return None
    least = basis_for(problem.order)
    names: Sequence[str] = [least] if given is None else [given]
    smooth = all(is_smooth(problem.plan.known(t.residual)) for t in problem.terms if t.region.is_interior)
    if given is None and smooth:
        names = ["septic", least]
    return next((name for name in names if lines_of(problem, name) is not None), None)


def line_basis(problem: Problem, given: str) -> str | None:
    """The basis of a march by implicit steps along one axis of space, or None.

    Parameters
    ----------
    problem
        What is solved.
    given
        The basis that was asked for, or ``"auto"``.
    """
    basis = "septic" if given == "auto" else given
    high = BASES[basis].polynomials is not None and BASES[basis].coefficients > 2
    return basis if high and line_of(beside_layers(problem)[0], basis) is not None else None


def line_of(problem: Problem, basis: str) -> list[LineEquation] | None:
    """The equations of a march by implicit steps along one axis of space, by field; None where it does not serve.

    It does for equations of first or second order in time without jumps, whose conditions on the faces the grid
    satisfies and which do not contradict the state at the start.
    """
    domain, axis = problem.domain, problem.domain.time_axis
    orders = time_orders(problem)
    order = line_orders(orders)
    if order is None or axis is None or domain.dim != 2 or why_at_once(problem, basis) is not None:
        return None
    if domain.is_cut or domain.breaks or problem.gauges or problem.parameters:
        return None
    if any(t.noise is not None or t.where is not None for t in problem.terms):
        return None
    equations = line_equations(problem, orders)
    if equations is None or problem.order > BASES[basis].coefficients:
        return None
    for term in problem.terms:
        smooth = is_smooth(problem.plan.known(term.residual)) and (term.trace is None or is_smooth(term.trace.value))
        if not smooth or not (term.region.is_interior or is_hard(term, basis)):
            return None
    sound = problem.plan.shared.once(("line", basis), lambda: is_sound(problem, basis, equations, order))
    return equations if sound else None
