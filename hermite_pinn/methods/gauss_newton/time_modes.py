"""Sparse factors over space, one for every mode in time: a preconditioner of parabolic problems on cut domains.

The normal matrix of rows ``u_t - L u`` on a time slab is a sum of products of matrices in time and over space.  The
mixed products of ``u_t`` and ``L u`` are the growth of an energy, ``-2 (u_t, L u) = d/dt (grad u, grad u)`` up to what
the boundary rows see, so that they are neither negative nor larger than the rest, ``T_1 x S_1 + T_0 x S_0``.  The
eigenvectors of the two small matrices in time divide the rest into one sparse problem ``S_0 + mu S_1`` over space for
every mode.  These are factored once and kept as long as slabs have the same ones, which is as long as the equation and
its coefficients do not change in time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import scipy.linalg as dense
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import SuperLU, splu

from hermite_pinn.cuda.tensor_grid.axis import evaluation_matrix
from hermite_pinn.geometry import gauss_axis
from hermite_pinn.memory import available_memory
from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult
from hermite_pinn.methods.least_squares.linear_solver import BlockConjugateGradients, Limits, LinearSolver
from hermite_pinn.methods.least_squares.rows import Rows, vdot
from hermite_pinn.methods.systems.cut_block import CutBlock
from hermite_pinn.methods.systems.cut_system import CutSystem
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.level_cells import LevelCells
from hermite_pinn.schema import Entry

from .time_slabs import parabolic, why_at_once
from .vertex_matrices import by_field, by_vertex, vertex_matrices

__all__ = ["TimeModes"]

MOST = 60  # steps, where a problem of the kind takes about ten
EXPECTED = 10
ENOUGH = 1e-4  # reduction of the energy of the error, where a twentieth of the error of the grid is some thousandths
LEAST_SHIFT = 1e-14  # of the scaled matrices
DIGITS = 10  # of the length of a slab: slabs of equal length differ in the last ones
BYTES = 16.0  # of an entry of a factor, with its index


@dataclass(frozen=True, eq=False)
class _Modes:
    """Factors of the modes of a slab.

    Attributes
    ----------
    level
        The cells over space.
    layout
        Cells in time and their length: what the modes depend on beside the matrices.
    free
        Which coefficients over space, (fields V m**d,) in the order of the matrices, and which along time are free.
    matrices
        ``S_0`` and ``S_1`` by their blocks.
    vectors
        The modes by the coefficients along time, (T, K).
    scales, factors
        Of every mode.
    """

    level: LevelCells
    layout: tuple[int, float, int]
    free: tuple[np.ndarray, np.ndarray]
    matrices: tuple[np.ndarray, ...]
    vectors: np.ndarray
    scales: Sequence[np.ndarray]
    factors: Sequence[SuperLU]

    def same(
        self, other: tuple[LevelCells, tuple[int, float, int]], free: Sequence[np.ndarray], own: Sequence[np.ndarray]
    ) -> bool:
        """Whether they are those of a slab with a level and layout, free coefficients and matrices."""
        return (
            self.level is other[0]
            and self.layout == other[1]
            and all(np.array_equal(a, b) for a, b in zip((*self.free, *self.matrices), (*free, *own), strict=True))
        )

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """About the inverse of the normal matrix times a gradient (fields V m**d, T)."""
        seen = gradient @ self.vectors
        for k, (scale, factor) in enumerate(zip(self.scales, self.factors, strict=True)):
            seen[:, k] = factor.solve(seen[:, k] * scale) * scale
        return seen @ self.vectors.T


class TimeModes(LinearSolver[GridSystem]):
    """Conjugate gradients preconditioned by :class:`_Modes`, for parabolic problems on cut domains.

    Where they take too many steps they are given up for the rest of the run.

    Parameters
    ----------
    enough
        Reduction of the energy of the error, at least.
    most
        Steps.
    """

    name = "sparse factors of modes in time on the CPU"

    def __init__(self, enough: float = ENOUGH, most: int = MOST) -> None:
        self.enough, self.most = enough, most
        self.kept: _Modes | None = None
        self.failed = False

    def seconds(self, system: GridSystem, steps: float | None) -> float:
        """By the count of operations; infinity where the problem is of another kind or the factors do not fit."""
        if self.failed or not _separable(system):
            return math.inf
        cut = cast("CutSystem", system)
        level, own = cut.pyramid.levels[-1], len(system.problem.fields) * cut.pyramid.levels[-1].record
        modes = cut.pyramid.shapes[-1][2]
        entries, operations = _elimination(level.count, own, level.dim)
        free = available_memory(torch.device("cpu")) or math.inf
        if BYTES * entries * modes > 0.3 * free or entries > 2**31:
            return math.inf
        cost = system.iteration_cost()
        assert cost is not None
        return modes * 1e-9 * operations + EXPECTED * (modes * 4e-9 * entries + cost[0])

    def solve(
        self, system: GridSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`."""
        cut = cast("CutSystem", system)
        columns = system.column_scale() if damping > 0 else _free(cut)
        modes = self._modes(cut, columns, damping)
        own = replace(limits, tol=max(limits.tol, self.enough), max_steps=min(limits.max_steps, self.most))
        x, result = _iterate(cut, columns, modes, rows, damping, own)
        if result.reason != "steps":
            return x, result
        self.failed = True
        self.kept = None
        return BlockConjugateGradients[CutSystem]().solve(cut, rows, damping, limits)

    def state(self) -> dict[str, Any]:
        """See :meth:`LinearSolver.state`."""
        return {"without_modes": self.failed}

    def restore(self, state: Entry) -> None:
        """See :meth:`LinearSolver.restore`."""
        self.failed = state.at("without_modes").flag()

    def _modes(self, system: CutSystem, columns: torch.Tensor, damping: float) -> _Modes:
        """Those of the slab before where nothing has changed."""
        level = system.pyramid.levels[-1]
        layout = _layout(system)
        mask = (columns[system.pyramid.slices[-1]] > 0).view(system.pyramid.shapes[-1]).cpu()
        free = by_vertex(mask.any(2).double(), level)[:, 0] > 0, mask.flatten(0, 1).any(0).numpy()
        blocks = cast("list[CutBlock]", system.blocks)
        matrices = vertex_matrices(blocks, level, len(system.problem.fields), 2)
        if self.kept is None or not self.kept.same((level, layout), free, [m.data for m in matrices]):
            self.kept = None  # before others are made
            self.kept = _factored(level, layout, free, matrices, damping, system.basis)
        return self.kept


