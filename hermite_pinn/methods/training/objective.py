"""The residuals of a problem as a loss: mean squares of its terms at points, as functions of named tensors."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.exact_conditions import ExactConditions
from hermite_pinn.field.field import GridField, Levels
from hermite_pinn.field.tree import PARAMETERS
from hermite_pinn.methods.base import Method, Outcome, Task
from hermite_pinn.methods.gauss_newton.pilot import chosen_before, saved_choice
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.defined_start import defined_start
from hermite_pinn.residuals.field_units import field_units
from hermite_pinn.residuals.scales import first_scales
from hermite_pinn.schema import Entry

from .batches import Batch, TermGroup, term_groups
from .bounded_parameters import BoundedMap
from .holding import holding
from .loss import Loss
from .session import TrainingResult

__all__ = ["Objective", "PlacedTerms"]

PREFIX = f"{PARAMETERS}/"
ROOT = "root weight "

#: Factor of the weight of noisy data and penalties: methods that follow gradients creep where equations weigh too much.
EMPHASIS = 1000.0

#: Points at which the unit of a factor is measured, and the largest one.
UNIT_POINTS, LARGEST_UNIT = 1000, 1e3

#: What stands in place of an estimate of the error.
NO_ESTIMATE = "training does not estimate its error; compare with another run, or with method='gauss_newton'"

#: Groups of terms with the points at which they are taken.
PlacedTerms = Sequence[tuple[TermGroup, Batch]]


class Objective(Loss[PlacedTerms]):
    """Terms of a problem at points, for a field and parameters that are given as tensors by name.

    Which points, subclasses know.

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
    hard
        Whether values are held exactly; see :func:`.holding`.
    """

    def __init__(
        self,
        task: Task,
        method: Method,
        dtype: torch.dtype,
        levels: Levels,
        together: bool = False,
        hard: bool | None = None,
    ) -> None:
        self.problem, self.device, self.dtype, self.seed = task.problem, task.device, dtype, task.seed
        self.ranks = task.ranks
        self.field = self._start(task, method, levels)
        self.held = holding(task, self.field, hard)
        if task.start is None and self.held.factor is not None:
            self.field = replace(self._built(task, method, levels), boundary_factor=self.held.factor)
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
        self.groups = term_groups(self.problem, self.device, dtype, extra, together, self.held.terms)
        self.scales = first_scales(self.problem)
        if task.start is None and self.held.factor is not None:
            self.field = replace(self.field, boundary_factor=self.held.factor.scaled(self._unit(self.held.factor)))
        self.units = field_units(self.problem, self.field)
        self.resumed_units = task.start is not None and bool(self.units)
        self.terms = [t for t in self.problem.terms if not self.held.has(t)]
        free = {t.name for t in self.terms if not t.region.is_interior} - set(self.roots)
        self.names = list(dict.fromkeys(t.name for group in self.groups for t in group.terms))
        self.weighted = [name for name in dict.fromkeys(t.name for t in self.terms) if name in free]
        self.tables = self.field.level_slices
        self.networks = list(self.field.layers)
        self.bounds = {
            PREFIX + p.name: BoundedMap(*p.bounds, unit=max((abs(p.init - b) for b in p.bounds if math.isfinite(b)), default=1.0) or 1.0)
            for p in self.problem.parameters
        }  # fmt: skip
        tabulated = dict.fromkeys(name for group in self.groups for name in group.evaluator.tabulated)
        if tabulated:
            self.obstacles = [f"the problem calls functions on the host ({', '.join(tabulated)})"]
        if not all(group.region.on_device for group in self.groups):
            self.obstacles = [*self.obstacles, "points of a domain that shapes cut are drawn on the host"]

    def _start(self, task: Task, method: Method, levels: Levels) -> GridField:
        if task.start is not None:
            return task.start.to(self.device, self.dtype)
        return defined_start(task.problem, self._built(task, method, levels))

    def _built(self, task: Task, method: Method, levels: Levels) -> GridField:
        spec, p = task.field or method.default_field(self.problem), self.problem
        chosen = levels if task.levels is None else task.levels
        return spec.build(p.domain, p.fields, p.periodic, chosen, task.seed, self.dtype, self.device)

    def _unit(self, factor: ExactConditions) -> float:
        """What the factor is multiplied with, so that a network near its start moves the residuals by their size.

        A factor such as ``t**2 x (1 - x)`` is small where the solution is not, and steps of optimisers know no units.
        """
        generator = torch.Generator(self.device).manual_seed(self.seed + 5)
        batch = self.groups[0].random(UNIT_POINTS, generator)
        zero = {k: torch.zeros_like(v) for k, v in self.field.tensors().items()}
        with torch.no_grad():
            first, moved = (
                torch.stack(
                    self.groups[0].evaluator.residuals(f, batch.x, self.start_parameters, batch.columns)
                ).double()
                for f in (self.field.with_tensors(zero), self.field)
            )
            unit = float(first.norm() / (moved - first).norm())
        return min(max(unit, 1.0 / LARGEST_UNIT), LARGEST_UNIT) if math.isfinite(unit) and unit > 0 else 1.0

    def tensors(self) -> dict[str, torch.Tensor]:
        """Copies of all start values, parameters included."""
        own = self.field.tensors()
        if self.resumed_units:
            own = {k: v / self.units.get(k, 1.0) for k, v in own.items()}
        start = own | {PREFIX + k: v for k, v in self.start_parameters.items()}
        return {k: v.detach().clone() for k, v in start.items()}

    def model(self, tensors: Mapping[str, torch.Tensor]) -> GridField:
        """The field with these tensors, with all its derivatives."""
        return self.field_of(tensors).rounded()

    def field_of(self, tensors: Mapping[str, torch.Tensor]) -> GridField:
        """The field with these tensors, which count in units of the sizes of the fields."""
        own = {k: v for k, v in tensors.items() if not k.startswith(PREFIX)}
        return self.field.with_tensors(own | {k: own[k] * unit for k, unit in self.units.items()})

    def parameters_of(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The problem's parameters among these tensors."""
        return {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}

    def parameter_values(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """:meth:`parameters_of` as numbers."""
        return {k: float(v.detach()) for k, v in self.parameters_of(tensors).items()}

    def follow(self, level: int) -> None:
        """Take what depends on the finest trained level, as the distance of differences, from this one."""
        self.field = self.field.at_level(level)

    def normalize(self, batch: Batch) -> None:
        """Divide interior residuals from now on by the RMS of their residuals at the reference state, mostly zero."""
        zero = self.field.with_tensors({k: torch.zeros_like(v) for k, v in self.field.tensors().items()})
        with torch.no_grad():
            rows = self.groups[0].evaluator.residuals(
                defined_start(self.problem, zero), batch.x, self.start_parameters, batch.columns
            )
        for t, r in zip(self.groups[0].terms, rows, strict=True):
            size = math.sqrt(float(batch.mean_square(r)))
            if math.isfinite(size) and size > 0:
                self.scales[t.name] = size

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

    def losses(self, tensors: Mapping[str, torch.Tensor], batch: PlacedTerms) -> dict[str, torch.Tensor]:
        """Mean square of every term, by name; faces of one condition are summed."""
        sums: dict[str, torch.Tensor] = {}
        for (group, points), jets in zip(batch, self._jets(tensors, batch), strict=True):
            for name, r in self.residuals(group, tensors, points, jets):
                value = points.mean_square(r)
                if group.regions > 1:
                    value = value * group.regions
                sums[name] = sums[name] + value if name in sums else value
        return sums

    def _jets(self, tensors: Mapping[str, torch.Tensor], batch: PlacedTerms) -> list[torch.Tensor]:
        """Jets at the points of every group; groups that need the same channels share one pass over the field."""
        shared: dict[Channels, list[int]] = {}
        for k, (group, _) in enumerate(batch):
            shared.setdefault(group.evaluator.channels, []).append(k)
        by_group: dict[int, torch.Tensor] = {}
        field = self.field_of(tensors)
        for channels, members in shared.items():
            points = [batch[k][1].x for k in members]
            jets = field.jets(torch.cat(points, 1) if len(points) > 1 else points[0], channels)
            parts = jets.split([x.shape[1] for x in points], 2)
            by_group |= dict(zip(members, parts, strict=True))
        return [by_group[k] for k in range(len(batch))]

    def residual_sizes(self, tensors: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Root of the sum of squares of the interior residuals at points (dim, n), without gradients."""
        with torch.no_grad():
            parts = [
                torch.stack([r for _, r in self.residuals(self.groups[0], tensors, piece)]).square().sum(0).sqrt()
                for piece in Batch(x).pieces(1 << 15)
            ]
        return torch.cat(parts)

    def report(self, values: Mapping[str, float]) -> dict[str, float]:
        """RMS of every term in the user's units, without weights, from its mean squares; all faces together."""
        reported: dict[str, float] = {}
        for name, value in values.items():
            members = [t for t in self.terms if t.name == name]
            reported[name] = math.sqrt(value / len(members)) / self._root(members[0])
        return reported

    # -- checkpoints and results ---
    def state(self) -> dict[str, Any]:
        """Scales and chosen weights of penalties; subclasses add to it."""
        return {"scales": self.scales, "choice": saved_choice(self.choice)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over the scales; the choice has been read before the terms were weighted."""
        scales = Entry.of(saved, "the checkpoint").at("scales")
        self.scales = scales.named_numbers(self.scales, sys.float_info.min)

    def outcome(self, result: TrainingResult) -> Outcome:
        """What a training found, as what a method returns; tells which weights of penalties were chosen."""
        message, stats = result.message, result.stats | {"no_estimate": NO_ESTIMATE}
        if self.choice is not None:
            message = f"{message}; {self.choice.sentence(self.problem)}"
            stats |= self.choice.stats(self.problem)
        if self.held.terms:
            stats["held"] = list(dict.fromkeys(t.name for t in self.held.terms))
            message += f"; exactly satisfied: {', '.join(stats['held'])}"
        if self.held.reasons:
            stats["not_held"] = dict(self.held.reasons)
        return Outcome(
            self.model(result.tensors), self.parameter_values(result.tensors), result.status, message, None, stats
        )
