"""One method after another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field import Field
from hermite_pinn.problem import Problem
from hermite_pinn.status import Status

from .base import Method, Outcome, Task

__all__ = ["Chain"]


@dataclass(frozen=True)
class Chain(Method):
    """Methods in order, each from the field the one before returned; made by ``a >> b``."""

    methods: tuple[Method, ...]

    name = "chain"

    def __rshift__(self, other: Method) -> Method:
        return Chain((*self.methods, other))

    def default_field(self, problem: Problem) -> Field:
        """That of the first method."""
        return self.methods[0].default_field(problem)

    def run(self, task: Task) -> Outcome:
        """Run them all; a method that does not end by itself (time, callback, Ctrl-C) ends the chain."""
        if task.saved is not None:
            raise InvalidArgumentError("a chain of methods cannot be resumed; resume the method that was interrupted")
        outcome: Outcome | None = None
        stats: dict[str, object] = {}
        for method in self.methods:
            task.monitor.method = method.name
            spec = task.field or self.default_field(task.problem)
            start = (outcome.field, outcome.parameters) if outcome else (task.start, task.start_parameters)
            last = method is self.methods[-1]
            part = replace(task, field=spec, start=start[0], start_parameters=start[1], tol=task.tol if last else None)
            outcome = method.run(part)
            stats |= outcome.stats
            if outcome.status in (Status.INTERRUPTED, Status.STOPPED, Status.MAX_TIME, Status.DIVERGED):
                break
        assert outcome is not None
        return replace(outcome, stats=stats)
