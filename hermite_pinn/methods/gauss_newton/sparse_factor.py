"""A sparse factor of the normal matrix of the finest level of a cut domain, as preconditioner where it is small.

The unknowns of a vertex belong together, so the matrix is a sparse one of dense blocks: of all pairs of vertices of a
cell.  Vertices are eliminated in an order of least degree.  Parameters are dense last columns.  Singular functions are
not: they are so close to what the grid holds that a squared matrix loses the difference.  Each is replaced by itself
less what comes closest to it on the grid, found by a few steps, and the small problem for these is solved apart.  The
factor preconditions conjugate gradients on the least-squares problem, of which a handful of steps remain; rounding
in the squared matrix costs steps, not digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import SuperLU, splu

from hermite_pinn.memory import available_memory
from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult
from hermite_pinn.methods.least_squares.linear_solver import Limits, LinearSolver
from hermite_pinn.methods.least_squares.rows import Rows, vdot
from hermite_pinn.methods.least_squares.tail_scaling import closest_unknowns
from hermite_pinn.methods.systems.cut_system import CutSystem
from hermite_pinn.methods.systems.grid_system import GridSystem

__all__ = ["SparseFactor"]

LEAST_SHIFT = 1e-15  # of the scaled matrix, below rounding
RATE = 1.0e-8  # seconds per b**3 V**1.5 in the plane, for V vertices with b unknowns each: measured on two cores
MOST = 60  # steps, where a factor without rounding takes two
SMALL = 1e-3  # part of the change that rounding may leave
PASSES = 2  # over the grid and the singular functions in turn
SPREAD = 16.0  # entries of the factor per entry of the matrix that are reckoned with


@dataclass
class _Factor:
    """The factored matrix ``D N D + shift`` of the free unknowns of the finest level and of the last ones."""

    system: CutSystem
    order: torch.Tensor  # numbers of the unknowns of the whole vector, by row of the matrix
    scale: np.ndarray  # D
    lu: SuperLU

    def apply(self, gradient: torch.Tensor) -> torch.Tensor:
        """About the inverse of the normal matrix times a gradient; zero on coarser levels."""
        own = gradient[self.order].cpu().numpy() * self.scale
        solved = self.lu.solve(own) * self.scale
        out = torch.zeros_like(gradient)
        out[self.order] = torch.as_tensor(solved).to(gradient)
        return out


class SparseFactor(LinearSolver[GridSystem]):
    """Conjugate gradients preconditioned by a sparse factor, on cut domains in two space axes without time."""

    name = "a sparse factor on the CPU"

    def seconds(self, system: GridSystem, steps: float | None) -> float:
        """By the count of operations of an elimination by nested dissection; infinity where it does not fit."""
        domain = system.problem.domain
        if system.tensor or domain.time_axis is not None or len(domain.space_axes) != 2:
            return math.inf
        level = cast("CutSystem", system).pyramid.levels[-1]
        size = len(system.problem.fields) * level.record
        entries = SPREAD * 9 * size**2 * level.count
        free = available_memory(torch.device("cpu")) or math.inf
        if 24.0 * entries > 0.3 * free or entries > 2**31:
            return math.inf
        return RATE * size**3 * level.count**1.5 + 2e-8 * 9 * size**2 * level.count

    def solve(
        self, system: GridSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`."""
        system = cast("CutSystem", system)
        columns = system.column_scale()
        factor = _factored(system, columns, damping)
        return _around_corners(system, columns, factor, rows, damping, limits)


def _factored(system: CutSystem, columns: torch.Tensor, damping: float) -> _Factor:
    level, fields = system.pyramid.levels[-1], len(system.problem.fields)
    own = fields * level.record
    place = (
        torch.arange(level.count)[:, None, None] * level.record
        + torch.arange(fields)[None, :, None] * level.count * level.record
        + torch.arange(level.record)
    ).reshape(-1)  # of a vertex: fields, then records
    first, extra = system.pyramid.slices[-1].start, len(system.problem.parameters)
    order = torch.cat([first + place, torch.arange(system.grid_size, system.grid_size + extra)])
    scale = columns.cpu()[order].numpy()
    matrix = _normal(system, own)
    if extra:
        matrix = _bordered(system, matrix, order, extra)
    scaling = sparse.diags(scale)
    matrix = (scaling @ matrix @ scaling).tocsc()
    shift = max(damping, LEAST_SHIFT)
    while True:
        shifted = matrix + sparse.diags(np.where(scale == 0.0, 1.0, shift), format="csc")
        try:
            lu = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
            return _Factor(system, order.to(columns.device), scale, lu)
        except RuntimeError:  # exactly singular
            shift *= 100.0


