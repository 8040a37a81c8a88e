"""Fluxes whose coefficient jumps along no line of the grid, as in ``div(where(x**2 + y**2 < 1, 1, 9) * u.grad)``.

The derivatives of the pieces say nothing of the jump: without a line of the grid, at which the flux is continuous, the
equation would have another solution.  So a coefficient goes from one value to the other over about two cells, and what
is differentiated is that.  Along the layer the mean of both values conducts, across it the inverse of the mean of the
inverses: then what flows is that of the jump but for terms of second order in the width of the layer.

Source of the tensor: A. Farjadpour et al., Improving accuracy by subpixel smoothing in the finite-difference time
domain, Optics Letters 31 (2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from hermite_pinn.expressions.differentiation import Flux, derivative, fluxes
from hermite_pinn.expressions.functions import erf, sqrt
from hermite_pinn.expressions.graph import Expr, apply, constant, postorder, wrap
from hermite_pinn.expressions.jets import FieldJet
from hermite_pinn.expressions.program import Program, leaves, partials, same
from hermite_pinn.geometry import sobol_cube
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term

__all__ = ["flux_error", "is_smoothed", "smoothed_terms"]

PROBES = 8192  # points at which sizes of functions are taken
WIDTH = 2.0  # of the step, in cells
FAINT = 1e-2  # of the mean of a slope: where it is zero a step is that wide

_COMPARISONS = {"less": 1.0, "less_equal": 1.0, "greater": -1.0, "greater_equal": -1.0}


def is_smoothed(problem: Problem, term: CompiledTerm) -> bool:
    """Whether jumps in the fluxes of an equation are spread over cells.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> def equation(u, x, y):
    ...     return hp.div(hp.where(x * x + y * y < 0.25, 1.0, 9.0) * u.grad) + 1
    >>> problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], equation, [hp.Dirichlet(u=0.0)])
    >>> is_smoothed(problem, compile_term(problem, problem.terms[0]))
    True
    """
    return _kind(problem, term) == "smoothed"


def flux_error(problem: Problem, resolution: Sequence[int]) -> float:
    """About the relative error that fluxes off the lines may leave: the part of the domain where they are spread.

    It is one where a flux jumps in a way that nothing takes care of, within a table for instance; 0 without any.
    """
    worst = 0.0
    for term in (compile_term(problem, t) for t in problem.terms if t.region.is_interior):
        kind = _kind(problem, term)
        if kind == "unknown":
            return 1.0
        if kind:
            worst = max(worst, _spread_part(problem, problem.plan.known(term.term.residual), resolution))
    return worst


def _spread_part(problem: Problem, residual: Expr, resolution: Sequence[int]) -> float:
    """The part of the domain in which jumps of fluxes are spread."""
    cell = [a / n for a, n in zip(problem.domain.lengths, resolution, strict=True)]
    steps = {id(e): e for _, f in fluxes([residual]) for e in postorder(f.expression) if _is_rough(problem, e)}
    found = 0.0
    for e in steps.values():
        part = _share(problem, e, {}, cell)
        if part is not None:
            found += float((4.0 * _values(problem, wrap(part * (1.0 - part)))).mean())
    return min(1.0, found)


def smoothed_terms(problem: Problem, terms: Sequence[CompiledTerm], resolution: Sequence[int]) -> list[CompiledTerm]:
    """Equations with fluxes whose jumps are spread over cells; others as they are."""
    return [_smoothed(problem, t, resolution) if is_smoothed(problem, t) else t for t in terms]


def _kind(problem: Problem, term: CompiledTerm) -> str:
    """Whether jumps of fluxes are ``"smoothed"`` or ``"unknown"``; nothing where none is off the lines."""
    if not problem.rough:
        return ""
    residual = problem.plan.known(term.term.residual)

    def found() -> str:
        steps = [e for _, flux in fluxes([residual]) for e in postorder(flux.expression) if _is_rough(problem, e)]
        if not any(_jumps(e) for e in steps):
            return ""
        return "smoothed" if not problem.domain.is_cut and all(_known(e) for e in steps if _jumps(e)) else "unknown"

    return problem.plan.shared.once(("flux off the lines", id(residual)), found)


def _is_rough(problem: Problem, e: Expr) -> bool:
    return any(e is r or (e.op == r.op and same(e, r)) for r in problem.rough)


def _jumps(e: Expr) -> bool:
    """Whether a node jumps; others have kinks, which the rule of products takes for what they are."""
    return e.op not in ("abs", "maximum", "minimum")


def _known(e: Expr) -> bool:
    return (e.op in _COMPARISONS or e.op == "sign") and not any(k == "jet" for k, _ in leaves(e))


def _smoothed(problem: Problem, term: CompiledTerm, resolution: Sequence[int]) -> CompiledTerm:
    residual = problem.plan.known(term.term.residual)
    cell = tuple(a / n for a, n in zip(problem.domain.lengths, resolution, strict=True))

    def made() -> Expr:
        done: dict[int, Expr] = {}
        instead = _flux_terms(problem, residual, cell)
        for e in postorder(residual):
            if isinstance(e.data, Flux):
                done[id(e)] = wrap(derivative(instead[id(e)], e.data.axis))
            else:
                args = tuple(done[id(a)] for a in e.args)
                kept = all(a is b for a, b in zip(args, e.args, strict=True))
                done[id(e)] = e if kept else apply(e.op, *args)
        return done[id(residual)]

    total = problem.plan.shared.once(("smoothed", id(residual), cell), made)
    return compile_term(problem, replace(term.term, expression=total, residual=total))


def _flux_terms(problem: Problem, residual: Expr, cell: Sequence[float]) -> dict[int, Expr]:
    """By node of a flux, what is differentiated instead."""
    nodes = fluxes([residual])
    layer = _layer(problem, [flux for _, flux in nodes], cell)
    if layer is None:
        return {id(e): _spread(problem, flux.expression, cell) for e, flux in nodes}
    jets = {flux.axis: jet for _, flux in nodes for jet in postorder(flux.expression) if isinstance(jet, FieldJet)}
    across: Expr = constant(0.0)
    for axis, jet in jets.items():
        if axis in layer.normal:
            across = wrap(across + layer.normal[axis] * jet)
    changed = wrap((layer.across - layer.along) * across)
    return {
        id(e): wrap(layer.along * jets[flux.axis] + layer.normal.get(flux.axis, 0.0) * changed) for e, flux in nodes
    }


@dataclass(frozen=True)
class _Layer:
    """A coefficient that goes from one value to the other.

    Attributes
    ----------
    along, across
        For slopes along the layer its mean, and for those across it the inverse of the mean of its inverse, so that
        what flows is that of the jump up to the second order in the width.
    normal
        By axis, of length one.
    """

    along: Expr
    across: Expr
    normal: dict[str, Expr]


def _layer(problem: Problem, known: Sequence[Flux], cell: Sequence[float]) -> _Layer | None:
    """The layer of ``div(a * u.grad)`` with an a that jumps along one curve and keeps its sign; None for others."""
    names = [problem.domain.names[i] for i in problem.domain.space_axes]
    if sorted(f.axis for f in known) != sorted(names):
        return None
    coefficients, fields = [], set()
    for flux in known:
        slopes = partials(flux.expression, lambda leaf: leaf.op == "jet")
        own = tuple(int(n == flux.axis) for n in problem.domain.names)
        if len(slopes) != 1 or {orders for (_, (_, orders)) in slopes} != {own}:
            return None
        ((_, (field, _)), a) = next(iter(slopes.items()))
        if any(kind != "coordinate" for kind, _ in leaves(a)):
            return None
        fields.add(field)
        coefficients.append(a)
    a = coefficients[0]
    steps = [e for e in postorder(a) if _is_rough(problem, e) and _jumps(e)]
    if len(fields) > 1 or not all(same(a, b) for b in coefficients) or len(steps) != 1 or steps[0].op == "sign":
        return None
    first, second = (_with(a, steps[0], value) for value in (1.0, 0.0))
    ratio = _values(problem, wrap(first / second))
    if not bool(torch.isfinite(ratio).all()) or not bool((ratio > 0).all()):
        return None
    level = wrap((steps[0].args[1] - steps[0].args[0]) * _COMPARISONS[steps[0].op])
    part = _step(problem, level, cell)
    return _Layer(
        wrap(second + (first - second) * part),
        wrap(1.0 / (part / first + (1.0 - part) / second)),
        _normal(problem, level),
    )


def _with(a: Expr, condition: Expr, value: float) -> Expr:
    """A coefficient where a condition holds (one) or does not (zero)."""
    done: dict[int, Expr] = {}
    for e in postorder(a):
        if e is condition:
            done[id(e)] = constant(value)
            continue
        args = tuple(done[id(x)] for x in e.args)
        if e.op == "where" and args[0].is_constant:
            done[id(e)] = args[1] if args[0].data else args[2]
        elif all(x is y for x, y in zip(args, e.args, strict=True)):
            done[id(e)] = e
        else:
            done[id(e)] = apply(e.op, *args)
    return done[id(a)]


def _normal(problem: Problem, level: Expr) -> dict[str, Expr]:
    slopes = {data: e for (_, data), e in partials(level, lambda leaf: leaf.op == "coordinate").items()}
    slopes = {n: e for n, e in slopes.items() if n != "t"}
    total: Expr = constant(0.0)
    for e in slopes.values():
        total = wrap(total + e**2)
    length = sqrt(total + _least(problem, total))
    return {n: wrap(e / length) for n, e in slopes.items()}


def _values(problem: Problem, function: Expr) -> torch.Tensor:
    """A function of coordinates at some points."""
    unit = sobol_cube(problem.domain.dim, PROBES, 0)
    env = {("coordinate", n): a + (b - a) * unit[:, i] for i, (n, (a, b)) in enumerate(problem.domain.bounds.items())}
    return torch.as_tensor(Program([function]).run(env)[0], dtype=torch.float64).expand(PROBES)


def _least(problem: Problem, squares: Expr) -> float:
    """What is added to squares of slopes so that they are nowhere zero."""
    mean = float(_values(problem, squares).mean())
    return FAINT**2 * mean if mean > 0 and math.isfinite(mean) else 1.0


def _spread(problem: Problem, whole: Expr, cell: Sequence[float]) -> Expr:
    """An expression whose jumps along no line are spread."""
    done: dict[int, Expr] = {}
    parts: dict[int, Expr] = {}  # of conditions, between zero and one
    for e in postorder(whole):
        args = tuple(done[id(a)] for a in e.args)
        own = _share(problem, e, parts, cell)
        if own is not None:
            parts[id(e)] = own
        if e.op == "where" and id(e.args[0]) in parts:
            done[id(e)] = wrap(args[2] + (args[1] - args[2]) * parts[id(e.args[0])])
        elif e.op == "sign" and own is not None:
            done[id(e)] = wrap(2.0 * own - 1.0)
        elif all(a is b for a, b in zip(args, e.args, strict=True)):
            done[id(e)] = e
        else:
            done[id(e)] = apply(e.op, *args)
    return done[id(whole)]


def _share(problem: Problem, e: Expr, parts: dict[int, Expr], cell: Sequence[float]) -> Expr | None:
    """How much of a condition holds, from zero to one; None where it is no condition that is spread."""
    if e.op in _COMPARISONS and _is_rough(problem, e):
        return _step(problem, wrap((e.args[1] - e.args[0]) * _COMPARISONS[e.op]), cell)
    if e.op == "sign" and _is_rough(problem, e):
        return _step(problem, e.args[0], cell)
    if e.op not in ("logical_and", "logical_or", "logical_not") or not any(id(a) in parts for a in e.args):
        return None
    known = [parts[id(a)] if id(a) in parts else apply("where", a, 1.0, 0.0) for a in e.args]
    if e.op == "logical_and":
        return wrap(known[0] * known[1])
    if e.op == "logical_or":
        return wrap(known[0] + known[1] - known[0] * known[1])
    return wrap(1.0 - known[0])


def _step(problem: Problem, s: Expr, cell: Sequence[float]) -> Expr:
    """A smooth step from zero where a function is negative to one where it is positive, over about two cells."""
    slopes = {data: e for (_, data), e in partials(s, lambda leaf: leaf.op == "coordinate").items()}
    across: Expr = constant(0.0)
    for name, h in zip(problem.domain.names, cell, strict=True):
        if name in slopes:
            across = wrap(across + (h * slopes[name]) ** 2)
    return wrap(0.5 + 0.5 * erf(s / (WIDTH * sqrt(across + _least(problem, across)))))
