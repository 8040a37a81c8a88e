"""What prescribed values that do not fit together at a corner of the box make of the solution: a known function.

Where values or slopes on the two sides of a corner belong to no smooth function, as those of a lid that moves past a
wall at rest, the solution begins with ``r**p (f(phi) + log(r) g(phi))``.  The principal part of the equations and the
prescribed values determine it, level by level of the powers: first what values at the corner ask for, then what slopes
and the lower terms of the equations at the levels before do.  Derivatives of the order of the equations are not square
integrable, so that no least-squares solution on a grid comes close; what remains beside these functions is smoother.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.polynomial import polynomial

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.program import Leaf, Value, leaves
from hermite_pinn.field.singular_part import Shape, SingularBasis, SingularPart
from hermite_pinn.field.singular_sector import SectorFunction
from hermite_pinn.geometry.corner import Corner
from hermite_pinn.problem.problem import Problem

from .compiled import Jet, compile_term
from .corner_pencil import CornerMode, Operator, is_polynomial, particular
from .corner_systems import CornerSystem, system_at
from .corner_terms import UnsuitableError, conditions_on
from .sizes import field_sizes

__all__ = ["known_part"]

logger = logging.getLogger(__name__)

SIDE_POINTS, SIDE_PART = 12, 0.02  # points on a side, and the part of it, by which values are known near a corner
SMOOTH = 1e-7  # of values: how well a polynomial has to fit them
RINGS, CLOSE = (
    (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
    1e-4,
)  # distances, in parts of the length, at which equations are looked at
NOTHING = 1e-13  # of a series: coefficients that are left out
SEEN = 1e-7  # of the size of a field: a function that is worth while
MEAN_POINTS = 160  # along an axis, to find the mean of a field


def known_part(problem: Problem) -> SingularPart | None:
    """The functions that prescribed values ask for at the corners of the box; the problem's plan keeps them.

    None where all fits together, and for problems that the box does not bound alone, in time, in other dimensions than
    two, with periodic axes, parameters or data.
    """
    return problem.plan.own.once("known part", lambda: _found(problem))


def _found(problem: Problem) -> SingularPart | None:
    domain = problem.domain
    if domain.dim != 2 or domain.time_axis is not None or domain.is_cut or any(problem.periodic) or problem.parameters:
        return None
    if any(t.region.measured is not None or t.region.penalty is not None for t in problem.terms):
        return None
    functions: list[tuple[Shape, str]] = []
    numbers: list[float] = []
    for corner in _corners(problem):
        try:
            found = _at_corner(problem, corner)
        except UnsuitableError as why:
            logger.debug("no functions for values that do not fit together at %s: %s", corner.point, why)
            continue
        functions += found.functions
        numbers += found.coefficients
    if not functions:
        return None
    shapes, names = zip(*functions, strict=True)
    part = SingularPart(SingularBasis(shapes, names), torch.tensor(numbers, dtype=torch.float64))
    return _without_means(problem, part)


def _corners(problem: Problem) -> list[Corner]:
    domain = problem.domain
    (a, c), (b, d) = domain.lower, domain.upper
    x, y = domain.names
    turned = (
        ((a, c), f"{y}-", f"{x}-"),
        ((b, c), f"{x}+", f"{y}-"),
        ((b, d), f"{y}+", f"{x}+"),
        ((a, d), f"{x}-", f"{y}+"),
    )
    return [
        Corner(point, 0.5 * math.pi, 0.5 * math.pi * k, (first, last))
        for k, (point, first, last) in enumerate(turned)
    ]  # fmt: skip


# -- one corner ---
@dataclass
class _Known:
    """Functions of a corner with their coefficients; ``all`` also has those that a grid can hold."""

    functions: list[tuple[Shape, str]] = field(default_factory=list)
    coefficients: list[float] = field(default_factory=list)
    everything: list[tuple[Shape, str, float]] = field(default_factory=list)

    def jets(self, x: torch.Tensor, wanted: Sequence[Jet]) -> dict[Jet, Value]:
        """Derivatives at points (2, n)."""
        orders = sorted({o for _, o in wanted})
        channels = Channels(2, tuple(((1.0, o),) for o in orders))
        found: dict[Jet, Value] = {}
        for shape, name, coefficient in self.everything:
            values = coefficient * shape.jets(x, channels)
            for k, o in enumerate(orders):
                found[name, o] = found.get((name, o), 0.0) + values[k]
        return found


def _at_corner(problem: Problem, corner: Corner) -> _Known:
    prescribed = [_values(problem, corner, face, side) for side, face in enumerate(corner.faces)]
    known = _Known()
    if not any(np.any(v) for own in prescribed for v in own.values()):
        return known
    system = system_at(problem, corner)
    if system is None:
        return known
    sizes = field_sizes(problem)
    highest = max(system.pencil.t)
    degrees = [_degree(system, operator) for operator, _ in system.pencil.conditions]
    _check_homogeneous(system, degrees)
    for power in range(-highest, 0):
        values = []
        for (term, side), degree in zip(system.conditions, degrees, strict=True):
            series = prescribed[side][term.term.name]
            k = power - degree
            values.append(float(series[k]) if 0 <= k < len(series) else 0.0)

        def sources(equation: int, angles: np.ndarray, power: int = power) -> np.ndarray:
            return _sources(problem, system, known, equation, power, angles)

        least = [sizes[f] / system.length ** (power + t) for f, t in zip(system.fields, system.pencil.t, strict=True)]
        try:
            pair = particular(system.pencil, power, sources, values, least)
        except (ArithmeticError, np.linalg.LinAlgError) as why:
            raise UnsuitableError(str(why)) from None
        _enter(system, pair, power, known, sizes)
    return known


def _degree(system: CornerSystem, operator: Operator) -> int:
    """By how much the order of a condition exceeds the weights of its fields."""
    return max(sum(orders) - system.pencil.t[f] for f, orders in operator)


def _check_homogeneous(system: CornerSystem, degrees: Sequence[int]) -> None:
    """Conditions with terms of lower order, as Robin's, prescribe values that depend on the solution at the corner."""
    weights = dict(zip(system.fields, system.pencil.t, strict=True))
    for (term, _), degree in zip(system.conditions, degrees, strict=True):
        if any(sum(orders) - weights[name] < degree for name, orders in (*term.constant, *term.variable)):
            raise UnsuitableError(f"the condition {term.term.name!r} has terms of lower order")


