"""How the rows of a locally refined solution depend on the parameters if the fields follow."""

from __future__ import annotations

import math

import torch

from hermite_pinn.methods.least_squares.linear_solver import Limits

from .local_stage import LocalStage
from .refined_solver import RefinedSolver
from .standard_errors import Sensitivity

__all__ = ["local_sensitivity"]

SOLVED = 1e-10  # reduction of the gradient


def local_sensitivity(stage: LocalStage, max_steps: int) -> Sensitivity:
    """The sensitivity of a problem with parameters at the solution of a stage; see :class:`Sensitivity`.

    Parameters
    ----------
    max_steps
        Of a linear solve.
    """
    system = stage.system
    rows = system.linearize(stage.vector)
    squares, count, at = 0.0, 0, 0
    for block in system.blocks:
        for term in block.terms:
            measured = term.term.region.measured
            if measured is not None:
                squares, count = squares + float(system.inner([rows[at]], [rows[at]])), count + measured.count
            at += 1
    limits = Limits(SOLVED, max_steps, lambda steps, reduction: False)
    left, norms = [], []
    system.held = True
    try:
        for i in range(len(system.parameter_names)):
            unit = torch.zeros(system.size, dtype=system.dtype)
            system.split(unit)[1][i] = 1.0
            column = system.forward(unit)
            norms.append(math.sqrt(float(system.inner(column, column))))
            step, _ = RefinedSolver().solve(system, column, 0.0, limits)
            left.append(torch.cat([a + b for a, b in zip(column, system.forward(step), strict=True)]))
    finally:
        system.held = False
    q = torch.stack(left)
    residual = math.sqrt(float(system.inner(rows, rows)))
    lengths = torch.tensor(norms, dtype=q.dtype)
    return Sensitivity(system.parameter_names, q @ q.T, lengths, residual, squares, count)
