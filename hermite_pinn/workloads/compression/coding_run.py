"""The run that makes a coded field: plain features first, then codes, with history, limits and checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import CorruptFileError, DivergedError
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.identity import identity_of
from hermite_pinn.run.interrupt import uninterrupted
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.stats import Done
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Save, Workload
from hermite_pinn.workloads.steps import StepClock, run_steps

from .coded_field import CodedField
from .learned import Learned, first_codes
from .learning import CodeEpisode, Course, Episode, TableEpisode

__all__ = ["CodingRun", "bytes_of"]

#: Steps between two rows of the history.
ROW = 50


class CodingRun(Workload[Ending, CodedField]):
    """A run that makes a coded field.

    Parameters
    ----------
    how
        Name of the method.
    start
        The field as it begins.
    generator
        Of its training.
    finish
        Codes a trained field; None where ``bits`` are given.
    bits
        Of the codes that are learned.
    seconds
        Of training; None: as many as the steps take.
    model
        What teaches, for the identity of the run.
    monitor
        History, limits, progress.
    """

    title, kind, device = "coded field", Ending, torch.device("cpu")

    def __init__(
        self,
        how: str,
        start: Learned,
        generator: torch.Generator,
        finish: Callable[[Learned], CodedField] | None,
        bits: int | None,
        seconds: float | None,
        model: Any,
        monitor: Monitor,
    ) -> None:
        self.method, self.known, self.finish, self.bits, self.monitor = how, start, finish, bits, monitor
        options = asdict(start.options)
        self.identity = identity_of(
            "coded field", {"model": {"digest": _digest(model)}}, method=how, options=options, seed=start.options.seed
        )
        self.seconds = None if seconds is None else seconds / (1 if bits is None else 2)
        self.episode: Episode = TableEpisode(start.field, start.teacher, start.options.course, generator)
        self.stage, self.clock = 0, StepClock(monitor)
        self._plain = 0  # steps that were taken before there were codes
        self._good = self._state()

    # -- the loop ---
    def run(self, save: Save, saved: dict[str, Any] | None) -> Ending:
        """Take all steps, or as many as there is time for."""
        if saved:
            self._continue(saved)
        self.clock.start()

        def work() -> Ending:
            while True:
                while self.progress < 1.0:
                    with uninterrupted():
                        self._step()
                    save(self._state, False)
                if self.stage or self.bits is None:
                    break
                with uninterrupted():
                    self._turn_to_codes()
            options = self.known.options
            whole = options.course.steps + (options.code_course.steps if self.stage else 0)
            late = self._steps < whole
            told = f"{self._steps} steps" + (f" in {self.monitor.elapsed:.0f} s" if late else "")
            return Ending(Status.MAX_TIME if late else Status.COMPLETED, told)

        return run_steps(work, self._state, save, lambda: self._steps, self.monitor)

    @property
    def _course(self) -> Course:
        options = self.known.options
        return options.code_course if self.stage else options.course

    @property
    def _steps(self) -> int:
        return self.episode.step + self._plain

    @property
    def progress(self) -> float:
        """Part of the stage that is done."""
        steps, late = self._course.steps, self.seconds is not None and self.clock.spent >= self.seconds
        if late or self.episode.step >= steps:
            return 1.0
        return max(self.episode.step / steps, 0.0 if self.seconds is None else self.clock.spent / self.seconds)

    def _step(self) -> None:
        try:
            self.episode.advance(self.progress)
        except DivergedError:
            self._continue(self._good)
            raise
        self.clock.lap()
        if self.episode.step % ROW == 0 or self.progress >= 1.0:
            self._record()

    def _record(self) -> None:
        self._good = self._state()
        stages = 1 if self.bits is None else 2
        self.monitor.record(
            loss=self.episode.loss,
            terms={},
            level=0,
            unknowns=self.known.field.parameter_count,
            done=(self.stage + self.progress) / stages,
            step=self._steps,
            codes=self.stage,
        )

    def _turn_to_codes(self) -> None:
        """Go on with codes of the features that were learned."""
        self.known, self._plain = replace(self.known, field=self.episode.field), self.episode.step
        self.episode = self._coded_episode()
        self.stage, self.clock = 1, StepClock(self.monitor)
        self.clock.start()
        self._good = self._state()

    def _coded_episode(self) -> CodeEpisode:
        known, generator = self.known, self.known.generator()
        codes = first_codes(known, self.bits or 0, generator)
        return CodeEpisode(known.field, codes, known.teacher, known.options.code_course, generator)

    # -- what comes of it ---
    def result(self, done: Done[Ending]) -> CodedField:
        """The field with its codes, and what was told of it."""
        if self.finish is not None:
            made = self.finish(replace(self.known, field=self.episode.field))
        else:
            if not self.stage:
                self._turn_to_codes()
            assert isinstance(self.episode, CodeEpisode)
            made = self.known.coded(self.episode.field, [level.code() for level in self.episode.codes.levels])
        stats = done.stats(self.method, self.known.options.seed, self.monitor.history)
        return replace(
            made,
            status=done.found.status,
            message=done.found.message,
            stats=stats | {"steps": self._steps},
            history=self.monitor.history,
        )

    # -- between runs ---
    def _state(self) -> dict[str, Any]:
        tensors = list(self.known.field.tensors().values()) if self.stage else []
        learned = {str(k): leaf for k, leaf in enumerate(tensors)}
        return _copied(
            {"stage": self.stage, "plain": self._plain, "spent": self.clock.spent, "learned": learned}
            | self.episode.state()
        )

    def _continue(self, saved: Mapping[str, Any]) -> None:
        stage, learned = saved["stage"], saved["learned"]
        if stage not in ((0, 1) if self.bits is not None else (0,)):
            raise CorruptFileError(f"the checkpoint is damaged: it has the stage {stage!r}")
        if stage and not self.stage:
            own = self.known.field.tensors()
            found = {path: learned.get(str(k)) for k, path in enumerate(own)}
            if any(leaf is None or leaf.shape != own[path].shape for path, leaf in found.items()):
                raise CorruptFileError("the checkpoint is damaged: its features do not fit the octree")
            self.known = replace(self.known, field=self.known.field.with_tensors(found))
            self.episode, self.stage = self._coded_episode(), 1
        self.episode.restore(saved)
        self.clock.spent, self._plain = float(saved["spent"]), int(saved["plain"])
        self._good = self._state()


def _copied(value: Any) -> Any:
    """A state whose tensors do not change any more."""
    if isinstance(value, Mapping):
        return {name: _copied(part) for name, part in value.items()}
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _numbers(model: Any) -> dict[str, Any]:
    """The numbers of a solution, a radiance field or a picture, by name."""
    if hasattr(model, "field"):
        return dict(model.field.tensors())
    return dict(model.model.state_dict()) if hasattr(model, "model") else {"pixels": np.asarray(model)}


def _digest(model: Any) -> str:
    digest = hashlib.sha256()
    for name, numbers in _numbers(model).items():
        array = numbers.detach().cpu().numpy() if isinstance(numbers, torch.Tensor) else numbers
        digest.update(name.encode() + repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def bytes_of(model: Any) -> int:
    """Bytes of the parameters of a solution or a radiance field, or of the numbers of a picture."""
    if hasattr(model, "model"):
        return sum(leaf.numel() * leaf.element_size() for leaf in model.model.parameters())
    return int(sum(numbers.nbytes for numbers in _numbers(model).values()))
