"""Weights around places where breaks cross and a flux has another coefficient in each quarter.

Slopes are singular there, like ``r**(alpha - 1)`` with alpha > 0 as small as the coefficients make it, and second
derivatives are not square integrable.  Least squares without weights then converge, but to another function.  Rows
times the distance, up to a fraction of the pieces, are square integrable for every alpha.  See Cox and Fix, On the
accuracy of least squares methods in the presence of corner singularities, Comput. Math. Appl. 10 (1984).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from hermite_pinn.expressions.differentiation import fluxes
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term

__all__ = ["crossing_error", "crossing_factor"]

UNEVEN = 1e-3  # of the logarithm: below, coefficients around a crossing are a product, and nothing is singular
FAINT = 1e-12  # of the largest coefficient: one that vanishes
PART = 0.5  # of the shortest piece beside, within which rows weigh less

#: The sizes of an expression by block.
Sizes = Callable[[CompiledTerm], np.ndarray]


def crossing_factor(problem: Problem, equation: str, sizes: Sizes) -> Callable[..., np.ndarray] | None:
    """The factor of the rows of an equation as a function of coordinates (n,), by axis; None where it is one.

    Parameters
    ----------
    sizes
        Gives the sizes of a flux by block.
    """
    domain = problem.domain
    pairs = list(_singular_pairs(problem, equation, sizes))
    if not pairs:
        return None
    breaks = {i: np.array(domain.breaks[domain.names[i]]) for pair in pairs for i in pair}
    reach = _reach(problem)

    def factor(*x: np.ndarray) -> np.ndarray:
        near = {i: np.abs(np.asarray(x[i])[..., None] - own).min(-1) for i, own in breaks.items()}
        total = np.ones(())
        for i, j in pairs:
            total = total * np.minimum(1.0, np.hypot(near[i], near[j]) / min(reach[i], reach[j]))
        return np.asarray(total)

    return factor


def crossing_error(problem: Problem, resolution: Sequence[int], sizes: Sizes) -> float:
    """About the relative error ``(h / r)**(2 alpha)`` that crossings may leave on uniform cells; 0 without any.

    With ``rho = a_11 a_22 / (a_12 a_21)`` of the coefficients around a crossing, alpha is that of a checkerboard of
    this rho, for which ``tan(pi alpha / 4) = min(rho, 1 / rho)**(1/4)``.  A solution may have less of it, or nothing.
    """
    worst, reach = 0.0, _reach(problem)
    for equation in problem.residuals:
        for (i, j), uneven in _singular_pairs(problem, equation, sizes).items():
            alpha = 4.0 / math.pi * math.atan(math.exp(-0.25 * uneven))
            cell = max(problem.domain.lengths[k] / resolution[k] / reach[k] for k in (i, j))
            worst = max(worst, min(1.0, 0.25 * uneven) * min(1.0, cell) ** (2.0 * alpha))
    return worst


def _reach(problem: Problem) -> dict[int, float]:
    """By axis with breaks, how far rows weigh less."""
    pieces = enumerate(problem.domain.pieces)
    return {i: PART * min(own.lengths) for i, own in pieces if own is not None}


def _singular_pairs(problem: Problem, equation: str, sizes: Sizes) -> dict[tuple[int, int], float]:
    """Pairs of axes whose breaks cross with other coefficients in each quarter, and ``|log rho|``, the largest."""
    residual = problem.residuals.get(equation)
    if residual is None or not problem.domain.breaks:
        return {}
    found = {problem.domain.axis(flux.axis): flux.expression for _, flux in fluxes([residual])}
    broken = sorted(i for i in found if problem.domain.pieces[i] is not None)
    pairs = {pair: _unevenness(problem, found[pair[0]], pair, sizes) for pair in itertools.combinations(broken, 2)}
    return {pair: uneven for pair, uneven in pairs.items() if uneven > UNEVEN}


def _unevenness(problem: Problem, flux: Expr, pair: Sequence[int], sizes: Sizes) -> float:
    """The largest ``|log rho|`` of a flux at all crossings of breaks of two axes."""
    term = compile_term(problem, Term("a flux", flux, problem.domain.interior))
    found = np.moveaxis(sizes(term), list(pair), [0, 1])
    largest = float(found.max())
    if not (math.isfinite(largest) and largest > 0):
        return 0.0
    logarithm = np.log(np.maximum(found, FAINT * largest))
    mixed = logarithm[1:, 1:] - logarithm[1:, :-1] - logarithm[:-1, 1:] + logarithm[:-1, :-1]
    return float(np.abs(mixed).max()) if mixed.size else 0.0
