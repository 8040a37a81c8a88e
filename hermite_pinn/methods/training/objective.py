"""The loss of methods that train a field at points: mean squares of a problem's terms as functions of named tensors."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.runtime.cache import compile_clock
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import GridField, Levels
from hermite_pinn.methods.base import Method, Task
from hermite_pinn.methods.gauss_newton.pilot import chosen_before
from hermite_pinn.problem.conditions import Term
from hermite_pinn.residuals.data_weights import Misfit

from .batches import Batch, TermGroup, term_groups

__all__ = ["Objective", "StepClock"]

PREFIX = "parameter "
ROOT = "root weight "

#: Factor of the weight of noisy data and penalties: methods that follow gradients creep where equations weigh too much.
EMPHASIS = 1000.0


class StepClock:
    """Time per step of this session, compilation of kernels apart; steps before a resume do not count."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._compiled = self._compiling()
        self.steps = 0

    @staticmethod
    def _compiling() -> float:
        return sum(compile_clock.get() or ())

    def tick(self) -> None:
        """Count a step."""
        self.steps += 1

    def stats(self) -> dict[str, float]:
        """``seconds_per_step`` and ``steps_per_second``, zero without steps."""
        seconds = time.perf_counter() - self._began - (self._compiling() - self._compiled)
        if not self.steps or seconds <= 0:
            return {"seconds_per_step": 0.0, "steps_per_second": 0.0}
        return {"seconds_per_step": seconds / self.steps, "steps_per_second": self.steps / seconds}


