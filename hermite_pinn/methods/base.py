"""What every method is given, what it returns, and one method after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any, Literal

import torch

from hermite_pinn.checks import instance, items
from hermite_pinn.errors import DivergedError, InvalidArgumentError
from hermite_pinn.field.field import Field, GridField, Levels
from hermite_pinn.field.guess import Guess
from hermite_pinn.field.outline import Outline
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.distributed import ALONE, Ranks
from hermite_pinn.run.ending import Ending, described, keep_result, obstacle
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

__all__ = ["Chain", "Doubt", "Method", "Outcome", "Task"]

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
    guess
        Functions to start from, for methods that fit them; see :meth:`Method.started`.
    deflated
        Known solutions that are to be left out.
    saved
        State of an earlier run of the same method to continue, or None.
    ranks
        The processes that share the run.
    save
        Called with the method's state when it may be saved: ``save(state, force)``.
    checkpointed
        Whether that writes a file.
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
    guess: Guess | None = None
    deflated: tuple[Guess, ...] = ()
    saved: dict[str, Any] | None = None
    save: Callable[[Callable[[], dict[str, Any]], bool], None] = lambda state, force: None
    checkpointed: bool = False


@dataclass(frozen=True)
class Doubt:
    """Something that speaks against a result.

    Attributes
    ----------
    kind
        What it is about.
    sentence
        For the user; it may follow a "but".
    """

    kind: Literal["equation", "condition", "data", "parameter"]
    sentence: str


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
    minimised
        Whether the residual is as small as the functions of the field allow, so that a better one takes others.
    doubts
        What the method itself found that speaks against the result.
    """

    field: GridField
    parameters: dict[str, float]
    status: Status
    message: str
    error: float | None = None
    stats: dict[str, Any] = dataclass_field(default_factory=dict)
    minimised: bool = False
    doubts: tuple[Doubt, ...] = ()


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
    def deflates(self) -> bool:
        """Whether it can leave known solutions out."""
        return False

    @property
    def shared(self) -> bool:
        """Whether several processes can run it together."""
        return False

    @property
    def follows_device(self) -> bool:
        """Whether the field that it takes where none is given depends on the device, and is left to the run."""
        return False

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """Raise now what would keep :meth:`run` from working; nothing has been computed yet.

        Parameters
        ----------
        task
            The run; ``task.start`` is not there yet.
        before
            The field that the method before will return, or None for the first one.

        Returns
        -------
        Outline
            The field that this method will return.

        Raises
        ------
        InvalidArgumentError, InvalidProblemError, OutOfMemoryError, BackendUnavailableError
            For what cannot work: of the problem, the field, levels, tolerance, dtype, device, number of processes.
        """
        refuse_breaks(task.problem, self.name)
        if before is not None:
            return before
        spec = task.field or self.default_field(task.problem)
        refuse_half(spec, self.name)
        return planned(task, spec, 1)

    @abstractmethod
    def run(self, task: Task) -> Outcome:
        """Solve; ends with the best state also when stopped, never by raising :class:`.StopRun`."""

    def default_field(self, problem: Problem) -> Field:
        """The kind of field used when none is given."""
        return Field()

    def started(self, task: Task, guess: Guess) -> Task:
        """The run that begins at a guess: with its field, which must be one that the method goes on with.

        Raises
        ------
        InvalidArgumentError
            If the guess is no such field.
        """
        if guess.field is None:
            raise InvalidArgumentError(
                f"{self.name} goes on with a field as it is and fits none to functions: start from a Solution of the same "
                "fields on the same domain, or use method='gauss_newton'"
            )
        if task.field is not None or task.levels is not None:
            raise InvalidArgumentError(
                f"{self.name} goes on with the field of the start; leave field and levels out, or leave the start out"
            )
        return replace(task, start=guess.field, start_parameters=dict(guess.parameters))

    def __rshift__(self, other: Method) -> Method:
        return Chain((self, other))

    def __rrshift__(self, other: object) -> Method:
        return Chain((other, self))  # type: ignore[arg-type] # an error that says what is accepted


def planned(task: Task, field: Field, levels: Levels) -> Outline:
    """The field that a method will begin with; ``levels`` are those that it takes when none are asked for."""
    p, chosen = task.problem, levels if task.levels is None else task.levels
    field.check_derivatives(p.order, p.domain.dim)
    return field.outline(p.domain, p.fields, p.periodic, chosen, task.dtype or torch.float64, task.device)


def refuse_breaks(problem: Problem, method: str) -> None:
    """Raise an error for breaks that were given to a method whose fields have none; those that were found may be."""
    given = problem.domain.given_breaks
    if given:
        raise InvalidArgumentError(
            f"{method} trains fields without lines at breaks={dict(given)}; use gauss_newton with the sum of dense levels, or "
            "leave the breaks out of the box"
        )


