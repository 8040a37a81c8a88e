"""Whether an equation can be solved in the direction of time in which its start is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import leaves, partials
from hermite_pinn.expressions.spelling import jet_name
from hermite_pinn.geometry import Domain

from .terms import Term

__all__ = ["against_time"]

Orders = tuple[int, ...]
Slopes = Mapping[tuple[str, Orders], Expr]  # derivatives of a residual by jets


def against_time(domain: Domain, residuals: Mapping[str, Expr], terms: Sequence[Term]) -> tuple[str, ...]:
    """Sentences about diffusion of the wrong sign: waves grow, the faster the shorter they are.

    With a wave exp(i k x) an equation a u.t + b u.x...x (m derivatives, m even) has solutions that change as
    exp(-b (i k)**m t / a).  They grow without bound in k in one direction of time.  The sign is judged where a and b
    are numbers, u.t is the only derivative along time, and the equation has no derivative of another field as high.

    Parameters
    ----------
    domain
        Of the problem.
    residuals
        Equations by name.
    terms
        Equations and conditions.

    Returns
    -------
    tuple
        Empty where the field is given at the other end too, by data, or by a penalty.
    """
    time = domain.time_axis
    if time is None:
        return ()
    slopes = {name: _by_jet(residual) for name, residual in residuals.items()}
    sentences = []
    for name, own in slopes.items():
        moving = [key for key in own if key[1][time]]
        if len(moving) != 1 or sum(moving[0][1]) != 1 or not own[moving[0]].is_constant:
            continue
        field, first = moving[0]
        ends = _given(field, time, terms)
        others = [s for other, s in slopes.items() if other != name] if len({f for f, _ in own}) > 1 else []
        if len(ends) == 1:
            wrong = next(_growing(own, field, first, others, ends == {0}), None)
            if wrong is not None:
                names = [jet_name(field, orders, domain.names) for orders in (first, wrong)]
                sentences.append(_told(name, field, names, own[field, wrong].data / own[moving[0]].data, min(ends)))
    return tuple(sentences)


def _by_jet(residual: Expr) -> Slopes:
    return {data: e for (_, data), e in partials(residual, lambda leaf: leaf.op == "jet").items()}


def _told(name: str, field: str, jets: Sequence[str], ratio: float, end: int) -> str:
    sign, turned = ("+", "-") if ratio > 0 else ("-", "+")
    size = "" if abs(ratio) == 1 else f"{abs(ratio):g}*"
    u_t, high = jets
    return (
        f"{name} is ill-posed: with {u_t} {sign} {size}{high} and {field} given at t{'-+'[end]}, waves grow, the faster the "
        f"shorter they are; check the sign of the diffusion ({u_t} {turned} {size}{high} is well-posed), or give {field} at "
        f"t{'+-'[end]} instead"
    )


def _growing(own: Slopes, field: str, first: Orders, others: Sequence[Slopes], forward: bool) -> Iterator[Orders]:
    """Highest even derivatives along an axis that make short waves grow in one direction of time."""
    rate = own[field, first].data
    for axis in range(len(first)):
        along = [o for f, o in own if f == field and 0 < o[axis] == sum(o) and o[axis] % 2 == 0]
        top = max(along, default=None, key=sum)
        if top is None or any(f != field and sum(o) >= sum(top) for f, o in own):
            continue
        if any(f == field and sum(o) >= sum(top) for other in others for f, o in other):
            continue
        slope = own[field, top]
        if slope.is_constant and slope.data * rate != 0:
            growth = slope.data / rate * (1.0 if sum(top) % 4 == 2 else -1.0)
            if (growth > 0) == forward:
                yield top


def _given(field: str, time: int, terms: Sequence[Term]) -> set[int]:
    """At which ends of time conditions name a field: 0 and 1; both where points or planes inside do."""
    ends: set[int] = set()
    for term in terms:
        if field not in {data[0] for kind, data in leaves(term.residual) if kind == "jet"}:
            continue
        region = term.region
        if region.is_interior and region.penalty is None:
            continue
        inside = region.measured is not None or region.penalty is not None or region.fixed is not None or region.inner
        if inside:
            return {0, 1}
        if region.plane is not None and region.plane.axis == time:
            ends.add(region.plane.side)
    return ends