def _normal(system: CutSystem, own: int) -> sparse.bsr_matrix:
    """The normal matrix of the finest level, by vertices."""
    level = system.pyramid.levels[-1]
    count, corners = level.count, 2**level.dim
    pairs = np.unique((level.corners[:, :, None] * count + level.corners[:, None, :]).ravel())
    blocks = torch.zeros(len(pairs), own, own, dtype=torch.float64)
    for block in system.blocks:
        for at, products in block.vertex_products(own):
            keys = (at[:, :, None] * count + at[:, None, :]).ravel()
            number = torch.as_tensor(np.searchsorted(pairs, keys))
            split = products.reshape(len(at), corners, own, corners, own).transpose(2, 3).reshape(-1, own, own)
            blocks.index_add_(0, number, split)
    starts = np.searchsorted(pairs // count, np.arange(count + 1))
    return sparse.bsr_matrix((blocks.numpy(), pairs % count, starts), shape=(count * own, count * own))


def _bordered(system: CutSystem, matrix: sparse.bsr_matrix, order: torch.Tensor, extra: int) -> sparse.csc_matrix:
    """With the products of the last, dense, columns of the system."""
    border = []
    for k in range(extra):
        direction = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        direction[system.grid_size + k] = 1.0
        product = system.adjoint([row.clone() for row in system.forward(direction)])
        border.append(product.cpu()[order].numpy())
    both = np.array(border).T  # (unknowns, extra)
    side = sparse.csr_matrix(both[: matrix.shape[0]])
    return sparse.bmat([[matrix, side], [side.T, sparse.csr_matrix(both[matrix.shape[0] :])]]).tocsc()


def _around_corners(
    system: CutSystem, columns: torch.Tensor, factor: _Factor, rows: Rows, damping: float, limits: Limits
) -> tuple[torch.Tensor, LeastSquaresResult]:
    """:func:`_preconditioned` with the singular functions, which are damped as what remains of them, normalised."""
    count = len(system.corners)
    if not count:
        return _preconditioned(system, columns, factor, rows, damping, limits)

    def product(x: torch.Tensor) -> Rows:
        return [row.clone() for row in system.forward(x.clone())]

    def solve(rows: Rows) -> tuple[torch.Tensor, LeastSquaresResult]:
        return _preconditioned(system, columns, factor, rows, damping, limits)

    weight = torch.where(columns > 0, columns, torch.inf).square().reciprocal() * damping

    def size(left: Rows, x: torch.Tensor) -> float:
        """Of the gradient in the norm of the factor."""
        gradient = system.adjoint(left) + x * weight
        return math.sqrt(max(float(vdot(gradient, factor.apply(gradient))), 0.0))

    tail, others = closest_unknowns(system, count, lambda left: -solve(left)[0], system.close_to_corners)
    system.close_to_corners = others
    x, left = torch.zeros(system.size, dtype=system.dtype, device=system.device), rows
    damped, steps = torch.zeros_like(x), 0  # the step but for what makes up for singular functions
    own = x.new_zeros(count)
    for _ in range(PASSES):
        step, result = solve(left)
        steps += result.steps
        damped += step
        left = [r + d for r, d in zip(left, product(step), strict=True)]
        change = (tail.variables(left) - damping * own) / (1.0 + damping)
        own += change
        corners = tail.factor @ change
        step -= corners @ others
        step[system.size - count :] = corners
        x += step
        left = [r + d for r, d in zip(rows, product(x), strict=True)]
    reduction = size(left, damped) / max(size(rows, torch.zeros_like(x)), 1e-300)
    decrease = float(system.inner(rows, rows) - system.inner(left, left))
    if damping > 0:
        scaled = torch.where(columns > 0, damped / columns.clamp(min=1e-300), 0.0)[: system.size - count]
        decrease -= damping * float(scaled.square().sum() + own.square().sum())
    return x, replace(result, y=x, steps=steps, reduction=reduction, decrease=decrease)


def _preconditioned(
    system: CutSystem, columns: torch.Tensor, factor: _Factor, rows: Rows, damping: float, limits: Limits
) -> tuple[torch.Tensor, LeastSquaresResult]:
    """Conjugate gradients for ``|J x + r|^2 + damping |x / columns|^2`` from zero; the residual is the true one."""
    weight = torch.where(columns > 0, columns, torch.inf).square().reciprocal() * damping
    b = [-r for r in rows]
    x = torch.zeros(system.size, dtype=system.dtype, device=system.device)
    left = b
    gradient = system.adjoint(left).clone()
    z = factor.apply(gradient)
    p, gamma = z.clone(), float(vdot(gradient, z))
    start, best, decrease, steps, reason = gamma, gamma, 0.0, 0, "steps"
    if not gamma > 0 or not math.isfinite(gamma):
        return x, LeastSquaresResult(x, 0, 0.0 if gamma == 0 else math.nan, gamma == 0.0, "zero", 0.0)
    while steps < min(limits.max_steps, MOST):
        q = [row.clone() for row in system.forward(p.clone())]
        curvature = float(system.inner(q, q)) + float(vdot(p * weight, p))
        if not curvature > 0 or not math.isfinite(curvature):
            reason = "rounding"
            break
        alpha = gamma / curvature
        x.add_(p, alpha=alpha)
        decrease += alpha * gamma
        steps += 1
        image = system.forward(x.clone())
        left = [u - v for u, v in zip(b, image, strict=True)]
        gradient = system.adjoint(left).sub_(x * weight)
        z = factor.apply(gradient)
        new = float(vdot(gradient, z))
        if new <= limits.tol**2 * start:
            gamma, reason = new, "tolerance"
            break
        if new > 0.5 * best and steps > 2:
            gamma, reason = new, "rounding"
            break
        if limits.stop(steps, math.sqrt(abs(new) / start)):
            gamma, reason = new, "callback"
            break
        best = min(best, new)
        p.mul_(new / gamma).add_(z)
        gamma = new
    # with a factor, that is how much of the energy of the error is left, not only of the gradient
    rest = math.sqrt(max(gamma, 0.0) / start)
    converged = reason == "tolerance" or (reason == "rounding" and rest <= SMALL)
    return x, LeastSquaresResult(x, steps, rest, converged, reason, decrease, rest if converged else None)
