"""What a solution seems to lack to be unique."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import torch

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Program, depends_on, leaves, partials
from hermite_pinn.geometry import Domain, Region

from .terms import Term

__all__ = ["bare_faces", "check_used", "loose_fields", "missing_conditions"]

POINTS = 64  # of a side where coefficients are looked at
ROUNDING = 1e-12  # of their size inside, below which they count as zero there


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
    equations = list(residuals)
    measured = {f for t in terms if t.region.measured is not None for f in _fields(t)}
    measured |= {f for t in terms if t.region.penalty is not None for f in _fields(t)}
    orders = [dict.fromkeys(fields, 0) for _ in domain.names]
    for kind, data in leaves(*equations):
        if kind == "jet":
            name, derivative = data
            for along, order in zip(orders, derivative, strict=True):
                along[name] = max(along[name], order)
    sentences: list[str] = []
    whole, known = _is_box(domain), _is_known(terms)
    for axis, name in enumerate(domain.names):
        if periodic[axis]:
            continue
        given = [t for t in terms if t.region.plane is not None and t.region.plane.axis == axis]
        if axis == domain.time_axis:
            inside = [t for t in terms if t.region.inner and t.region.lies_in is not None]
            given += [t for t in inside if t.region.lies_in is not None and t.region.lies_in.axis == axis]
            found = list(_missing_starts(orders[axis], given, measured))
            if found:
                start = domain.face(f"{name}-")
                kept = {f: o - _degenerate(domain, equations, f, axis, o, start) for f, o in orders[axis].items()}
                found = list(_missing_starts(kept, given, measured))
            sentences.extend(found)
        elif whole and not known:
            needed = sum(order for order in orders[axis].values() if order > 1)
            if needed > len(given):
                sides = [f for f in domain.faces if f.plane is not None and f.plane.axis == axis]
                needed -= sum(
                    _degenerate(domain, equations, f, axis, o, side)
                    for f, o in orders[axis].items()
                    if o > 1
                    for side in sides
                )
            sentences.extend(_missing_boundaries(needed, given, name))
    return tuple(sentences)


def bare_faces(
    domain: Domain, fields: Sequence[str], periodic: Sequence[bool], residuals: Iterable[Expr], terms: Sequence[Term]
) -> tuple[str, ...]:
    """Sentences about faces of a domain that is no box, and parts of them, with fewer conditions than equations need.

    An equation of even order needs half as many conditions as that on a face where the coefficient of its highest
    derivative along the normal does not vanish.  Coefficients that depend on fields or parameters are taken not to.

    Parameters
    ----------
    domain, fields, periodic, residuals, terms
        As for :func:`missing_conditions`.
    """
    if _is_box(domain) or _is_known(terms):
        return ()
    equations = list(residuals)
    on_boundary = [t for t in terms if t.region.on_boundary]
    bare: dict[tuple[int, int], list[str]] = {}
    for face in domain.space_faces:
        if face.plane is not None and periodic[face.plane.axis]:
            continue
        needed = sum(_order_across(domain, equations, field, face) // 2 for field in fields)
        for part in sorted(face.covers):
            given = sum(part in t.region.covers for t in on_boundary)
            if given < needed:
                bare.setdefault((needed, given), []).append(part)
    return tuple(
        f"{needed} condition{'s' * (needed != 1)} belong{'s' * (needed == 1)} on every face, and there {'are' if given > 1 else 'is'} "
        f"{given or 'none'} on {', '.join(names)}; the solution is not unique unless the equation degenerates there"
        for (needed, given), names in bare.items()
    )


def loose_fields(fields: Sequence[str], terms: Sequence[Term]) -> tuple[str, ...]:
    """A sentence about fields that equations leave open, and values at points do not determine in between.

    Parameters
    ----------
    fields
        Of the problem.
    terms
        Equations and conditions.
    """
    equations = sum(t.region.is_interior and t.region.penalty is None for t in terms)
    smoothed = {f for t in terms if t.region.penalty is not None for f in _fields(t)}
    if equations + len(smoothed) >= len(fields):
        return ()
    measured = {f for t in terms if t.region.measured is not None for f in _fields(t)}
    open_fields = [f for f in fields if f not in measured | smoothed] or [f for f in fields if f not in smoothed]
    few = "1 equation stands" if equations == 1 else f"{equations} equations stand"
    names = ", ".join(repr(f) for f in open_fields)
    if not measured:
        return (f"{few} against {len(fields)} fields, which leaves {names} open; add the missing equation",)
    return (
        f"{few} against {len(fields)} fields, and values at points determine no field between them; add Smoothness({names}) "
        "or write the field with parameters",
    )


def _degenerate(domain: Domain, residuals: Sequence[Expr], field: str, axis: int, order: int, side: Region) -> bool:
    """Whether the coefficients of a field's highest derivatives along an axis vanish on a whole side.

    A smooth solution then needs one condition less there, as at the centre of polar coordinates.  Coefficients that
    depend on fields or parameters are taken not to vanish.
    """
    places = [region.quasi_random(POINTS, 0).leaves(domain.names) for region in (side, domain.interior)]
    for residual in residuals:
        for (_, data), slope in partials(residual, lambda leaf: leaf.op == "jet").items():
            if data[0] != field or data[1][axis] != order:
                continue
            if depends_on(slope, ["jet", "parameter", "data"]):
                return False
            program = Program([slope])
            there, inside = (
                float(torch.as_tensor(program.run(at)[0], dtype=torch.float64).abs().max()) for at in places
            )
            if not there <= ROUNDING * inside:
                return False
    return order > 0


def _fields(term: Term) -> set[str]:
    return {data[0] for kind, data in leaves(term.residual) if kind == "jet"}


def _missing_starts(orders: Mapping[str, int], terms: Sequence[Term], measured: Set[str]) -> Iterator[str]:
    for field, order in orders.items():
        given = sum(field in _fields(t) for t in terms)
        if order > given and field not in measured:
            lacking = field if given == 0 else f"{field}_t"
            yield (
                f"the field {field} has {order} time derivative{'s' * (order > 1)} but {given or 'no'} initial condition; "
                f"the solution is not unique without Initial({lacking}=...){', unless data determine it' * bool(measured)}"
            )


def check_used(parameters: Sequence[str], terms: Sequence[Term]) -> None:
    """Refuse a parameter that no equation or condition contains.

    Raises
    ------
    InvalidProblemError
        With its name.
    """
    used = {data for t in terms for kind, data in leaves(t.residual) if kind == "parameter"}
    unused = [name for name in parameters if name not in used]
    if unused:
        raise InvalidProblemError(
            f"the parameter {unused[0]!r} occurs in no equation and no condition, so nothing can determine it; "
            "remove it or use it"
        )


def _is_box(domain: Domain) -> bool:
    planes = sum(f.plane is not None for f in domain.space_faces)
    return planes == len(domain.space_faces) == 2 * len(domain.space_axes)


def _is_known(terms: Iterable[Term]) -> bool:
    """Whether there are values inside: given points may lie on any face, planes anywhere."""
    return any(t.region.measured is not None or t.region.penalty is not None or t.region.inner for t in terms)


def _order_across(domain: Domain, residuals: Sequence[Expr], field: str, face: Region) -> int:
    """The order of a field's derivatives along the normal of a face; 0 where the coefficients of these vanish."""
    slopes = [
        (data[1], slope)
        for residual in residuals
        for (_, data), slope in partials(residual, lambda leaf: leaf.op == "jet").items()
        if data[0] == field
    ]
    space = domain.space_axes
    top = max((sum(o[i] for i in space) for o, _ in slopes), default=0)
    highest = [(o, slope) for o, slope in slopes if sum(o[i] for i in space) == top]
    if any(depends_on(slope, ["jet", "parameter", "data"]) for _, slope in highest):
        return top
    symbol, size = _principal_symbols(domain, residuals, field, face, top)
    return top if symbol > ROUNDING * size else 0


