"""Pieces between which fields choose, of even strength: ``minimum(a, b)`` is zero where ``minimum(a, c b)`` is.

Where one piece weighs far less than the other in the fields, as ``u - psi`` does beside ``-u.laplacian`` on cells that
are small, what it demands is given up for a little less of the other near the free boundary, and steps between the
pieces go round in circles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from hermite_pinn.expressions.graph import Expr, apply, wrap
from hermite_pinn.expressions.program import Leaf, Program, Value, continuous_choices, depends_on, partials
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.scales import rms
from hermite_pinn.residuals.sizes import field_sizes

__all__ = ["with_even_choices"]

POINTS = 1024  # at which coefficients are looked at
CELLS = 8  # of a grid on which the pieces are as strong
CHOICES = "minimum", "maximum"


def with_even_choices(problem: Problem) -> Problem:
    """The problem whose equations ``minimum(a, b) = 0`` have pieces of even strength; itself where there are none.

    Pieces are multiplied by positive numbers, which changes no solution.  Their strength is that of their coefficients
    for fields that vary over an eighth of the domain.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> rope = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: hp.minimum(1 - u.xx, u + 0.05), [hp.Dirichlet(u=0.0)])
    >>> with_even_choices(rope).terms[0].residual
    minimum(1 - u.xx, 64*(u + 0.05))
    """
    interior = [t for t in problem.terms if t.region.is_interior]
    if not any(continuous_choices(t.residual) for t in interior):
        return problem
    strength = _strengths(problem)

    def even(term: Term) -> Term:
        if not term.region.is_interior:
            return term
        made = _evened(term.residual, strength)
        return term if made is term.residual else replace(term, expression=made, residual=made)

    return problem.restated(even)


def _strengths(problem: Problem) -> Callable[[Expr], float | None]:
    """The strength of an expression in the fields; None where it depends on these."""
    domain, sizes = problem.domain, field_sizes(problem)
    x = domain.interior.quasi_random(POINTS, 0).x.to(torch.float64)
    env: dict[Leaf, Value] = {("coordinate", name): x[i] for i, name in enumerate(domain.names)}
    env |= {("parameter", p.name): p.init for p in problem.parameters}
    lengths = [length / CELLS for length in domain.lengths]

    def strength(piece: Expr) -> float | None:
        total = 0.0
        for (_, (field, orders)), slope in partials(piece, lambda leaf: leaf.op == "jet").items():
            if depends_on(slope, ["jet", "data"]):
                return None
            value = torch.as_tensor(Program([slope]).run(env)[0], dtype=torch.float64)
            total += sizes[field] * rms(value) / math.prod(h**o for h, o in zip(lengths, orders, strict=True))
        return total if math.isfinite(total) else None

    return strength


def _evened(expression: Expr, strength: Callable[[Expr], float | None]) -> Expr:
    """An expression that is zero where the given one is."""
    if expression.op == "neg":
        inner = _evened(expression.args[0], strength)
        return expression if inner is expression.args[0] else wrap(-inner)
    if expression.op not in CHOICES or not depends_on(expression, ["jet"]):
        return expression
    pieces = _pieces(expression)
    strengths = [strength(p) for p in pieces]
    known = [s for s in strengths if s is not None and s > 0]
    if len(known) < len(pieces) or max(known) == min(known):
        return expression
    factors = iter(max(known) / s for s in known)
    return _scaled(expression, factors)


def _pieces(expression: Expr) -> list[Expr]:
    """What choices, and choices between choices, choose from."""
    if expression.op not in CHOICES:
        return [expression]
    return [piece for a in expression.args for piece in _pieces(a)]


def _scaled(expression: Expr, factors: Iterator[float]) -> Expr:
    """The expression with its pieces multiplied by factors, in their order."""
    if expression.op not in CHOICES:
        factor = next(factors)
        return expression if factor == 1.0 else wrap(factor * expression)
    return apply(expression.op, *(_scaled(a, factors) for a in expression.args))
