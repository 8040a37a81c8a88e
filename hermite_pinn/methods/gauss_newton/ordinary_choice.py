"""Whether a problem is one of ordinary differential equations from given start values, and how it is stated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import leaves
from hermite_pinn.methods.base import Task
from hermite_pinn.problem.problem import Problem

from .consistent_start import consistent_start
from .options import GaussNewtonOptions
from .state_equations import BackwardEquations, StateEquations, given_states

__all__ = ["StartValues", "start_values", "stated_equations"]

MOST = 64  # components of a state: its matrices are dense
BASIS = "septic"  # of the cells where none is asked for


@dataclass(frozen=True)
class StartValues:
    """Ordinary differential equations with the state at the start.

    Attributes
    ----------
    equations
        Of a state and its rate of change, backward where the state is that at the upper end of the axis.
    ends
        Places where a march begins, where it has to end a cell, and where it ends, ascending: coordinates, or their
        negatives where it goes backward.
    start
        The state at the first of these, (n,), float64.
    basis
        Of the cells.
    """

    equations: StateEquations
    ends: tuple[float, ...]
    start: np.ndarray
    basis: str

    @property
    def degree(self) -> int:
        """Of the polynomial of a cell."""
        return 2 * BASES[self.basis].coefficients - 1


def start_values(options: GaussNewtonOptions, task: Task) -> StartValues | None:
    """The problem of a run as one of start values; None where it is another one, or where levels were asked for.

    It has one axis, as many equations as fields, a derivative, and at one end of the axis all derivatives of every
    field but the highest.  Fields without derivatives need no value there if the equations determine it; those that do
    not, unknown parameters, data and other conditions are for levels.
    """
    stated = stated_equations(task.problem) if _is_free(options, task) else None
    if stated is None:
        return None
    equations, ends, given = stated
    basis = BASIS if options.basis == "auto" else options.basis
    highest, degree = max(order for _, order in equations.states) + 1, 2 * BASES[basis].coefficients - 1
    if highest >= degree or equations.count > MOST:
        return None
    with np.errstate(all="ignore"):
        start = _start(equations, ends[0], given)
    return None if start is None else StartValues(equations, ends, start, basis)


def stated_equations(
    problem: Problem,
) -> tuple[StateEquations, tuple[float, ...], dict[tuple[str, int], float]] | None:
    """Equations of a state on one axis, ends of the axis and of its pieces, and what is given at the first of these.

    None for other problems: with conditions at both ends, data, unknown parameters, or not as many equations as fields.
    """
    if problem.domain.dim != 1 or any(problem.periodic) or problem.domain.is_cut:
        return None
    if problem.parameters or problem.gauges:
        return None
    own = [t for t in problem.terms if t.region.is_interior]
    known = {kind for t in own for kind, _ in leaves(t.residual)} <= {"jet", "coordinate"}
    if len(own) != len(problem.fields) or not known:
        return None
    orders, conditions = _orders(problem), given_states(problem)
    if conditions is None or not max(orders.values()) > 0:
        return None
    side, given = conditions
    kind = BackwardEquations if side else StateEquations
    return kind(problem, orders), _ends(problem, side), given


def _ends(problem: Problem, side: int) -> tuple[float, ...]:
    """Ends of the axis and of its pieces, as places of a march that begins on a side."""
    (name,), lower, upper = problem.domain.names, problem.domain.lower[0], problem.domain.upper[0]
    ends = (lower, *(b for b in problem.domain.breaks.get(name, ()) if lower < b < upper), upper)
    return tuple(-e for e in reversed(ends)) if side else ends


def _start(equations: StateEquations, place: float, given: dict[tuple[str, int], float]) -> np.ndarray | None:
    """The state at the start; None where it is not given, not finite, or contradicts the equations."""
    states = equations.states
    needed = {s for s, free in zip(states, equations.algebraic, strict=True) if not free}
    if not needed <= set(given) <= set(states):
        return None
    start = np.array([given.get(s, np.nan) for s in states])
    if equations.algebraic.any():
        return consistent_start(equations, place, start)
    return start if bool(np.isfinite(start).all()) else None


def _is_free(options: GaussNewtonOptions, task: Task) -> bool:
    """Whether nothing was asked for that only levels of equal cells have."""
    plain = options.gauss is None and options.slabs == "auto" and options.inner == "auto"
    plain = plain and options.refine == "auto" and options.max_unknowns is None
    alone = task.ranks.size == 1 and task.start is None and task.levels is None and task.field is None
    return plain and alone and task.dtype in (None, torch.float64)


def _orders(problem: Problem) -> dict[str, int]:
    """By field, its highest derivative in any equation."""
    orders = dict.fromkeys(problem.fields, 0)
    for t in problem.terms:
        if t.region.is_interior:
            for kind, data in leaves(t.residual):
                if kind == "jet":
                    orders[data[0]] = max(orders[data[0]], data[1][0])
    return orders
