"""How large fields and equations are, found together from what is prescribed: in nobody's units.

A field is as large as what conditions and data prescribe of it.  Where they prescribe nothing but zero, an equation
tells: its largest term balances another one or its source.  So sizes spread from field to field through the
coefficients of the equations: from displacements to stresses, from a load to a deflection.  An equation is as large as
its source, or else as its terms are at fields of these sizes.

All of it follows a change of units: fields in other units have other sizes, equations that are multiplied by a number
are larger by that number, and so are coefficients where lengths and times are measured otherwise.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from hermite_pinn.expressions.program import Leaf, Value, depends_on
from hermite_pinn.geometry import Region
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .compiled import CompiledTerm, Jet, compile_term
from .evaluation import restriction
from .reference_state import reference_state

__all__ = [
    "ROUNDING",
    "Balance",
    "balance_of",
    "balances",
    "field_sizes",
    "implied_by",
    "prescribed_sizes",
    "relative_sizes",
    "rms",
    "sampled_region",
    "sobol_points",
    "wave_numbers",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")

CONDITION_POINTS = 1024
SHIFT = 1e-3  # of a length, over which a function is compared with itself for its wave number
ROUNDING = 1e-12  # of a function elsewhere: values on a face that count as zero
UNKNOWN = 1.0  # size of a field of which nothing is known, and which others are measured by


def rms(value: Value) -> float:
    """Root mean square of a tensor in float64, or the size of a number."""
    if isinstance(value, torch.Tensor):
        return float(value.to(torch.float64).square().mean().sqrt())
    return abs(float(value))


def sobol_points(problem: Problem, term: CompiledTerm | None = None) -> dict[Leaf, Value]:
    """Coordinates of 4096 scrambled Sobol points, which no periodic source can fool, and the first parameters.

    The points are those of the whole domain, or of the region of a term that depends on its normal.
    """
    region = sampled_region(problem, term)
    return dict(problem.plan.own.once(("sobol points", region), lambda: _sobol_points(problem, region)))


def sampled_region(problem: Problem, term: CompiledTerm | None) -> Region:
    """The region whose points :func:`sobol_points` takes."""
    turning = term is not None and depends_on(term.term.residual, ["normal"])
    return term.term.region if term is not None and turning else problem.domain.interior


def _sobol_points(problem: Problem, region: Region) -> dict[Leaf, Value]:
    leaves = region.quasi_random(4096, 0).leaves(problem.domain.names)
    return leaves | {("parameter", p.name): p.init for p in problem.parameters}


@dataclass(frozen=True)
class Balance:
    """The terms that one equation or condition adds up.

    Attributes
    ----------
    inside
        Whether it is an equation, not a condition or data.
    source
        Root mean square of what is there without fields.
    terms
        By jet, the root mean square of the term of a field of unit size that has the problem's :func:`wave_numbers`.
    """

    inside: bool
    source: float
    terms: Mapping[Jet, float]

    @property
    def fields(self) -> set[str]:
        """The fields in it."""
        return {f for (f, _), size in self.terms.items() if size > 0}

    def of(self, field: str) -> float:
        """All terms of a field of unit size together."""
        return math.fsum(size for (f, _), size in self.terms.items() if f == field)

    def others(self, field: str, sizes: Mapping[str, float]) -> float:
        """The largest of the source and of the terms of other fields whose sizes are known."""
        return max(self.source, *(s * sizes[f] for (f, _), s in self.terms.items() if f != field and f in sizes), 0.0)

    def defines(self, field: str) -> bool:
        """Whether a field has no derivatives in it."""
        return not any(any(o) for (f, o), size in self.terms.items() if f == field and size > 0)

    def without(self, axis: int) -> Balance:
        """The same without derivatives along an axis."""
        return replace(self, terms={(f, o): size for (f, o), size in self.terms.items() if not o[axis]})

    def told(self, field: str) -> float:
        """The size of a field that is alone in it, or zero."""
        return self.source / self.of(field) if self.source > 0 and self.fields == {field} else 0.0


def balances(problem: Problem, sizes: Mapping[str, float]) -> list[Balance]:
    """What all terms but penalties add up, in the problem's order, where the fields have some sizes.

    Coefficients that depend on fields are taken where each jet is as large as that of a wave of that size; jets of the
    other fields are zero.
    """
    return [balance_of(problem, t, sizes) for t in problem.terms if t.region.penalty is None]


def balance_of(problem: Problem, term: Term, sizes: Mapping[str, float]) -> Balance:
    """What one term adds up; see :func:`balances`."""
    compiled = compile_term(problem, term)
    if compiled.affine:
        key = ("balance", id(problem.plan.known(term.residual)), term.region, id(term.where))
        return problem.plan.own.once(key, lambda: _taken(problem, compiled, {}))
    return _taken(problem, compiled, sizes)


def _taken(problem: Problem, term: CompiledTerm, sizes: Mapping[str, float]) -> Balance:
    region = term.term.region
    env = sobol_points(problem) if region.is_interior else _points(problem, term.term)
    if env is None:
        return Balance(False, 0.0, {})
    start = reference_state(problem).jets(problem, env)
    residual, slopes, _ = term.evaluate(env, start)
    if sizes and not start:
        slopes |= _slopes_at(problem, term, env, sizes)
    waves = wave_numbers(problem)
    terms = {(f, o): rms(s) * _derivative(waves, o) for (f, o), s in (term.constant | slopes).items()}
    source = rms(residual)
    if not math.isfinite(source) or (region.on_boundary and source <= ROUNDING * _anywhere(problem, term)):
        source = 0.0
    return Balance(
        region.is_interior,
        source,
        {j: size for j, size in terms.items() if math.isfinite(size)},
    )


def _anywhere(problem: Problem, term: CompiledTerm) -> float:
    """What a condition prescribes where it does not hold, which tells zero from rounding; zero where it cannot."""
    if depends_on(term.term.residual, ["normal"]):
        return 0.0
    size = _elsewhere(lambda: rms(term.evaluate(sobol_points(problem), {})[0]))
    return 0.0 if size is None or not math.isfinite(size) else size


def _elsewhere(evaluate: Callable[[], T]) -> T | None:
    """What functions of a problem give where they need not be defined: a condition off its face, or outside a table."""
    try:
        return evaluate()
    except MemoryError:
        raise
    except Exception as error:
        logger.debug("a function is not defined where its size is looked for: %r", error)
        return None


def _slopes_at(
    problem: Problem, term: CompiledTerm, env: Mapping[Leaf, Value], sizes: Mapping[str, float]
) -> dict[Jet, Value]:
    """Derivatives of a residual by jets where these are as large as fields of some sizes have them; finite ones."""
    waves = wave_numbers(problem)
    jets = {(f, o): sizes[f] * _derivative(waves, o) for f, o in term.jets if f in sizes}
    slopes = _elsewhere(lambda: term.evaluate(env, jets)[1])
    return {jet: s for jet, s in (slopes or {}).items() if math.isfinite(rms(s))}


def _points(problem: Problem, term: Term) -> dict[Leaf, Value] | None:
    """Points of a condition or of data, with the first parameters; None where its restriction keeps none."""
    samples = term.region.quasi_random(CONDITION_POINTS, 0)
    if term.where is not None:
        samples = samples.take(restriction(term, problem, samples))
    if not samples.count:
        return None
    return dict(samples.leaves(problem.domain.names)) | {("parameter", p.name): p.init for p in problem.parameters}


def _derivative(waves: Sequence[float], orders: Sequence[int]) -> float:
    """The size of a derivative of a wave of unit size."""
    return math.prod(k**m for k, m in zip(waves, orders, strict=True))


def wave_numbers(problem: Problem) -> tuple[float, ...]:
    """Along every axis, how fast the functions vary that the problem prescribes: at least half a wave over the domain.

    The fastest of the sources, of the values on faces, and of the initial values counts: the root mean square of its
    slope relative to its own.
    """
    return problem.plan.shared.once("wave numbers", lambda: _wave_numbers(problem))


def _wave_numbers(problem: Problem) -> tuple[float, ...]:
    domain = problem.domain
    least = [math.pi / a for a in domain.lengths]
    for term in problem.terms:
        if term.region.penalty is None:
            least = [max(a, b) for a, b in zip(least, _waves_of(problem, compile_term(problem, term)), strict=True)]
    return tuple(least)


def _waves_of(problem: Problem, term: CompiledTerm) -> list[float]:
    """Wave numbers of what a term has without fields; zero where it has nothing, or where they cannot be told."""
    none = [0.0] * problem.domain.dim
    env = sobol_points(problem) if term.term.region.is_interior else _points(problem, term.term)
    if env is None:
        return none
    here = _elsewhere(lambda: _source(problem, term, env))
    size = math.nan if here is None else rms(here)
    if here is None or not (0 < size < math.inf):
        return none
    if term.term.region.on_boundary and size <= ROUNDING * _anywhere(problem, term):
        return none
    return [_slope(problem, term, env, axis, here) / size for axis in range(problem.domain.dim)]


def _source(problem: Problem, term: CompiledTerm, env: Mapping[Leaf, Value]) -> torch.Tensor:
    """What a term has without fields."""
    return torch.as_tensor(term.evaluate(env, reference_state(problem).jets(problem, env))[0], dtype=torch.float64)


def _slope(problem: Problem, term: CompiledTerm, env: Mapping[Leaf, Value], axis: int, here: torch.Tensor) -> float:
    """Root mean square of the slope of a source along an axis, by a difference towards the middle; zero if unknown."""
    domain = problem.domain
    leaf, length = ("coordinate", domain.names[axis]), domain.lengths[axis]
    if leaf not in env:
        return 0.0
    at = torch.as_tensor(env[leaf], dtype=torch.float64)
    inward = 1 - 2 * (at >= domain.lower[axis] + length / 2).to(at.dtype)
    moved = {**env, leaf: at + SHIFT * length * inward}
    there = _elsewhere(lambda: _source(problem, term, moved))
    slope = math.nan if there is None else rms(there - here) / (SHIFT * length)
    return slope if math.isfinite(slope) else 0.0


def field_sizes(problem: Problem) -> dict[str, float]:
    """The size of every field, in the problem's order, as far as the statement of the problem tells.

    The problem's plan keeps them; parts of the problem have those of the whole.
    """
    return dict(problem.plan.shared.once("field sizes", lambda: _field_sizes(problem)))


def relative_sizes(problem: Problem, fields: Collection[str]) -> dict[str, float]:
    """The :func:`field_sizes` of some fields, relative to the largest of them."""
    sizes = {f: s for f, s in field_sizes(problem).items() if f in fields}
    return {f: s / max(sizes.values()) for f, s in sizes.items()}


def _field_sizes(problem: Problem) -> dict[str, float]:
    """See above; derivatives in time tell only where nothing else does: how long one looks is not how fast it goes."""
    known = _told(problem)
    while len(known) < len(problem.fields):
        rows, axis = balances(problem, known), problem.domain.time_axis
        unknown = [f for f in problem.fields if f not in known]
        steady = rows if axis is None else [row.without(axis) for row in rows]
        known |= implied_by(steady, unknown, known) or implied_by(rows, unknown, known) or {unknown[0]: UNKNOWN}
    return {f: known[f] for f in problem.fields}


def _told(problem: Problem) -> dict[str, float]:
    """Sizes of the fields that conditions and data prescribe: values, or where there are none derivatives."""
    told: dict[bool, dict[str, float]] = {True: {}, False: {}}
    for balance in balances(problem, {}):
        if balance.inside:
            continue
        for field in balance.fields:
            size, by_value = balance.told(field), any(not any(o) for _, o in balance.terms)
            if 0 < size < math.inf:
                told[by_value][field] = max(size, told[by_value].get(field, 0.0))
    problem.plan.shared.once("prescribed sizes", lambda: told[True])
    return told[False] | told[True]


def prescribed_sizes(problem: Problem) -> dict[str, float]:
    """Root mean squares of the values that conditions and data prescribe, by field that has some which are not zero."""
    field_sizes(problem)
    return dict(problem.plan.shared.once("prescribed sizes", dict))


def implied_by(rows: Sequence[Balance], unknown: Sequence[str], known: Mapping[str, float]) -> dict[str, float]:
    """Sizes of fields that follow from those of others, as far as they do: what is needed to balance what is known.

    Equations whose other fields are all known are asked first, of these such as define the field, which has no
    derivatives there; then those where some are known, with conditions that have a source, and last all conditions:
    most of these say little of what happens inside.

    Examples
    --------
    >>> stress = Balance(True, 0.0, {("s", (0,)): 1.0, ("u", (1,)): 7e10})
    >>> implied_by([stress], ["s"], {"u": 1e-5})
    {'s': 700000.0}
    """
    found: list[dict[str, float]] = [{}, {}, {}, {}]
    for row in rows:
        for field in unknown:
            own, others = row.of(field), row.others(field, known)
            size = others / own if own > 0 and others > 0 else 0.0
            if 0 < size < math.inf:
                complete = row.inside and row.fields - {field} <= known.keys()
                rank = (0 if row.defines(field) else 1) if complete else 2 if row.inside or row.source > 0 else 3
                found[rank][field] = max(size, found[rank].get(field, 0.0))
    return next(filter(None, found), {})
