"""Sizes of residuals, by which they are made comparable."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from hermite_pinn.problem import Problem
from hermite_pinn.program import Leaf, Value
from hermite_pinn.residuals import CompiledTerm, Jet

__all__ = ["rms", "sensitivity_sizes", "sobol_points", "source_norms", "source_scales"]


def rms(value: Value) -> float:
    """Root mean square of a tensor in float64, or the size of a number."""
    if isinstance(value, torch.Tensor):
        return float(value.to(torch.float64).square().mean().sqrt())
    return abs(float(value))


def sobol_points(problem: Problem) -> dict[Leaf, Value]:
    """Coordinates of 4096 scrambled Sobol points, which no periodic source can fool, and the first parameters."""
    domain = problem.domain
    unit = torch.quasirandom.SobolEngine(domain.dim, scramble=True, seed=0).draw(4096, dtype=torch.float64)
    env: dict[Leaf, Value] = {
        ("coordinate", name): a + (b - a) * unit[:, i]
        for i, (name, a, b) in enumerate(zip(domain.names, domain.lower, domain.upper, strict=True))
    }
    return env | {("parameter", p.name): p.init for p in problem.parameters}


def sensitivity_sizes(term: CompiledTerm, env: Mapping[Leaf, Value]) -> dict[Jet, float]:
    """Root mean squares of the derivatives of a residual by jets, where all fields are zero."""
    _, variable, _ = term.evaluate(env, {})
    return {jet: rms(s) for jet, s in (term.constant | variable).items()}


def source_norms(problem: Problem) -> list[float]:
    """Root mean squares of the interior residuals of the zero field.

    Where that is zero, the size of the operator on functions of unit size that vary over the box.
    """
    env, found = sobol_points(problem), []
    for term in problem.terms:
        if term.region is not None:
            continue
        compiled = CompiledTerm(term)
        size = rms(compiled.evaluate(env, {})[0])
        if not (size > 0 and math.isfinite(size)):
            size = sum(
                s / math.prod(length**m for length, m in zip(problem.domain.lengths, o, strict=True))
                for (_, o), s in sensitivity_sizes(compiled, env).items()
            )
        found.append(size if size > 0 and math.isfinite(size) else 1.0)
    return found


def source_scales(problem: Problem) -> list[float]:
    """Divisors of the interior rows: their sources' L2 norms, over the roots of their weights."""
    volume = math.prod(problem.domain.lengths)
    weights = [t.weight or 1.0 for t in problem.terms if t.region is None]
    return [size * math.sqrt(volume / weight) for size, weight in zip(source_norms(problem), weights, strict=True)]
