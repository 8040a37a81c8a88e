"""What the terms of a problem say at a corner of its domain, or beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch

from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .compiled import CompiledTerm, Jet
from .reference_state import reference_state

__all__ = [
    "CLOSE",
    "FLAT",
    "UnsuitableError",
    "conditions_on",
    "environment",
    "order_of",
    "same_face",
    "sensitivities_at",
]

FLAT = 0.02  # angle in radians by which a corner may differ from a straight line that needs no functions
CLOSE = 1e-6  # of the size of the domain: how far from a corner its sides are looked at


class UnsuitableError(Exception):
    """There are no functions for a field at a corner; the message says why."""


def order_of(sensitivities: Mapping[Jet, float], field: str) -> int:
    """Highest order of the derivatives of a field; -1 if it does not occur."""
    return max((sum(o) for (name, o), s in sensitivities.items() if name == field and s != 0), default=-1)


def sensitivities_at(
    problem: Problem,
    term: CompiledTerm,
    point: Sequence[float],
    normal: Sequence[float] | None = None,
    shifted: bool = False,
) -> dict[Jet, float]:
    """Derivatives of a residual by jets at a point, at the reference state or one beside it."""
    env = environment(problem, point, normal)
    jets = dict(reference_state(problem).jets(problem, env))
    if shifted:
        for k, jet in enumerate(term.jets):
            jets[jet] = jets.get(jet, 0.0) + 0.1 + 0.05 * math.sin(1.0 + k)
    _, variable, _ = term.evaluate(env, jets)
    found = {
        jet: float(torch.as_tensor(value, dtype=torch.float64).reshape(-1)[0])
        for jet, value in (term.constant | variable).items()
    }
    if not all(math.isfinite(value) for value in found.values()):
        raise UnsuitableError(f"the coefficients of {term.name!r} are not finite there")
    return found


def environment(problem: Problem, point: Sequence[float], normal: Sequence[float] | None) -> dict[Leaf, Value]:
    """What expressions depend on at a point, but for the fields."""
    env: dict[Leaf, Value] = {
        ("coordinate", name): torch.tensor([value], dtype=torch.float64)
        for name, value in zip(problem.domain.names, point, strict=True)
    }
    env |= {("parameter", p.name): p.init for p in problem.parameters}
    return env | {("normal", axis): component for axis, component in enumerate(normal or ())}


def conditions_on(problem: Problem, face: str, point: Sequence[float]) -> Iterator[Term]:
    """The terms that hold on a face at a point."""
    env = environment(problem, point, None)
    for term in problem.terms:
        if not term.region.on_boundary or term.region.measured is not None or not same_face(term.region.name, face):
            continue
        if term.where is not None:
            holds = problem.plan.program(term.where).run(env)[0]
            if not bool(torch.as_tensor(holds).reshape(-1)[0]):
                continue
        yield term


def same_face(region: str, face: str) -> bool:
    """Whether a region of a term is a face of a corner, or all of the shape of which that is a side."""
    return any(name == face or face.startswith(name + ":") for name in region.split(", "))