def refuse_half(field: Field, method: str) -> None:
    """Raise an error if a method that works in float64 is given tables in half precision."""
    if field.half:
        raise InvalidArgumentError(
            f"{method} works in float64 and cannot read tables in half precision; use a first-order method such as "
            "hp.Adam(), or Field(half=False)"
        )


@dataclass(frozen=True)
class Chain(Method):
    """Methods in order, each from the field the one before returned; made by ``a >> b``.

    The history numbers the methods from 1 in its column ``stage``, and ``solution.stats["stages"]`` has a row for each
    with its steps, time per step, status and message.  A checkpoint remembers the method and is resumed there.
    """

    methods: tuple[Method, ...]

    name = "chain"

    def __post_init__(self) -> None:
        hint = "options come in an object: hp.Adam(steps=2000) >> hp.GaussNewton()"
        members = items("methods", self.methods, "a sequence of methods", least=1)
        for member in members:
            instance("a method of a chain", member, Method, "a method object", hint=hint)
        flat = [m for member in members for m in (member.methods if isinstance(member, Chain) else (member,))]
        object.__setattr__(self, "methods", tuple(flat))

    @property
    def shared(self) -> bool:
        """Whether all methods are."""
        return all(m.shared for m in self.methods)

    @property
    def deflates(self) -> bool:
        """Whether the first method does."""
        return self.methods[0].deflates

    def started(self, task: Task, guess: Guess) -> Task:
        """As the first method begins."""
        return self.methods[0].started(task, guess)

    def default_field(self, problem: Problem) -> Field:
        """That of the first method."""
        return self.methods[0].default_field(problem)

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """Ask them all, each with the field of the one before; the message says whose it is."""
        part = replace(task, field=task.field or self.default_field(task.problem))
        last = len(self.methods) - 1
        for k, method in enumerate(self.methods):
            try:
                own = task if k == 0 and method.follows_device else part
                before = method.check(replace(own, tol=task.tol if k == last else None), before)
            except InvalidArgumentError as error:
                raise type(error)(f"method {k + 1} of the chain: {error}") from error
        assert before is not None
        return before

    def run(self, task: Task) -> Outcome:
        """Run them all; a method that does not end by itself (time, callback, Ctrl-C) ends the chain."""
        first, saved = 0, task.saved
        rows: list[dict[str, Any]] = []
        spec = task.field or self.default_field(task.problem)
        part = replace(task, field=spec, saved=saved)
        if saved is not None:
            part, first, rows = self._resumed(part, saved, self.methods)
        for k, method in enumerate(self.methods[first:], first):
            task.monitor.method, task.monitor.stage = method.name, k + 1
            part = replace(
                part,
                field=task.field if k == 0 and method.follows_device else spec,
                tol=task.tol if k == len(self.methods) - 1 else None,
                save=self._saver(task, part, k, list(rows)),
            )
            try:
                outcome = method.run(part)
            except Exception as error:
                return self._broken_off(error, part, k, rows)
            rows.append(self._row(method, outcome, task))
            if outcome.status in ENDING:
                break
            part = replace(
                part,
                field=spec,
                start=outcome.field,
                start_parameters=outcome.parameters,
                guess=None,
                deflated=(),
                saved=None,
            )
        return replace(outcome, stats=outcome.stats | {"stages": rows})

    def _broken_off(self, error: Exception, part: Task, index: int, rows: list[dict[str, Any]]) -> Outcome:
        """The result of the methods before one that an error ended before it had a state of its own.

        Raises
        ------
        Exception
            The error itself, with that result in its attribute ``outcome``, unless what lacked was memory or a kernel.
        """
        before, name = part.start, f"method {index + 1} of the chain, {self.methods[index].name}"
        own = getattr(error, "outcome", None)
        if isinstance(own, Outcome):  # the method had a state
            own.stats["stages"] = [*rows, self._row(self.methods[index], own, part)]
        if own is not None or before is None:
            raise error
        ended = obstacle(error, part.monitor)
        status = Status.DIVERGED if isinstance(error, DivergedError) else Status.INTERRUPTED
        ending = ended or Ending(status, described(error))
        message = f"{name}, did not begin, and this is the result before it: {described(error)}"
        stages = {
            "stages": [
                *rows,
                {
                    "method": self.methods[index].name,
                    "steps": 0,
                    "status": ending.status.label,
                    "message": ending.message,
                },
            ]
        }
        result = Outcome(before, dict(part.start_parameters or {}), ending.status, message, None, stages)
        if ended is not None:
            return result
        keep_result(error, lambda: result)
        raise error

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