def _separable(system: GridSystem) -> bool:
    """Whether a system is that of a parabolic problem on a cut domain, and all of its rows are made for modes."""
    axis = system.problem.domain.time_axis
    if system.tensor or axis is None or system.device.type != "cpu" or system.parameter_names:
        return False
    return (
        parabolic(system.problem)
        and why_at_once(system.problem, system.basis) is None
        and all(o[axis] <= 1 for block in system.blocks for t in block.terms for _, o in t.jets)
        and len({system.constraints.count(name, axis) for name in system.problem.fields}) == 1
    )


def _elimination(vertices: int, own: int, dim: int) -> tuple[float, float]:
    """Entries of both factors and operations of an elimination by nested dissection."""
    if dim == 2:
        return 8.0 * vertices * math.log2(vertices + 1) * own**2, 10.0 * vertices**1.5 * own**3
    return 12.0 * vertices ** (4 / 3) * own**2, 30.0 * vertices**2 * own**3


def _free(system: CutSystem) -> torch.Tensor:
    """One for the unknowns of the finest level that are free, zero for all others."""
    last = len(system.pyramid.shapes) - 1
    fixed = system.pyramid.compact(last, system.constraints.mask(system.pyramid.dense_shapes[last], system.device))
    free = torch.zeros(system.size, dtype=system.dtype, device=system.device)
    free[system.pyramid.slices[last]] = (~fixed).reshape(-1).to(free)
    return free


def _layout(system: CutSystem) -> tuple[int, float, int]:
    """Cells in time, their length, and points in a cell."""
    axis, rule = system.problem.domain.time_axis, system.interior.rule
    assert axis is not None
    assert rule is not None
    cells = system.resolution[axis]
    length = system.problem.domain.lengths[axis] / cells
    return cells, float(f"{length:.{DIGITS - 1}e}"), len(rule.points) // cells


