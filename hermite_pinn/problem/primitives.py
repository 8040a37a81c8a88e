"""Integrals in equations as fields of their own, which have equations and conditions.

With a kernel that is a sum of products, ``integral from p to x of K(x, s) e(s) ds = sum a(x) w(x)``, ``w' = b e`` and
``w(p) = 0``; a single product whose ``a`` has no zero takes the integral itself as field, ``W' = (a'/a) W + a b e``,
which does not grow where the memory fades.  An integral over a fixed interval is a further field ``c`` with ``c' = 0``
and ``c = w`` at its upper end; over a period ``w' = b e - c / L`` with ``w`` periodic says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr, apply, constant, coordinate, postorder, wrap
from hermite_pinn.expressions.jets import FieldJet
from hermite_pinn.expressions.program import Program, depends_on, total_derivative
from hermite_pinn.geometry import Domain, Region

from .fractional import Fraction
from .fractional_modes import resolvents
from .integral import Interval
from .kernels import separated
from .plan import Plan
from .terms import FaceTrace, Term

__all__ = ["Primitives"]

SAMPLES = 200  # points of an axis where a factor of a kernel is looked at for zeros
SMALL = 1e-12  # of its largest value, below which it counts as one


@dataclass(frozen=True)
class Tie:
    """A condition on a primitive: an expression that is zero at a coordinate."""

    name: str
    axis: str
    position: float | None  # None: the lower end
    upper: bool  # whether it is the upper end where there is no position
    expression: Expr
    field: str | None  # prescribed as zero there

    def term(self, domain: Domain, periodic: Sequence[bool]) -> Term:
        """The condition on a domain."""
        region = self._region(domain, periodic)
        exact = self.field is not None and region.plane is not None
        trace = FaceTrace(self.field, 0, constant(0.0)) if exact and self.field is not None else None
        return Term(self.name, self.expression, region, None, trace)

    def _region(self, domain: Domain, periodic: Sequence[bool]) -> Region:
        number = domain.axis(self.axis)
        ends = domain.lower[number], domain.upper[number]
        position = ends[self.upper] if self.position is None else self.position
        if position not in ends:
            return domain.section(self.axis, position)
        face = domain.face(f"{self.axis}{'-+'[position == ends[1]]}")
        return domain.seam(face) if periodic[number] else face


class Primitives:
    """The fields that stand for the integrals in a problem's equations and conditions.

    Parameters
    ----------
    domain, taken, periodic
        Of the problem: where it is posed, names that are used, and which axes wrap.
    plan
        Of the problem, by which equal integrals are one.

    Attributes
    ----------
    fields
        Their names.
    equations
        Residuals by name.
    fractional
        Whether a fractional Laplacian is among them.
    """

    def __init__(self, domain: Domain, taken: Iterable[str], periodic: Sequence[bool], plan: Plan) -> None:
        self._domain, self._periodic, self._plan = domain, tuple(periodic), plan
        self._taken = set(taken)
        self._values: dict[int, tuple[Expr, Expr]] = {}  # by the integral's id, with it
        self._ties: list[Tie] = []
        self._makers: dict[str, Callable[[Any, Expr], Expr]] = {"integral": self._made, "fractional": self._fractional}
        self.fields: list[str] = []
        self.equations: dict[str, Expr] = {}
        self.fractional = False

    def replaced(self, expression: Expr, known_only: bool = False) -> Expr:
        """An expression with fields in the place of its integrals.

        Parameters
        ----------
        known_only
            Refuse integrals that were not seen before.
        """
        done: dict[int, Expr] = {}
        for e in postorder(expression):
            args = tuple(done[id(a)] for a in e.args)
            if e.op in self._makers:
                done[id(e)] = self._value(e, args[0], known_only)
            elif all(a is b for a, b in zip(args, e.args, strict=True)):
                done[id(e)] = e
            else:
                done[id(e)] = Expr(e.op, args, e.data) if e.op == "opaque" else apply(e.op, *args)
        return done[id(expression)]

    def equation(self, name: str, residual: Expr) -> Expr:
        """An equation with fields in the place of its integrals.

        One with a fractional Laplacian holds at both ends of its axis, too, and takes no other condition there.
        """
        made = self.replaced(residual)
        axes = {e.data.axis for e in postorder(residual) if e.op == "fractional"}
        for axis in sorted(axes):
            for upper, end in enumerate(self._domain.bounds[axis]):
                self._ties.append(Tie(f"{name} at {axis}{'-+'[upper]}", axis, end, bool(upper), made, None))
        return made

    def term(self, term: Term) -> Term:
        """A condition with fields in the place of its integrals."""
        if not any(e.op in self._makers for e in postorder(term.residual, term.expression)):
            return term
        made = self.replaced(term.expression, known_only=True)
        return replace(term, expression=made, residual=self.replaced(term.residual, known_only=True))

    def terms(self, domain: Domain) -> list[Term]:
        """The conditions that the fields need, on the problem's domain or a part of it."""
        return [tie.term(domain, self._periodic) for tie in self._ties]

    # -- how an integral becomes fields ---
    def _value(self, node: Expr, integrand: Expr, known_only: bool) -> Expr:
        key = id(self._plan.known(Expr(node.op, (integrand,), node.data)))
        if key not in self._values:
            if known_only:
                raise InvalidProblemError(
                    f"{node} stands where none is taken; write it into the residual or into a Condition"
                )
            self._values[key] = (node, self._makers[node.op](node.data, integrand))
        return self._values[key][1]

    def _made(self, interval: Interval, integrand: Expr) -> Expr:
        what = f"the integral of {integrand} over {interval.axis}"
        axis = self._checked(interval, what)
        lower, upper = self._domain.lower[axis], self._domain.upper[axis]
        pairs = [(constant(1.0), constant(1.0))]
        if interval.kernel is not None:
            pairs = separated(interval.kernel, interval.axis, (lower, upper), what)
        make = self._total if interval.running is None else self._running
        return make(interval, integrand, pairs)

    def _checked(self, interval: Interval, what: str) -> int:
        domain = self._domain
        axis = domain.axis(interval.axis)
        if domain.is_cut and axis in domain.space_axes:
            raise InvalidProblemError(
                f"{what}: shapes cut the domain, so that equations have no integrals over its space"
            )
        lower, upper = domain.lower[axis], domain.upper[axis]
        a, b = (
            (lower if interval.lower is None else interval.lower),
            (upper if interval.upper is None else interval.upper),
        )
        if not lower <= a <= b <= upper or (a == b and interval.running is None):
            raise InvalidProblemError(
                f"{what}: the limits {a:g} and {b:g} are none within the domain, where {interval.axis} is in ({lower:g}, {upper:g})"
            )
        if self._periodic[axis] and (interval.running is not None or (a, b) != (lower, upper)):
            raise InvalidProblemError(
                f"{what}: {interval.axis} is periodic, and an integral over a part of a period is not; integrate over the whole axis"
            )
        return axis

    def _running(self, interval: Interval, integrand: Expr, pairs: Sequence[tuple[Expr, Expr]]) -> Expr:
        """From a limit to the coordinate, or from the coordinate to a limit."""
        upward = interval.running == "upper"
        start = interval.lower if upward else interval.upper
        sign = 1.0 if upward else -1.0
        if len(pairs) == 1 and self._nonzero(pairs[0][0], interval.axis):
            a, b = pairs[0]
            name = self._named(interval.name)
            rate = total_derivative(a, interval.axis, self._domain.axis(interval.axis)) / a
            self._equation(name, interval.axis, wrap(rate * self._field(name) + sign * a * b * integrand))
            self._begin(name, interval.axis, start, not upward)
            return self._field(name)
        total: Expr = constant(0.0)
        for a, b in pairs:
            name = self._named(interval.name)
            self._equation(name, interval.axis, wrap(sign * b * integrand))
            self._begin(name, interval.axis, start, not upward)
            total = wrap(total + a * self._field(name))
        return total

    def _total(self, interval: Interval, integrand: Expr, pairs: Sequence[tuple[Expr, Expr]]) -> Expr:
        """Over a fixed interval."""
        number = self._domain.axis(interval.axis)
        total: Expr = constant(0.0)
        for a, b in pairs:
            whole, part = self._named(interval.name), self._named(f"{interval.name}_running")
            self._equation(whole, interval.axis, constant(0.0))
            if self._periodic[number]:
                mean = self._field(whole) / self._domain.lengths[number]
                self._equation(part, interval.axis, wrap(b * integrand - mean))
            else:
                self._equation(part, interval.axis, wrap(b * integrand))
                end = self._field(whole) - self._field(part)
                self._ties.append(Tie(f"{whole} as a whole", interval.axis, interval.upper, True, end, None))
            self._begin(part, interval.axis, interval.lower, False)
            total = wrap(total + a * self._field(whole))
        return total

    def _fractional(self, fraction: Fraction, factor: Expr) -> Expr:
        """A fractional Laplacian by fields z_k with ``(J + p_k) z_k = w_k J v``.

        These hold at the ends, too, where J is of first order.
        """
        axis, domain = fraction.axis, self._domain
        number, self.fractional = self._whole(fraction), True
        lower, upper = domain.lower[number], domain.upper[number]
        along, half = coordinate(axis), 0.5 * fraction.alpha + 1.0

        def operator(value: Expr) -> Expr:
            slope = total_derivative(value, axis, number)
            bent = (along - lower) * (upper - along) * total_derivative(slope, axis, number)
            return wrap(half * (2.0 * along - (lower + upper)) * slope - bent)

        def along_ends(slope: Expr, k: int) -> Expr:  # the same at an end
            return wrap((-1.0, 1.0)[k] * half * (upper - lower) * slope)

        sums = resolvents(fraction.alpha)
        applied, ends = operator(factor), [along_ends(total_derivative(factor, axis, number), k) for k in (0, 1)]
        total = wrap(sums.constant * factor + sums.slope * applied)
        for weight, pole in zip(sums.weights, sums.poles, strict=True):
            name = self._named(fraction.name)
            own = self._field(name)
            self.equations[name] = wrap(operator(own) / pole + own - weight / pole * applied)
            for k, end in enumerate((lower, upper)):
                left = wrap(along_ends(self._jet(name, number), k) / pole + own - weight / pole * ends[k])
                self._ties.append(Tie(f"{name} at {axis}{'-+'[k]}", axis, end, bool(k), left, None))
            total = wrap(total + own)
        return total

    def _whole(self, fraction: Fraction) -> int:
        """The number of the axis of a fractional Laplacian, which lies along all of it."""
        domain, what = self._domain, f"the fractional Laplacian over {fraction.axis}"
        number = domain.axis(fraction.axis)
        if number not in domain.space_axes:
            raise InvalidProblemError(f"{what}: {fraction.axis} is the time; it is taken along axes of space")
        if self._periodic[number]:
            raise InvalidProblemError(
                f"{what}: the axis is periodic, and the operator is that of functions that are zero outside of it; leave Periodic out"
            )
        if domain.is_cut:
            raise InvalidProblemError(f"{what}: shapes cut the domain; it is taken on a box")
        if self._plan.symbols.max_order < 2:
            raise InvalidProblemError(f"{what} takes second derivatives; make the problem with max_order=2")
        return number

    def _named(self, name: str) -> str:
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = f"{name}{count}"
        self._taken.add(found)
        self.fields.append(found)
        return found

    def _field(self, name: str) -> Expr:
        return self._jet(name, None)

    def _jet(self, name: str, axis: int | None) -> Expr:
        names = self._domain.names
        return FieldJet(name, tuple(int(i == axis) for i in range(len(names))), names, self._plan.symbols.max_order)

    def _equation(self, name: str, axis: str, rate: Expr) -> None:
        self.equations[name] = wrap(self._jet(name, self._domain.axis(axis)) - rate)

    def _begin(self, name: str, axis: str, position: float | None, upper: bool) -> None:
        self._ties.append(Tie(f"{name} begins", axis, position, upper, self._field(name), name))

    def _nonzero(self, factor: Expr, axis: str) -> bool:
        if not depends_on(factor, ["coordinate"]):
            return True
        lower, upper = self._domain.bounds[axis]
        at = torch.linspace(lower, upper, SAMPLES, dtype=torch.float64)
        values = np.asarray(Program([factor]).run({("coordinate", axis): at})[0])
        return bool((values > 0).all() or (values < 0).all())
