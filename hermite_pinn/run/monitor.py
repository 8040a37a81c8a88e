"""Time limit, history, callbacks and progress of a run, in one place for all methods."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch

from hermite_pinn.checks import refuse
from hermite_pinn.field.field import GridField
from hermite_pinn.geometry import Domain

from .callbacks import Advance, Callback, RunState
from .distributed import ALONE, Ranks
from .history import History
from .progress import NoProgress, ProgressMeter
from .status import Status

__all__ = ["Monitor", "StopRun"]

OVER = 0.08  # of a time limit, by which a run may exceed it
GUESS = 2.0 / 3.0  # of the seconds that something takes at most: what it takes mostly


def _true(answer: object, name: str) -> bool:
    """Whether a callback's answer is true."""
    try:
        return bool(answer)
    except Exception:  # arrays of several numbers, for example
        refuse(f"what {name}.on_step returns", answer, "None, True, False or a string with the reason to stop")


class StopRun(Exception):  # noqa: N818 - a signal between method and solve, not an error
    """Ends a run from within; the method returns its best state with this status."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Monitor:
    """Keeps the history and decides when to stop.

    Parameters
    ----------
    callbacks
        Listeners.
    progress
        Where progress is shown.
    max_time
        Seconds after which the run ends, or None.
    ranks
        The processes of the run: rank 0 alone calls the callbacks, and its clock and their verdicts hold for all.
    clock
        Tells the seconds.
    """

    def __init__(
        self,
        callbacks: Sequence[Callback] = (),
        progress: ProgressMeter | None = None,
        max_time: float | None = None,
        ranks: Ranks = ALONE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.ranks, self.clock = ranks, clock
        self.callbacks = tuple(callbacks)
        self.progress = progress or NoProgress()
        self.max_time = max_time
        self.reserve = 0.0  # seconds of these for what is to be told of the result
        self.ahead = 0.0  # seconds that the end of what is being done takes
        self.longest = 0.0  # seconds between two looks at the clock, since this was last set to zero
        self.history = History()
        self.method = ""
        self.stage: int | None = None
        self.note = ""  # what else is shown with the progress, as a number that is looked at now and then
        self.foreign: Exception | None = None  # what a callback raised, which the user gets as it is
        self._began = self._looked = clock()
        self._announced = False
        self._earlier = 0.0

    def resume(self, history: History, elapsed: float) -> None:
        """Continue an earlier run's history and clock."""
        self.history = history
        self._earlier = elapsed

    @property
    def elapsed(self) -> float:
        """Seconds since the start, those before a resume included."""
        return self._earlier + self.clock() - self._began

    @property
    def out_of_time(self) -> bool:
        """Whether the time limit has passed, but for what ending a step and telling the result takes."""
        if self.max_time is None:
            return False
        return self._agreed(self.look() - self._began > self.max_time - self.reserve - self.ahead)

    @property
    def left(self) -> float | None:
        """Seconds until the time limit, less those for telling the result; None without a limit."""
        return None if self.max_time is None else self._began + self.max_time - self.reserve - self.clock()

    def look(self) -> float:
        """The time, and a note of how long nobody asked for it."""
        now = self.clock()
        self.longest, self._looked = max(self.longest, now - self._looked), now
        return now

    def _agreed(self, late: bool) -> bool:
        """What the leader's clock says."""
        return late if self.ranks.size == 1 else bool(self.ranks.spread(torch.tensor(late, device=self.ranks.device)))

    def require(self, seconds: float, what: str, share: float = 1.0, blind: float = 0.0) -> None:
        """End the run if there is not time left for something that would be lost unfinished.

        Parameters
        ----------
        seconds
            That it takes, as far as is known.
        what
            The start of a sentence, for the message.
        share
            Of those seconds that must be left: less than 1 where they are a guess.
        blind
            Part of them in which the run cannot end.  With two thirds of that, the seconds being what it takes at most,
            the time limit must not be exceeded by more than 8 %.
        """
        left = self.left
        if left is None or self.max_time is None:
            return
        if self._agreed(share * seconds > left or GUESS * blind * seconds > left + OVER * self.max_time):
            raise StopRun(
                Status.MAX_TIME,
                f"stopped after {self.elapsed:.1f} s (max_time={self.max_time:g}): {what} would take about {seconds:.1f} s more",
            )

    def check_time(self) -> None:
        """End the run if the time limit has passed."""
        if self.out_of_time:
            raise StopRun(Status.MAX_TIME, f"stopped after {self.elapsed:.1f} s (max_time={self.max_time:g})")

    def record(
        self,
        *,
        loss: float,
        terms: dict[str, float],
        level: int,
        unknowns: int,
        field: Callable[[], GridField] | None = None,
        error: float | None = None,
        done: float = 0.0,
        left: float | None = None,
        **extra: float | int | None,
    ) -> None:
        """Add a row to the history, show it, and let the callbacks look at it.

        Parameters
        ----------
        loss, terms, level, unknowns, error
            As of :class:`.RunState`.
        field
            Makes the field of this moment; None where there is none.
        done, left
            Part of the run that is done, and seconds to its end, as far as they are known.
        extra
            More columns; ``step`` is the number of the row by default.

        Raises
        ------
        StopRun
            If a callback asks for it.
        """
        step = int(extra.pop("step", len(self.history) + 1) or 0)
        row: dict[str, float | int | None] = {
            "step": step,
            "time": self.elapsed,
            "loss": loss,
            "level": level,
            "unknowns": unknowns,
            "error": error,
        }
        if self.stage is not None:
            row["stage"] = self.stage
        self.history.append(row | extra | {f"rms {name}": value for name, value in terms.items()})
        state = RunState(self.method, step, self.elapsed, loss, terms, level, unknowns, error, field)
        estimate = f", error ~ {error:.1e}" if error is not None and math.isfinite(error) else ""
        shown = f", {self.note}" if self.note else ""
        self.progress.update(done, f"step {step}, loss {loss:.1e}{estimate}{shown}", left)
        verdict = self.ranks.from_leader(self._asked(state)) if self.callbacks else None
        if verdict is not None:
            raise StopRun(Status.STOPPED, f"stopped by a callback at step {step}: {verdict}")

    def advanced(self, domain: Domain, field: Callable[[], GridField]) -> None:
        """Let the callbacks look at a part of the times that has just been solved.

        Parameters
        ----------
        domain
            The domain between its first and its last time.
        field
            Makes the fields there.
        """
        axis = domain.time_axis
        if not self.callbacks or axis is None or not self.ranks.leader:
            return
        state = Advance(domain.lower[axis], domain.upper[axis], domain, field)
        try:
            for c in self.callbacks:
                if isinstance(c, Callback):
                    c.on_advance(state)
        except Exception as error:
            self.foreign = error
            raise

    def _asked(self, state: RunState) -> str | None:
        """Why a callback ends the run, or None."""
        if not self.ranks.leader:
            return None
        try:
            if not self._announced:
                self._announced = True
                for c in self.callbacks:
                    c.on_start(state)
            for c in self.callbacks:
                reason = c.on_step(state)
                if isinstance(reason, str) and reason:
                    return reason
                if reason is not None and _true(reason, type(c).__name__):
                    return type(c).__name__
        except Exception as error:
            self.foreign = error
            raise
        return None