def _enter(
    system: CornerSystem, pair: tuple[CornerMode, CornerMode], power: int, known: _Known, sizes: Mapping[str, float]
) -> None:
    """Note the functions of a level."""
    scales = [
        system.length ** (power + weight) / (sizes[name] or 1.0)
        for weight, name in zip(system.pencil.t, system.fields, strict=True)
    ]

    def relative(mode: CornerMode) -> CornerMode:
        """Over the length of the domain and the sizes of the fields, in the units of the pencil."""
        every = zip(mode.series, scales, system.pencil.units, strict=True)
        return CornerMode(mode.power, tuple(series * scale * unit for series, scale, unit in every))

    def size(mode: CornerMode) -> float:
        """The largest of all fields over the length of the domain, relative to the sizes of the fields."""
        return max(float(np.abs(s).max()) * scale for s, scale in zip(mode.series, scales, strict=True))

    mode, logarithm = (
        CornerMode(m.power, tuple(np.where(np.abs(s) < NOTHING * np.abs(s).max(), 0.0, s) for s in m.series))
        for m in pair
    )
    if max(size(mode), size(logarithm)) < SEEN:
        return
    logarithmic = size(logarithm) >= SEEN
    smooth = not logarithmic and is_polynomial(system.pencil, relative(mode))
    coefficient = system.length ** (power + max(system.pencil.t))
    for own in system.functions(mode, logarithm if logarithmic else None):
        for function, name in own.functions:
            known.everything.append((function, name, coefficient))
            if not smooth:
                known.functions.append((function, name))
                known.coefficients.append(coefficient)


