"""Does the problem determine its solution?  Directions that neither equations nor conditions see.

On one level these are the functions whose rows vanish, but a single level misleads both ways: a few collocation points
may overlook a function that is none of the problem's, and the level may not hold a function that the problem does leave
free.  So functions are judged on two levels, one of twice the resolution, by their residual between the points relative
to the terms that it is made of: free is one whose residual vanishes, or falls under refinement as that of a smooth
solution of the homogeneous problem does.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import ArpackNoConvergence, eigsh, lobpcg

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.expressions.program import Value
from hermite_pinn.field.field import linear_field
from hermite_pinn.geometry import Region
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, Jet, compile_term
from hermite_pinn.residuals.scales import rms, sobol_points

from .penalty_weights import Choice
from .stage import Discretization, Stage

__all__ = ["free_combinations", "freedom"]

Resolution = tuple[int, ...]

DENSE = 200  # unknowns up to which all eigenvectors are found at once
FIRST = 1300  # most unknowns of the first level that is looked at
QUICK = 400  # of later ones, where nothing is suspected
THOROUGH = 1300  # and where something is
SOLID = 6000  # in three dimensions
LINE = 300  # on a line, where finer levels tell no more
DOUBT = (
    2e-4  # and a tenth of it per coefficient of the basis: smallest eigenvalue of the scaled normal matrix, relative
)
# to the largest, from which on something is suspected
FALL = 4.0  # of the square of the residual from one level to the next that a smooth solution has at least
SMALL = 1e-2  # relative residual of a function that may be free
EXACT = 1e-9  # and of one that surely is
ROUNDING = 5e-15  # of the normal matrix, relative to its largest eigenvalue
SPARE = 6  # functions looked at beyond those of the gauges, where something is suspected
FEW = 2  # and where nothing is
MOST = 60  # of these
RESTARTS = 200  # of the iteration that looks for them; nothing is known where these do not do


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
    for look in looks:
        if look.size > _limit(problem, doubtful):
            break
        coarse, fine = fine, look
    try:
        return _count(coarse, fine, SPARE if doubtful else FEW)
    except ArpackNoConvergence:  # of sizes that float64 hardly tells apart
        return None


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

    Sentences come from counting derivatives.  Where no function is free and no layer at the boundary is thinner than
    the cells that were looked at, the count was wrong, and there are none.

    Parameters
    ----------
    grid, stage, first
        As for :func:`free_combinations`.
    """
    problem, free = grid.problem, free_combinations(grid, stage, first)
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
    return any(len(o) > 1 for o in orders.values()) and problem.domain.time_axis is None


