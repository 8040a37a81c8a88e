"""Training as a way to solve problems: options, the objective they make of a problem, and its result."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Self

import torch

from hermite_pinn.field.field import Field, Levels
from hermite_pinn.field.outline import Outline
from hermite_pinn.methods.base import Method, Outcome, Task, planned, refuse_breaks
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.evaluation import restricted

from .defaults import cpu_field, cpu_levels, numbers_for
from .first_order import train_first_order
from .holding import hard_choice, outlined
from .loss import Loss
from .objective import Objective
from .options import FirstOrderOptions
from .random_objective import RandomObjective
from .requirements import check_half, check_points, check_problem
from .session import Session, TrainingResult

__all__ = ["FirstOrder", "TrainingMethod"]


class TrainingMethod(Method):
    """A method that trains any loss; that of a problem is one.

    Attributes
    ----------
    precision
        Of the tensors, if nothing else is asked for.
    """

    precision: ClassVar[torch.dtype] = torch.float32

    def completed(self) -> Self:
        """The same with numbers for all options that do not depend on a problem."""
        return self

    @abstractmethod
    def train(self, loss: Loss[Any], session: Session | None = None) -> TrainingResult:
        """Train the tensors of a loss.

        Parameters
        ----------
        loss
            What is minimised; any workload's.
        session
            The run around it; None for one without limits on the CPU.

        Returns
        -------
        TrainingResult
            Final tensors, why it ended, numbers of the method.

        Raises
        ------
        DivergedError
            If the loss is infinite or NaN; ``error.outcome`` is the last good result.
        """

    @abstractmethod
    def objective(self, task: Task) -> Objective:
        """The loss of a task's problem."""

    @abstractmethod
    def default_levels(self, task: Task) -> Levels:
        """Levels when the task names none."""

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """See :meth:`Method.check`; what all training methods have in common."""
        refuse_breaks(task.problem, self.name)
        check_problem(task, self.name)
        if before is not None:
            return before
        return planned(task, task.field or self.default_field(task.problem), self.default_levels(task))

    def run(self, task: Task) -> Outcome:
        """Train; see :class:`Method`."""
        objective = self.objective(task)
        session = Session(task.monitor, task.seed, task.device, task.ranks, task.saved, task.save)
        try:
            return objective.outcome(self.train(objective, session))
        except Exception as error:
            last = getattr(error, "outcome", None)
            if isinstance(last, TrainingResult):
                error.outcome = objective.outcome(last)  # type: ignore[attr-defined]
            raise


class FirstOrder(FirstOrderOptions, TrainingMethod):
    """What the first-order methods share."""

    @property
    def shared(self) -> bool:
        """Every process takes a part of the points, and gradients are summed."""
        return True

    @property
    def follows_device(self) -> bool:
        """Always."""
        return True

    def default_field(self, problem: Problem) -> Field:
        """The paper's field: two features, tables of 2**14 slots, SIREN with two layers of 128 units and omega 0.5."""
        return Field(
            head="siren", features=max(2, len(problem.fields)), table_size=2**14, width=128, depth=2, omega=0.5
        )

    def default_levels(self, task: Task) -> Levels:
        """The paper's eight."""
        return 8

    def settled(self, task: Task) -> tuple[Self, Task]:
        """The method and the run with what was left open: by the device and the problem, or as the paper has it."""
        if self.defaults == "paper" or task.device.type != "cpu":
            return self.completed(), task
        method = self.completed(numbers_for(task.problem, task.device))
        if task.field is not None or task.start is not None:
            return method, task
        levels = cpu_levels(task.problem) if task.levels is None else task.levels
        return method, replace(task, field=cpu_field(task.problem), levels=levels)

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """See :meth:`Method.check`; tables in half precision can be trained, by the gradients of float32 tables."""
        method, settled = self.settled(task)
        return outlined(method._checked(settled, before), task, self.hard, before)

    def _checked(self, task: Task, before: Outline | None) -> Outline:
        plan, spec = self.numbers(), task.field or self.default_field(task.problem)
        if before is None and spec.half:
            check_half(task)
        outline = super().check(replace(task, dtype=task.dtype or torch.float32), before)
        check_points(task, outline, spec, plan.points, self.adaptive)
        check_points(task, outline, spec, plan.face_points)
        generator = torch.Generator(task.device).manual_seed(task.seed)
        for term in task.problem.terms:
            if term.where is not None:
                dtype = task.dtype or torch.float32
                restricted(term, task.problem, term.region.random(plan.face_points, generator, dtype))
        return outline

    def run(self, task: Task) -> Outcome:
        """Train; see :class:`Method`."""
        hard = hard_choice(task, self.hard)
        method, settled = self.settled(task)
        outcome = super(FirstOrder, replace(method, hard=hard)).run(settled)
        plan = {name: value for name, value in vars(method.numbers()).items() if getattr(self, name) is None}
        if task.field is None and task.start is None:
            spec = settled.field or self.default_field(task.problem)
            plan |= {"encoder": spec.encoder, "levels": settled.levels or self.default_levels(task)}
            plan |= {"width": spec.width, "depth": spec.depth}
        outcome.stats["defaults"] = plan
        return outcome

    def objective(self, task: Task) -> Objective:
        """Means over random points, in float32 and on 8 levels if not told otherwise."""
        plan, dtype, levels = self.numbers(), task.dtype or torch.float32, self.default_levels(task)
        objective = RandomObjective(task, self, dtype, levels, plan, self.adaptive, self.hard)
        if self.normalize and task.saved is None:
            generator = torch.Generator(task.device).manual_seed(task.seed + 1)
            objective.normalize(objective.groups[0].random(plan.points, generator))
        return objective

    def train(self, loss: Loss[Any], session: Session | None = None) -> TrainingResult:
        """Train the tensors of a loss at random batches; see :class:`.Loss`."""
        return train_first_order(loss, self, session or Session())
