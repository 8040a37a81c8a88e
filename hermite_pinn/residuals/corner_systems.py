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

__all__ = ["Mode", "system_modes"]

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
    if abs(corner.angle - math.pi) < FLAT and [o.keys() for o, _ in sides[0]] == [o.keys() for o, _ in sides[1]]:
        return []
    middles = problem.plan.own.once("middles of holes", lambda: hole_middles(problem.domain))
    direction, reach = cut_of(problem.domain, corner, middles)
    cut = math.atan2(direction[1], direction[0])
    pencil = Pencil(s, t, equations, (*sides[0], *sides[1]), cut)
    if not is_elliptic(pencil):
        raise UnsuitableError("the equations are not elliptic there")
    for face, own in zip(corner.faces, sides, strict=True):
        if 2 * len(own) != pencil.order:
            raise UnsuitableError(
                f"the number of conditions on {face} is {len(own)}, where the equations ask for {pencil.order / 2:g}"
            )
    try:
        modes = corner_modes(pencil, -0.5 * highest - 1.0, 0.0)
    except (ArithmeticError, np.linalg.LinAlgError) as why:
        raise UnsuitableError(str(why)) from None
    length = 0.5 * math.hypot(*problem.domain.lengths)
    return [m for mode in modes for m in _functions(mode, corner, fields, t, cut, reach, length)]


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


def _on_side(problem: Problem, corner: Corner, side: int, t: Sequence[int]) -> list[tuple[Operator, float]]:
    """The principal parts of the conditions on a side of a corner, and its angle."""
    angle = corner.start + side * corner.angle
    along = math.cos(angle), math.sin(angle)
    normal = (along[1], -along[0]) if side == 0 else (-along[1], along[0])
    step = CLOSE * max(problem.domain.lengths)
    point = [c + step * a for c, a in zip(corner.point, along, strict=True)]
    found = []
    for term in conditions_on(problem, corner.faces[side], point):
        operator = _principal(problem, compile_term(problem, term), point, normal, t)
        if operator:
            found.append((operator, angle))
    return found


def _functions(
    mode: CornerMode,
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
        for name, series, weight in sorted(zip(fields, mode.series, t, strict=True), key=lambda part: -part[2]):
            scaled = turn * length ** (weight - highest) * series
            kept = np.flatnonzero(series)
            if not len(kept):
                continue
            scaled = scaled[: kept[-1] + 1]
            function = SectorFunction(
                corner.point,
                mode.power.real + weight,
                mode.power.imag,
                cut,
                tuple(scaled.real.tolist()),
                tuple(scaled.imag.tolist()) if mode.power.imag else (),
                length,
                reach,
            )
            own.append((function, name))
        found.append(Mode(tuple(own)))
    return found
