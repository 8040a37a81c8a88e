"""What surrounds the work of a run, whatever it makes: arguments, checkpoint, signals, clock, errors, the last word."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch

from hermite_pinn.checks import flag, path
from hermite_pinn.cuda.runtime.cache import compile_clock
from hermite_pinn.cuda.runtime.failures import recognized
from hermite_pinn.errors import DistributedError, DivergedError, HermitePinnError
from hermite_pinn.memory import peak_memory
from hermite_pinn.problem.problem import Problem

from .arguments import limit, listeners
from .callbacks import tell_end
from .checkpoint import Saver, begin, chosen_checkpoint, read_checkpoint
from .distributed import ALONE, Ranks
from .interrupt import Signals, hold, terminable
from .monitor import Monitor
from .progress import NoProgress, choose_progress
from .stats import Done, versions

__all__ = ["Frame", "Save", "Workload"]

#: ``save(state, force)``: called with what makes the state, when it may be saved.
Save = Callable[[Callable[[], dict[str, Any]], bool], None]


class Result(Protocol):
    """What a run makes of its work."""

    message: str
    stats: dict[str, Any]


Found = TypeVar("Found")
Made = TypeVar("Made", bound=Result)


class Workload(ABC, Generic[Found, Made]):
    """Work for a :class:`Frame`.

    Attributes
    ----------
    title
        What the progress bar calls it.
    method
        Name of the method, for the history and the callbacks.
    identity
        What must agree for a checkpoint to be continued: see :func:`.identity_of`.
    device
        Where it computes.
    kind
        Type of what :meth:`run` returns, by which an error that has such an ``outcome`` is known to have left a result:
        that of :func:`.keep_result`.
    """

    title: str
    method: str
    identity: dict[str, Any]
    device: torch.device
    kind: type[Found]

    @abstractmethod
    def run(self, save: Save, saved: dict[str, Any] | None) -> Found:
        """Work to the end, from the start or from a saved state.

        Limits, callbacks and signals end it with the best state so far, which is returned; see
        :func:`hermite_pinn.methods.course.run_to_end`.

        Raises
        ------
        DivergedError
            Its attribute ``outcome`` has the last good state, as what this returns.
        """

    def judged(self, done: Done[Found]) -> Done[Found]:
        """The work with the status, or the error, that it deserves; by default its own."""
        return done

    @abstractmethod
    def result(self, done: Done[Found]) -> Made:
        """What the user gets."""


class Frame:
    """What surrounds a run: its limits, listeners and files, from the arguments that all of them have.

    Parameters
    ----------
    max_time, callbacks, progress, checkpoint, resume, throw
        As in :func:`hermite_pinn.solve`.
    problem
        That the callbacks prepare for, or None in a run that solves none.
    join
        Joins the processes of the run; called when the arguments are checked.

    Attributes
    ----------
    monitor
        History, limits, callbacks and progress, for the work to report to; its clock runs from now on.

    Raises
    ------
    InvalidArgumentError, OutputError
        For arguments that cannot work, before anything is computed.

    Examples
    --------
    >>> from hermite_pinn.run.ending import Ending
    >>> from hermite_pinn.run.identity import identity_of
    >>> from hermite_pinn.run.status import Status
    >>> from types import SimpleNamespace
    >>> class Count(Workload):
    ...     title, method, kind, device = "numbers", "counting", Ending, torch.device("cpu")
    ...     identity = identity_of("numbers", {}, method="counting", seed=0)
    ...     def __init__(self, monitor):
    ...         self.monitor = monitor
    ...     def run(self, save, saved):
    ...         for step in range((saved or {"step": 0})["step"], 3):
    ...             self.monitor.record(loss=1 / (step + 1), terms={}, level=0, unknowns=1)
    ...             save(lambda: {"step": step + 1}, False)
    ...         return Ending(Status.COMPLETED, "counted to 3")
    ...     def result(self, done):
    ...         return SimpleNamespace(message=done.found.message, stats={"seconds": done.seconds})
    >>> frame = Frame(progress=False)
    >>> frame.run(Count(frame.monitor)).message, len(frame.monitor.history)
    ('counted to 3', 3)
    """

    def __init__(
        self,
        *,
        max_time: Any = None,
        callbacks: Any = (),
        progress: Any = "auto",
        checkpoint: Any = None,
        resume: Any = None,
        throw: Any = True,
        problem: Problem | None = None,
        join: Callable[[], Ranks] = lambda: ALONE,
    ) -> None:
        most, self.throw = limit("max_time", max_time, infinite=True), flag("throw", throw)
        meter, self.callbacks = choose_progress(progress), listeners(callbacks, problem)
        self.keeper = chosen_checkpoint(checkpoint)
        self.source: Path | None = None if resume is None else path("resume", resume, otherwise="None")
        self.ranks = join()
        self.monitor = Monitor(self.callbacks, meter if self.ranks.leader else NoProgress(), most, self.ranks)

    @property
    def keeps(self) -> bool:
        """Whether this process writes a checkpoint."""
        return self.keeper is not None and self.ranks.leader

    def run(self, work: Workload[Found, Made]) -> Made:
        """Do the work.

        Returns
        -------
        Made
            Its result; what came too late, and a checkpoint that could not be written, is added to its message.

        Raises
        ------
        CorruptFileError, FileNotFoundError, InvalidArgumentError
            If the file to continue is damaged, missing, or of other work.
        DivergedError
            If the work diverged and ``throw`` is true; ``error.solution`` is the result of the last good state.  Other
            errors are always raised, with a result if there is one.
        """
        self.monitor.method = work.method
        saved = None if self.source is None else read_checkpoint(self.source, work.identity, self.monitor) or None
        saver = self.keeper.saver(work.identity, self.monitor) if self.keeper is not None and self.keeps else None
        begin(saver, saved, self.ranks)
        versions()  # from files, which may be out of reach after the run
        with terminable() as signals:
            done = work.judged(self._timed(work, saver or _unsaved, saved))
            made = work.result(done)
            self._tell(made, done.failure, saver, signals)
        if done.failure is not None and (self.throw or not isinstance(done.failure, DivergedError)):
            with suppress(AttributeError):  # exceptions with slots
                done.failure.solution = made  # type: ignore[attr-defined]
            raise done.failure
        return made

    def _timed(self, work: Workload[Found, Made], save: Save, saved: dict[str, Any] | None) -> Done[Found]:
        """Work; an error that left a result is returned with it, others end the other processes too."""
        compiling: list[float] = []
        token = compile_clock.set(compiling)
        failure: Exception | None = None
        if work.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(work.device)
        began = time.perf_counter()
        self.monitor.progress.start(work.title)
        try:
            found = work.run(save, saved)
            hold()
        except BaseException as error:
            # what the arguments cause happens on every rank; after anything else the others would wait for this one
            if isinstance(error, DistributedError) or not isinstance(error, HermitePinnError):
                self.ranks.abandon()
            known = isinstance(error, RuntimeError | MemoryError) and error is not self.monitor.foreign
            mended = recognized(error, f"the method {work.method}") if known else None
            left = getattr(error, "outcome", None)
            if not isinstance(left, work.kind) or not isinstance(error, Exception):
                if mended is None:
                    raise
                raise mended from error
            if mended is not None:
                mended.__cause__ = error
            found, failure = left, mended or error
        finally:
            self.monitor.progress.close()
            compile_clock.reset(token)
        seconds = time.perf_counter() - began - sum(compiling)
        return Done(found, failure, seconds, sum(compiling), peak_memory(work.device))

    def _tell(self, made: Result, failure: Exception | None, saver: Saver | None, signals: Signals) -> None:
        """Add what the work does not know to its result, and tell it to the callbacks."""
        if saver is not None and saver.failure is not None:
            made.message += f"; the checkpoint is not that of the end: {saver.failure}"
            made.stats["checkpoint_failed"] = saver.failure
        late = signals.missed()
        if late is not None:
            made.message += f"; {late} when the run was over"
        if self.ranks.leader and (failure is None or isinstance(failure, DivergedError)):
            tell_end(self.callbacks, made)
        signals.missed()


def _unsaved(state: Callable[[], Mapping[str, Any]], force: bool) -> None:
    """There is no checkpoint."""
