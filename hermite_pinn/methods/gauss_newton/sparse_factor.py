"""A sparse factor of the normal matrix of the finest level, as preconditioner where it is small: in any number of axes.

The factor preconditions conjugate gradients on the least-squares problem, of which a handful of steps remain; rounding
in the squared matrix costs steps, not digits.  A factor that is there already serves as long as the steps that it
costs more than a new one would take less time than making that: for the next damping, the next step of a nonlinear
iteration, the next time slab.

Where the equations leave a direction open, as a pressure without a gauge or a temperature with fluxes all around, the
matrix is singular and its factor rounding: vectors grow along that direction until nothing else is left of them.  That
is noticed by the least pivot of a factor whose steps fail.  The next factor has a small shift, which leaves such
directions almost as they are and costs the others a few steps; a system for which that fails too is refused.

Singular functions are so close to what the grid holds that a squared matrix loses the difference.  Each is replaced by
itself less what comes closest to it on the grid, found by a few steps, and the small problem for these is solved apart.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import Any

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.memory import available_memory
from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult
from hermite_pinn.methods.least_squares.linear_solver import (
    Limits,
    LinearSolver,
    iteration_seconds,
    preconditioned_steps,
    steps_left,
)
from hermite_pinn.methods.least_squares.nested_dissection import Dissection, dissect
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.least_squares.tail_scaling import closest_unknowns
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_layout import VertexLayout

from .constant_products import ConstantProducts
from .factor_cost import FactorCost, factor_cost
from .normal_factor import NormalFactor

__all__ = ["SparseFactor"]

logger = logging.getLogger(__name__)

SHARE = 0.3  # of the free memory
FEW = 4.0  # steps that a new factor takes
TRIAL = 5  # steps after which an old factor shows how many it takes
MOST = 300  # steps
RESTART = 20  # steps after which the residual is computed anew
SMALL = 1e-3  # part of the change that rounding may leave
SHIFT = 1e-8  # of the diagonal of a singular matrix: far above rounding, below what the steps notice
SMALL_SYSTEM = 4000  # unknowns, whose factor takes less than some tens of steps
PASSES = 2  # over the grid and the singular functions in turn


class SparseFactor(LinearSolver[GridSystem]):
    """Conjugate gradients preconditioned by a sparse Cholesky factor.

    Parameters
    ----------
    changing
        Whether weights change from one problem to the next: then no factor of a small system serves twice.

    Attributes
    ----------
    failed
        Unknowns of the singular systems for which it is refused.
    """

    name = "a sparse factor on the CPU"

    def __init__(self, *, changing: bool = False) -> None:
        self.changing, self._products = changing, ConstantProducts()
        self.failed: set[int] = set()
        self._shift = 0.0
        self._kept: NormalFactor | None = None
        self._dissection: tuple[VertexLayout, Dissection] | None = None

    def seconds(self, system: GridSystem, steps: float | None) -> float:
        """By the count of operations of an elimination by nested dissection; infinity where it does not fit."""
        if system.size in self.failed:
            return math.inf
        cost = _cost(system)
        free = system.ranks.least(available_memory(torch.device("cpu")) or math.inf)
        if cost.memory > SHARE * free:
            return math.inf
        return cost.making + FEW * cost.step

    def solve(
        self, system: GridSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`."""
        cost = _cost(system)
        layout, dissection = self._dissected(system)
        anew = self.changing and system.size < SMALL_SYSTEM
        if not anew and self._kept is not None and self._kept.fits(system, layout, dissection, rows):
            found = self._again(self._kept, system, rows, damping, limits, cost)
            if found is not None:
                return found
        found = self._anew(system, rows, damping, limits, cost.making)
        if self._kept is not None and self._kept.singular and _failed(found[1]) and not self._shift:
            logger.debug("a factor of a singular matrix is made anew with a shift")
            self._shift = SHIFT
            again, result = self._anew(system, rows, damping, limits, cost.making)
            found = again, replace(result, steps=found[1].steps + result.steps)
        if self._shift and _failed(found[1]):
            self._kept = None
            self.failed.add(system.size)
            return torch.zeros_like(found[0]), replace(found[1], reason="unsuitable")
        return found

    def _anew(
        self, system: GridSystem, rows: Rows, damping: float, limits: Limits, seconds: float
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """With a new factor."""
        layout, dissection = self._dissected(system)
        self._kept = None  # before there are two
        limits.require(seconds)
        try:
            blocks = self._products.of(system, layout, dissection) if self.changing else None
            self._kept = NormalFactor(system, layout, dissection, damping, blocks, shift=self._shift)
        except ArithmeticError:
            zero = torch.zeros(system.size, dtype=system.dtype, device=system.device)
            return zero, LeastSquaresResult(zero, 0, math.nan, False, "not finite", 0.0)
        return _around_corners(system, self._kept, rows, damping, limits)

    def _again(
        self,
        factor: NormalFactor,
        system: GridSystem,
        rows: Rows,
        damping: float,
        limits: Limits,
        cost: FactorCost,
    ) -> tuple[torch.Tensor, LeastSquaresResult] | None:
        """With a factor that is there; None where a new one is expected to take less time than the steps."""
        solves = len(system.corners) + PASSES if len(system.corners) else 1
        worth = cost.making / (solves * cost.step) + FEW  # steps
        given_up = False

        def stop(steps: int, reduction: float) -> bool:
            nonlocal given_up
            if not given_up and steps >= TRIAL and steps % TRIAL == 0:
                given_up = steps_left(steps, reduction, limits.tol) > worth
            return given_up or limits.stop(steps, reduction)

        if worth < 2.0 * TRIAL:
            return None
        step, result = _around_corners(system, factor, rows, damping, replace(limits, stop=stop))
        if given_up or (not result.converged and result.reason != "callback"):
            logger.debug("an old factor is given up after %d steps", result.steps)
            return None
        return step, result

    def _dissected(self, system: GridSystem) -> tuple[VertexLayout, Dissection]:
        """The order of elimination, kept for levels with the same vertices."""
        layout = system.layout
        if self._dissection is None or not self._dissection[0].same(layout):
            made = dissect(layout.positions, layout.sides, layout.wraps, layout.width)
            self._dissection = layout, made
        return self._dissection

    def state(self) -> dict[str, Any]:
        """Nothing: the factor is given up with every state that a checkpoint may keep, as a resumed run has none."""
        self._kept, self._shift, self.failed = None, 0.0, set()
        return {}


def _failed(result: LeastSquaresResult) -> bool:
    """Whether steps ended without a solution by themselves."""
    return not result.converged and result.reason not in ("callback", "not finite")


def _cost(system: GridSystem) -> FactorCost:
    """Counted on a whole grid of as many vertices, with the products of a step."""
    m, wraps = BASES[system.basis].coefficients, tuple(system.problem.periodic)
    fields, *shape = system.pyramid.dense_shapes[-1]
    share = math.prod(system.pyramid.shapes[-1]) / (fields * math.prod(shape))
    sides = tuple(max(1, round(n // m * share ** (1.0 / len(shape)))) for n in shape)
    width = fields * m ** len(shape)
    cost = factor_cost(sides, wraps, width, rows=system.rows, blocks=len(system.blocks))
    return replace(cost, step=iteration_seconds(system, 1.0) + cost.step)


def _around_corners(
    system: GridSystem, factor: NormalFactor, rows: Rows, damping: float, limits: Limits
) -> tuple[torch.Tensor, LeastSquaresResult]:
    """:func:`_preconditioned` with the singular functions, which are damped as what remains of them, normalised."""
    count, columns = len(system.corners), factor.columns
    if not count:
        return _preconditioned(system, factor, rows, damping, limits)

    def product(x: torch.Tensor) -> Rows:
        return [row.clone() for row in system.forward(x.clone())]

    def solve(rows: Rows) -> tuple[torch.Tensor, LeastSquaresResult]:
        return _preconditioned(system, factor, rows, damping, limits)

    weight = torch.where(columns > 0, columns, torch.inf).square().reciprocal() * damping

    def size(left: Rows, x: torch.Tensor) -> float:
        """Of the gradient in the norm of the factor."""
        return float(factor.transposed(system.adjoint(left) + x * weight).norm())

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
    system: GridSystem, factor: NormalFactor, rows: Rows, damping: float, limits: Limits
) -> tuple[torch.Tensor, LeastSquaresResult]:
    """Minimise ``|J x + r|^2 + damping |x / columns|^2`` on the finest level, from zero."""
    few = replace(limits, max_steps=min(limits.max_steps, MOST))
    step, result = preconditioned_steps(system, rows, factor.columns, factor, damping, few, restart=RESTART)
    # with a factor, the reduction is how much of the energy of the error is left, not only of the gradient
    converged = result.converged and (result.reason != "rounding" or result.reduction <= SMALL)
    return step, replace(result, converged=converged, left=result.reduction if converged else None)