# -- one level ---
@dataclass
class _Look:
    """The rows of a problem on one level, linearised at the solution."""

    grid: Discretization
    resolution: Resolution
    solution: torch.Tensor
    parameters: Mapping[str, float]
    choice: Choice | None

    @cached_property
    def pyramid(self) -> Pyramid:
        return self.grid.pyramid([self.resolution])

    @property
    def size(self) -> int:
        return self.pyramid.size

    @cached_property
    def system(self) -> GridSystem:
        system = self.grid.system([self.resolution])
        if self.choice is not None:
            system.smooth(self.choice.weights, self.choice.emphasis)
        vector = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        values = system.split(vector)[1]
        system.set_level(vector, 0, self.solution)
        for i, name in enumerate(system.parameter_names):
            values[i] = self.parameters.get(name, 0.0)
        system.linearize(vector)
        return system

    @cached_property
    def kept(self) -> np.ndarray:
        """Numbers of the coefficients that no exact condition fixes."""
        fixed: np.ndarray = self.system.fixed.reshape(-1).cpu().numpy()
        return np.nonzero(~fixed)[0]

    @cached_property
    def normal(self) -> sparse.csr_array:
        """The normal matrix of the free coefficients, of all ranks."""
        parts = [sparse.csr_array((self.size, self.size))]
        for block in self.system.blocks:
            for columns, products in block.products():
                at = columns[:, :, None].expand_as(products), columns[:, None, :].expand_as(products)
                entries = products.reshape(-1).numpy(), tuple(a.reshape(-1).numpy() for a in at)
                parts.append(sparse.coo_array(entries, shape=(self.size, self.size)).tocsr())
        total = sum(parts[1:], parts[0])
        if self.grid.ranks.size > 1:
            dense = self.grid.ranks.add(torch.as_tensor(total.toarray()).to(self.system.device))
            total = sparse.csr_array(dense.cpu().numpy())
        return total[self.kept][:, self.kept]

    @cached_property
    def mass(self) -> sparse.csr_array:
        """The matrix of the L2 product of the fields over the box, for the free coefficients."""
        whole = sparse.block_diag([self.system.mass()] * len(self.grid.problem.fields)).tocsr()
        return whole[self.kept][:, self.kept]

    @property
    def doubtful(self) -> bool:
        """Whether the columns of the rows are nearly dependent; unknown is no."""
        if self.size > FIRST or self.gauged >= len(self.kept):
            return False
        scale = np.sqrt(np.clip(self.normal.diagonal(), 0.0, None))
        scale[scale == 0] = 1.0
        values = scipy.linalg.eigvalsh(self.normal.toarray() / np.outer(scale, scale))
        return bool(values[self.gauged] < DOUBT * 0.1 ** BASES[self.grid.basis].coefficients * values[-1])

    @property
    def gauged(self) -> int:
        """Number of free functions that gauges choose among."""
        problem = self.grid.problem
        axis = problem.domain.time_axis
        return len(problem.gauges) * (1 if axis is None else self.pyramid.dense_shapes[-1][axis + 1])

    @property
    def iterated(self) -> bool:
        """Whether eigenvectors are found by iteration from those of a coarser level; factors would be too large."""
        return len(self.kept) > THOROUGH and self.grid.problem.domain.dim > 2

    def smallest(self, spare: int, start: np.ndarray | None) -> np.ndarray:
        """Relative residuals of the functions of smallest rows, without those that the gauges choose among."""
        return self.residuals(self.lowest(self.gauged + spare, start))[self.gauged :]

    def lowest(self, count: int, start: np.ndarray | None) -> np.ndarray:
        """Functions (free, count) of the smallest rows for their size; ``start`` are those of a coarser level."""
        n = len(self.kept)
        count = max(1, min(count, n - 1))
        if n <= DENSE:
            return np.asarray(
                scipy.linalg.eigh(self.normal.toarray(), self.mass.toarray(), subset_by_index=[0, count - 1])[1]
            )
        if self.iterated and start is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it has not converged: the residuals tell
                diagonal = np.clip(self.normal.diagonal(), 1e-300, None)
                inverse = sparse.diags(1.0 / diagonal)
                return np.asarray(
                    lobpcg(self.normal, start[self.kept], self.mass, inverse, tol=1e-12, maxiter=60, largest=False)[1]
                )
        shift = 1e-9 * float(self.normal.diagonal().sum() / self.mass.diagonal().sum())
        v0 = np.random.default_rng(0).standard_normal(n)
        return np.asarray(eigsh(self.normal, count, self.mass, sigma=-shift, v0=v0, maxiter=RESTARTS)[1])

    def spread(self, vectors: np.ndarray) -> torch.Tensor:
        """Coefficients of all functions, (count, fields, ...)."""
        whole = np.zeros((vectors.shape[1], self.size))
        whole[:, self.kept] = vectors.T
        return torch.as_tensor(whole).reshape(-1, *self.pyramid.shapes[-1]).to(self.grid.device)

    def residuals(self, vectors: np.ndarray) -> np.ndarray:
        """How large the residuals of functions are, relative to the terms that they are made of; sorted.

        What rounding may have made of a function that is surely free counts as :data:`EXACT`.
        """
        rows = np.array([self._rows(v) for v in self.spread(vectors)])
        sizes = np.sqrt(np.einsum("ik,ik->k", vectors, self.mass @ vectors))
        between, terms = np.array([self._sizes(v) for v in self.spread(vectors)]).T
        largest = float((self.normal.diagonal() / self.mass.diagonal()).max())
        rounding = np.minimum(ROUNDING * largest * (sizes / terms) ** 2, 1e-2 * SMALL)
        relative = np.maximum(rows, between) / terms
        return np.sort(np.where(relative <= rounding, np.minimum(relative, EXACT), relative))

    def _rows(self, coefficients: torch.Tensor) -> float:
        """Norm of the linearised rows of a function; from the normal matrix it would have half as many digits."""
        direction = torch.zeros(self.system.size, dtype=self.system.dtype, device=self.system.device)
        self.system.split(direction)[0].copy_(coefficients.reshape(-1))
        rows = self.system.forward(direction)
        return math.sqrt(float(self.system.inner(rows, rows)))

    @cached_property
    def _linear(self) -> list[tuple[CompiledTerm, float, dict[Jet, Value]]]:
        """The equations, the divisors of their rows, and their derivatives by jets at Sobol points."""
        problem = self.grid.problem
        env = sobol_points(problem) | {("parameter", name): value for name, value in self.parameters.items()}
        x = torch.stack([torch.as_tensor(env[("coordinate", name)]) for name in problem.domain.names])
        equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
        at = _jets(problem, self.grid.basis, self.resolution, self.solution, x, equations)
        volume = problem.domain.interior.measure
        return [
            (term, scale / math.sqrt(volume), {**term.constant, **term.evaluate(env, at)[1]})
            for term, scale in zip(equations, self.grid.scales, strict=True)
        ]

    def _sizes(self, coefficients: torch.Tensor) -> tuple[float, float]:
        """Root mean squares of the linearised equations of a function and of their terms, divided as the rows are."""
        problem = self.grid.problem
        coefficients = self.pyramid.dense(0, coefficients)
        env = sobol_points(problem)
        x = torch.stack([torch.as_tensor(env[("coordinate", name)]) for name in problem.domain.names])
        jets = _jets(problem, self.grid.basis, self.resolution, coefficients, x, [t for t, _, _ in self._linear])
        value = (0,) * problem.domain.dim
        residuals, terms = [], []
        for _, scale, slopes in self._linear:
            total: Value = 0.0
            for (name, orders), s in slopes.items():
                part = s * jets[(name, orders)]
                total = total + part
                unit = math.prod(a**m for a, m in zip(problem.domain.lengths, orders, strict=True))
                terms += [rms(part) / scale, rms(s) * rms(jets[(name, value)]) / unit / scale]
            residuals.append(rms(total) / scale)
        return math.hypot(*residuals), max(math.hypot(*terms), 1e-300)


