"""Which conditions of a problem a field can satisfy exactly, and the factor and function that make it do so."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr, constant, coordinate, wrap
from hermite_pinn.expressions.program import depends_on, same, substitute
from hermite_pinn.field.exact_conditions import ExactConditions
from hermite_pinn.field.expression_graph import storable
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .curved_faces import CurvedFaces

__all__ = ["Held", "held_conditions"]

SAMPLES = 64  # points of a face at which values are compared
SAME = 1e-7  # of the size of the values: how far conditions may differ where they meet
ROUNDED = 1e-14  # a difference that is none, however small the values are
INSIDE = 1024  # points of the domain at which derivatives of what is added must be finite


@dataclass(frozen=True, eq=False)
class Held:
    """Conditions that hold exactly, and why others do not.

    Attributes
    ----------
    factor
        What makes them hold, or None without any.
    terms
        Those that it satisfies.
    reasons
        By name of a term that prescribes a value and is not among them, why.
    """

    factor: ExactConditions | None
    terms: tuple[Term, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)

    def has(self, term: Term) -> bool:
        """Whether a term is satisfied exactly."""
        return any(term is t for t in self.terms)

    def demand(self) -> None:
        """Raise an error if a value that is prescribed cannot be held.

        Raises
        ------
        InvalidProblemError
            With the reason.
        """
        if self.reasons:
            name, why = next(iter(self.reasons.items()))
            raise InvalidProblemError(
                f"hard=True: {name!r} cannot hold exactly, since {why}; leave hard out, which holds the others and weights this one, "
                "or change the condition"
            )


@dataclass(frozen=True, eq=False)
class _Value:
    """A prescribed value, or derivative along the axis, of a field on a face."""

    term: Term
    field: str
    order: int
    value: Expr
    axis: int | None  # None on the boundary of a shape
    side: int = 0


def held_conditions(problem: Problem, dtype: torch.dtype = torch.float64) -> Held:
    """As many values on faces as a field can satisfy exactly: Dirichlet conditions first, then initial ones.

    Values on whole sides of the box, on whole boundaries of shapes, and at the start, with the first time derivative.
    The fields are ``lift + factor * field``: the lift interpolates between the sides, with the values on shapes and
    then those at the start put in; the factor vanishes on all of these.  Where two conditions contradict each other
    where they meet, the second is not held, nor is one of which a derivative that the equations take overflows.

    Parameters
    ----------
    problem
        The problem.
    dtype
        In which the fields are trained.
    """
    curved = CurvedFaces.of(problem.domain)
    reasons: dict[str, str] = {}
    kept: list[_Value] = []
    found = [v for t in problem.terms if (v := _value_of(problem, t, curved, reasons)) is not None]
    found.sort(key=lambda v: (v.axis is not None and v.axis == problem.domain.time_axis, v.order))
    checker = _Checker(problem, curved, dtype)
    for field_name in problem.fields:
        own: list[_Value] = []
        for value in (v for v in found if v.field == field_name):
            why = checker.obstacle(own, value)
            if why is None:
                own.append(value)
            else:
                reasons.setdefault(value.term.name, why)
        kept += own
    if not kept:
        return Held(None, (), reasons)
    return Held(checker.factor(kept), tuple(v.term for v in kept), reasons)


def _value_of(problem: Problem, term: Term, curved: CurvedFaces, reasons: dict[str, str]) -> _Value | None:
    """What a term prescribes; None, with a reason where there is one, if it cannot be held."""
    region, trace, time = term.region, term.trace, problem.domain.time_axis
    if not region.on_boundary:
        return None
    if trace is not None and region.plane is not None:
        start = region.plane.axis == time and region.plane.side == 0
        if trace.order and not start:
            return None
        value = _Value(term, trace.field, trace.order, trace.value, region.plane.axis, region.plane.side)
    else:
        prescribed = _prescribed(term)
        if prescribed is None:
            return None
        if term.where is not None:
            reasons.setdefault(term.name, "it holds on a part of a face, and a factor vanishes on the whole of it")
            return None
        plane = region.lies_in
        if plane is not None and not region.inner:
            value = _Value(term, *prescribed, plane.axis, plane.side)
        elif region.name not in curved.names:
            reasons.setdefault(term.name, f"the face {region.name!r} is {curved.obstacle(region.name)}")
            return None
        else:
            value = _Value(term, *prescribed, None)
    if not storable(value.value) or depends_on(value.value, ["parameter", "normal"]):
        reasons.setdefault(term.name, "its value is no formula of the coordinates alone")
        return None
    return value


def _prescribed(term: Term) -> tuple[str, int, Expr] | None:
    """Field, order zero and value where a term says that a field has a value."""
    e = term.expression
    if e.op == "jet" and not any(e.data[1]):
        return e.data[0], 0, constant(0.0)
    if e.op == "sub" and e.args[0].op == "jet" and not any(e.args[0].data[1]) and not depends_on(e.args[1], ["jet"]):
        return e.args[0].data[0], 0, e.args[1]
    return None


class _Checker:
    """Makes lifts and factors, and looks whether they do what they should."""

    def __init__(self, problem: Problem, curved: CurvedFaces, dtype: torch.dtype) -> None:
        self.problem, self.curved, self.domain, self.dtype = problem, curved, problem.domain, dtype

    # -- the function that is added ---
    def _s(self, axis: int) -> Expr:
        """A coordinate from 0 to 1."""
        d = self.domain
        return wrap((coordinate(d.names[axis]) - d.lower[axis]) * (1.0 / (d.upper[axis] - d.lower[axis])))

    def _at(self, expression: Expr, axis: int, side: int) -> Expr:
        """On a side of the box."""
        d = self.domain
        place = (d.upper if side else d.lower)[axis]
        return substitute(
            expression, lambda leaf: place if (leaf.op, leaf.data) == ("coordinate", d.names[axis]) else None
        )

    def lift(self, values: Sequence[_Value]) -> Expr:
        """A function with all these values of one field."""
        made, time = constant(0.0), self.domain.time_axis
        for axis in self.domain.space_axes:
            made = self._between(made, axis, [v for v in values if v.axis == axis])
        made = self._on_shapes(made, values)
        if time is not None:
            made = self._from_start(made, time, [v for v in values if v.axis == time])
        return made

    def _between(self, made: Expr, axis: int, values: Sequence[_Value]) -> Expr:
        """With the values on one side or both, linear between them."""
        rest = {v.side: self._at(wrap(v.value - made), axis, v.side) for v in values}
        if not rest:
            return made
        s = self._s(axis)
        share = {0: 1.0 - s, 1: s} if len(rest) == 2 else dict.fromkeys(rest, constant(1.0))
        return functools.reduce(lambda total, side: wrap(total + share[side] * rest[side]), rest, made)

    def _on_shapes(self, made: Expr, values: Sequence[_Value]) -> Expr:
        """With the values on the boundaries of shapes; each fades where the other conditions are."""
        curved = [v for v in values if v.axis is None]
        rest = [wrap(v.value - made) for v in curved]
        if not curved or all(r.is_constant and r.data == 0 for r in rest):
            return made
        flat = [v for v in values if v.axis is not None and v.axis != self.domain.time_axis]
        if not flat and all(same(r, rest[0]) for r in rest):
            return wrap(made + rest[0])
        own = [self.curved.expression(v.term.region.name) for v in curved]
        for k, r in enumerate(rest):
            others = [e for j, e in enumerate(own) if j != k]
            away = functools.reduce(lambda a, b: wrap(a * b), others, self._vanishing(flat))
            made = wrap(made + r * away / (away + own[k]))
        return made

    def _from_start(self, made: Expr, time: int, values: Sequence[_Value]) -> Expr:
        """With the value at the start, and the derivative."""
        for v in sorted(values, key=lambda v: v.order):
            if v.order == 0:
                made = wrap(made + self._at(wrap(v.value - made), time, v.side))
            else:
                slope = self._slope(made, time)
                made = wrap(
                    made
                    + (coordinate(self.domain.names[time]) - self.domain.lower[time])
                    * self._at(wrap(v.value - slope), time, 0)
                )
        return made

    def _slope(self, made: Expr, axis: int) -> Expr:
        return ExactConditions(self.domain.names, (made,), (made,), self.curved.distances).derivative(made, axis)

    # -- the factor ---
    def _vanishing(self, values: Sequence[_Value]) -> Expr:
        """Zero where values are prescribed."""
        made = constant(1.0)
        for axis in range(self.domain.dim):
            s = self._s(axis)
            own = {(v.side, v.order) for v in values if v.axis == axis}
            low, high, moving = (0, 0) in own, (1, 0) in own, (0, 1) in own
            if moving:
                made = wrap(made * s * s)
            elif low and high:
                made = wrap(made * (4.0 * s * (1.0 - s)))
            elif low or high:
                made = wrap(made * (s if low else 1.0 - s))
        for v in values:
            if v.axis is None:
                made = wrap(made * self.curved.expression(v.term.region.name))
        return made

    def factor(self, values: Sequence[_Value]) -> ExactConditions:
        """Of all fields."""
        own = [[v for v in values if v.field == name] for name in self.problem.fields]
        factors, lifts = tuple(self._vanishing(v) for v in own), tuple(self.lift(v) for v in own)
        return ExactConditions(self.domain.names, factors, lifts, self.curved.distances)

    # -- checks ---
    def obstacle(self, held: Sequence[_Value], value: _Value) -> str | None:
        """Why a value cannot be held with others of the same field; None if it can."""
        if value.order and not any(v.axis == value.axis and v.order == 0 for v in held):
            return "a derivative at the start is held together with the value there"
        if any(
            v.axis == value.axis and v.side == value.side and v.order == value.order for v in held if v.axis is not None
        ):
            return "another condition prescribes the value on the same face"
        together = [*held, value]
        lift = self.lift(together)
        holder = ExactConditions(self.domain.names, (constant(1.0),), (lift,), self.curved.distances)
        found = [(v, *self._deviation(holder, v)) for v in together]
        for v, wrong, _ in found:
            size = max(s for w, _, s in found if w.order == v.order)  # a trace of a pulse at a side is no contradiction
            if not (math.isfinite(wrong) and wrong <= max(SAME * size, ROUNDED)):
                other = held[-1].term.name if v is value and held else v.term.name
                return f"its values differ from those of {other!r} where they meet"
        return self._overflow(holder)

    def _overflow(self, holder: ExactConditions) -> str | None:
        """That derivatives which the equations take are not finite, although the values are."""
        x = self.domain.interior.quasi_random(INSIDE, 0).x.to(self.dtype)
        added = holder.added(x, Channels.jet(self.domain.dim, min(2, self.problem.order)))
        if added is None or bool(added.isfinite().all()):
            return None
        name = str(self.dtype).removeprefix("torch.")
        return (
            f"derivatives of its values are not finite in {name} everywhere in the domain: where exp overflows, write "
            "1 / (1 + exp(z)) as (1 - tanh(z / 2)) / 2"
        )

    def _deviation(self, holder: ExactConditions, v: _Value) -> tuple[float, float]:
        """The largest difference at points of the face, and the size of the values there."""
        x = v.term.region.quasi_random(SAMPLES, 0).x.to(torch.float64)
        orders = [0] * self.domain.dim
        if v.order:
            assert v.axis is not None
            orders[v.axis] = 1
        channels = Channels.of(self.domain.dim, [tuple(orders)])
        have = holder.added(x, channels)
        wanted = ExactConditions(self.domain.names, (constant(1.0),), (v.value,), self.curved.distances).added(
            x, Channels.value(self.domain.dim)
        )
        a, b = (np.zeros(x.shape[1]) if t is None else t[0, 0].numpy() for t in (have, wanted))
        wrong = float(np.abs(a - b).max(initial=0.0))
        return wrong if math.isfinite(wrong) else math.inf, float(np.abs(b).max(initial=0.0))
