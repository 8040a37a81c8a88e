"""The run around a training, what a training returns, and its clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from hermite_pinn.cuda.runtime.cache import compile_clock
from hermite_pinn.run.distributed import ALONE, Ranks
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.status import Status

__all__ = ["Session", "StepClock", "TrainingResult"]


@dataclass(frozen=True)
class Session:
    """The run around a training.

    Attributes
    ----------
    monitor
        History, callbacks, time limit.
    seed
        Of the method's random numbers.
    device
        Where the tensors are.
    ranks
        The processes that share the run.
    saved
        State of an earlier training to continue, or None.
    save
        Called with the state when it may be saved: ``save(state, force)``.

    Examples
    --------
    >>> Session(seed=3).device
    device(type='cpu')
    """

    monitor: Monitor = field(default_factory=Monitor)
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    ranks: Ranks = ALONE
    saved: dict[str, Any] | None = None
    save: Callable[[Callable[[], dict[str, Any]], bool], None] = lambda state, force: None


@dataclass(frozen=True)
class TrainingResult:
    """What a training found.

    Attributes
    ----------
    tensors
        Final values by name, apart from everything else in memory.
    status, message
        Why it ended.
    stats
        Numbers of the method, for ``solution.stats``.
    """

    tensors: dict[str, torch.Tensor]
    status: Status
    message: str
    stats: dict[str, Any] = field(default_factory=dict)


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
