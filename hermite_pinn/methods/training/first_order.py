"""Training by steps along stochastic gradients: what the first-order methods share."""

from __future__ import annotations

import contextlib
import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch

from hermite_pinn.errors import DivergedError, InvalidArgumentError
from hermite_pinn.field.field import Field
from hermite_pinn.methods.base import Method, Outcome, Task
from hermite_pinn.methods.gauss_newton.pilot import saved_choice
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.interrupt import uninterrupted
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .batches import RAD, Pool
from .cuda_graph import CapturedStep, TorchRecorder
from .objective import PREFIX, Objective, StepClock
from .step import TrainingStep, Variant
from .updates import Trained, Update

__all__ = ["FirstOrder"]

SCHEDULES = ("cosine", "step", "constant")


@dataclass(frozen=True)
class FirstOrder(Method):
    """Options of all first-order methods; :class:`hermite_pinn.Adam` explains them."""

    steps: int = 20_000
    lr: float = 1e-3
    lr_end: float = 1e-5
    schedule: str = "cosine"
    lr_every: int = 15_000
    points: int = 10_000
    face_points: int = 2_000
    weight: float = 1.0
    weight_cap: float = 1e6
    balance_every: int = 100
    shared_weight: bool = False
    curriculum: tuple[tuple[int, int], ...] = ()
    ema: float = 0.999
    warmup: int = 0
    normalize: bool = True
    check_every: int = 100
    adaptive: RAD | None = None
    cuda_graph: bool = True

    def __post_init__(self) -> None:
        for option in ("steps", "points", "face_points", "check_every", "lr_every"):
            if getattr(self, option) < 1:
                raise InvalidArgumentError(f"{option} must be at least 1, got {getattr(self, option)}")
        if self.schedule not in SCHEDULES:
            raise InvalidArgumentError(f"unknown schedule {self.schedule!r}; known: {', '.join(SCHEDULES)}")
        if not 0 <= self.ema < 1:
            raise InvalidArgumentError(f"ema must lie in [0, 1), got {self.ema}")
        if not (self.lr > 0 and self.lr_end >= 0):
            raise InvalidArgumentError(f"learning rates must be positive, got lr={self.lr}, lr_end={self.lr_end}")
        for pair in self.curriculum:
            if len(pair) != 2 or pair[1] < 1:
                raise InvalidArgumentError(f"curriculum takes pairs (step, number of levels), got {pair!r}")
        if self.adaptive is not None and not isinstance(self.adaptive, RAD):
            raise InvalidArgumentError(f"adaptive takes a hermite_pinn.RAD or None, got {self.adaptive!r}")

    @property
    def reads_half(self) -> bool:
        """Gradients are those of float32 tables, so first-order methods can."""
        return True

    @abstractmethod
    def updates(self, trained: Trained) -> list[Update]:
        """Rules that move what is trained, each tensor in one."""

    def default_field(self, problem: Problem) -> Field:
        """The paper's field: two features, tables of 2**14 slots, SIREN with two layers of 128 units and omega 0.5."""
        return Field(
            head="siren", features=max(2, len(problem.fields)), table_size=2**14, width=128, depth=2, omega=0.5
        )

    @property
    def shared(self) -> bool:
        """Every process takes a part of the points, and gradients are summed."""
        return True

    def run(self, task: Task) -> Outcome:
        """Train; see :class:`Method`."""
        return _Run(self, task).outcome()

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0 after the warm-up."""
        if step < 0 or self.schedule == "constant":
            return self.lr
        if self.schedule == "step":
            return self.lr * 0.5 ** (step // self.lr_every)
        return self.lr_end + (self.lr - self.lr_end) * 0.5 * (
            1 + math.cos(math.pi * min(step, self.steps) / self.steps)
        )

    def active_levels(self, step: int, levels: int) -> int:
        """Levels whose gradients are kept in a step, counted from 0 after the warm-up."""
        if step < 0:
            return levels
        return min((n for until, n in sorted(self.curriculum) if step < until), default=levels)


class _Run:
    """One run of a first-order method: what the host does between steps."""

    def __init__(self, options: FirstOrder, task: Task) -> None:
        self.options, self.task, self.problem, self.monitor = options, task, task.problem, task.monitor
        self.objective = Objective(task, options, task.dtype or torch.float32, levels=8, together=True)
        self.device = task.device
        generator = torch.Generator(self.device).manual_seed(task.seed)
        if options.normalize:
            other = torch.Generator(self.device).manual_seed(task.seed + 1)
            self.objective.normalize(self.objective.groups[0].random(options.points, other))
        self.step = -options.warmup
        self.tensors = {k: v.requires_grad_() for k, v in self.objective.tensors().items()}
        self.average = {k: v.detach().clone() for k, v in self.tensors.items()} if options.ema else {}
        bounds = {PREFIX + p.name: p.bounds for p in self.problem.parameters}
        updates = options.updates(Trained(self.tensors, self.average, bounds))
        self.training = TrainingStep(self.objective, options, generator, self.tensors, updates)
        self.reach, self.recorded = 0, 0
        if task.saved is not None:
            self._restore(task.saved)
        for v in self.tensors.values():
            task.ranks.spread(v.data)
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
        found: dict[str, Any] = {
            "step": self.step,
            "reach": self.reach,
            "weights": training.weights,
            "scales": self.objective.scales,
            "choice": saved_choice(self.objective.choice),
            "generator": training.generator.get_state(),
            "tensors": self.tensors,
            "average": self.average,
            "updates": [u.state(moments, f"update{i}") for i, u in enumerate(training.updates)],
            "moments": moments,
        }
        if training.pool is not None:
            found |= {"pool": training.pool.x, "cumulative": training.pool.cumulative}
        return found

    def _restore(self, saved: dict[str, Any]) -> None:
        self.step, self.reach = int(saved["step"]), int(saved["reach"])
        self.training.weights = saved["weights"]
        self.objective.scales = dict(saved["scales"])
        self.training.generator.set_state(saved["generator"])
        for group, target in (("tensors", self.tensors), ("average", self.average)):
            for k, v in target.items():
                v.data.copy_(saved[group][k])
        for u, inner in zip(self.training.updates, saved["updates"], strict=True):
            u.restore(inner, saved.get("moments", {}))
        if "pool" in saved:
            self.training.pool = Pool(saved["pool"].to(self.device), saved["cumulative"].to(self.device))

    # -- training ---
    def outcome(self) -> Outcome:
        status, message = Status.COMPLETED, f"{self.options.steps} steps done"
        try:
            try:
                while self.step < self.options.steps:
                    self._train_step()
            except StopRun as stop:
                status, message = stop.status, stop.message
            except KeyboardInterrupt:
                status, message = Status.INTERRUPTED, f"interrupted from the keyboard at step {self.step}"
            self._check()
            if self.step > max(0, self.recorded):
                with contextlib.suppress(StopRun):
                    self._record()
        except DivergedError as error:
            error.outcome = self._outcome(Status.DIVERGED, str(error))  # type: ignore[attr-defined]
            raise
        self.good = self._snapshot()
        self.task.save(self._state, True)
        return self._outcome(status, message)

    def _outcome(self, status: Status, message: str) -> Outcome:
        field = self.objective.field_of(self.good).detached().rounded()
        stats = {"weights": self.training.weights} | self.clock.stats() | self.objective.stats()
        if self.device.type == "cuda":
            stats["cuda_graph"] = self.captured.recorded
        return Outcome(
            field, self.objective.parameter_values(self.good), status, self.objective.message(message), None, stats
        )

    def _variant(self) -> Variant:
        o, layout = self.options, self.objective.field.layout
        active = o.active_levels(self.step, layout.levels)
        live = layout.size if active >= layout.levels else layout.level_slices[active].start
        balance = o.balance_every > 0 and self.step >= 0 and self.step % o.balance_every == 0
        return Variant(live, max(self.reach, live), balance and bool(self.objective.conditions))

    def _train_step(self) -> None:
        o, reported = self.options, self.step % self.options.check_every == 0
        if reported and self.step > 0:
            self.good, self.candidate, self.candidate_step = self.candidate, self._snapshot(), self.step
        with uninterrupted():
            if o.adaptive is not None and self.step >= 0 and self.step % o.adaptive.every == 0:
                if self.training.pool is None:
                    self.captured.forget()  # from now on the points come from elsewhere
                self.training.renew_pool()
            variant = self._variant()
            if variant.live > self.reach > 0:
                self.captured.forget()  # a level came alive: the steps before will not come again
            self.reach = variant.reach
            self.training.prepare(self.step, self.step + o.warmup)
            self.captured(variant)
            self.step += 1
            self.clock.tick()
        if self.step == 1 - o.warmup:
            self._check()  # kernels are there now, and mistakes show at once
        if self.step > 0 and (self.step % o.check_every == 0 or self.step == o.steps):
            self._record()
        self.task.save(self._state, False)
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
        done = self.step / self.options.steps
        objective, training = self.objective, self.training
        losses = dict(zip(training.names, training.values.tolist(), strict=True))
        self.monitor.record(
            step=self.step,
            loss=float(training.total),
            terms=objective.rms(losses),
            level=self.options.active_levels(self.step, objective.field.layout.levels),
            unknowns=sum(v.numel() for v in self.tensors.values()),
            field=lambda: objective.field_of(self._snapshot()).rounded(),
            done=done,
            left=self.monitor.elapsed * (1 - done) / done if done > 0 else None,
            lr=self.options.rate(self.step),
            **{f"weight {k}": w for k, w in training.weights.items()},
        )
