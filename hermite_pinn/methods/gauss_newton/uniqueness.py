"""Does the problem determine its solution?  Directions that neither equations nor conditions see.

On one level these are the functions whose rows vanish, but a single level misleads both ways: a few collocation points
may overlook a function that is none of the problem's, and the level may not hold a function that the problem does leave
free.  So functions are judged on two levels, one of twice the resolution, by their residual between the points relative
to the terms that it is made of: free is one whose residual vanishes, or falls under refinement as that of a smooth
solution of the homogeneous problem does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import Value, leaves
from hermite_pinn.geometry import Region
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.sizes import field_sizes, rms, sobol_points

from .constant_coefficients import far_from_resonance
from .low_functions import EXACT, FIRST, SMALL, THOROUGH, LowFunctions
from .stage import Discretization, Stage

__all__ = ["free_combinations", "freedom", "on_vertices"]

Resolution = tuple[int, ...]

QUICK = 400  # most unknowns of a later level that is looked at, where nothing is suspected
SOLID = 6000  # where something is, in three dimensions
LINE = 300  # and on a line, where finer levels tell no more
FALL = 4.0  # of the square of the residual from one level to the next that a smooth solution has at least
SPARE = 6  # functions looked at beyond those of the gauges, where something is suspected
FEW = 2  # and where nothing is
MOST = 60  # of these
LEAST_ERROR, MOST_ERROR = 1e-12, 1e-3  # of estimates, with which margins are compared


def free_combinations(grid: Discretization, stage: Stage, first: Resolution) -> int | None:
    """Number of independent functions found that no equation and no condition sees, gauges apart.

    Unknown parameters are held.  At most six are counted.

    Parameters
    ----------
    grid
        What the stages share.
    stage
        The last one, at which nonlinear equations are linearised.
    first
        The resolution of the first stage, from which those of the check follow.

    Returns
    -------
    free
        None where the levels are too large to look.
    """
    problem = grid.problem
    hinted = bool(problem.missing)
    looks = _looks(grid, stage, first)
    begin = next(looks, None)
    if begin is None:
        return None
    doubtful = hinted or begin.doubtful
    if not doubtful and not _may_resonate(problem, stage):
        return 0
    coarse, fine = None, begin
    try:
        if _all_smoothed(problem) and _count(None, begin, SPARE, _clear(stage)) == 0:
            return 0
        for look in looks:
            if look.size > _limit(problem, doubtful):
                break
            coarse, fine = fine, look
        return _count(coarse, fine, SPARE if doubtful else FEW, _clear(stage))
    except (ArpackNoConvergence, np.linalg.LinAlgError):  # of sizes that float64 hardly tells apart
        return None


def _all_smoothed(problem: Problem) -> bool:
    """Whether penalties see all of every field but polynomials, which all levels hold: one level tells of these."""
    penalties = (t.residual for t in problem.terms if t.region.penalty is not None)
    smoothed = {key[0] for residual in penalties for kind, key in leaves(residual) if kind == "jet"}
    return smoothed.issuperset(problem.fields)


def on_vertices(stage: Stage, before: str, basis: str) -> Stage:
    """A stage with a smoother basis as one with another, which has its values and first derivatives at the vertices.

    Parameters
    ----------
    before, basis
        Names of the two.
    """
    m, kept = (BASES[b].coefficients for b in (before, basis))
    finest = stage.finest
    for axis in range(1, finest.ndim):
        finest = finest.unflatten(axis, (-1, m)).narrow(axis + 1, 0, kept).flatten(axis, axis + 1)
    return replace(stage, finest=finest.contiguous())


def _limit(problem: Problem, doubtful: bool) -> int:
    """Most unknowns of a level that is looked at."""
    dim = problem.domain.dim
    if dim == 1 or not doubtful:
        return LINE if dim == 1 else QUICK
    return SOLID if dim == 3 else THOROUGH


def _cells_looked_at(grid: Discretization, stage: Stage, first: Resolution) -> Resolution:
    """The finest resolution that a thorough check looks at."""
    limit = _limit(grid.problem, True)
    return max((k.resolution for k in _looks(grid, stage, first) if k.size <= limit), default=first)


def freedom(grid: Discretization, stage: Stage, first: Resolution) -> tuple[int, Sequence[str]]:
    """What a solution is free in: the number of functions found, and sentences about conditions that are missing.

    Sentences come from counting derivatives and from following what is carried through the domain, which needs no look
    at functions.  Where no function is free and no layer at the boundary is thinner than
    the cells that were looked at, the count was wrong, and there are none.

    Parameters
    ----------
    grid, stage, first
        As for :func:`free_combinations`.
    """
    problem = grid.problem
    if problem.surely_missing:
        return 0, problem.missing
    free = free_combinations(grid, stage, first)
    if not problem.missing or free != 0:
        return free or 0, problem.missing
    cells, env = _cells_looked_at(grid, stage, first), sobol_points(problem)
    faces = [f for f in problem.faces if f.plane is not None]
    equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    resolved = all(_layer_resolved(problem, t, face, cells, env) for t in equations for face in faces)
    return 0, () if resolved else problem.missing


def _layer_resolved(
    problem: Problem, term: CompiledTerm, face: Region, cells: Resolution, env: Mapping[tuple[str, object], Value]
) -> bool:
    """Whether no layer of an affine equation at a face is thinner than half a cell; yes, where it degenerates there."""
    assert face.plane is not None
    axis = face.plane.axis
    if not term.affine:
        return True
    points = face.quasi_random(64, 0).leaves(problem.domain.names)
    points |= {("parameter", p.name): p.init for p in problem.parameters}
    sizes: dict[str, dict[int, float]] = {}
    inside: dict[str, dict[int, float]] = {}
    for at, into in ((points, sizes), (env, inside)):
        _, variable, _ = term.evaluate(at, {})  # type: ignore[arg-type]
        for (name, orders), s in (term.constant | variable).items():
            if sum(orders) == orders[axis]:
                into.setdefault(name, {})[orders[axis]] = rms(s)
    cell = problem.domain.lengths[axis] / cells[axis]
    for name, by_order in sizes.items():
        top = max(by_order)
        if by_order[top] <= 1e-8 * inside[name][top]:
            continue
        for order, size in by_order.items():
            if order < top and size > 0 and (by_order[top] / size) ** (1.0 / (top - order)) < 0.5 * cell:
                return False
    return True


def _may_resonate(problem: Problem, stage: Stage) -> bool:
    """Whether terms of different order can balance each other: not in a Poisson equation, say, nor in evolution."""
    if stage.slabs > 1:
        return False
    orders: dict[str, set[int]] = {}
    for term in problem.terms:
        if term.region.is_interior:
            for name, o in compile_term(problem, term).jets:
                orders.setdefault(name, set()).add(sum(o))
    mixed = any(len(o) > 1 for o in orders.values()) and problem.domain.time_axis is None
    return mixed and not far_from_resonance(problem)


def _looks(grid: Discretization, stage: Stage, first: Resolution) -> Iterator[LowFunctions]:
    """Levels to look at, each of twice the resolution of the one before."""
    resolution = first
    sizes = _sizes(grid.problem, stage)
    least = [1 if p is None else len(p.lengths) for p in grid.problem.domain.pieces]
    while grid.pyramid([resolution]).size > FIRST and all(
        n % 2 == 0 and n // 2 >= few for n, few in zip(resolution, least, strict=True)
    ):
        resolution = tuple(n // 2 for n in resolution)
    while grid.pyramid([resolution]).size <= SOLID:
        solution = _moved(grid, stage, resolution)
        if solution is None:
            return
        yield LowFunctions(grid, resolution, solution, stage.parameters, stage.choice, sizes)
        resolution = tuple(2 * n for n in resolution)


def _sizes(problem: Problem, stage: Stage) -> list[float]:
    """Sizes of the fields at the solution, or beforehand where they are zero, relative to the largest."""
    root = math.sqrt(problem.domain.interior.measure)
    found = stage.sizes or [0.0] * len(problem.fields)
    sizes = [n / root if n > 0 else known for n, known in zip(found, field_sizes(problem).values(), strict=True)]
    return [size / max(sizes) for size in sizes]


def _moved(grid: Discretization, stage: Stage, resolution: Resolution) -> torch.Tensor | None:
    """The solution on another resolution: values and derivatives at its vertices; None where the two are not nested."""
    now, m = stage.resolutions[-1], BASES[grid.basis].coefficients
    if all(compile_term(grid.problem, t).affine for t in grid.problem.terms):  # the same everywhere
        dense = grid.pyramid([resolution]).dense_shapes[-1]
        return torch.zeros(dense, dtype=stage.finest.dtype, device=stage.finest.device)
    coefficients = stage.finest
    for axis, (have, want) in enumerate(zip(now, resolution, strict=True)):
        if have % want and want % have:
            return None
        if have > want:
            step = have // want
            split = coefficients.unflatten(axis + 1, (-1, m))
            scale = torch.tensor([float(step) ** a for a in range(m)], dtype=split.dtype, device=split.device)
            shape = [m if i == axis + 2 else 1 for i in range(split.ndim)]
            every = torch.arange(0, split.shape[axis + 1], step, device=split.device)
            pieces = grid.problem.domain.pieces[axis]
            if pieces is not None:
                parts = pieces.parts(have)
                every = torch.cat([torch.arange(p.start, p.stop, step, device=split.device) for p in parts])
            coefficients = (split.index_select(axis + 1, every) * scale.reshape(shape)).flatten(axis + 1, axis + 2)
    at = [min(have, want) for have, want in zip(now, resolution, strict=True)]
    while at != list(resolution):
        following = [min(2 * n, want) for n, want in zip(at, resolution, strict=True)]
        pyramid = grid.pyramid([tuple(at), tuple(following)])
        finer = pyramid.prolong(0, pyramid.compact(0, coefficients).contiguous())
        coefficients, at = pyramid.dense(1, finer), following
    return coefficients.contiguous()


def _clear(stage: Stage) -> float:
    """Margin from which on a function is determined: rounding, divided by it, is below the estimated error."""
    rounding = max(stage.indicators.rounding, torch.finfo(stage.vector.dtype).eps)
    return rounding / min(max(stage.error or 0.0, LEAST_ERROR), MOST_ERROR)


def _count(coarse: LowFunctions | None, fine: LowFunctions, spare: int, clear: float) -> int | None:
    """Free functions of the finer level, those of the gauges apart.

    Parameters
    ----------
    clear
        Margin from which on a function is not free, if both levels say so.
    """
    if fine.gauged > MOST:
        return None
    start = None
    if coarse is not None and fine.iterated:
        pyramid = fine.grid.pyramid([coarse.resolution, fine.resolution])
        vectors = coarse.spread(coarse.lowest(coarse.gauged + spare, None))
        start = np.stack([pyramid.prolong(0, v).reshape(-1).cpu().numpy() for v in vectors], 1)
    last, functions = fine.smallest(spare, start)
    if not (last < SMALL).any():
        return 0
    before, coarser = (np.full_like(last, np.nan), None) if coarse is None else coarse.smallest(spare, None)
    n = min(len(last), len(before))
    falling = (last[:n] < SMALL) & (last[:n] ** 2 * FALL <= before[:n] ** 2)
    if any(t.region.measured is not None or t.region.penalty is not None for t in fine.grid.problem.terms):
        falling[:] = False  # data and penalties weigh little and leave what they determine weakly
    if coarse is not None and coarser is not None and falling.any():
        falling &= fine.sample(functions).margins(coarse.sample(coarser))[:n] < clear
    return int(((last[:n] <= EXACT) | falling).sum())
