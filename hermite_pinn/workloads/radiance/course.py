"""The steps of a training, one after another, and what is kept between runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermite_pinn.errors import CorruptFileError, DivergedError
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.monitor import Monitor, StopRun
from hermite_pinn.run.status import Status

from .model import RadianceModel
from .optimizer import Optimizer
from .posing import Posing
from .views import View, Views

__all__ = ["Course", "Length"]

Save = Callable[[Callable[[], dict[str, Any]], bool], None]

#: Steps between two rows of the history.
ROW = 100
#: Rays by which the picture that is held out is judged as it goes.
GLANCE = 2048
#: Part of the run between two such glances.
BETWEEN = 0.1
#: Steps with numbers that are not finite that may follow each other where tables are read in half precision.
PATIENCE = 8


@dataclass(frozen=True)
class Length:
    """How long a run is.

    Attributes
    ----------
    steps
        Its steps; None: as many as there is time for.
    seconds
        Its time, in seconds; None: as much as the steps take.
    """

    steps: int | None
    seconds: float | None

    def progress(self, step: int, elapsed: float) -> float:
        """Part of the run that is done, 0 to 1."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / max(1, self.steps))
        if self.seconds is not None:
            shares.append(elapsed / self.seconds)
        return min(1.0, max(shares))


