"""A field that vanishes on the boundary exactly, for the method after it in a chain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from hermite_pinn import Status
from hermite_pinn.field.outline import Outline
from hermite_pinn.methods.base import Method, Outcome, Task, planned
from hermite_pinn.methods.systems.exact_faces import boundary_factor

__all__ = ["ExactBoundary"]

LEVELS = 6


@dataclass(frozen=True)
class ExactBoundary(Method):
    """Give the next method a start that vanishes on the faces with zero conditions: ``ExactBoundary() >> Adam()``."""

    name = "exact boundary"

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """See :meth:`Method.check`."""
        spec = task.field or self.default_field(task.problem)
        return replace(planned(task, spec, LEVELS), factor=boundary_factor(task.problem) is not None)

    def run(self, task: Task) -> Outcome:
        """Build the field; see :class:`Method`."""
        p, spec = task.problem, task.field or self.default_field(task.problem)
        levels, dtype = LEVELS if task.levels is None else task.levels, task.dtype or torch.float32
        field = spec.build(p.domain, p.fields, p.periodic, levels, task.seed, dtype, task.device)
        return Outcome(replace(field, boundary_factor=boundary_factor(p)), {}, Status.COMPLETED, "built")
