"""Linear least squares on a locally refined grid: conjugate gradients with a sparse factor of the normal matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult
from hermite_pinn.methods.least_squares.linear_solver import ConjugateGradients, Limits, LinearSolver
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.refined_normal import NormalLU
from hermite_pinn.methods.systems.refined_system import RefinedSystem

__all__ = ["RefinedSolver", "stage_memory"]

MOST = 60  # steps with a factor
ITERATIONS, LOOSE = 600, 1e-8  # without a factor, and the reduction at which they end
STALE = 3  # steps in a row without progress, that is rounding


class RefinedSolver(LinearSolver[RefinedSystem]):
    """Forms and factors the normal matrix; rounding in it costs steps of conjugate gradients, not digits.

    In space a factor fills up, and for linear problems conjugate gradients on the scaled functions of all levels take
    its place as long as they end.
    """

    name = "a sparse factor on the CPU"

    def __init__(self) -> None:
        self._iterations: ConjugateGradients[RefinedSystem] = ConjugateGradients()

    def seconds(self, system: RefinedSystem, steps: float | None) -> float:
        """Nothing is compared with it."""
        return 0.0

    def solve(
        self, system: RefinedSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`."""
        if system.grid.mesh.dim > 2 and system.affine:
            few = replace(limits, max_steps=min(limits.max_steps, ITERATIONS), tol=max(limits.tol, LOOSE))
            found = self._iterations.solve(system, rows, damping, few)
            if found[1].converged or found[1].reason == "callback":
                return found
        return self._factored(system, rows, damping, limits)

    @staticmethod
    def _factored(
        system: RefinedSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        chosen = torch.as_tensor(np.flatnonzero(system.free))
        factor = NormalLU(system.normal(), damping)
        weight = torch.as_tensor(factor.norms).square() * damping

        def forward(own: torch.Tensor) -> Rows:
            vector = torch.zeros(system.size, dtype=torch.float64)
            vector[chosen] = own
            return system.forward(vector)

        def gradient(left: Sequence[torch.Tensor], own: torch.Tensor) -> torch.Tensor:
            return system.adjoint(left)[chosen] - weight * own

        own = torch.zeros(len(chosen), dtype=torch.float64)
        left = [-r for r in rows]
        before = float(system.inner(left, left))
        slope = gradient(left, own)
        direction = factor.solve_tensor(slope)
        energy = first = float(slope @ direction)
        steps, best, stale, reason = 0, 1.0, 0, "steps"
        if not first > 0:
            zero = torch.zeros(system.size, dtype=torch.float64)
            finite = math.isfinite(first)
            return zero, LeastSquaresResult(zero, 0, 0.0, finite, "zero" if finite else "not finite", 0.0)
        reduction = 1.0
        while steps < min(MOST, limits.max_steps):
            image = forward(direction)
            length = float(system.inner(image, image)) + float((weight * direction) @ direction)
            if not length > 0:
                reason = "rounding"
                break
            alpha = energy / length
            own += alpha * direction
            left = [r - alpha * q for r, q in zip(left, image, strict=True)]
            steps += 1
            slope = gradient(left, own)
            correction = factor.solve_tensor(slope)
            now = float(slope @ correction)
            reduction = math.sqrt(max(now, 0.0) / first)
            if reduction <= limits.tol:
                reason = "tolerance"
                break
            if limits.stop(steps, reduction):
                reason = "callback"
                break
            stale, best = (0, reduction) if reduction < 0.7 * best else (stale + 1, best)
            if stale >= STALE and best < 1e-3:
                reason = "rounding"
                break
            direction = correction + (now / energy) * direction
            energy = now
        step = torch.zeros(system.size, dtype=torch.float64)
        step[chosen] = own
        after = float(system.inner(left, left)) + float((weight * own) @ own)
        converged = reason in ("tolerance", "rounding")
        return step, LeastSquaresResult(step, steps, reduction, converged, reason, before - after)


def stage_memory(system: RefinedSystem) -> float:
    """About the bytes of a stage: the normal matrix by cells, and its factor by the count of unknowns, measured."""
    fields, width = len(system.problem.fields), 2**system.grid.mesh.dim * system.grid.record
    cells = float(system.grid.mesh.leaves) * (fields * width) ** 2
    if system.grid.mesh.dim > 2 and system.affine:
        return 40.0 * cells
    growth = 1.2 if system.grid.mesh.dim <= 2 else 1.55
    return 40.0 * cells + 16.0 * 12.0 * fields * system.grid.record * float(system.unknowns) ** growth
