"""The singular functions of a system at a corner, as Stokes' and that of elasticity have them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hermite_pinn.field.singular_part import Shape
from hermite_pinn.field.singular_sector import SectorFunction
from hermite_pinn.geometry.corner import Corner
from hermite_pinn.problem.problem import Problem

from .adn_weights import equation_weights
from .compiled import CompiledTerm, Jet, compile_term
from .corner_cuts import cut_of, hole_middles
from .corner_pencil import CornerMode, Operator, Pencil, corner_modes, is_elliptic
from .corner_terms import CLOSE, FLAT, UnsuitableError, conditions_on, sensitivities_at

__all__ = ["CornerSystem", "Mode", "system_at", "system_modes"]

SAME = 1e-6  # relative difference of principal parts at two states that are one


@dataclass(frozen=True)
class Mode:
    """Functions of some fields that have one coefficient.

    Attributes
    ----------
    functions
        With the names of their fields; the first has the largest exponent.
    """

    functions: tuple[tuple[Shape, str], ...]

    @property
    def order(self) -> float:
        """The power of the distance from the corner of the smoothest field."""
        return max(function.order for function, _ in self.functions)

    @property
    def point(self) -> tuple[float, float]:
        """The corner."""
        return self.functions[0][0].point


def system_modes(problem: Problem, corner: Corner) -> list[Mode]:
    """The functions with which solutions begin at a corner, by the principal part of all equations together.

    They are ``r**(m + t_j) f_j(phi)`` in field j, whose weight is ``t_j``, with all powers that finite energy admits
    up to that of the smoothest field's own order; see :mod:`.corner_pencil`.

    Raises
    ------
    UnsuitableError
        If the equations are not elliptic, depend on the solution in their principal part, or have not as many
        conditions as they ask for.
    """
    system = system_at(problem, corner)
    if system is None:
        return []
    try:
        modes = corner_modes(system.pencil, -0.5 * max(system.pencil.t) - 1.0, 0.0)
    except (ArithmeticError, np.linalg.LinAlgError) as why:
        raise UnsuitableError(str(why)) from None
    return [m for mode in modes for m in system.functions(mode)]


@dataclass(frozen=True)
class CornerSystem:
    """The principal part of a problem at a corner.

    Attributes
    ----------
    corner, fields, length
        Where, of what, and the unit of length of its functions.
    pencil
        The equations and conditions.
    terms, conditions
        Of the problem, in the order of the pencil; conditions with the face on which they hold there.
    reach
        Distance from which on functions are cut off.
    """

    corner: Corner
    fields: tuple[str, ...]
    length: float
    pencil: Pencil
    terms: tuple[CompiledTerm, ...]
    conditions: tuple[tuple[CompiledTerm, int], ...]
    reach: float

    def functions(self, mode: CornerMode, logarithm: CornerMode | None = None) -> list[Mode]:
        """The real functions of a mode, with what the logarithm of the distance is multiplied with."""
        cut = self.pencil.cut
        return _functions(mode, logarithm, self.corner, self.fields, self.pencil.t, cut, self.reach, self.length)


def system_at(problem: Problem, corner: Corner) -> CornerSystem | None:
    """The system of a corner; None where a straight side goes on with the same conditions.

    Raises
    ------
    UnsuitableError
        If the equations are not elliptic, depend on the solution in their principal part, or have not as many
        conditions as they ask for.
    """
    terms = [
        compile_term(problem, t) for t in problem.terms if t.region.is_interior and t.region.penalty is None
    ]  # penalties are no equations
    fields = tuple(problem.fields)
    if len(terms) != len(fields):
        raise UnsuitableError(f"there are {len(terms)} equations for {len(fields)} fields")
    here = [sensitivities_at(problem, term, corner.point) for term in terms]
    weights = equation_weights(_orders(here, fields))
    if weights is None:
        raise UnsuitableError("the equations cannot be paired with the fields")
    s, t = (tuple(int(w) for w in both) for both in weights)
    highest = max(t)
    if highest < 2:
        raise UnsuitableError("the equations are of first order")
    equations = tuple(
        _principal(problem, term, corner.point, None, t, degree) for term, degree in zip(terms, s, strict=True)
    )
    sides = [_on_side(problem, corner, side, t) for side in (0, 1)]
    if abs(corner.angle - math.pi) < FLAT and [o.keys() for o, _, _ in sides[0]] == [o.keys() for o, _, _ in sides[1]]:
        return None
    middles = problem.plan.own.once("middles of holes", lambda: hole_middles(problem.domain))
    direction, reach = cut_of(problem.domain, corner, middles)
    cut = math.atan2(direction[1], direction[0])
    pencil = Pencil(s, t, equations, tuple((o, angle) for own in sides for o, angle, _ in own), cut)
    if not is_elliptic(pencil):
        raise UnsuitableError("the equations are not elliptic there")
    for face, own in zip(corner.faces, sides, strict=True):
        if 2 * len(own) != pencil.order:
            raise UnsuitableError(
                f"the number of conditions on {face} is {len(own)}, where the equations ask for {pencil.order / 2:g}"
            )
    length = 0.5 * math.hypot(*problem.domain.lengths)
    conditions = tuple((term, side) for side, own in enumerate(sides) for _, _, term in own)
    return CornerSystem(corner, fields, length, pencil, tuple(terms), conditions, reach)


def _orders(sensitivities: Sequence[Mapping[Jet, float]], fields: Sequence[str]) -> np.ndarray:
    orders = np.full((len(sensitivities), len(fields)), -math.inf)
    for k, own in enumerate(sensitivities):
        for (name, o), value in own.items():
            if value != 0:
                orders[k, fields.index(name)] = max(orders[k, fields.index(name)], sum(o))
    return orders


def _principal(
    problem: Problem,
    term: CompiledTerm,
    point: Sequence[float],
    normal: Sequence[float] | None,
    t: Sequence[int],
    degree: int | None = None,
) -> Operator:
    """The derivatives of a term whose order is the weight of their field and a degree, by default the highest.

    Raises
    ------
    UnsuitableError
        If they depend on the solution.
    """
    fields = list(problem.fields)
    states: list[dict[tuple[int, tuple[int, int]], float]] = []
    for shifted in (False, True):
        found = sensitivities_at(problem, term, point, normal, shifted)
        states.append({(fields.index(f), (o[0], o[1])): v for (f, o), v in found.items() if v != 0})
    above = {key: sum(key[1]) - t[key[0]] for state in states for key in state}
    if degree is None:
        degree = max((above[key] for key in states[0]), default=0)
    own, other = ({key: v for key, v in state.items() if above[key] >= degree} for state in states)
    size = max((abs(v) for v in own.values()), default=0.0)
    changed = max((abs(v) for v in other.values()), default=0.0)
    for key in own.keys() | other.keys():
        if above[key] > degree or abs(own.get(key, 0.0) * changed - other.get(key, 0.0) * size) > SAME * size * changed:
            raise UnsuitableError(f"the principal part of {term.name!r} depends on the solution")
    return own


def _on_side(
    problem: Problem, corner: Corner, side: int, t: Sequence[int]
) -> list[tuple[Operator, float, CompiledTerm]]:
    """The principal parts of the conditions on a side of a corner, its angle, and the conditions."""
    angle = corner.start + side * corner.angle
    along = math.cos(angle), math.sin(angle)
    normal = (along[1], -along[0]) if side == 0 else (-along[1], along[0])
    step = CLOSE * max(problem.domain.lengths)
    point = [c + step * a for c, a in zip(corner.point, along, strict=True)]
    found = []
    for term in conditions_on(problem, corner.faces[side], point):
        compiled = compile_term(problem, term)
        operator = _principal(problem, compiled, point, normal, t)
        if operator:
            found.append((operator, angle, compiled))
    return found


def _functions(
    mode: CornerMode,
    logarithm: CornerMode | None,
    corner: Corner,
    fields: Sequence[str],
    t: Sequence[int],
    cut: float,
    reach: float,
    length: float,
) -> list[Mode]:
    """The real functions of a mode: two for a pair of conjugate powers."""
    highest, found = max(t), []
    for turn in (1.0, -1.0j) if mode.power.imag else (1.0,):
        own = []
        others = [np.zeros_like(series) for series in mode.series] if logarithm is None else logarithm.series
        parts = zip(fields, mode.series, others, t, strict=True)
        for name, series, other, weight in sorted(parts, key=lambda part: -part[3]):
            unit = length ** (weight - highest)
            kept = np.flatnonzero((series != 0) | (other != 0))
            if not len(kept):
                continue
            scaled = turn * unit * series[: kept[-1] + 1]
            extra = np.trim_zeros(unit * other.real, "b")
            function = SectorFunction(
                corner.point,
                mode.power.real + weight,
                mode.power.imag,
                cut,
                tuple(scaled.real.tolist()),
                tuple(scaled.imag.tolist()) if mode.power.imag else (),
                length,
                reach,
                tuple(extra.tolist()),
            )
            own.append((function, name))
        found.append(Mode(tuple(own)))
    return found
