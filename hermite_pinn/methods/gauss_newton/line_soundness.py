"""Whether a march along one axis of space has a solution that depends on its data, and which begins smoothly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Leaf, Program, Value, total_derivative
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .line_equations import LineEquation
from .line_rates import LineRates

__all__ = ["is_sound"]

FEW = 4  # cells on which growth is looked at, and twice as many
GROWTH = 4.0  # of the fastest growing mode from cells to cells half as large, beyond which cells decide
SLOW = 40.0  # growth in all times that is not looked at
WRAP = 1e-6  # jump of a derivative across the ends of a periodic axis, relative to its size
SMALL = 1e-9  # contradiction of values at a corner, relative to the data
STEEP = 1e-6  # of the factors of highest derivatives in time, against the largest


def is_sound(problem: Problem, basis: str, equations: Sequence[LineEquation], order: int) -> bool:
    """Whether a march can be expected to converge.

    The equations can be solved for the derivatives in time, the state at the start agrees with the conditions on the
    faces, and no mode grows the faster, the smaller the cells are.

    Parameters
    ----------
    problem, basis
        With one axis of space.
    equations, order
        As in :class:`.LineRates`.
    """
    found = []
    if not _agree(problem) or not _wraps(problem, BASES[basis].coefficients):
        return False
    for cells in (FEW, 2 * FEW):
        rates = LineRates(problem, basis, equations, order, cells)
        factors = [torch.as_tensor(f, dtype=torch.float64) for f in rates.factors]
        if any(float(f.abs().min()) <= STEEP * float(f.abs().max()) for f in factors):
            return False
        if any(float(f.min()) * float(f.max()) <= 0.0 for f in factors):
            return False
        time = problem.domain.lower[rates.time]
        mass = _dense(rates.mass, rates)
        state = np.linalg.solve(mass, rates.projected(rates.start(), time))
        jacobian = _dense(rates.jacobian(time, state), rates)
        if not np.isfinite(jacobian).all() or not np.isfinite(rates.rates(np.array([time]), state[None])).all():
            return False
        found.append(float(np.linalg.eigvals(np.linalg.solve(mass, jacobian)).real.max()))
    length = problem.domain.lengths[problem.domain.time_axis or 0]
    return max(found) * length <= SLOW or found[1] <= GROWTH / 2.0 * max(found[0], 0.0)


def _dense(banded: np.ndarray, rates: LineRates) -> np.ndarray:
    matrix: np.ndarray = rates.as_sparse(banded).toarray()
    return matrix


def _agree(problem: Problem) -> bool:
    """Whether what is given at the start and on the faces is the same where both meet."""
    domain, time = problem.domain, problem.domain.time_axis
    assert time is not None
    (space,) = domain.space_axes
    names = domain.names
    first = {
        (t.trace.field, t.trace.order): t.trace.value
        for t in problem.terms
        if t.trace is not None and _at(t, time, False)
    }
    for term in problem.terms:
        if term.trace is None or term.region.plane is None or term.region.plane.axis != space:
            continue
        for order in (0, 1):
            given = first.get((term.trace.field, order))
            if given is None:
                continue
            own, other = given, term.trace.value
            for _ in range(term.trace.order):
                own = total_derivative(own, names[space], space)
            for _ in range(order):
                other = total_derivative(other, names[time], time)
            x = float(term.region.plane.position)
            a, b = (_value(e, problem, x, domain.lower[time]) for e in (own, other))
            if not abs(a - b) <= SMALL * max(abs(a), abs(b), _size(own, problem, space), _later(other, problem, x)):
                return False
    return True


def _wraps(problem: Problem, orders: int) -> bool:
    """Whether what is given at the start is as smooth across the ends of a periodic axis as inside."""
    domain, time = problem.domain, problem.domain.time_axis
    (space,) = domain.space_axes
    if time is None or not problem.periodic[space]:
        return True
    name = domain.names[space]
    for term in problem.terms:
        if term.trace is None or not _at(term, time, False):
            continue
        value = term.trace.value
        for k in range(orders):
            if k:
                value = total_derivative(value, name, space)
            ends = [_value(value, problem, x, domain.lower[time]) for x in (domain.lower[space], domain.upper[space])]
            if not abs(ends[1] - ends[0]) <= WRAP * max(_size(value, problem, space), SMALL):
                return False
    return True


def _value(value: Expr, problem: Problem, x: float, t: float) -> float:
    domain = problem.domain
    (space,), time = domain.space_axes, domain.time_axis
    assert time is not None
    env: dict[Leaf, Value] = {("coordinate", domain.names[space]): x, ("coordinate", domain.names[time]): t}
    return float(torch.as_tensor(Program([value]).run(env)[0]))


def _at(term: Term, axis: int, side: bool) -> bool:
    plane = term.region.plane
    return plane is not None and plane.axis == axis and bool(plane.side) == side


def _later(value: Expr, problem: Problem, x: float) -> float:
    """About the largest value of an expression at a side."""
    domain, time = problem.domain, problem.domain.time_axis
    assert time is not None
    later = torch.linspace(domain.lower[time], domain.upper[time], 65, dtype=torch.float64)
    env: dict[Leaf, Value] = {
        ("coordinate", domain.names[domain.space_axes[0]]): x,
        ("coordinate", domain.names[time]): later,
    }
    return float(torch.as_tensor(Program([value]).run(env)[0]).abs().max())


def _size(value: Expr, problem: Problem, space: int) -> float:
    """About the largest value of an expression along the axis."""
    domain = problem.domain
    x = torch.linspace(domain.lower[space], domain.upper[space], 65, dtype=torch.float64)
    assert domain.time_axis is not None
    env: dict[Leaf, Value] = {
        ("coordinate", domain.names[space]): x,
        ("coordinate", domain.names[domain.time_axis]): domain.lower[domain.time_axis],
    }
    return float(torch.as_tensor(Program([value]).run(env)[0]).abs().max())
