"""L-BFGS on the least-squares rows of a field, as a method of the comparisons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import torch

from hermite_pinn import JointStage, Status
from hermite_pinn.methods.base import Method, Outcome, Task
from hermite_pinn.methods.systems.field_system import FieldSystem, Points, collocate, held_out_blocks

__all__ = ["RowsLbfgs"]


@dataclass(frozen=True)
class RowsLbfgs(Method):
    """L-BFGS on the same rows, in the variables of the column scaling, from the field of the method before."""

    steps: int = 200
    cells: int = 28
    train: str = "network"

    name = "lbfgs rows"

    def run(self, task: Task) -> Outcome:
        """Minimise; see :class:`Method`."""
        assert task.start is not None
        field, problem = task.start, task.problem
        blocks = collocate(problem, Points(self.cells), boundary=field.boundary_factor)
        held = held_out_blocks(blocks, problem, 4000, task.seed + 7919)
        system = FieldSystem(problem, field, blocks, JointStage(self.train).names(field))
        start = system.vector()
        system.linearize(start)
        columns = system.column_scale()

        def value(y: Any) -> tuple[float, Any]:
            rows = system.linearize(start + columns * torch.as_tensor(y))
            return sum(float(r @ r) for r in rows), (2 * columns * system.adjoint(rows)).numpy()

        zero = np.zeros(system.size)
        options = {"maxiter": self.steps, "maxcor": 30, "ftol": 0.0, "gtol": 0.0}
        minimum = scipy.optimize.minimize(value, zero, jac=True, method="L-BFGS-B", options=options)
        vector = start + columns * torch.as_tensor(minimum.x)
        rest = math.sqrt(sum(float(r @ r) for r in system.residuals(vector, held)))
        stats = {"held_out": rest, "inner_steps": int(minimum.nfev), "points": sum(b.x.shape[1] for b in blocks)}
        return Outcome(system.field_of(vector), {}, Status.COMPLETED, str(minimum.message), None, stats)
