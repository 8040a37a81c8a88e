"""What every method is given, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import torch

from hermite_pinn.field.field import Field, GridField, Levels
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.distributed import ALONE, Ranks
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.status import Status

__all__ = ["Method", "Outcome", "Task"]


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
    """A way to solve; frozen options with a :meth:`run`.  ``a >> b`` runs ``b`` from the result of ``a``."""

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
        from .chain import Chain

        return Chain((self, other))
