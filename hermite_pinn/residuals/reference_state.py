"""The state at which the sizes of residuals are taken, and from which Gauss-Newton starts: zero, where that is defined.

Roots, logarithms and negative powers of fields are not defined at zero, or have no derivative there.  Then the first of
some simple states is taken at which all equations and conditions and their derivatives are finite: what the conditions
prescribe on average, then constants of different size and sign, and the same with a slope.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.graph import Expr, postorder
from hermite_pinn.expressions.program import Leaf, Program, Value, leaves
from hermite_pinn.field.field import GridField
from hermite_pinn.geometry import Region
from hermite_pinn.problem.consistency import forms
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .compiled import CompiledTerm, Jet, compile_term

__all__ = ["ReferenceState", "reference_state", "undefined_part", "where_undefined"]

SIZES = (1.0, 0.5, 2.0, 0.1, 10.0, 1e-2, 1e2, 1e-4, 1e4)
SLOPES = (0.0, 1.0, -1.0)
MOST_FIELDS = 4  # up to which all signs are tried
FACE_POINTS = 256
#: Functions with a restricted domain, or whose derivatives have one; tabulated ones may be of these.
PARTIAL = frozenset(
    [
        "div",
        "pow",
        "log",
        "log1p",
        "sqrt",
        "cbrt",
        "opaque",
        "arcsin",
        "arccos",
        "arccosh",
        "arctanh",
        "arctan2",
        "hypot",
        "tan",
    ]
)


@dataclass(frozen=True)
class ReferenceState:
    """One affine function per field: a number at the lower corner of the domain, and one slope along all axes.

    Attributes
    ----------
    values
        At the centre of the domain, by field.
    slopes
        By field, the change over the whole length of every axis.
    """

    values: Mapping[str, float]
    slopes: Mapping[str, float]

    @property
    def is_zero(self) -> bool:
        """Whether it is the zero state."""
        return not any(self.values.values()) and not any(self.slopes.values())

    def jets(self, problem: Problem, env: Mapping[Leaf, Value]) -> dict[Jet, Value]:
        """Values and first derivatives at points; all others are zero.  Nothing for the zero state."""
        if self.is_zero:
            return {}
        domain, jets = problem.domain, dict[Jet, Value]()
        for name, value in self.values.items():
            total: Value = value
            for i, axis in enumerate(domain.names):
                slope = self.slopes[name] / domain.lengths[i]
                jets[(name, tuple(int(k == i) for k in range(domain.dim)))] = slope
                if slope:
                    middle = 0.5 * (domain.lower[i] + domain.upper[i])
                    total = total + slope * (env[("coordinate", axis)] - middle)
            jets[(name, (0,) * domain.dim)] = total
        return jets

    def fill(self, problem: Problem, basis: str, coefficients: torch.Tensor) -> None:
        """Set the coefficients (fields, m N_1, ...) of a dense level to those of the state."""
        if self.is_zero:
            return
        m, periodic = BASES[basis].coefficients, problem.periodic
        for f, name in enumerate(problem.fields):
            level = coefficients[f].zero_()
            vertices = level[(slice(None, None, m),) * level.ndim]
            vertices += self.values[name]
            for axis, count in enumerate(vertices.shape):
                cells = count if periodic[axis] else count - 1
                position = torch.arange(count, dtype=level.dtype, device=level.device) / cells - 0.5
                vertices += self.slopes[name] * position.reshape([-1 if k == axis else 1 for k in range(level.ndim)])
                along = tuple(slice(1 if k == axis else 0, None, m) for k in range(level.ndim))
                if not periodic[axis]:
                    level[along] += self.slopes[name] / cells


def reference_state(problem: Problem) -> ReferenceState:
    """The first of some states at which everything is finite, zero if there is none.

    The problem's plan keeps it; parts of the problem have that of the whole.
    """
    return problem.plan.shared.once("reference state", lambda: _found(problem))


def _found(problem: Problem) -> ReferenceState:
    terms = [t for t in problem.terms if t.region.penalty is None and t.region.measured is None]
    singular = [t for t in (compile_term(problem, t) for t in terms) if _may_be_undefined(t.term.residual)]
    zero = dict.fromkeys(problem.fields, 0.0)
    if not singular:
        return ReferenceState(zero, zero)
    placed = [(t, _points(problem, t.term)) for t in singular]
    states = itertools.chain([ReferenceState(zero, zero)], _candidates(problem))
    return next((s for s in states if _defined(problem, s, placed)), ReferenceState(zero, zero))


def _points(problem: Problem, term: Term) -> dict[Leaf, Value]:
    region: Region = term.region
    leaves = region.quasi_random(4096 if region.is_interior else FACE_POINTS, 0).leaves(problem.domain.names)
    return leaves | {("parameter", p.name): p.init for p in problem.parameters}


def _defined(
    problem: Problem, state: ReferenceState, terms: Sequence[tuple[CompiledTerm, Mapping[Leaf, Value]]]
) -> bool:
    """Whether all residuals and their derivatives are finite at the points."""
    for term, env in terms:
        try:
            residual, slopes, by_parameter = term.evaluate(env, state.jets(problem, env))
        except Exception:  # of a tabulated function, outside its table
            return False
        for value in (residual, *slopes.values(), *by_parameter.values()):
            finite = torch.isfinite(value).all() if isinstance(value, torch.Tensor) else math.isfinite(value)
            if not finite:
                return False
    return True


def _may_be_undefined(residual: Expr) -> bool:
    """Whether a residual applies a function to jets that is not defined, or has no derivative, everywhere."""
    on_jets: set[int] = set()
    for e in postorder(residual):
        if e.op == "jet" or any(id(a) in on_jets for a in e.args):
            on_jets.add(id(e))
            if e.op in PARTIAL:
                return True
    return False


def _candidates(problem: Problem) -> Iterator[ReferenceState]:
    given = _prescribed(problem)
    centres = [given] if given else []
    several = len(problem.fields) <= MOST_FIELDS
    signs = list(itertools.product((1.0, -1.0), repeat=len(problem.fields))) if several else [(1.0,), (-1.0,)]
    for slope in SLOPES:
        slopes = dict.fromkeys(problem.fields, slope)
        for centre in centres:
            size = max(map(abs, centre.values()), default=1.0) or 1.0
            full = {f: centre.get(f, size) for f in problem.fields}
            yield ReferenceState(full, dict.fromkeys(problem.fields, slope * size))
            yield ReferenceState({f: v or size for f, v in full.items()}, dict.fromkeys(problem.fields, slope * size))
        for size, sign in itertools.product(SIZES, signs):
            values = {f: size * s for f, s in zip(problem.fields, itertools.cycle(sign), strict=False)}
            yield ReferenceState(values, {f: size * s for f, s in slopes.items()})


def _prescribed(problem: Problem) -> dict[str, float]:
    """Mean of the values that conditions and data prescribe, by field, as far as they do."""
    sums: dict[str, list[float]] = {}
    for form in forms(problem.terms, problem.plan):
        if form.is_value:
            given = form.at(form.term.region.quasi_random(FACE_POINTS, 0), problem.domain.names)
            if given.holds.any():
                sums.setdefault(form.field, []).append(float(given.values[given.holds].mean()))
    for term in problem.terms:
        if term.region.measured is not None:
            for name, column in term.region.measured.columns.items():
                if term.name == f"data {name}":
                    sums.setdefault(name, []).append(float(column.mean()))
    return {name: math.fsum(means) / len(means) for name, means in sums.items()}


def where_undefined(problem: Problem, field: GridField, parameters: Mapping[str, float]) -> str:
    """Which part of the equations and conditions is not defined at a state, and where; nothing if none is found.

    Parameters
    ----------
    problem
        Whose terms are evaluated, at quasi-random points.
    field, parameters
        The state.
    """
    for term in problem.terms:
        if term.region.penalty is not None or term.region.measured is not None:
            continue
        env = _points(problem, term) | {("parameter", name): value for name, value in parameters.items()}
        x = torch.stack([torch.as_tensor(env[("coordinate", name)]) for name in problem.domain.names])
        jets = sorted({data for kind, data in leaves(term.residual) if kind == "jet"})
        orders = sorted({o for _, o in jets})
        channels = Channels(problem.domain.dim, tuple(((1.0, o),) for o in orders))
        with torch.no_grad():
            values = field.jets(x.to(field.device, field.dtype), channels).to(x)
        at: dict[Leaf, Value] = {("jet", (f, o)): values[problem.fields.index(f), orders.index(o)] for f, o in jets}
        found = undefined_part(term.residual, env | at, problem.domain.names)
        if found:
            return found
    return ""


def undefined_part(residual: Expr, env: Mapping[Leaf, Value], names: Sequence[str]) -> str:
    """Where a residual is not defined: its first part that is not finite although its operands are.

    Parameters
    ----------
    residual
        A traced residual.
    env
        Values of all its leaves at points.
    names
        Of the coordinates.

    Returns
    -------
    where
        As ``log(u) at x = 0.25, where u = -0.1``, or nothing if all is finite.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import apply, coordinate
    >>> x = coordinate("x")
    >>> undefined_part(1 + apply("log", x - 1), {("coordinate", "x"): torch.tensor([2.0, 0.5])}, ["x"])
    'log(x - 1) at x = 0.5, where x - 1 = -0.5'
    """
    nodes = [e for e in postorder(residual) if e.args]
    if not nodes:
        return ""
    operands = list(dict.fromkeys(a for e in nodes for a in e.args if not a.is_condition and not a.is_constant))
    numbers = [e for e in nodes if not e.is_condition]
    count = max((v.numel() for v in env.values() if isinstance(v, torch.Tensor)), default=1)

    def values(expressions: Sequence[Expr]) -> list[torch.Tensor]:
        return [torch.as_tensor(v, dtype=torch.float64).expand(count) for v in Program(expressions).run(env)]

    known = dict(zip(map(id, operands), values(operands), strict=True)) if operands else {}
    for node, value in zip(numbers, values(numbers), strict=True):
        inside = torch.ones(count, dtype=torch.bool)
        for a in node.args:
            if id(a) in known:
                inside &= torch.isfinite(known[id(a)])
        bad = ~torch.isfinite(value) & inside
        if bad.any():
            at = int(bad.nonzero()[0, 0])
            place = ", ".join(
                f"{n} = {float(torch.as_tensor(env[('coordinate', n)], dtype=torch.float64).expand(count)[at]):.6g}"
                for n in names
            )
            told = [f"{a} = {float(known[id(a)][at]):.6g}" for a in node.args if id(a) in known]
            return f"{node} at {place}" + (f", where {' and '.join(told)}" if told else "")
    return ""