class Objective:
    """Terms of a problem at points, for a field and parameters that are given as tensors by name.

    Parameters
    ----------
    task
        The run.
    method
        Whose default field is used and who is named in messages.
    dtype
        Of points and tensors.
    levels
        Levels when the task names none.
    together
        Whether faces with the same terms share a group; see :func:`term_groups`.

    Raises
    ------
    InvalidArgumentError
        If a tolerance is asked for, which these methods cannot estimate, or derivatives of an order above 2.
    """

    def __init__(self, task: Task, method: Method, dtype: torch.dtype, levels: Levels, together: bool = False) -> None:
        self.problem, self.device, self.dtype, self.seed = task.problem, task.device, dtype, task.seed
        self.ranks = task.ranks
        if task.tol is not None:
            raise InvalidArgumentError(
                f"{method.name} has no estimate of the error, so tol means nothing to it; use steps, max_time or a callback"
            )
        if self.problem.order > 2:
            raise InvalidArgumentError(
                f"{method.name} takes derivatives up to order 2, the problem has order {self.problem.order}; write it with auxiliary "
                "fields for lower derivatives, or use method='gauss_newton'"
            )
        if task.start is not None:
            self.field = task.start.to(self.device, dtype)
        else:
            spec, p = task.field or method.default_field(self.problem), self.problem
            chosen = levels if task.levels is None else task.levels
            self.field = spec.build(p.domain, p.fields, p.periodic, chosen, task.seed, dtype, self.device)
        start = task.start_parameters or {p.name: p.init for p in self.problem.parameters}
        self.start_parameters = {k: torch.tensor(v, dtype=dtype, device=self.device) for k, v in start.items()}
        misfit = Misfit(self.problem)
        self.choice = chosen_before(task)
        self.roots = {
            t.name: math.sqrt(
                EMPHASIS * misfit.penalty(t.region.penalty, {} if self.choice is None else self.choice.weights)
            )
            for t in self.problem.terms
            if t.region.penalty is not None
        }
        extra: dict[int, dict[str, np.ndarray]] = {}
        for t in misfit.noisy:
            weights = misfit.point_weights(t)
            weights = EMPHASIS * len(weights) * weights
            self.roots[t.name] = math.sqrt(float(weights.mean()))
            extra.setdefault(id(t.region), {})[ROOT + t.name] = np.sqrt(weights)
        self.groups = term_groups(self.problem, self.device, dtype, extra, together)
        self.scales = dict.fromkeys((t.name for t in self.problem.terms), 1.0)
        free = {t.name for t in self.problem.terms if not t.region.is_interior} - set(self.roots)
        self.conditions = [name for name in dict.fromkeys(t.name for t in self.problem.terms) if name in free]

    def stats(self) -> dict[str, Any]:
        """The weights of penalties that were chosen, for ``solution.stats``."""
        return {} if self.choice is None else self.choice.stats(self.problem)

    def message(self, message: str) -> str:
        """A message, and which weights of penalties were chosen."""
        return message if self.choice is None else f"{message}; {self.choice.sentence(self.problem)}"

    def tensors(self) -> dict[str, torch.Tensor]:
        """Copies of all start values, parameters included."""
        found = self.field.tensors() | {PREFIX + k: v for k, v in self.start_parameters.items()}
        return {k: v.detach().clone() for k, v in found.items()}

    def field_of(self, tensors: Mapping[str, torch.Tensor]) -> GridField:
        """The field with these tensors."""
        return self.field.with_tensors({k: v for k, v in tensors.items() if not k.startswith(PREFIX)})

    def parameters_of(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The problem's parameters among these tensors."""
        return {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}

    def parameter_values(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """:meth:`parameters_of` as numbers."""
        return {k: float(v.detach()) for k, v in self.parameters_of(tensors).items()}

    def normalize(self, batch: Batch) -> None:
        """Divide interior residuals from now on by the RMS of their sources, the residuals of the zero field."""
        tensors = {k: torch.zeros_like(v) for k, v in self.field.tensors().items()}
        with torch.no_grad():
            rows = self.groups[0].evaluator.residuals(
                self.field.with_tensors(tensors), batch.x, self.start_parameters, batch.columns
            )
        for t, r in zip(self.groups[0].terms, rows, strict=True):
            size = math.sqrt(float(batch.mean_square(r)))
            self.scales[t.name] = size if math.isfinite(size) and size > 0 else 1.0

    def residuals(
        self,
        group: TermGroup,
        tensors: Mapping[str, torch.Tensor],
        batch: Batch,
        jets: torch.Tensor | None = None,
    ) -> list[tuple[str, torch.Tensor]]:
        """Names and residuals of the terms of a group, divided by their scales and times the root of their weights."""
        rows = group.evaluator.residuals(
            self.field_of(tensors), batch.x, self.parameters_of(tensors), batch.columns, jets, batch.normals
        )
        return [
            (t.name, r * batch.columns.get(ROOT + t.name, self._root(t)))
            for t, r in zip(group.terms, rows, strict=True)
        ]

    def _root(self, term: Term) -> float:
        """Factor of the residual of a term; at measured points with noise only its root mean square."""
        return self.roots.get(term.name, math.sqrt(term.weight or 1.0) / self.scales[term.name])

    def losses(self, tensors: Mapping[str, torch.Tensor], batches: Sequence[Batch]) -> dict[str, torch.Tensor]:
        """Mean square of every term, by name; faces of one condition are summed."""
        found: dict[str, torch.Tensor] = {}
        jets = self._jets(tensors, batches)
        for group, batch, known in zip(self.groups, batches, jets, strict=True):
            for name, r in self.residuals(group, tensors, batch, known):
                value = batch.mean_square(r)
                if group.regions > 1:
                    value = value * group.regions
                found[name] = found[name] + value if name in found else value
        return found

    def _jets(self, tensors: Mapping[str, torch.Tensor], batches: Sequence[Batch]) -> list[torch.Tensor]:
        """Jets at every batch; groups that need the same channels share one pass over the field."""
        shared: dict[Channels, list[int]] = {}
        for k, group in enumerate(self.groups):
            shared.setdefault(group.evaluator.channels, []).append(k)
        found: dict[int, torch.Tensor] = {}
        field = self.field_of(tensors)
        for channels, members in shared.items():
            points = [batches[k].x for k in members]
            jets = field.jets(torch.cat(points, 1) if len(points) > 1 else points[0], channels)
            parts = jets.split([x.shape[1] for x in points], 2)
            found |= dict(zip(members, parts, strict=True))
        return [found[k] for k in range(len(batches))]

    def residual_sizes(self, tensors: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Root of the sum of squares of the interior residuals at points (dim, n), without gradients."""
        with torch.no_grad():
            parts = [
                torch.stack([r for _, r in self.residuals(self.groups[0], tensors, piece)]).square().sum(0).sqrt()
                for piece in Batch(x).pieces(1 << 15)
            ]
        return torch.cat(parts)

    def rms(self, losses: Mapping[str, float]) -> dict[str, float]:
        """RMS of every term in the user's units, without weights, from its mean squares; all faces together."""
        found: dict[str, float] = {}
        for name, value in losses.items():
            members = [t for t in self.problem.terms if t.name == name]
            found[name] = math.sqrt(value / len(members)) / self._root(members[0])
        return found