# -- what conditions and equations say ---
def _values(problem: Problem, corner: Corner, face: str, side: int) -> dict[str, np.ndarray]:
    """By condition on a side, the Taylor coefficients of what it prescribes, by the distance from the corner."""
    angle = corner.start + side * corner.angle
    along = math.cos(angle), math.sin(angle)
    normal = (along[1], -along[0]) if side == 0 else (-along[1], along[0])
    axis = 0 if abs(along[0]) > 0.5 else 1
    reach = SIDE_PART * problem.domain.lengths[axis]
    nodes = 0.5 - 0.5 * np.cos(math.pi * (np.arange(SIDE_POINTS) + 0.5) / SIDE_POINTS)
    x = torch.tensor(
        [[c + reach * s * a for s in nodes] for c, a in zip(corner.point, along, strict=True)], dtype=torch.float64
    )
    x[1 - axis] = corner.point[1 - axis]
    env = _environment(problem, x, normal)
    middle = [float(row[0]) for row in x]
    found: dict[str, np.ndarray] = {}
    for term in conditions_on(problem, face, middle):
        compiled = compile_term(problem, term)
        given = -np.broadcast_to(np.asarray(compiled.evaluate(env, {})[0], dtype=float), (SIDE_POINTS,))
        if not compiled.affine or not np.isfinite(given).all():
            raise UnsuitableError(f"the values of {term.name!r} are not known")
        fitted = polynomial.polyfit(nodes, given, SIDE_POINTS - 4)
        if np.abs(polynomial.polyval(nodes, fitted) - given).max() > SMOOTH * np.abs(given).max():
            raise UnsuitableError(f"the values of {term.name!r} are not smooth")
        found[term.name] = fitted / reach ** np.arange(len(fitted))
    return found


def _sources(
    problem: Problem, system: CornerSystem, known: _Known, equation: int, power: int, angles: np.ndarray
) -> np.ndarray:
    """What is missing in an equation with the functions known so far, over its power of the distance."""
    if not known.everything:
        return np.zeros(len(angles))
    term, length, rows = system.terms[equation], CLOSE * min(problem.domain.lengths), []
    jets = sorted({data for kind, data in leaves(term.term.residual) if kind == "jet"})
    point = torch.tensor(system.corner.point, dtype=torch.float64)[:, None]
    for ring in RINGS:
        r = ring * length
        x = point + r * torch.tensor(np.stack([np.cos(angles), np.sin(angles)]))
        env = _environment(problem, x, None)
        residual = term.evaluate(env, known.jets(x, jets))[0]
        values = np.broadcast_to(np.asarray(residual, dtype=float), (len(angles),))
        rows.append(values * r ** (system.pencil.s[equation] - power))
    rings = np.array(RINGS)
    logarithm = np.log(rings)
    shapes = np.stack([np.ones_like(rings), rings, rings * logarithm, rings**2, rings**2 * logarithm], 1)
    leading: np.ndarray = np.linalg.lstsq(shapes, np.stack(rows), rcond=None)[0][0]
    if not np.isfinite(leading).all():
        raise UnsuitableError("the equations are not defined beside the corner")
    return -leading


def _environment(problem: Problem, x: torch.Tensor, normal: Sequence[float] | None) -> dict[Leaf, Value]:
    env: dict[Leaf, Value] = {("coordinate", name): row for name, row in zip(problem.domain.names, x, strict=True)}
    return env | {("normal", axis): component for axis, component in enumerate(normal or ())}


# -- means ---
def _without_means(problem: Problem, part: SingularPart) -> SingularPart:
    """The same with fields whose means are fixed less theirs."""
    domain = problem.domain
    t, weights = np.polynomial.legendre.leggauss(MEAN_POINTS)
    t, weights = 0.5 + 0.5 * t, 0.5 * weights
    place = t**3 * (10.0 - 15.0 * t + 6.0 * t * t)  # close to both ends
    weights = weights * 30.0 * t * t * (1.0 - t) ** 2
    axes = [torch.as_tensor(a + n * place) for a, n in zip(domain.lower, domain.lengths, strict=True)]
    x = torch.stack([g.reshape(-1) for g in torch.meshgrid(*axes, indexing="ij")])
    weight = torch.as_tensor(np.outer(weights, weights).reshape(-1))
    functions, names, numbers = list(part.basis.functions), list(part.basis.fields), part.coefficients.tolist()
    for name in problem.gauges:
        if name in names:
            values = part.jets(x, Channels.value(2), (name,))[0, 0]
            functions.append(SectorFunction((domain.lower[0], domain.lower[1]), 0.0, 0.0, 1.25 * math.pi, (1.0,)))
            names.append(name)
            numbers.append(-float((values * weight).sum()))
    return SingularPart(SingularBasis(tuple(functions), tuple(names)), torch.tensor(numbers, dtype=torch.float64))
