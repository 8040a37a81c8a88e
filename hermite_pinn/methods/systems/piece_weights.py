"""Weights of equations by block of a box with breaks.

Least squares take a residual for as small as its number says.  Where the coefficients jump by orders of magnitude, the
equation in one block would outweigh that in its neighbour by the square of their ratio, and what no grid resolves,
such as the second derivatives where four blocks meet, would be paid for where coefficients are small.  So the equation
is divided in each block by the size that it has there for functions which vary over a cell; what it says does not
change.  Of an equation with derivatives in time that is the size of these: a residual moves the fields at its own rate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from hermite_pinn.expressions.functions import tabulated
from hermite_pinn.expressions.graph import Expr, coordinate
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.geometry import gauss_axis
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.reference_state import reference_state
from hermite_pinn.residuals.sizes import relative_sizes

from .crossing_weights import crossing_factor

__all__ = ["balanced_terms", "block_sizes"]

POINTS = 3  # along an axis of a block, at which its sizes are taken
UNEVEN = 2.0  # ratio of sizes from which on they count
LEAST = 1e-6  # of the largest size: an equation that vanishes in a block has a weight there, too
MOST = 200_000  # blocks that are looked at


def balanced_terms(problem: Problem, terms: Sequence[CompiledTerm], resolution: Sequence[int]) -> list[CompiledTerm]:
    """Equations divided by their sizes in every block, relative to the mean of these; the same where they are even."""
    if not problem.domain.breaks:
        return list(terms)
    return [_balanced(problem, t, tuple(resolution)) for t in terms]


def _balanced(problem: Problem, term: CompiledTerm, resolution: tuple[int, ...]) -> CompiledTerm:
    key = ("balanced", id(problem.plan.known(term.term.residual)), resolution)
    weight = problem.plan.own.once(key, lambda: _weight(problem, term, resolution))
    if weight is None:
        return term
    weighed = replace(term.term, expression=term.term.expression * weight, residual=term.term.residual * weight)
    return compile_term(problem, weighed)


def _weight(problem: Problem, term: CompiledTerm, resolution: tuple[int, ...]) -> Expr | None:
    """The factor of an equation as a function of the coordinates; None where it is one."""
    domain, knots = problem.domain, _knots(problem)
    if math.prod(len(k) - 1 for k in knots) > MOST:
        return None
    sizes = block_sizes(problem, term, resolution, evolving=True)
    if not np.isfinite(sizes).all() or not sizes.max() > 0:
        return None
    near = crossing_factor(problem, term.name, lambda flux: block_sizes(problem, flux, resolution))
    if near is None and sizes.max() <= UNEVEN * sizes.min():
        return None
    sizes = np.maximum(sizes, LEAST * sizes.max())
    volumes = np.ones(())
    for k in knots:
        volumes = volumes[..., None] * np.diff(k)
    mean = math.exp(float((volumes * np.log(sizes)).sum() / volumes.sum()))
    factors = mean / sizes

    def factor(*x: np.ndarray) -> np.ndarray:
        at = tuple(np.searchsorted(k[1:-1], v, side="right") for k, v in zip(knots, x, strict=True))
        found: np.ndarray = factors[at]
        return found if near is None else found * near(*x)

    weight: Expr = tabulated(factor, name="the weight of a block")(*(coordinate(n) for n in domain.names))
    return weight


def _knots(problem: Problem) -> list[np.ndarray]:
    """Bounds and breaks by axis."""
    domain = problem.domain
    return [
        np.array(ends if own is None else own.knots)
        for ends, own in zip(domain.bounds.values(), domain.pieces, strict=True)
    ]


def block_sizes(
    problem: Problem,
    term: CompiledTerm,
    resolution: Sequence[int],
    at: Mapping[int, float] | None = None,
    *,
    evolving: bool = False,
) -> np.ndarray:
    """By block the largest of the terms of an expression, for fields of their sizes that vary over a cell.

    Parameters
    ----------
    at
        Coordinates by axis, where sizes are those at one place; there is one block along these axes.
    evolving
        Whether only derivatives in time count where there are some.
    """
    domain, knots, fixed = problem.domain, _knots(problem), at or {}
    env: dict[Leaf, Value] = {("parameter", p.name): p.init for p in problem.parameters}
    for axis, (name, k) in enumerate(zip(domain.names, knots, strict=True)):
        points = np.concatenate([gauss_axis(a, b, 1, POINTS)[0] for a, b in itertools.pairwise(k)])
        if axis in fixed:
            points = np.full(POINTS, fixed[axis])
        env[("coordinate", name)] = torch.as_tensor(points).reshape([-1 if i == axis else 1 for i in range(domain.dim)])
    jets = reference_state(problem).jets(problem, env)
    slopes: Mapping[tuple[str, tuple[int, ...]], Value] = {**term.constant, **term.evaluate(env, jets)[1]}
    time = domain.time_axis
    if evolving and time is not None and any(orders[time] for _, orders in slopes):
        slopes = {jet: slope for jet, slope in slopes.items() if jet[1][time]}
    cell = [a / n for a, n in zip(domain.lengths, resolution, strict=True)]
    weights = relative_sizes(problem, {name for name, _ in slopes})
    shape = [1 if axis in fixed else len(k) - 1 for axis, k in enumerate(knots)]
    largest = np.zeros(shape)
    for (name, orders), slope in slopes.items():
        unit = weights[name] / math.prod(h**o for h, o in zip(cell, orders, strict=True))
        value = torch.as_tensor(slope, dtype=torch.float64).cpu().numpy()
        whole = np.broadcast_to(value, [n * POINTS for n in shape])
        split = whole.reshape([part for n in shape for part in (n, POINTS)])
        mean = np.sqrt(np.mean(split**2, axis=tuple(range(1, 2 * domain.dim, 2))))
        largest = np.maximum(largest, unit * mean)
    return largest