def _factored(
    level: LevelCells,
    layout: tuple[int, float, int],
    free: tuple[np.ndarray, np.ndarray],
    matrices: Sequence[sparse.bsr_matrix],
    damping: float,
    basis: str,
) -> _Modes:
    cells, length, points = layout
    at, weights = gauss_axis(0.0, cells * length, cells, points)
    rows = evaluation_matrix(basis, cells, (0.0, cells * length), False, at, (0, 1)).matrices
    values, slopes = (rows[o].toarray()[:, free[1]] * np.sqrt(weights)[:, None] for o in (0, 1))
    rates, own_modes = dense.eigh(slopes.T @ slopes, values.T @ values)
    vectors = np.zeros((len(free[1]), len(rates)))
    vectors[free[1]] = own_modes
    still, moving = (m.tocsc() for m in matrices)
    scales, factors, order = [], [], None
    for rate in np.maximum(rates, 0.0):
        matrix = still + rate * moving
        squares = matrix.diagonal()
        scale = np.where(free[0] & (squares > 0), 1.0 / np.sqrt(np.where(squares > 0, squares, 1.0)), 0.0)
        scaling = sparse.diags(scale)
        shift = sparse.diags(np.where(scale == 0.0, 1.0, max(damping, LEAST_SHIFT)))
        scaled = (scaling @ matrix @ scaling + shift).tocsc()
        factors.append(_Ordered(scaled, order))
        order = factors[-1].order
        scales.append(scale)
    return _Modes(level, layout, free, tuple(m.data for m in matrices), vectors, scales, factors)


class _Ordered:
    """A factor whose order of elimination is taken from another one with the same entries.

    Parameters
    ----------
    matrix
        Symmetric and definite.
    order
        Numbers of the unknowns in the order of their elimination, or None to find one.
    """

    def __init__(self, matrix: sparse.csc_matrix, order: np.ndarray | None) -> None:
        options = {"SymmetricMode": True}
        if order is None:
            self._lu = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
            self.order, self._own = np.argsort(self._lu.perm_c), False
        else:
            moved = matrix[order][:, order].tocsc()
            self._lu = splu(moved, permc_spec="NATURAL", diag_pivot_thresh=0.0, options=options)
            self.order, self._own = order, True

    def solve(self, b: np.ndarray) -> np.ndarray:
        """The solution for a right side (n,)."""
        if not self._own:
            return np.asarray(self._lu.solve(b))
        x = np.empty_like(b)
        x[self.order] = self._lu.solve(b[self.order])
        return x


def _iterate(
    system: CutSystem, columns: torch.Tensor, modes: _Modes, rows: Rows, damping: float, limits: Limits
) -> tuple[torch.Tensor, LeastSquaresResult]:
    """Conjugate gradients for ``|J x + r|^2 + damping |x / columns|^2`` from zero, on the finest level."""
    weight = torch.where(columns > 0, columns, torch.inf).square().reciprocal() * damping
    part, shape, level = system.pyramid.slices[-1], system.pyramid.shapes[-1], modes.level
    mask = columns > 0

    def apply(gradient: torch.Tensor) -> torch.Tensor:
        own = by_vertex((gradient * mask)[part].view(shape).cpu(), level)
        out = torch.zeros_like(gradient)
        out[part] = by_field(modes.solve(own), level, shape[0]).reshape(-1)
        return out.mul_(mask)

    x = torch.zeros(system.size, dtype=system.dtype, device=system.device)
    left = [-r for r in rows]
    gradient = system.adjoint(left)
    z = apply(gradient)
    p, gamma = z, float(vdot(gradient, z))
    start, decrease, steps, reason = gamma, 0.0, 0, "steps"
    if not gamma > 0 or not math.isfinite(gamma):
        return x, LeastSquaresResult(x, 0, 0.0 if gamma == 0 else math.nan, gamma == 0.0, "zero", 0.0)
    while steps < limits.max_steps:
        q = [row.clone() for row in system.forward(p.clone())]
        curvature = float(system.inner(q, q)) + float(vdot(p * weight, p))
        alpha = gamma / curvature
        x.add_(p, alpha=alpha)
        for own, change in zip(left, q, strict=True):
            own.add_(change, alpha=-alpha)
        decrease += alpha * gamma
        steps += 1
        gradient = system.adjoint(left).sub_(x * weight)
        z = apply(gradient)
        before, gamma = gamma, float(vdot(gradient, z))
        if gamma <= limits.tol**2 * start:
            reason = "tolerance"
            break
        if limits.stop(steps, math.sqrt(gamma / start)):
            reason = "callback"
            break
        p = z.add_(p, alpha=gamma / before)
    rest = math.sqrt(max(gamma, 0.0) / start)
    converged = reason == "tolerance"
    return x, LeastSquaresResult(x, steps, rest, converged, reason, decrease, rest if converged else None)
