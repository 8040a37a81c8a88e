"""Whether an evolution problem can be solved slab after slab in time, and in which slabs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import leaves
from hermite_pinn.methods.systems.constraints import is_hard
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

__all__ = [
    "cells_per_slab",
    "ladder",
    "least_cells",
    "parabolic",
    "part_in_time",
    "slab_ends",
    "stable_points",
    "time_orders",
    "why_at_once",
]

LONG = 8  # cells of time in a slab where nothing asks for fewer

Resolution = tuple[int, ...]


def time_orders(problem: Problem) -> dict[str, int]:
    """By field, the highest time derivative in any residual."""
    axis = problem.domain.time_axis
    orders = dict.fromkeys(problem.fields, 0)
    for residual in problem.residuals.values():
        for kind, data in leaves(residual):
            if kind == "jet" and axis is not None:
                orders[data[0]] = max(orders[data[0]], data[1][axis])
    return orders


def parabolic(problem: Problem) -> bool:
    """Whether every field has a first time derivative at most, and every equation derivatives of second order in space.

    Examples
    --------
    >>> from hermite_pinn import problems
    >>> parabolic(problems.heat()), parabolic(problems.wave()), parabolic(problems.convection())
    (True, False, False)
    """
    axis = problem.domain.time_axis
    if axis is None or set(time_orders(problem).values()) != {1}:
        return False
    return all(
        any(kind == "jet" and sum(data[1]) - data[1][axis] >= 2 for kind, data in leaves(residual))
        for residual in problem.residuals.values()
    )


def why_at_once(problem: Problem, basis: str) -> str | None:
    """Why a problem cannot be solved slab after slab in time; None if it can."""
    axis = problem.domain.time_axis
    if axis is None:
        return "the domain has no axis called t"
    if problem.periodic[axis]:
        return "it is periodic in time"
    if problem.domain.pieces[axis] is not None:
        return "something jumps at a time"
    if problem.parameters:
        return "its unknown parameters belong to all times"
    for reason in (_all_times(term, axis) for term in problem.terms):
        if reason is not None:
            return reason
    given = _given_at_start(problem, axis, basis)
    for name, order in time_orders(problem).items():
        for k in range(order):
            if (name, k) not in given:
                return f"{name}{'_t' * k} is not given at the start of time on the whole face"
    return None


def _all_times(term: Term, axis: int) -> str | None:
    """Why a term cannot be divided at a time; None if it can."""
    region = term.region
    if region.measured is not None:
        return f"the points of {term.name!r} are spread over time"
    if region.penalty is not None:
        return f"the weight of {term.name!r} is that of all times"
    if region.plane is not None and region.plane.axis == axis and region.plane.side:
        return f"the condition {term.name!r} is set at the end of time"
    return None


def _given_at_start(problem: Problem, axis: int, basis: str) -> set[tuple[str, int]]:
    """Fields, with orders of their time derivatives, that exact conditions give at the start of time."""
    return {
        (t.trace.field, t.trace.order)
        for t in problem.terms
        if t.trace is not None and is_hard(t, basis) and _at_start(t, axis)
    }


def _at_start(term: Term, axis: int) -> bool:
    plane = term.region.plane
    return plane is not None and plane.axis == axis and not plane.side


def least_cells(problem: Problem, basis: str, gauss: int | None = None) -> int | None:
    """Cells of time that a slab needs; None where no number is enough.

    A slab of n cells has ``m (n + 1) - r`` coefficients in time of a field with r time derivatives, and ``gauss``
    points in each of its cells.  With fewer points than coefficients it is not determined: whatever has no residual at
    them, multiplied by rounding, would be the state from which the next slab starts.  A slab of a single cell
    multiplies the errors of waves; where a state fixes all m coefficients at its start (waves on cubics), all short
    slabs do.

    Parameters
    ----------
    gauss
        Gauss points per cell and axis; None for those that are taken by default.

    Examples
    --------
    >>> from hermite_pinn import problems
    >>> [least_cells(problems.heat(), basis) for basis in ("cubic", "quintic", "septic")]
    [2, 2, 3]
    >>> least_cells(problems.wave(), "cubic"), least_cells(problems.heat(), "quintic", gauss=3)
    (8, None)
    """
    orders, m = time_orders(problem).values(), BASES[basis].coefficients
    spare = 1 if gauss is None else gauss - m  # points of a cell beyond those that its own coefficients take
    if spare <= 0:
        return None
    return LONG if max(orders) >= m else max(2 * max(orders), -((min(orders) - m) // spare))


def stable_points(problem: Problem, basis: str) -> int | None:
    """Gauss points per cell and axis with which slabs do not multiply errors; None for the default.

    Of ``u_tt = z u`` with any z < 0, the least squares of slabs of quintics and septics at ``m + 1`` points per cell
    multiply errors by 5 to 92, whatever their length up to eight cells, and at ``m + 2`` points not.

    Examples
    --------
    >>> from hermite_pinn import problems
    >>> stable_points(problems.wave(), "quintic"), stable_points(problems.wave(), "cubic")
    (5, None)
    """
    m = BASES[basis].coefficients
    return m + 2 if m > 2 and max(time_orders(problem).values()) >= 2 else None


def cells_per_slab(problem: Problem, basis: str, resolution: Resolution, speeds: Sequence[float]) -> int:
    """Cells of time in a slab: eight, or fewer where something travels far in eight; two of parabolic cut domains.

    The condition of a slab grows with the square of the number of cells that a signal crosses in it.  On one axis of
    space the linear systems are solved directly and this does not matter.  No slab is shorter than :func:`least_cells`.
    """
    axis = problem.domain.time_axis
    assert axis is not None
    if problem.domain.is_cut and parabolic(problem) and BASES[basis].coefficients == 2:
        return 2
    if problem.domain.dim <= 2 or not speeds:
        return LONG
    step = problem.domain.lengths[axis] / resolution[axis]
    crossed = max(
        step * v * n / length for v, n, length in zip(speeds, resolution, problem.domain.lengths, strict=True)
    )
    least = least_cells(problem, basis)
    assert least is not None
    cells = LONG
    while cells > least and cells * crossed > 4.0:
        cells //= 2
    return max(cells, least)


def ladder(resolution: Resolution) -> list[Resolution]:
    """Nested levels that end with ``resolution``: even numbers of cells above four are halved, again and again.

    Examples
    --------
    >>> ladder((32, 12))
    [(4, 3), (8, 3), (16, 6), (32, 12)]
    """
    levels = [resolution]
    while any(n > 4 and n % 2 == 0 for n in levels[0]):
        levels.insert(0, tuple(n // 2 if n > 4 and n % 2 == 0 else n for n in levels[0]))
    return levels


def slab_ends(cells: int, count: int, start: int | None = None) -> list[tuple[int, int]]:
    """First and last vertex of every slab; with ``start`` the first slab ends after so many cells if it is longer.

    Examples
    --------
    >>> slab_ends(16, 2), slab_ends(16, 2, 2)
    ([(0, 8), (8, 16)], [(0, 2), (2, 8), (8, 16)])
    """
    edges = [cells * k // count for k in range(count + 1)]
    if start is not None and edges[1] > start:
        edges.insert(1, start)
    return list(itertools.pairwise(edges))


def part_in_time(problem: Problem, axis: int, first: int, end: int, cells: int) -> Problem:
    """The problem between two vertices of the time axis."""
    name = problem.domain.names[axis]
    vertices = np.linspace(*problem.domain.bounds[name], cells + 1)
    return problem.restricted(**{name: (float(vertices[first]), float(vertices[end]))})
