"""The steps of a training, one after another, and what is kept between runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermite_pinn.errors import CorruptFileError, DivergedError
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.interrupt import uninterrupted
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Save
from hermite_pinn.workloads.steps import StepClock, run_steps

from .model import RadianceModel
from .optimizer import Optimizer
from .pixels import lattice
from .posing import Posing
from .views import View, Views

__all__ = ["Course", "Length", "decibels"]

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


def decibels(error: Tensor) -> float:
    """PSNR of a mean square error."""
    return float(-10 * torch.log10(error.double().clamp_min(1e-12)))


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
        self.clock = StepClock(monitor)
        self.step, self.skipped, self.samples = 0, 0, 0
        self.losses: dict[str, float] = {}
        self._glanced = -1
        self._good, self._kept = self._tensors(), 0

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
        self.clock.start()

        def work() -> Ending:
            while self.progress < 1.0:
                with uninterrupted():
                    self._step()
                if self.step % ROW == 0 or self.progress >= 1.0:
                    self._record()
                save(self._state, False)
            return self._done()

        return run_steps(work, self._state, save, lambda: self.step, self.monitor)

    @property
    def progress(self) -> float:
        """Part of the run that is done."""
        return self.length.progress(self.step, self.clock.spent)

    def _done(self) -> Ending:
        steps = self.length.steps
        if steps is not None and self.step < steps:
            return Ending(Status.MAX_TIME, f"{self.step} of {steps} steps in {self.clock.spent:.0f} s")
        return Ending(Status.COMPLETED, f"{self.step} steps")

    def _step(self) -> None:
        progress = self.progress
        self.model.advance(self.step, progress, self.generator)
        self.posing.advance(progress)
        self.posing.revise(progress, self.model, self.views, self.generator)
        directional = self.posing.directional(progress)
        if self.step == 0 and not directional:
            self.model.forget_directions()
        draw = self.model.draw(self.views, self.generator, self.posing.poses())
        rays, target = draw.rays, draw.colors.T.contiguous()
        losses = self.model.terms(rays, target, progress, self.generator) | self.posing.penalties()
        self.optimizer.zero()
        torch.stack([value.to(target.dtype) for value in losses.values()]).sum().backward()  # type: ignore[no-untyped-call]
        self.losses = {name: float(value.detach()) for name, value in losses.items()}
        if not directional:
            self.model.hold_directions()
        if self._sound():
            self._update(progress)
        self.step += 1
        self.samples += self.model.count
        self.clock.lap()

    def _update(self, progress: float) -> None:
        decayed = self.end**progress
        factors = {
            group.name: self.posing.rate_factor(progress) if group.name in self.still else decayed
            for group in self.optimizer.groups
        }
        self.optimizer.step(factors, lambda levels: self.posing.level_factors(levels, progress))

    def _sound(self) -> bool:
        """Whether a step may be taken; a loss that is no number ends the run, in half precision after some in a row."""
        loss = sum(self.losses.values())
        finite = math.isfinite(loss) and (not self.model.halved or self.optimizer.finite())
        self.skipped = 0 if finite else self.skipped + 1
        if finite or (self.model.halved and self.skipped < PATIENCE):
            return finite
        raise self._diverged(f"the loss became {loss} at step {self.step + 1}")

    def _diverged(self, what: str) -> DivergedError:
        """The error that tells it; the model is the last good one from now on."""
        self._put(self._good)
        return DivergedError(
            f"{what}; what is returned is the state after step {self._kept}. Lower the rate of the recipe, or look for damaged pictures and "
            "poses"
        )

    # -- what is told ---
    def _record(self) -> None:
        """Add a row to the history, and keep the state as a good one."""
        if not self.optimizer.sound():
            raise self._diverged(f"numbers of the field became infinite or NaN before step {self.step + 1}")
        self._good, self._kept = self._tensors(), self.step
        extra: dict[str, float | int | None] = {"rays": self.model.rays, "samples": self.model.count}
        glance = int(self.progress / BETWEEN + 1e-9)
        if self.held_out is not None and glance > self._glanced:
            self._glanced = glance
            extra["psnr"] = self.glance([self.held_out])
            self.monitor.note = f"PSNR {extra['psnr']:.1f} dB"
        told: dict[str, Any] = {**self.losses, **extra}
        self.monitor.record(
            loss=sum(self.losses.values()),
            terms={},
            level=0,
            unknowns=self.model.parameter_count,
            done=self.progress,
            step=self.step,
            **told,
        )

    def glance(self, views: Sequence[View]) -> float:
        """PSNR at some pixels of some views, in dB."""
        errors = []
        for view in views:
            rows, truth = lattice(view, GLANCE // len(views))
            behind = torch.ones(3, device=self.model.device) if view.image.shape[-1] == 4 else None
            seen = self.model.look(view.camera.rays()[rows], behind)
            errors.append((seen.colour.cpu() - truth).square().mean())
        return decibels(torch.stack(errors).mean())

    # -- between runs ---
    def _tensors(self) -> dict[str, Tensor]:
        modules = {"model": self.model, "posing": self.posing}
        return {
            f"{name}.{key}": v.detach().clone()
            for name, module in modules.items()
            for key, v in module.state_dict().items()
        }

    def _put(self, tensors: Mapping[str, Tensor]) -> None:
        for name, module in {"model": self.model, "posing": self.posing}.items():
            own = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
            module.load_state_dict(own)

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "spent": self.clock.spent,
            "samples": self.samples,
            "glanced": self._glanced,
            "updates": self.optimizer.steps,
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
        self.clock.spent = float(saved["spent"])
        self.optimizer.restore(int(saved["updates"]), saved["moments"])
        self.generator.set_state(saved["generator"])
        self._good, self._kept = self._tensors(), self.step
