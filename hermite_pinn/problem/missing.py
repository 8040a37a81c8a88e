"""What a solution seems to lack to be unique."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import leaves
from hermite_pinn.geometry import Domain

from .terms import Term

__all__ = ["missing_conditions"]


def missing_conditions(
    domain: Domain,
    fields: Sequence[str],
    periodic: Sequence[bool],
    residuals: Iterable[Expr],
    terms: Sequence[Term],
) -> tuple[str, ...]:
    """Sentences about conditions that seem to be missing, by counting derivatives and conditions along every axis.

    Parameters
    ----------
    domain, fields
        Of the problem.
    periodic
        Of every axis, whether it wraps.
    residuals
        Of the equations.
    terms
        Equations and conditions.
    """
    measured = {f for t in terms if t.region.measured is not None for f in _fields(t)}
    measured |= {t.region.penalty for t in terms if t.region.penalty is not None}
    orders = [dict.fromkeys(fields, 0) for _ in domain.names]
    for kind, data in leaves(*residuals):
        if kind == "jet":
            name, derivative = data
            for along, order in zip(orders, derivative, strict=True):
                along[name] = max(along[name], order)
    sentences: list[str] = []
    for axis, name in enumerate(domain.names):
        if periodic[axis]:
            continue
        given = [t for t in terms if t.region.plane is not None and t.region.plane.axis == axis]
        if axis == domain.time_axis:
            sentences.extend(_missing_starts(orders[axis], given, measured))
        elif not measured:
            sentences.extend(_missing_boundaries(orders[axis], given, name))
    return tuple(sentences)


def _fields(term: Term) -> set[str]:
    return {data[0] for kind, data in leaves(term.residual) if kind == "jet"}


def _missing_starts(orders: Mapping[str, int], terms: Sequence[Term], measured: Set[str]) -> Iterator[str]:
    for field, order in orders.items():
        given = sum(field in _fields(t) for t in terms)
        if order > given and field not in measured:
            lacking = field if given == 0 else f"{field}_t"
            yield (
                f"the field {field} has {order} time derivative{'s' * (order > 1)} but {given or 'no'} initial condition; "
                f"the solution is not unique without Initial({lacking}=...)"
            )


def _missing_boundaries(orders: Mapping[str, int], terms: Sequence[Term], axis: str) -> Iterator[str]:
    # first-order equations need conditions only where something flows in, which a count cannot see
    needed = sum(order for order in orders.values() if order > 1)
    if needed > len(terms):
        yield (
            f"{needed} derivatives along {axis} stand against {len(terms)} conditions on {axis}- and {axis}+; the "
            "solution is not unique unless the equation degenerates there"
        )
