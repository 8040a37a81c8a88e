"""Whether a problem is one of ordinary differential equations from given start values, and how it is stated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import leaves
from hermite_pinn.methods.base import Task
from hermite_pinn.problem.problem import Problem

from .options import GaussNewtonOptions
from .state_equations import StateEquations, start_state

__all__ = ["StartValues", "start_values"]

MOST = 64  # components of a state: its matrices are dense
BASIS = "septic"  # of the cells where none is asked for


@dataclass(frozen=True)
class StartValues:
    """Ordinary differential equations with the state at the start.

    Attributes
    ----------
    equations
        Of a state and its rate of change.
    start
        The state at the lower end of the axis, (n,), float64.
    basis
        Of the cells.
    """

    equations: StateEquations
    start: np.ndarray
    basis: str

    @property
    def degree(self) -> int:
        """Of the polynomial of a cell."""
        return 2 * BASES[self.basis].coefficients - 1


def start_values(options: GaussNewtonOptions, task: Task) -> StartValues | None:
    """The problem of a run as one of start values; None where it is another one, or where levels were asked for.

    It has one axis, as many equations as fields, each field with one derivative at least, and at the lower end of the
    axis all derivatives of every field but the highest.  Unknown parameters, data and other conditions are for levels.
    """
    problem = task.problem
    if not _is_free(options, task) or problem.domain.dim != 1 or any(problem.periodic) or problem.domain.is_cut:
        return None
    if problem.parameters or problem.gauges:
        return None
    own = [t for t in problem.terms if t.region.is_interior]
    known = {kind for t in own for kind, _ in leaves(t.residual)} <= {"jet", "coordinate"}
    if len(own) != len(problem.fields) or not known:
        return None
    orders = _orders(problem)
    if min(orders.values()) < 1 or sum(orders.values()) > MOST:
        return None
    with np.errstate(all="ignore"):
        start = start_state(problem, orders)
    if start is None or not bool(np.isfinite(start).all()):
        return None
    basis = BASIS if options.basis == "auto" else options.basis
    found = StartValues(StateEquations(problem, orders), start, basis)
    return found if found.degree > max(orders.values()) else None


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
