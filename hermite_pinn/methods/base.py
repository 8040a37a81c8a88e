"""What every method is given, what it returns, and one method after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import torch

from hermite_pinn.field.field import Field, GridField, Levels
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.distributed import ALONE, Ranks
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

__all__ = ["Chain", "Method", "Outcome", "Task"]

ENDING = (Status.INTERRUPTED, Status.STOPPED, Status.MAX_TIME, Status.DIVERGED)


@dataclass
class Task:
    """One run.

    Attributes
    ----------
    problem
        What to solve.
    field
        The kind of field, or None for the method's own.
    levels
        Levels asked for, or None.
    tol
        Relative error asked for, or None.
    seed, device, dtype
        As in :func:`hermite_pinn.solve`; ``dtype`` None means the method's own.
    monitor
        History, callbacks, time limit.
    start
        A field to start from, when methods are chained.
    start_parameters
        Values of the parameters to start from.
    saved
        State of an earlier run of the same method to continue, or None.
    ranks
        The processes that share the run.
    save
        Called with the method's state when it may be saved: ``save(state, force)``.
    """

    problem: Problem
    field: Field | None
    levels: Levels | None
    tol: float | None
    seed: int
    device: torch.device
    dtype: torch.dtype | None
    monitor: Monitor
    ranks: Ranks = ALONE
    start: GridField | None = None
    start_parameters: dict[str, float] | None = None
    saved: dict[str, Any] | None = None
    save: Callable[[Callable[[], dict[str, Any]], bool], None] = lambda state, force: None


@dataclass
class Outcome:
    """What a method found.

    Attributes
    ----------
    field
        The final field.
    parameters
        Final values of the problem's parameters.
    status, message
        Why it ended.
    error
        Estimate of the relative L2 error (largest of all fields), or None.
    stats
        Numbers of the method, for ``solution.stats``.
    """

    field: GridField
    parameters: dict[str, float]
    status: Status
    message: str
    error: float | None = None
    stats: dict[str, Any] = dataclass_field(default_factory=dict)


class Method(ABC):
    """A way to solve; frozen options with a :meth:`run`.  ``a >> b`` runs ``b`` from the result of ``a``.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> (hp.Adam(steps=100) >> hp.LBFGS()).name
    'chain'
    """

    name: str

    @property
    def shared(self) -> bool:
        """Whether several processes can run it together."""
        return False

    @property
    def reads_half(self) -> bool:
        """Whether it can train a field whose tables are read in half precision."""
        return False

    @abstractmethod
    def run(self, task: Task) -> Outcome:
        """Solve; ends with the best state also when stopped, never by raising :class:`.StopRun`."""

    def default_field(self, problem: Problem) -> Field:
        """The kind of field used when none is given."""
        return Field()

    def __rshift__(self, other: Method) -> Method:
        return Chain((self, other))


@dataclass(frozen=True)
class Chain(Method):
    """Methods in order, each from the field the one before returned; made by ``a >> b``.

    The history numbers the methods from 1 in its column ``stage``, and ``solution.stats["stages"]`` has a row for each
    with its steps, time per step, status and message.  A checkpoint remembers the method and is resumed there.
    """

    methods: tuple[Method, ...]

    name = "chain"

    @property
    def shared(self) -> bool:
        """Whether all methods are."""
        return all(m.shared for m in self.methods)

    @property
    def reads_half(self) -> bool:
        """Whether the first method can; the others start from a field in full precision."""
        return self.methods[0].reads_half

    def __rshift__(self, other: Method) -> Method:
        return Chain((*self.methods, other))

    def default_field(self, problem: Problem) -> Field:
        """That of the first method."""
        return self.methods[0].default_field(problem)

    def run(self, task: Task) -> Outcome:
        """Run them all; a method that does not end by itself (time, callback, Ctrl-C) ends the chain."""
        first, saved = 0, task.saved
        rows: list[dict[str, Any]] = []
        part = replace(task, field=task.field or self.default_field(task.problem), saved=saved)
        if saved is not None:
            part, first, rows = self._resumed(part, saved, self.methods)
        for k, method in enumerate(self.methods[first:], first):
            task.monitor.method, task.monitor.stage = method.name, k + 1
            part = replace(
                part,
                tol=task.tol if k == len(self.methods) - 1 else None,
                save=self._saver(task, part, k, list(rows)),
            )
            outcome = method.run(part)
            rows.append(self._row(method, outcome, task))
            if outcome.status in ENDING:
                break
            part = replace(part, start=outcome.field, start_parameters=outcome.parameters, saved=None)
        return replace(outcome, stats=outcome.stats | {"stages": rows})

    @staticmethod
    def _row(method: Method, outcome: Outcome, task: Task) -> dict[str, Any]:
        history = task.monitor.history
        own = [row["step"] for row in history if row.get("stage") == task.monitor.stage]
        row: dict[str, Any] = {"method": method.name, "steps": own[-1] if own else 0}
        row |= {k: v for k, v in outcome.stats.items() if k in ("seconds_per_step", "steps_per_second")}
        return row | {"status": outcome.status.label, "message": outcome.message}

    @staticmethod
    def _saver(
        task: Task, part: Task, index: int, rows: list[dict[str, Any]]
    ) -> Callable[[Callable[[], dict[str, Any]], bool], None]:
        """Adds to the state of a method what it started from."""

        def save(state: Callable[[], dict[str, Any]], force: bool) -> None:
            def whole() -> dict[str, Any]:
                whole_state = state() | {"chain": {"stage": index, "rows": rows, "parameters": part.start_parameters}}
                if part.start is not None:
                    whole_state["chain"]["field"] = part.start.describe()
                    whole_state["chain_tensors"] = part.start.tensors()
                return whole_state

            task.save(whole, force)

        return save

    @staticmethod
    def _resumed(
        part: Task, saved: dict[str, Any], methods: Sequence[Method]
    ) -> tuple[Task, int, list[dict[str, Any]]]:
        whole = Entry.of(saved, "the checkpoint")
        with intact(whole.source):
            chain, start = whole.at("chain"), part.start
            stage = chain.at("stage").integer(0, len(methods) - 1)
            rows = [_checked_row(row, m) for row, m in zip(chain.at("rows").items(stage), methods, strict=False)]
            if stage > 0:
                field = chain.at("field")
                start = GridField.from_description(field, whole.at("chain_tensors"))
                problem = part.problem
                if (start.axes, start.names) != (problem.domain.names, tuple(problem.fields)):
                    raise field.refuse(f"a field of {', '.join(problem.fields)} on {', '.join(problem.domain.names)}")
            given = chain.get("parameters")
            names = [p.name for p in part.problem.parameters]
            parameters = None if given is None else given.named_numbers(names)
            if stage > 0 and parameters is None:
                raise chain.at("parameters").refuse(f"numbers of {', '.join(names) or 'nothing'}")
            return replace(part, start=start, start_parameters=parameters), stage, rows


def _checked_row(row: Entry, method: Method) -> dict[str, Any]:
    """What a checkpoint of a chain says about a method that is done."""
    if row.at("method").text() != method.name:
        raise row.at("method").refuse(method.name)
    row.at("steps").integer(0)
    for key in ("status", "message"):
        row.at(key).text()
    for key in ("seconds_per_step", "steps_per_second"):
        if key in row.value:
            row.at(key).number(0.0)
    return {key: entry.value for key, entry in row.entries().items()}
