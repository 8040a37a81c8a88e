"""Sizes of residuals, by which they are made comparable."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.field.field import GridField
from hermite_pinn.problem.problem import Problem

from .compiled import CompiledTerm, Jet, compile_term
from .reference_state import reference_state
from .sizes import ROUNDING, balances, field_sizes, rms, sampled_region, sobol_points

__all__ = [
    "first_scales",
    "first_sizes",
    "rms",
    "row_scales",
    "sobol_points",
    "source_norms",
    "source_scales",
    "term_norms",
]

FAR = 1e3  # sizes beyond which, or below one over which, a problem is not in units of one
IMBALANCE = 30.0  # of the sizes of terms, or of equations against what was assumed, that counts as far


def sensitivity_sizes(problem: Problem, term: CompiledTerm, env: Mapping[Leaf, Value]) -> dict[Jet, float]:
    """Root mean squares of the derivatives of a residual by jets, at the :func:`reference_state`."""
    _, variable, _ = term.evaluate(env, reference_state(problem).jets(problem, env))
    return {jet: rms(s) for jet, s in (term.constant | variable).items()}


def first_sizes(problem: Problem, term: CompiledTerm) -> dict[Jet, float]:
    """:func:`sensitivity_sizes` at :func:`sobol_points`; kept in the problem's plan."""
    residual, region = problem.plan.known(term.term.residual), sampled_region(problem, term)
    key = ("first sizes", id(residual), region)
    return problem.plan.own.once(key, lambda: sensitivity_sizes(problem, term, sobol_points(problem, term)))


def source_norms(problem: Problem) -> list[float]:
    """Root mean squares of the interior residuals at the :func:`reference_state`, mostly the zero field.

    Where that is zero, the sum of the terms that fields of the :func:`.field_sizes` have there if they vary over the
    lengths of the domain, without values of fields whose coefficients outweigh those of the derivatives by far: fields
    with such coefficients balance each other.
    """
    return list(problem.plan.own.once("source norms", lambda: _source_norms(problem)))


def _source_norms(problem: Problem) -> list[float]:
    sizes, norms = field_sizes(problem), []
    for balance in balances(problem, {}):
        if not balance.inside:
            continue
        terms = {(f, o): s * sizes[f] for (f, o), s in balance.terms.items()}
        values = max((s for (_, o), s in terms.items() if not any(o)), default=0.0)
        derivatives = max((s for (_, o), s in terms.items() if any(o)), default=0.0)
        size = balance.source
        if not size > ROUNDING * (values + derivatives):
            size = derivatives if 0 < IMBALANCE * derivatives < values else max(derivatives, values)
        norms.append(size if size > 0 and math.isfinite(size) else 1.0)
    return norms


def term_norms(problem: Problem, field: GridField, parameters: Mapping[str, float]) -> list[float]:
    """How large the equations' terms are: root mean squares of the source and of the terms that a field adds to it.

    A term counts by the derivative of the residual by a jet, times the jet.
    """
    equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    orders = sorted({o for t in equations for _, o in t.jets})
    env = sobol_points(problem) | {("parameter", name): value for name, value in parameters.items()}
    x = torch.stack([torch.as_tensor(env[("coordinate", name)]) for name in problem.domain.names])
    channels = Channels(problem.domain.dim, tuple(((1.0, o),) for o in orders))
    values = field.jets(x.to(field.table), channels).to(x)
    jets: dict[Jet, Value] = {
        (name, o): values[i, k] for i, name in enumerate(problem.fields) for k, o in enumerate(orders)
    }
    norms, start = [], reference_state(problem).jets(problem, env)
    for term in equations:
        source, _, _ = term.evaluate(env, start)
        _, variable, _ = term.evaluate(env, jets)
        norms.append(math.hypot(rms(source), *(rms(s * jets[j]) for j, s in (term.constant | variable).items())))
    return norms


def in_units_of_one(problem: Problem) -> bool:
    """Whether fields and lengths are within three orders of magnitude of one."""
    return all(1 / FAR < size < FAR for size in (*field_sizes(problem).values(), *problem.domain.lengths))


def first_scales(problem: Problem) -> dict[str, float]:
    """By equation and condition, what its residual is divided by before anything is known of the solution.

    One in units in which fields and lengths are within three orders of magnitude of that; else the size of its terms
    where the fields have the :func:`.field_sizes`.
    """
    sizes, scales = field_sizes(problem), {t.name: 1.0 for t in problem.terms}
    if in_units_of_one(problem):
        return scales
    norms, found = iter(source_norms(problem)), dict[str, float]()
    terms = [t for t in problem.terms if t.region.penalty is None]
    for term, balance in zip(terms, balances(problem, {}), strict=True):
        own = max(balance.source, *(s * sizes[f] for (f, _), s in balance.terms.items()), 0.0)
        size = next(norms) if balance.inside else own
        if 0 < size < math.inf:
            found[term.name] = max(size, found.get(term.name, 0.0))
    return scales | found


def row_scales(problem: Problem, norms: Sequence[float]) -> list[float]:
    """Divisors of the interior rows from norms of the equations: L2 norms over the roots of the weights."""
    volume = problem.domain.interior.measure
    weights = [t.weight or 1.0 for t in problem.terms if t.region.is_interior]
    return [size * math.sqrt(volume / weight) for size, weight in zip(norms, weights, strict=True)]


def source_scales(problem: Problem) -> list[float]:
    """Divisors of the interior rows: their sources' L2 norms, over the roots of their weights."""
    return row_scales(problem, source_norms(problem))