def _principal_symbols(
    domain: Domain, residuals: Sequence[Expr], field: str, face: Region, top: int
) -> tuple[float, float]:
    """The largest coefficient of derivatives of order ``top`` along the normal of a face, and of all of that order."""
    samples, space = face.quasi_random(POINTS, 0), domain.space_axes
    assert samples.normals is not None
    there, inside = samples.leaves(domain.names), domain.interior.quasi_random(POINTS, 0).leaves(domain.names)
    along = size = 0.0
    for residual in residuals:
        symbol = torch.zeros(POINTS, dtype=torch.float64)
        for (_, data), slope in partials(residual, lambda leaf: leaf.op == "jet").items():
            if data[0] != field or sum(data[1][i] for i in space) != top:
                continue
            program = Program([slope])
            value, known = (torch.as_tensor(program.run(at)[0], dtype=torch.float64) for at in (there, inside))
            size = max(size, float(value.abs().max()), float(known.abs().max()))
            for i in space:
                value = value * torch.as_tensor(samples.normals[i], dtype=torch.float64) ** data[1][i]
            symbol = symbol + value
        along = max(along, float(symbol.abs().max()))
    return along, size


def _missing_boundaries(needed: int, terms: Sequence[Term], axis: str) -> Iterator[str]:
    # first-order equations need conditions only where something flows in, which a count cannot see
    if needed > len(terms):
        yield (
            f"{needed} derivatives along {axis} stand against {len(terms)} conditions on {axis}- and {axis}+; the "
            "solution is not unique unless the equation degenerates there"
        )
