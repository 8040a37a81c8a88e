"""How large equations are beside each other, by a first solution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hermite_pinn.field.field import GridField
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.scales import IMBALANCE, term_norms

from .stage import Stage
from .term_sizes import floored, implied_sizes, strengths

__all__ = ["ZERO", "balanced_norms", "by_parameters"]

MOVED = 3.0  # the ratio of sizes of an equation, by values of parameters, beyond which it counts otherwise
ZERO = 1e-6  # of its implied size: a field that counts as zero where no tolerance says so


def by_parameters(problem: Problem) -> bool:
    """Whether the size of a single equation is in doubt: it depends on parameters, and noisy data count beside it."""
    return bool(problem.parameters) and any(t.noise is not None for t in problem.terms)


def balanced_norms(problem: Problem, field: GridField, stage: Stage, norms: Sequence[float]) -> list[float] | None:
    """Sizes of the equations by a solution, where their proportions are not at all those known so far; else None.

    What is prescribed says beforehand how large an equation is; its terms at the solution may say more (with buoyancy
    in one equation, say, and a Rayleigh number of a million) or less (small changes of a large number).  They vanish
    where nothing moves or changes, which is no reason to enforce an equation beyond all others: it is never smaller
    than for fields of the sizes found, or those implied by others, that vary over the domain.

    Equations with unknown parameters were measured by the first values of these.  Where noisy data count beside
    them, their own size matters too: with a parameter that begins far too large they weigh far too little, and the
    fields follow the noise.

    Parameters
    ----------
    field, stage
        The solution, and the stage that has it.
    norms
        Sizes known so far.
    """
    root = math.sqrt(problem.domain.interior.measure)
    terms = term_norms(problem, field, stage.parameters)
    strong = strengths(stage.sensitivities, problem.fields, problem.domain.lengths)
    found = [n / root for n in stage.norms]
    least = floored(found, [0.0] * len(found), implied_sizes(strong, norms, found), ZERO)
    floors = [max(s * n for s, n in zip(row, least, strict=True)) for row in strong]
    new = [max(pair) for pair in zip(terms, floors, strict=True)]
    if not all(0 < n < math.inf for n in new):
        return None
    ratios = [a / b for a, b in zip(new, norms, strict=True)]
    by = by_parameters(problem)
    known = [*ratios, 1.0] if by else ratios
    if IMBALANCE * min(known) < max(known):
        return new
    if not by or not _far(ratios):
        return None
    first = term_norms(problem, field, {p.name: p.init for p in problem.parameters})
    return new if _far([max(f, least) / n for f, least, n in zip(first, floors, new, strict=True)]) else None


def _far(ratios: Sequence[float]) -> bool:
    """Whether some sizes are not those known so far."""
    return not all(1.0 / MOVED < r < MOVED for r in ratios)
