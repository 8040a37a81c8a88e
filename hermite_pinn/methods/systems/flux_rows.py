"""Continuity of fluxes across breaks: what an equation in divergence form says where its coefficient jumps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hermite_pinn.expressions.differentiation import fluxes
from hermite_pinn.expressions.functions import tabulated
from hermite_pinn.expressions.graph import Expr, constant, coordinate
from hermite_pinn.geometry import Rule, Samples
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term

from .crossing_weights import crossing_factor
from .jump_block import JumpBlock
from .piece_weights import block_sizes
from .tensor_block import TensorBlock

__all__ = ["Crossing", "crossings", "jump_blocks"]

BESIDE = 1e-12  # of the length of an axis: where a limit is taken
LEAST = 1e-6  # of the largest flux of a break, for weights

#: Makes the block of terms at points and weights by axis, with divisors of their rows.
MakeBlock = Callable[[Sequence[CompiledTerm], Samples, Sequence[float]], TensorBlock]


@dataclass(frozen=True)
class Crossing:
    """A break that a flux crosses.

    Attributes
    ----------
    equation
        Name of the equation.
    axis, sides
        Number of the axis, and the coordinate of the break from the left and from the right: at the ends of a periodic
        axis two.
    flux
        What is continuous.
    """

    equation: str
    axis: int
    sides: tuple[float, float]
    flux: Expr


def crossings(problem: Problem) -> list[Crossing]:
    """All breaks of a problem with the fluxes that cross them."""
    found = []
    for name, residual in problem.residuals.items():
        for _, flux in fluxes([residual]):
            axis = problem.domain.axis(flux.axis)
            places = [(b, b) for b in problem.domain.breaks.get(flux.axis, ())]
            if places and problem.periodic[axis]:
                places.append((problem.domain.upper[axis], problem.domain.lower[axis]))
            found += [Crossing(name, axis, sides, flux.expression) for sides in places]
    return found


def jump_blocks(
    problem: Problem,
    resolution: Sequence[int],
    gauss: Sequence[int],
    interior: Callable[[str], float],
    make: MakeBlock,
) -> list[JumpBlock]:
    """The rows of all fluxes at breaks.

    They are weighted as those of conditions on a boundary are, by the side where the coefficient is smaller: an error
    of the flux does most there.

    Parameters
    ----------
    gauss
        Points per cell and axis.
    interior
        By equation, the size of its weighted rows for fields that vary over a cell.
    make
        Makes one side.
    """
    return [_jump_block(problem, c, resolution, gauss, interior, make) for c in crossings(problem)]


def _jump_block(
    problem: Problem,
    crossing: Crossing,
    resolution: Sequence[int],
    gauss: Sequence[int],
    interior: Callable[[str], float],
    make: MakeBlock,
) -> JumpBlock:
    domain, axis = problem.domain, crossing.axis
    beside = BESIDE * domain.lengths[axis]
    places = crossing.sides[0] - beside, crossing.sides[1] + beside
    name = f"{crossing.equation}: flux across breaks of {domain.names[axis]}"
    plain = compile_term(problem, Term(name, crossing.flux, domain.interior))
    weight = _weight(problem, crossing, plain, places, resolution)
    weighed = compile_term(problem, Term(name, crossing.flux * weight, domain.interior))
    h = domain.lengths[axis] / resolution[axis]
    size = interior(crossing.equation)
    scale = 1.0 / size / math.sqrt(h) if size > 0 else 1.0
    sides = []
    for place in places:
        rules = domain.interior.gauss(resolution, tuple(gauss)).axes
        assert rules is not None
        beside_break = [Rule(np.array([place]), np.ones(1)) if i == axis else r for i, r in enumerate(rules)]
        sides.append(make([weighed], Samples(axes=beside_break), [scale]))
    return JumpBlock(*sides)


def _weight(
    problem: Problem,
    crossing: Crossing,
    flux: CompiledTerm,
    places: tuple[float, float],
    resolution: Sequence[int],
) -> Expr:
    """One over the size of the flux on the side where it is smaller, by block along the break."""
    axis = crossing.axis
    near = crossing_factor(problem, crossing.equation, lambda flux: block_sizes(problem, flux, resolution))
    left, right = (block_sizes(problem, flux, resolution, {axis: place}) for place in places)
    sizes = np.minimum(left, right)
    sizes = np.maximum(sizes, LEAST * max(float(np.maximum(left, right).max()), 1e-300))
    names = [n for i, n in enumerate(problem.domain.names) if i != axis]
    if not names:
        return constant(1.0 / float(sizes.max()))
    knots = [
        np.array(ends if own is None else own.knots)
        for i, (ends, own) in enumerate(zip(problem.domain.bounds.values(), problem.domain.pieces, strict=True))
        if i != axis
    ]
    factors = 1.0 / np.squeeze(sizes, axis)

    def factor(*x: np.ndarray) -> np.ndarray:
        at = tuple(np.searchsorted(k[1:-1], v, side="right") for k, v in zip(knots, x, strict=True))
        found: np.ndarray = factors[at]
        if near is None:
            return found
        place = np.full(x[0].shape, crossing.sides[0])
        return found * near(*x[:axis], place, *x[axis:])

    weight: Expr = tabulated(factor, name="the weight of a break")(*(coordinate(n) for n in names))
    return weight
