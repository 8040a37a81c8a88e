"""Runs that are made of steps: their clock, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hermite_pinn.cuda.runtime.cache import compile_clock
from hermite_pinn.methods.course import run_to_end
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.workload import Save

__all__ = ["StepClock", "run_steps"]


class StepClock:
    """Seconds that steps have taken, without the compilation of kernels.

    Parameters
    ----------
    monitor
        Whose clock it reads.

    Attributes
    ----------
    spent
        Seconds of all steps, those before a checkpoint included.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor, self.spent, self._looked = monitor, 0.0, 0.0

    def _now(self) -> float:
        return self.monitor.clock() - sum(compile_clock.get(None) or ())

    def start(self) -> None:
        """Count from now on."""
        self._looked = self._now()

    def lap(self) -> None:
        """Add what has passed since the last look."""
        now = self._now()
        self.spent, self._looked = self.spent + now - self._looked, now


def run_steps(
    work: Callable[[], Ending],
    state: Callable[[], Any],
    save: Save,
    taken: Callable[[], int],
    monitor: Monitor,
) -> Ending:
    """Work until something ends it, and save the state that is left.

    Parameters
    ----------
    work
        Takes all steps; returns how the run ended by itself.
    state
        What a checkpoint keeps.
    save
        Offers it to the checkpoint.
    taken
        Number of steps so far.
    monitor
        Limits, callbacks, progress.

    Raises
    ------
    DivergedError
        From ``work``; see :func:`.run_to_end`.
    """

    def settle(ending: Ending) -> Ending:
        save(state, True)
        return ending

    return run_to_end(
        work,
        lambda ending: ending,
        interrupted=lambda: f"{cause()} after {taken()} steps",
        settle=settle,
        usable=lambda: taken() > 0,
        monitor=monitor,
    )
