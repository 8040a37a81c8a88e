"""Training by steps along stochastic gradients: what the host does between steps."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch

from hermite_pinn.cuda.runtime.cuda_graph import CapturedStep, TorchRecorder
from hermite_pinn.errors import DivergedError
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.run.interrupt import cause, uninterrupted
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact
from hermite_pinn.torch_state import isolated

from .loss import Loss, checked_tensors
from .options import FirstOrderOptions
from .saved_state import restore_generator
from .session import Session, StepClock, TrainingResult
from .step import TrainingStep, Variant
from .updates import Trained

__all__ = ["train_first_order"]


@isolated()
def train_first_order(loss: Loss[Any], options: FirstOrderOptions, session: Session) -> TrainingResult:
    """Minimise a loss by random batches, one per step.

    Parameters
    ----------
    loss
        What is minimised.
    options
        Steps, rates, weights, and how the tensors move.
    session
        The run around it.

    Returns
    -------
    TrainingResult
        The moving averages of the tensors, or the tensors themselves without averages; also when a limit, a callback
        or Ctrl-C ended the run.

    Raises
    ------
    DivergedError
        If a loss becomes infinite or NaN; ``error.outcome`` is the result of the last check before.
    """
    return _Run(loss, options.completed(), session).outcome()


class _Run:
    """One training, from the start or from a saved state."""

    def __init__(self, loss: Loss[Any], options: FirstOrderOptions, session: Session) -> None:
        self.loss, self.options, self.session, self.monitor = loss, options, session, session.monitor
        self.device, self.steps = session.device, options.numbers().steps
        generator = torch.Generator(self.device).manual_seed(session.seed)
        self.levels = max((len(levels) for levels in loss.tables.values()), default=0)
        self.step = -options.warmup
        self.tensors = {k: v.requires_grad_() for k, v in checked_tensors(loss).items()}
        self.average = {k: v.detach().clone() for k, v in self.tensors.items()} if options.ema else {}
        bounds = {k: (b.lower, b.upper) for k, b in loss.bounds.items()}
        updates = options.updates(Trained(self.tensors, self.average, bounds, loss.networks))
        self.training = TrainingStep(loss, options, generator, self.tensors, updates, session.ranks)
        self.reach, self.recorded, self.finest = 0, 0, -1
        if session.saved is not None:
            self._restore(session.saved)
        for v in self.tensors.values():
            session.ranks.spread(v.data)
        self.good = self._snapshot()
        self.candidate, self.candidate_step = self.good, self.step
        recorder = None
        if options.cuda_graph and self.device.type == "cuda":
            recorder = TorchRecorder(self.device, generator)
        self.captured = CapturedStep(self.training, recorder, self.training.obstacles)
        self.clock = StepClock()

    # -- state ---
    def _snapshot(self) -> dict[str, torch.Tensor]:
        return {k: v.detach().clone() for k, v in (self.average or self.tensors).items()}

    def _state(self) -> dict[str, Any]:
        self._check()
        moments: dict[str, torch.Tensor] = {}
        training = self.training
        return {
            "step": self.step,
            "recorded": self.recorded,
            "reach": self.reach,
            "weights": training.weights,
            "generator": training.generator.get_state(),
            "tensors": self.tensors,
            "average": self.average,
            "updates": [u.state(moments, f"update{i}") for i, u in enumerate(training.updates)],
            "moments": moments,
            **self.loss.state(),
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        entry = Entry.of(saved, "the checkpoint")
        with intact(entry.source):
            self.step = entry.at("step").integer(-self.options.warmup)
            self.reach = min(entry.at("reach").integer(0), self.levels)
            recorded = entry.get("recorded")
            self.recorded = self.step if recorded is None else recorded.integer(-self.options.warmup, self.step)
            self.training.weights = entry.at("weights").named_numbers(self.loss.weighted, 0.0)
            restore_generator(self.training.generator, entry.at("generator"))
            for group, target in (("tensors", self.tensors), ("average", self.average)):
                for k, v in entry.at(group).tensors(target).items():
                    target[k].data.copy_(v)
            updates = entry.at("updates").items(len(self.training.updates))
            for u, inner in zip(self.training.updates, updates, strict=True):
                u.restore(inner, saved.get("moments", {}))
            self.loss.restore(saved)

    # -- training ---
    def outcome(self) -> TrainingResult:
        def work() -> Ending:
            while self.step < self.steps:
                self._train_step()
            return Ending(Status.COMPLETED, f"{self.steps} steps done")

        def settle(ending: Ending) -> Ending:
            self._check()
            if self.step > max(0, self.recorded):
                with contextlib.suppress(StopRun):
                    self._record()
            self.good = self._snapshot()
            self.session.save(self._state, True)
            return ending

        return run_to_end(
            work,
            lambda ending: self._outcome(ending.status, ending.message),
            interrupted=lambda: f"{cause()} at step {self.step}",
            settle=settle,
            usable=lambda: self.step > 0,
            monitor=self.session.monitor,
        )

    def _outcome(self, status: Status, message: str) -> TrainingResult:
        stats: dict[str, Any] = {"weights": self.training.weights} | self.clock.stats()
        if self.device.type == "cuda":
            stats["cuda_graph"] = self.captured.recorded
        return TrainingResult(self.good, status, message, stats)

    def _variant(self) -> Variant:
        o, loss = self.options, self.loss
        live = min(o.active_levels(self.step, self.levels), self.levels)
        balance = o.balance_every > 0 and self.step >= 0 and self.step % o.balance_every == 0
        return Variant(live, max(self.reach, live), balance and 0 < len(loss.weighted) < len(loss.names))

    def _train_step(self) -> None:
        o, reported = self.options, self.step % self.options.check_every == 0
        if reported and self.step > 0:
            self.good, self.candidate, self.candidate_step = self.candidate, self._snapshot(), self.step
        with uninterrupted():
            due = self.loss.renewal > 0 and self.step >= 0 and self.step % self.loss.renewal == 0
            if due and self.loss.renew(self.tensors, self.training.generator):
                self.captured.forget()  # from now on the batches come from elsewhere
            variant = self._variant()
            if variant.live > self.reach > 0:
                self.captured.forget()  # a level came alive: the steps before will not come again
            self.reach = variant.reach
            if self.levels and variant.live - 1 != self.finest:
                self.finest = variant.live - 1
                self.loss.follow(self.finest)
            self.loss.advance(max(0, self.step) / self.steps)
            self.training.prepare(self.step, self.step + o.warmup)
            self.captured(variant)
            self.step += 1
            self.clock.tick()
        if self.step == 1 - o.warmup:
            self._check()  # kernels are there now, and mistakes show at once
        if self.step > 0 and (self.step % o.check_every == 0 or self.step == self.steps):
            self._record()
        self.session.save(self._state, False)
        self.monitor.check_time()

    def _check(self) -> None:
        """Wait for the device, and raise an error if a loss was not finite."""
        done = int(self.training.first_bad)
        if done < 0:
            return
        step = done - self.options.warmup
        if step > self.candidate_step:
            self.good = self.candidate
        values = zip(self.training.names, self.training.bad_values.tolist(), strict=True)
        term = next((repr(k) for k, v in values if not math.isfinite(v)), "the weighted sum")
        raise DivergedError(
            f"the loss of {term} is not finite at {f'step {step + 1}' if step >= 0 else f'step {done + 1} of the warm-up'}; "
            "the state of the last check is kept. Look for divisions by zero, roots or logarithms of negative numbers in "
            "the residual, or lower the learning rate"
        )

    def _record(self) -> None:
        self._check()
        self.recorded = self.step
        done = self.step / self.steps
        loss, training = self.loss, self.training
        values = dict(zip(training.names, training.values.tolist(), strict=True))
        self.monitor.record(
            step=self.step,
            loss=float(training.total),
            terms=loss.report(values),
            level=self.options.active_levels(self.step, self.levels),
            unknowns=sum(v.numel() for v in self.tensors.values()),
            field=lambda: loss.model(self._snapshot()),
            done=done,
            left=self.monitor.elapsed * (1 - done) / done if done > 0 else None,
            lr=self.options.rate(self.step),
            **{f"weight {k}": w for k, w in training.weights.items()},
        )
