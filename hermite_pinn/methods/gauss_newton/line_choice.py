"""Whether an evolution problem is marched through by the method of lines, and on which basis."""

from __future__ import annotations

from collections.abc import Sequence

from hermite_pinn.expressions.program import is_smooth, leaves
from hermite_pinn.field.field import basis_for
from hermite_pinn.methods.systems.rough_terms import is_averaged
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term

from .line_equations import LineEquation, line_equations
from .space_lines import SpaceLines, line_orders
from .time_slabs import time_orders, why_at_once

__all__ = ["LINES", "lines_basis", "lines_of"]

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