def _jets(
    problem: Problem,
    basis: str,
    resolution: Resolution,
    coefficients: torch.Tensor,
    x: torch.Tensor,
    equations: Sequence[CompiledTerm],
) -> dict[Jet, Value]:
    """The derivatives that equations need of a function, and its values, at points."""
    orders = sorted({o for t in equations for _, o in t.jets} | {(0,) * problem.domain.dim})
    field = linear_field(problem.domain, problem.fields, problem.periodic, basis, [resolution], [coefficients])
    channels = Channels(problem.domain.dim, tuple(((1.0, o),) for o in orders))
    with torch.no_grad():
        values = field.jets(x.to(field.table), channels).to(x)
    return {(name, o): values[i, k] for i, name in enumerate(problem.fields) for k, o in enumerate(orders)}


def _looks(grid: Discretization, stage: Stage, first: Resolution) -> Iterator[_Look]:
    """Levels to look at, each of twice the resolution of the one before."""
    resolution = first
    while grid.pyramid([resolution]).size > FIRST and all(n % 2 == 0 for n in resolution):
        resolution = tuple(n // 2 for n in resolution)
    while grid.pyramid([resolution]).size <= SOLID:
        solution = _moved(grid, stage, resolution)
        if solution is None:
            return
        yield _Look(grid, resolution, solution, stage.parameters, stage.choice)
        resolution = tuple(2 * n for n in resolution)


def _moved(grid: Discretization, stage: Stage, resolution: Resolution) -> torch.Tensor | None:
    """The solution on another resolution: values and derivatives at its vertices; None where the two are not nested."""
    now, m = stage.resolutions[-1], BASES[grid.basis].coefficients
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
            coefficients = (split.index_select(axis + 1, every) * scale.reshape(shape)).flatten(axis + 1, axis + 2)
    at = [min(have, want) for have, want in zip(now, resolution, strict=True)]
    while at != list(resolution):
        following = [min(2 * n, want) for n, want in zip(at, resolution, strict=True)]
        pyramid = grid.pyramid([tuple(at), tuple(following)])
        finer = pyramid.prolong(0, pyramid.compact(0, coefficients).contiguous())
        coefficients, at = pyramid.dense(1, finer), following
    return coefficients.contiguous()


def _count(coarse: _Look | None, fine: _Look, spare: int) -> int | None:
    """Free functions of the finer level, those of the gauges apart."""
    if fine.gauged > MOST:
        return None
    start = None
    if coarse is not None and fine.iterated:
        pyramid = fine.grid.pyramid([coarse.resolution, fine.resolution])
        vectors = coarse.spread(coarse.lowest(coarse.gauged + spare, None))
        start = np.stack([pyramid.prolong(0, v).reshape(-1).cpu().numpy() for v in vectors], 1)
    last = fine.smallest(spare, start)
    if not (last < SMALL).any():
        return 0
    before = np.full_like(last, np.nan) if coarse is None else coarse.smallest(spare, None)
    n = min(len(last), len(before))
    falling = (last[:n] < SMALL) & (last[:n] ** 2 * FALL <= before[:n] ** 2)
    if any(t.region.measured is not None or t.region.penalty is not None for t in fine.grid.problem.terms):
        falling[:] = False  # data and penalties weigh little and leave what they determine weakly
    return int(((last[:n] <= EXACT) | falling).sum())
