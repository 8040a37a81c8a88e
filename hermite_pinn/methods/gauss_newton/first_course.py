"""The basis and the levels with which a run begins, where the statement of a problem tells how fine they have to be.

The solution of a linear elliptic problem on a box whose conditions are homogeneous is about as smooth as its source and
its coefficients.  How well polynomials on the cells of an axis represent these is seen in their values at some points
of a few lines; from that follow the cells that every basis takes for a tolerance.  Levels that are much coarser tell
nothing, so that a run begins with a quarter of these cells along every axis: three levels are what an estimate takes.
Nothing depends on the prediction but time: where it is wrong, the run goes on as every other.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import HermitePinnError
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.field.field import Field
from hermite_pinn.methods.base import Task
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.data_weights import Misfit

from .options import GaussNewtonOptions
from .order import FAST, ORDERS
from .small_coefficients import small_coefficients
from .watch_points import WatchPoints

__all__ = ["begun_with", "cells_needed", "tails"]

logger = logging.getLogger(__name__)

NODES = 12  # of a piece of a line, by whose values its Legendre coefficients are known
PIECES = (8, 16, 32)  # of an axis, more and more until they resolve what is looked at
RESOLVED = 0.1  # of a tail: what its last coefficients have of it at most where it is known
LINES = 5  # along every axis, beside that through the highest point
NOTHING = 1e-14  # of a tail
#: Error of a solution relative to the tail of Legendre coefficients that the elements of a basis cannot represent,
#: measured: Helmholtz's equation on 16 to 64 cells, a wave per axis.
ERRORS: Mapping[str, float] = MappingProxyType({"cubic": 8.0, "quintic": 6.0, "septic": 17.0})
AIM = 0.5  # of the tolerance
LEAST_TOL = 1e-12  # tolerance below which rounding has a say
CORNER = (
    1e-8  # of the root mean square of a source: what it may be at corners where values are prescribed on both sides
)
COARSER = 8  # part of the predicted cells with which a run begins where coefficients vary: the source has more waves
MOST_CELLS, MOST_UNKNOWNS = 512, 400_000  # of the last level that is predicted


@dataclass(frozen=True)
class _Content:
    """What is looked at: the source and the variable coefficients of an equation, and wavenumbers of its terms.

    Attributes
    ----------
    term
        The equation.
    waves
        By axis the largest wavenumber that its coefficients give solutions of the homogeneous equation.
    """

    term: CompiledTerm
    waves: tuple[float, ...]


def begun_with(options: GaussNewtonOptions, task: Task, field: Field, tol: float | None, watch: WatchPoints) -> Field:
    """The field with the basis and the first cells that the statement asks for; the given one where it tells nothing.

    Parameters
    ----------
    options, task, field, tol
        Of the run.
    watch
        Where what is prescribed has peaks.
    """
    problem = task.problem
    if tol is None or tol < LEAST_TOL or not _is_free(options, task) or not _is_suitable(problem):
        return field
    try:
        content = _content(problem)
        needed = None if content is None else _cells(problem, content, tol, watch)
    except (ArithmeticError, ValueError, RuntimeError, HermitePinnError):  # not defined at a point: the run says where
        return field
    if needed is None or content is None:
        return field
    share = COARSER if content.term.variable else 4
    least = [field.base] * problem.domain.dim if isinstance(field.base, int) else list(field.base)
    weights = dict(zip(ORDERS, FAST, strict=True))  # on boxes one field is solved for by fast diagonalisation
    best, work, most = field, math.inf, min(MOST_UNKNOWNS, options.max_unknowns or MOST_UNKNOWNS)
    for basis in ORDERS[ORDERS.index(field.basis) :]:
        cells = [max(n, 2 * share) for n in needed[basis]]
        m, dim = BASES[basis].coefficients, problem.domain.dim
        unknowns = m**dim * math.prod(cells)
        if max(cells) <= MOST_CELLS and unknowns <= most and weights[basis] * unknowns < work:
            work = weights[basis] * unknowns
            first = tuple(n // share for n in cells)
            coarser = basis == field.basis and any(n < b for n, b in zip(first, least, strict=True))
            best = field if coarser else replace(field, basis=basis, base=first)
    if best is not field:
        logger.info("the source asks for %s on %s cells at first", best.basis, best.base)
    return best


def _is_free(options: GaussNewtonOptions, task: Task) -> bool:
    """Whether basis and levels are left to the run, and it is not continued from a level."""
    chosen = task.field is None and task.levels is None and task.start is None
    automatic = options.basis == "auto" and options.refine != "local" and options.inner == "auto"
    return (
        chosen and automatic and options.gauss is None and options.slabs == "auto" and "path" not in (task.saved or {})
    )


def _is_suitable(problem: Problem) -> bool:
    """Whether it is a linear equation of second order for one field, on a box with homogeneous conditions."""
    domain, misfit = problem.domain, Misfit(problem)
    if domain.is_cut or domain.breaks or domain.time_axis is not None or domain.dim > 3 or problem.order != 2:
        return False
    if len(problem.fields) > 1 or problem.parameters or problem.gauges or misfit.noisy or misfit.penalties:
        return False
    for term in problem.terms:
        if term.region.is_interior:
            continue
        trace = term.trace
        if trace is None or term.where is not None or not trace.value.is_constant:
            return False
        if domain.dim > 1 and trace.value.data != 0:
            return False
    equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    return len(equations) == 1 and equations[0].affine and not small_coefficients(problem)


def _content(problem: Problem) -> _Content | None:
    """What to look at; None where an axis has no second derivative."""
    (term,) = (compile_term(problem, t) for t in problem.terms if t.region.is_interior)
    dim = problem.domain.dim
    x = problem.domain.interior.quasi_random(64, 0)
    _, variable, _ = term.evaluate(dict(x.leaves(problem.domain.names)), {})
    sizes = {orders: _rms(s) for (_, orders), s in (term.constant | variable).items()}
    waves = []
    for axis in range(dim):
        second = sizes.get(tuple(2 * int(i == axis) for i in range(dim)), 0.0)
        if not second > 0:
            return None
        first = sizes.get(tuple(int(i == axis) for i in range(dim)), 0.0)
        waves.append(max(first / second, math.sqrt(sizes.get((0,) * dim, 0.0) / second)))
    return _Content(term, tuple(waves))


def _rms(value: Value) -> float:
    size = torch.as_tensor(value, dtype=torch.float64).square().mean().sqrt()
    return float(size)


# -- what values on lines tell ---
def _cells(problem: Problem, content: _Content, tol: float, watch: WatchPoints) -> dict[str, list[int]] | None:
    """By basis the cells of every axis for a tolerance; None where the values do not tell, or it may not be smooth."""
    if not _fits_at_corners(problem, content):
        return None
    dim = problem.domain.dim
    needed: dict[str, list[int]] = {basis: [] for basis in ORDERS}
    for axis in range(dim):
        found = _resolved_tails(problem, content, axis, watch)
        if found is None:
            return None
        pieces, tail = found
        wave = content.waves[axis] * problem.domain.lengths[axis]
        for basis in ORDERS:
            needed[basis].append(cells_needed(basis, pieces, tail[basis], AIM * tol / math.sqrt(dim), wave))
    return needed


def cells_needed(basis: str, pieces: int, tail: float, tol: float, wave: float = 0.0) -> int:
    """Cells of an axis for an error: a multiple of eight, or four.

    Parameters
    ----------
    basis
        Of the grid.
    pieces, tail
        Of the axis, and what polynomials of the degree of the basis leave out of a function there (see :func:`tails`).
    tol
        The relative error.
    wave
        A wavenumber that the solution may have beside that, over the length of the axis.

    Examples
    --------
    >>> cells_needed("cubic", 8, 1e-4, 1e-6), cells_needed("septic", 8, 1e-4, 1e-6)
    (48, 24)
    """
    m = BASES[basis].coefficients
    n = pieces * (ERRORS[basis] * tail / tol) ** (0.5 / m)
    n = max(n, 0.5 * wave * (1.0 / (math.factorial(2 * m) * tol)) ** (0.5 / m))
    step = 4 if n <= 16 else 8
    return step * max(1, math.ceil(n / step))


def tails(values: np.ndarray) -> tuple[dict[str, float], bool]:
    """What polynomials leave out of functions, relative to their root mean squares, and whether that is known.

    Parameters
    ----------
    values
        At the Gauss points of the pieces of lines, (..., pieces, points), float64.

    Returns
    -------
    tails, known
        By basis the part of Legendre coefficients of degrees above its own; known where they fall fast.

    Examples
    --------
    >>> x = np.polynomial.legendre.leggauss(12)[0]
    >>> found, known = tails((x**5)[None])
    >>> found["cubic"] > 0.1, found["quintic"] < 1e-12, known
    (True, True, True)
    """
    count = values.shape[-1]
    x, w = np.polynomial.legendre.leggauss(count)
    degrees = np.arange(count)
    transform = np.polynomial.legendre.legvander(x, count - 1) * w[:, None] * (degrees + 0.5)
    squares = np.square(values @ transform) / (2 * degrees + 1)
    whole = float(squares.sum())
    if not whole > 0:
        return dict.fromkeys(ORDERS, 0.0), True
    by_degree = squares.reshape(-1, count).sum(0) / whole
    found = {basis: math.sqrt(by_degree[2 * BASES[basis].coefficients :].sum()) for basis in ORDERS}
    last = math.sqrt(by_degree[-2:].sum())
    return found, last <= max(RESOLVED * found[ORDERS[-1]], NOTHING)


def _resolved_tails(
    problem: Problem, content: _Content, axis: int, watch: WatchPoints
) -> tuple[int, dict[str, float]] | None:
    """The pieces of an axis by which the tails of source and coefficients are known, and the largest of these."""
    for pieces in PIECES:
        most = dict.fromkeys(ORDERS, 0.0)
        for values in _along(problem, content, axis, pieces, watch):
            found, known = tails(values)
            if not known:
                break
            most = {basis: max(most[basis], found[basis]) for basis in ORDERS}
        else:
            return pieces, most
    return None


def _along(problem: Problem, content: _Content, axis: int, pieces: int, watch: WatchPoints) -> Iterator[np.ndarray]:
    """The source and the variable coefficients on lines along an axis, (lines, pieces, points) each."""
    domain = problem.domain
    nodes = np.polynomial.legendre.leggauss(NODES)[0]
    inside = (np.arange(pieces)[:, None] + 0.5 * (nodes + 1.0)).reshape(-1) / pieces
    env: dict[Leaf, Value] = {}
    unit = np.modf(0.5 + np.arange(1, LINES + 1)[:, None] * np.array([0.7548776662466927, 0.5698402909980532]))[0]
    others = itertools.count()
    for i, (name, lower, length) in enumerate(zip(domain.names, domain.lower, domain.lengths, strict=True)):
        if i == axis:
            at = lower + length * inside[None, :]
        else:
            peaks = [float(g.samples.x[i, int(g.sizes.argmax())]) for g in watch.peaks if g.sizes is not None]
            at = np.concatenate([lower + length * unit[:, next(others)], peaks])[:, None]
        env[("coordinate", name)] = torch.as_tensor(at)
    source, variable, _ = content.term.evaluate(env, {})
    for value in (source, *variable.values()):
        if isinstance(value, torch.Tensor) and value.shape[-1:] == (len(inside),):
            yield value.to(torch.float64).numpy().reshape(-1, pieces, NODES)


def _fits_at_corners(problem: Problem, content: _Content) -> bool:
    """Whether the source vanishes where two sides with prescribed values meet: else derivatives are singular there."""
    domain = problem.domain
    held = [[False, False] for _ in range(domain.dim)]
    for term in problem.terms:
        if term.trace is not None and term.trace.order == 0 and term.region.plane is not None:
            held[term.region.plane.axis][term.region.plane.side] = True
    x = domain.interior.quasi_random(256, 0)
    size = _rms(content.term.evaluate(dict(x.leaves(domain.names)), {})[0])
    for pair in itertools.combinations(range(domain.dim), 2):
        for sides in itertools.product((0, 1), repeat=2):
            if not all(held[axis][side] for axis, side in zip(pair, sides, strict=True)):
                continue
            env = _edge(problem, dict(zip(pair, sides, strict=True)))
            value = torch.as_tensor(content.term.evaluate(env, {})[0], dtype=torch.float64)
            if not float(value.abs().max()) <= CORNER * size:
                return False
    return True


def _edge(problem: Problem, sides: Mapping[int, int]) -> dict[Leaf, Value]:
    """Points of a corner, or along an edge."""
    domain = problem.domain
    bounds: Sequence[tuple[float, float]] = list(zip(domain.lower, domain.upper, strict=True))
    return {
        ("coordinate", name): torch.tensor([b[sides[i]]], dtype=torch.float64)
        if i in sides
        else torch.linspace(*b, 9, dtype=torch.float64)
        for i, (name, b) in enumerate(zip(domain.names, bounds, strict=True))
    }