class Course:
    """A training.

    Parameters
    ----------
    model
        What is trained.
    posing
        Poses of the training views.
    views
        To fit.
    held_out
        A picture by which nothing is chosen; None: there is none.
    length
        Of the run.
    end
        Factor of learning rates at the end.
    generator
        Of everything random, on the CPU.
    monitor
        History, limits, progress.
    """

    def __init__(
        self,
        model: RadianceModel,
        posing: Posing,
        views: Views,
        held_out: View | None,
        length: Length,
        end: float,
        generator: torch.Generator,
        monitor: Monitor,
    ) -> None:
        self.model, self.posing, self.views, self.held_out = model, posing, views, held_out
        self.length, self.end, self.generator, self.monitor = length, end, generator, monitor
        self.optimizer = Optimizer([*model.groups(), *posing.groups()])
        self.still = {group.name for group in posing.groups()}
        self.step, self.spent, self.skipped, self.samples = 0, 0.0, 0, 0
        self.best_psnr = -math.inf
        self._glanced = -1
        self._good = self._tensors()

    # -- the loop ---
    def run(self, save: Save, saved: Mapping[str, Any] | None) -> Ending:
        """Take all steps, or as many as there is time for.

        Raises
        ------
        DivergedError
            If a loss is not finite; the model is the last good one then.
        """
        if saved:
            self._continue(saved)
        self._looked = time.perf_counter()
        try:
            while self.progress < 1.0:
                self._step()
                self._tick()
                if self.step % ROW == 0 or self.progress >= 1.0:
                    self._record()
                save(self._state, False)
        except StopRun as stop:
            ending = Ending(stop.status, stop.message)
        except KeyboardInterrupt:
            ending = Ending(Status.INTERRUPTED, f"{cause()} after {self.step} steps")
        else:
            ending = Ending(Status.COMPLETED, f"{self.step} steps")
        save(self._state, True)
        return ending

    @property
    def progress(self) -> float:
        """Part of the run that is done."""
        return self.length.progress(self.step, self.spent)

    def _tick(self) -> None:
        """Count the seconds of training."""
        now = time.perf_counter()
        self.spent, self._looked = self.spent + now - self._looked, now

    def _step(self) -> None:
        progress = self.progress
        self.model.advance(self.step, progress, self.generator)
        self.posing.advance(progress)
        draw = self.views.sample(self.model.rays, self.generator, self.posing.poses())
        rays, target = draw.rays, draw.colors.T.contiguous()
        losses = self.model.terms(rays, target, progress, self.generator) | self.posing.penalties()
        loss = sum(losses.values(), torch.zeros(()))
        self.optimizer.zero()
        loss.backward()  # type: ignore[no-untyped-call]
        self.losses = {name: float(value.detach()) for name, value in losses.items()}
        self._check(sum(self.losses.values()))
        decayed = self.end**progress
        factors = {
            group.name: self.posing.rate_factor(progress) if group.name in self.still else decayed
            for group in self.optimizer.groups
        }
        self.optimizer.step(factors, lambda levels: self.posing.level_factors(levels, progress))
        self.step += 1
        self.samples += self.model.count

    def _check(self, loss: float) -> None:
        """End a run whose loss is no number."""
        if math.isfinite(loss):
            return
        self._put(self._good)
        error = DivergedError(
            f"the loss became {loss} at step {self.step}; what is returned is the state after step {self._kept}. Lower the rate of the recipe, "
            "or look for damaged pictures and poses"
        )
        error.outcome = Ending(Status.DIVERGED, str(error))  # type: ignore[attr-defined]
        raise error

    _kept = 0

    # -- what is told ---
    def _record(self) -> None:
        """Add a row to the history, and keep the state as a good one."""
        self._good, self._kept = self._tensors(), self.step
        extra: dict[str, float | int | None] = {"rays": self.model.rays, "samples": self.model.count}
        glance = int(self.progress / BETWEEN + 1e-9)
        if self.held_out is not None and glance > self._glanced:
            self._glanced = glance
            extra["psnr"] = self._glance(self.held_out)
        if self.length.seconds is None:
            self.monitor.check_time()
        self.monitor.record(
            loss=sum(self.losses.values()),
            terms={},
            level=0,
            unknowns=self.model.parameter_count,
            field=lambda: self.model,  # type: ignore[arg-type, return-value]
            done=self.progress,
            step=self.step,
            **self.losses,
            **extra,
        )
        self._looked = time.perf_counter()

    def _glance(self, view: View) -> float:
        """PSNR at some pixels of a view; not part of the run's seconds."""
        height, width = view.image.shape[:2]
        every = max(1, math.isqrt(height * width // GLANCE))
        rows = torch.arange(height * width).view(height, width)[::every, ::every].reshape(-1)
        colors = view.image.reshape(height * width, -1)[rows].T
        behind = torch.ones(3)
        truth = colors[:3] * colors[3] + behind[:, None] * (1 - colors[3]) if len(colors) == 4 else colors
        seen = self.model.look(view.camera.rays()[rows], behind if len(colors) == 4 else None)
        error = (seen.colour.cpu() - truth).square().mean()
        return float(-10 * torch.log10(error.clamp_min(1e-12)))

    # -- between runs ---
    def _tensors(self) -> dict[str, Tensor]:
        modules = {"model": self.model, "posing": self.posing}
        return {
            f"{name}.{key}": v.detach().clone() for name, module in modules.items() for key, v in module.state_dict().items()
        }

    def _put(self, tensors: Mapping[str, Tensor]) -> None:
        for name, module in {"model": self.model, "posing": self.posing}.items():
            own = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
            module.load_state_dict(own)

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "spent": self.spent,
            "samples": self.samples,
            "glanced": self._glanced,
            "tensors": self._tensors(),
            "moments": self.optimizer.state(),
            "generator": self.generator.get_state(),
        }

    def _continue(self, saved: Mapping[str, Any]) -> None:
        tensors, own = saved["tensors"], self._tensors()
        if set(tensors) != set(own) or any(tensors[k].shape != own[k].shape for k in own):
            raise CorruptFileError("the checkpoint is damaged: its tensors do not fit the recipe")
        self._put(tensors)
        self.step, self.samples, self._glanced = (int(saved[name]) for name in ("step", "samples", "glanced"))
        self.spent = float(saved["spent"])
        self.optimizer.restore(self.step, saved["moments"])
        self.generator.set_state(saved["generator"])
        self._good, self._kept = self._tensors(), self.step
