"""Equations of different order in one system: which norm makes every residual count alike.

Let equation k have derivatives of order ``o_kj`` of field j.  Numbers ``s_k <= 0`` and ``t_j`` with
``o_kj <= s_k + t_j``, with equality along one pairing of equations and fields, are the weights of Agmon, Douglis and
Nirenberg (Comm. Pure Appl. Math. 17, 1964): least squares control the fields in ``H^{t_j}`` if residual k is measured
in ``H^{-s_k}``.  Where all ``s_k`` are zero, as for every single equation, L2 norms will do.  In the Stokes system the
divergence has ``s = -1``: in L2 alone it hardly sees the velocity ``grad phi`` with the pressure ``nu laplacian phi``,
and the condition of the normal equations grows like ``1 / h**2``.  Its gradient as a further residual mends that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from hermite_pinn.expressions.program import is_smooth, total_derivative
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .compiled import CompiledTerm, Jet, compile_term
from .scales import first_sizes

__all__ = ["are_conserved", "derived_rows", "equation_weights"]

NEEDED = 0.2  # share of its own row, at the size of a cell, from which on a derivative is taken along


def equation_weights(orders: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The largest weights ``s <= 0`` of the equations, and those ``t`` of the fields.

    Parameters
    ----------
    orders
        (equations, fields): the highest order of derivatives of a field in an equation, ``-inf`` where there is none.

    Returns
    -------
    s, t
        Integers (equations,) and (fields,); ``None`` if equations and fields cannot be paired.

    Examples
    --------
    >>> from math import inf
    >>> equation_weights(np.array([[2, -inf, 1], [-inf, 2, 1], [1, 1, -inf]]))   # Stokes: u, v, p
    (array([ 0,  0, -1]), array([2, 2, 1]))
    """
    if orders.shape[0] != orders.shape[1]:
        return None
    try:
        _, field_of = linear_sum_assignment(orders, maximize=True)
    except ValueError:
        return None
    own = orders[np.arange(len(orders)), field_of]
    s = np.zeros(len(orders))
    for _ in orders:  # chains of conditions s_l <= s_k + o_lj - o_kj, with j the field of equation l
        s = np.minimum(s, (s[:, None] + own[None, :] - orders[:, field_of]).min(0))
    t = np.empty(len(orders))
    t[field_of] = own - s
    return s.astype(int), t.astype(int)


def _orders(problem: Problem, terms: Sequence[CompiledTerm]) -> np.ndarray:
    """What :func:`equation_weights` takes."""
    orders = np.full((len(terms), len(problem.fields)), -math.inf)
    for k, term in enumerate(terms):
        for field, o in term.jets:
            j = problem.fields.index(field)
            orders[k, j] = max(orders[k, j], sum(o))
    return orders


def are_conserved(problem: Problem, terms: Sequence[CompiledTerm]) -> list[bool]:
    """Which equations have ``s = -1``, as the conservation of mass in a flow has."""
    weights = equation_weights(_orders(problem, terms))
    return [False] * len(terms) if weights is None else [bool(s == -1) for s in weights[0]]


def derived_rows(
    problem: Problem, terms: Sequence[CompiledTerm], scales: Sequence[float], resolution: Sequence[int]
) -> tuple[list[CompiledTerm], list[float]]:
    """Derivatives of the equations with ``s = -1`` along the space axes, and the divisors of their rows.

    A row is scaled so that its coefficients of the highest derivatives are those of the equations with ``s = 0``: those
    of the same derivative, so that units of length do not matter, or where no equation has one of the largest.  It
    is left out where, at the size of a cell, it would be small beside the row that it is the derivative of: then
    transport or time, not the order, rules the system.  Residuals that have no classical derivatives (``where``,
    ``abs``, tabulated functions) are left as they are.

    Parameters
    ----------
    terms, scales
        The equations and the divisors of their rows.
    resolution
        Cells along the axes.
    """
    derived: list[CompiledTerm] = []
    divisors: list[float] = []
    weights = equation_weights(_orders(problem, terms))
    if weights is None or -1 not in weights[0]:
        return derived, divisors
    s, t = weights
    leading: list[dict[Jet, float]] = []  # the sizes of the coefficients of derivatives with o_kj = s_k + t_j
    for k, term in enumerate(terms):
        order = {f: s[k] + t[j] for j, f in enumerate(problem.fields)}
        leading.append({(f, o): size for (f, o), size in first_sizes(problem, term).items() if sum(o) == order[f]})
    others = [
        {jet: size / scale for jet, size in other.items()}
        for other, scale, weight in zip(leading, scales, s, strict=True)
        if weight == 0
    ]
    for k, term in enumerate(terms):
        if s[k] != -1 or not _is_smooth(problem, term):
            continue
        for axis in problem.domain.space_axes:
            size = problem.domain.lengths[axis] / resolution[axis]
            factor = _ratio(leading[k], others, axis, problem.domain.lengths)
            if factor / size > NEEDED / scales[k]:
                derived.append(_derivative(problem, term, axis))
                divisors.append(1.0 / factor)
    return derived, divisors


def _ratio(
    own: Mapping[Jet, float], others: Sequence[Mapping[Jet, float]], axis: int, lengths: Sequence[float]
) -> float:
    """The largest ratio of a coefficient of other equations to that of the same derivative along an axis of one's own.

    Where there is none, that of terms of fields that vary over some lengths.
    """

    def raised(o: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(m + (i == axis) for i, m in enumerate(o))

    def unit(o: tuple[int, ...]) -> float:
        return math.prod(a**m for a, m in zip(lengths, o, strict=True))

    mine = [(f, raised(o), size) for (f, o), size in own.items() if size > 0]
    same = [other[f, o] / size for other in others for f, o, size in mine if other.get((f, o), 0.0) > 0]
    if same:
        return max(same)
    return max(
        (
            theirs / unit(p) / (size / unit(o))
            for other in others
            for f, o, size in mine
            for (g, p), theirs in other.items()
            if f == g
        ),
        default=0.0,
    )


def _is_smooth(problem: Problem, term: CompiledTerm) -> bool:
    residual = problem.plan.known(term.term.residual)
    return problem.plan.shared.once(("smooth", id(residual)), lambda: is_smooth(residual))


def _derivative(problem: Problem, term: CompiledTerm, axis: int) -> CompiledTerm:
    """A residual differentiated along an axis, through the fields too."""
    name, residual = problem.domain.names[axis], problem.plan.known(term.term.residual)
    key = ("derivative", id(residual), axis)
    derivative = problem.plan.shared.once(key, lambda: total_derivative(residual, name, axis))
    return compile_term(problem, Term(f"{term.name}, derivative along {name}", derivative, term.term.region))
