"""What diffuses from the sides of one axis of space where conditions contradict the state at the start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from hermite_pinn.expressions.graph import Expr, coordinate
from hermite_pinn.expressions.program import (
    Leaf,
    Program,
    Value,
    depends_on,
    is_smooth,
    substitute,
    total_derivative,
)
from hermite_pinn.field.singular_part import SingularBasis, SingularPart
from hermite_pinn.field.start_layer import StartLayer
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import FaceTrace, Term
from hermite_pinn.residuals.scales import source_norms
from hermite_pinn.residuals.sizes import field_sizes, prescribed_sizes, wave_numbers

from .line_equations import LineEquation, line_equations
from .time_slabs import time_orders

__all__ = ["beside_layers"]

LEVELS = 4  # derivatives in time that are looked at, from the value on
SHIFT = 1e-16  # of all times, before which layers begin
SMALL = 1e-9  # contradiction relative to the data
MOST = 100.0  # of a layer at the end, relative to the data: beyond that the difference of both loses digits
GROWTH = 60.0  # exponent of drift and decay up to which layers contain them
SAMPLES = 257


def beside_layers(problem: Problem) -> tuple[Problem, SingularPart | None]:
    """The problem for what is left of the solution beside known layers at the start, and these layers.

    They are those of :class:`.StartLayer` with which the conditions on the sides and their derivatives in time agree
    with the state at the start and its rate of change.  They are found for one axis of space, equations of first order
    in time, and constant diffusion.

    Returns
    -------
    rest, known
        The problem itself and None where there are none.
    """

    def found() -> tuple[Problem, SingularPart | None]:
        layers = _layers(problem)
        if not layers:
            return problem, None
        basis = SingularBasis(tuple(layer.function for layer in layers), tuple(layer.field for layer in layers))
        sizes = torch.tensor([layer.size for layer in layers], dtype=torch.float64)
        return _rest(problem, layers), SingularPart(basis, sizes)

    return problem.plan.own.once("start layers", found)


@dataclass(frozen=True)
class _Layer:
    """A function with its coefficient, as a part of a field."""

    field: str
    size: float
    function: StartLayer


@dataclass(frozen=True, eq=False)
class _Evolution:
    """The state at the start and its derivatives in time, as expressions of the place, by field."""

    problem: Problem
    equations: Mapping[str, LineEquation]
    initial: Mapping[str, Expr]
    space: int
    time: int

    def growth(self, field: str) -> tuple[float, float]:
        """Along the axis of space and in time, of solutions with constant drift and decay against those of diffusion.

        Zero where these do not occur or grow too much, or where slopes are given, which they change.
        """
        equation, domain = self.equations[field], self.problem.domain
        second, first, none = (
            equation.strengths.get(tuple(n * (i == self.space) for i in range(2)), 0.0) for n in (2, 1, 0)
        )
        factor = float(equation.factor)  # type: ignore[arg-type]
        diffusivity, drift, decay = -second / factor, first / factor, none / factor
        along, later = 0.5 * drift / diffusivity, -(0.25 * drift**2 / diffusivity + decay)
        slopes = any(t.trace is not None and t.trace.order and t.trace.field == field for t in self.problem.terms)
        large = max(abs(along) * domain.lengths[self.space], abs(later) * domain.lengths[self.time]) > GROWTH
        return (0.0, 0.0) if large or (drift and slopes) else (along, later)

    def level(self, order: int) -> dict[str, Expr]:
        """The derivatives of an order in time."""
        if order == 0:
            return dict(self.initial)
        names, earlier = self.problem.domain.names, [self.level(k) for k in range(order)]

        def known(leaf: Expr) -> Expr | float | None:
            if leaf.op == "coordinate" and leaf.data == names[self.time]:
                return self.problem.domain.lower[self.time]
            if leaf.op != "jet":
                return None
            field, orders = leaf.data
            if orders[self.time] >= order:  # the rate itself, which the equation is solved for
                return 0.0
            value = earlier[orders[self.time]][field]
            for _ in range(orders[self.space]):
                value = total_derivative(value, names[self.space], self.space)
            return value

        found = {}
        for field, equation in self.equations.items():
            rate = self.problem.plan.known(equation.term.term.residual)
            for _ in range(order - 1):
                rate = total_derivative(rate, names[self.time], self.time)
            found[field] = substitute(rate, known) * (-1.0 / float(equation.factor))  # type: ignore[arg-type]
        return found


def _layers(problem: Problem) -> list[_Layer]:
    """The layers; none where they are not known."""
    evolution = _evolution(problem)
    layers: list[_Layer] = []
    if evolution is None:
        return layers
    jumping: set[str] = set()
    begun: dict[tuple[str, int], list[tuple[int, float]]] = {}  # layers of a side by level, and their sizes on it
    closed: set[tuple[str, int]] = set()  # fields and sides without further layers
    for level in range(LEVELS):
        if any(not _only_diffuses(evolution, f, jumping) for f in problem.fields) and jumping:
            break  # what the layers bring about in other terms is not known
        rates = evolution.level(level)
        for term, side in _sides(problem, evolution.space):
            assert term.trace is not None
            field = term.trace.field
            if (field, side) in closed:
                continue
            growth = evolution.growth(field)
            past = sum(s * math.comb(level, k) * growth[1] ** (level - k) for k, s in begun.get((field, side), []))
            size = _contradiction(evolution, term.trace, rates[field], side, level, past)
            if size is None:
                closed.add((field, side))
            elif size:
                diffusivity = _diffusivity(evolution.equations[field], evolution)
                assert diffusivity is not None
                inward = -1 if side else 1
                own = growth[0] * inward, growth[1]
                function = _layer(evolution, side, diffusivity, 2 * level + term.trace.order, own)
                factor = size / diffusivity**level * (-inward if term.trace.order else 1)
                layers.append(_Layer(field, factor, function))
                begun.setdefault((field, side), []).append((level, size))
                jumping.add(field)
    return layers


def _evolution(problem: Problem) -> _Evolution | None:
    """The evolution in a box along one axis of space, or None where layers are not known."""
    domain, time = problem.domain, problem.domain.time_axis
    if time is None or domain.dim != 2 or domain.is_cut or domain.breaks or any(problem.periodic):
        return None
    if problem.gauges or problem.parameters or any(t.noise is not None or t.where is not None for t in problem.terms):
        return None
    orders = time_orders(problem)
    if set(orders.values()) != {1}:
        return None
    equations = line_equations(problem, orders)
    if equations is None or not all(is_smooth(problem.plan.known(e.term.term.residual)) for e in equations):
        return None
    (space,) = domain.space_axes
    initial = {}
    for term in problem.terms:
        plane, trace = term.region.plane, term.trace
        if not term.region.is_interior and (plane is None or trace is None or not is_smooth(trace.value)):
            return None
        if plane is not None and trace is not None and plane.axis == time:
            if plane.side or trace.order or trace.field in initial:
                return None
            initial[trace.field] = trace.value
    found = _Evolution(problem, dict(zip(problem.fields, equations, strict=True)), initial, space, time)
    whole = len(initial) == len(problem.fields)
    return found if whole and all(_diffusivity(e, found) is not None for e in equations) else None


def _diffusivity(equation: LineEquation, evolution: _Evolution) -> float | None:
    """The constant with which a field diffuses, or None where its equation is no such one."""
    time, space, own = evolution.time, evolution.space, evolution.problem.fields[equation.field]
    twice = tuple(2 * (i == space) for i in range(2))
    for name, orders in equation.term.jets:
        highest = orders[time] == 1 and orders[space] == 0 and name == own
        if (orders[time] and not highest) or orders[space] > 2 or (orders[space] == 2 and name != own):
            return None
    if isinstance(equation.factor, Expr) or (own, twice) not in equation.term.constant:
        return None
    found = -equation.strengths[twice] / float(equation.factor)
    return found if math.isfinite(found) and found > 0 else None


def _only_diffuses(evolution: _Evolution, field: str, jumping: set[str]) -> bool:
    """Whether an equation has no other terms with fields that have layers."""
    equation = evolution.equations[field]
    solved = _solved(equation, evolution)
    return not any(name in jumping and (name, orders) not in solved for name, orders in equation.term.jets)


def _solved(equation: LineEquation, evolution: _Evolution) -> set[tuple[str, tuple[int, ...]]]:
    """The derivatives in the equation that layers solve: those of diffusion, and of drift and decay they grow with."""
    own = evolution.problem.fields[equation.field]
    orders = [(evolution.time, 1), (evolution.space, 2)]
    if any(evolution.growth(own)):
        orders += [(evolution.space, 1), (evolution.space, 0)]
    jets = {(own, tuple(n * (i == axis) for i in range(2))) for axis, n in orders}
    return jets & equation.term.constant.keys()


def _sides(problem: Problem, space: int) -> Iterator[tuple[Term, int]]:
    """Conditions on the sides of space."""
    for term in problem.terms:
        plane = term.region.plane
        if term.trace is not None and plane is not None and plane.axis == space and term.trace.order < 2:
            yield term, int(bool(plane.side))


def _contradiction(
    evolution: _Evolution, trace: FaceTrace, state: Expr, side: int, level: int, past: float
) -> float | None:
    """By how much a condition's derivative in time differs from that of the state and what layers before say of it.

    None where layers end.
    """
    problem, space, time = evolution.problem, evolution.space, evolution.time
    domain, names = problem.domain, problem.domain.names
    x = (domain.upper if side else domain.lower)[space]
    given, own = trace.value, state
    for _ in range(level):
        given = total_derivative(given, names[time], time)
    for _ in range(trace.order):
        own = total_derivative(own, names[space], space)
    if any(depends_on(e, ["jet"]) for e in (given, own)):
        return None
    wanted, found = (_at(e, names, space, x, domain.lower[time]) for e in (given, own))
    found += past
    if not (math.isfinite(wanted) and math.isfinite(found)):
        return None
    later = torch.linspace(domain.lower[time], domain.upper[time], SAMPLES, dtype=torch.float64)
    along = torch.linspace(domain.lower[space], domain.upper[space], SAMPLES, dtype=torch.float64)
    data = _values(trace.value, names, space, torch.full_like(later, x), later)
    size = max(float(data.abs().max()), float(_values(own, names, space, along, domain.lower[time]).abs().max()))
    factor = domain.lengths[time] ** level / math.factorial(level)
    if level and not abs(wanted - found) * factor <= MOST * size:
        return None
    return wanted - found if abs(wanted - found) * factor > SMALL * size else 0.0


def _values(value: Expr, names: tuple[str, ...], space: int, x: Value, t: Value) -> torch.Tensor:
    env: dict[Leaf, Value] = {("coordinate", names[space]): x, ("coordinate", names[1 - space]): t}
    return torch.as_tensor(Program([value]).run(env)[0], dtype=torch.float64)


def _at(value: Expr, names: tuple[str, ...], space: int, x: float, t: float) -> float:
    return float(_values(value, names, space, x, t))


def _layer(
    evolution: _Evolution, side: int, diffusivity: float, degree: int, growth: tuple[float, float]
) -> StartLayer:
    domain = evolution.problem.domain
    point = [0.0, 0.0]
    point[evolution.space] = (domain.upper if side else domain.lower)[evolution.space]
    point[evolution.time] = domain.lower[evolution.time]
    shift = SHIFT * domain.lengths[evolution.time]
    return StartLayer((point[0], point[1]), evolution.time, -1 if side else 1, diffusivity, degree, shift, growth)


def _rest(problem: Problem, layers: Sequence[_Layer]) -> Problem:
    """The problem for what is left; sizes of fields and equations are those of the problem itself."""
    evolution = _evolution(problem)
    assert evolution is not None
    names = problem.domain.names
    place, time = coordinate(names[evolution.space]), coordinate(names[evolution.time])

    def jet(field: str, orders: tuple[int, ...], where: Expr | float = place) -> Expr | float:
        total: Expr | float = 0.0
        for layer in layers:
            if layer.field == field:
                total = total + layer.size * layer.function.at(where, time, orders)
        return total

    def without(term: Term) -> Term:
        plane, trace = term.region.plane, term.trace
        if plane is not None and trace is not None:
            if plane.axis == evolution.time:  # layers are zero at the start
                return term
            orders = tuple(trace.order * int(i == plane.axis) for i in range(2))
            value = trace.value - jet(trace.field, orders, float(plane.position))
            trace = FaceTrace(trace.field, trace.order, value)
        solved = set()
        for equation in evolution.equations.values():
            if equation.term.term is term:
                solved = _solved(equation, evolution)
        residual = substitute(
            term.residual,
            lambda leaf: leaf + jet(*leaf.data) if leaf.op == "jet" and leaf.data not in solved else None,
        )
        return replace(term, expression=residual, residual=residual, trace=trace)

    rest = problem.restated(without)
    rest.plan.shared.once("prescribed sizes", lambda: prescribed_sizes(problem))
    rest.plan.shared.once("field sizes", lambda: field_sizes(problem))
    rest.plan.shared.once("wave numbers", lambda: wave_numbers(problem))
    rest.plan.own.once("source norms", lambda: source_norms(problem))
    return rest
