"""Training by steps along stochastic gradients: what the first-order methods share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hermite_pinn.cuda.ordering import PAYS
from hermite_pinn.errors import DivergedError, InvalidArgumentError
from hermite_pinn.field import Field
from hermite_pinn.monitor import StopRun
from hermite_pinn.problem import Problem
from hermite_pinn.status import Status

from .base import Method, Outcome, Task
from .interrupt import uninterrupted
from .objective import PREFIX, Objective, StepClock
from .packing import packed, unpacked
from .points import RAD, Batch, Pool

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
    def optimizers(self, tensors: Mapping[str, torch.Tensor]) -> list[torch.optim.Optimizer]:
        """Optimisers of the tensors, each tensor in one; their learning rates are those of the first step."""

    def default_field(self, problem: Problem) -> Field:
        """The paper's field: two features, tables of 2**14 slots, SIREN with two layers of 128 units and omega 0.5."""
        return Field(
            head="siren", features=max(2, len(problem.fields)), table_size=2**14, width=128, depth=2, omega=0.5
        )

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
    """One run of a first-order method."""

    def __init__(self, options: FirstOrder, task: Task) -> None:
        self.options, self.task, self.problem, self.monitor = options, task, task.problem, task.monitor
        self.objective = Objective(task, options, task.dtype or torch.float32, levels=8)
        self.device = task.device
        self.generator = torch.Generator(self.device).manual_seed(task.seed)
        if options.normalize:
            other = torch.Generator(self.device).manual_seed(task.seed + 1)
            self.objective.normalize(self.objective.groups[0].random(options.points, other))
        self.weights = dict.fromkeys(self.objective.conditions, options.weight)
        self.step = -options.warmup
        self.tensors = {k: v.requires_grad_() for k, v in self.objective.tensors().items()}
        self.average = {k: v.detach().clone() for k, v in self.tensors.items()}
        self.optimizers = options.optimizers(self.tensors)
        self.factors = [[group["lr"] / options.lr for group in o.param_groups] for o in self.optimizers]
        self.pool: Pool | None = None
        table = self.tensors["table"]
        self.sorts = table.numel() * table.element_size() >= PAYS
        if task.saved is not None:
            self._restore(task.saved)
        self.good = self._snapshot()
        self.clock = StepClock()

    # -- state ---
    def _snapshot(self) -> dict[str, torch.Tensor]:
        source = self.average if self.options.ema else self.tensors
        return {k: v.detach().clone() for k, v in source.items()}

    def _state(self) -> dict[str, Any]:
        moments: dict[str, torch.Tensor] = {}
        states = [o.state_dict() for o in self.optimizers]
        inner = [{"state": s["state"], "step": [group.get("step", 0) for group in s["param_groups"]]} for s in states]
        found: dict[str, Any] = {
            "step": self.step,
            "weights": self.weights,
            "scales": self.objective.scales,
            "generator": self.generator.get_state(),
            "tensors": self.tensors,
            "average": self.average,
            "optimizers": packed(inner, "optimizer", moments),
            "moments": moments,
        }
        if self.pool is not None:
            found |= {"pool": self.pool.x, "cumulative": self.pool.cumulative}
        return found

    def _restore(self, saved: dict[str, Any]) -> None:
        self.step = int(saved["step"])
        self.weights = dict(saved["weights"])
        self.objective.scales = dict(saved["scales"])
        self.generator.set_state(saved["generator"])
        for group, target in (("tensors", self.tensors), ("average", self.average)):
            for k, v in target.items():
                v.data.copy_(saved[group][k])
        for o, inner in zip(self.optimizers, unpacked(saved["optimizers"], saved.get("moments", {})), strict=True):
            state = o.state_dict() | {"state": inner["state"]}
            for group, step in zip(state["param_groups"], inner["step"], strict=True):
                group["step"] = step
            o.load_state_dict(state)
        if "pool" in saved:
            self.pool = Pool(saved["pool"].to(self.device), saved["cumulative"].to(self.device))

    # -- training ---
    def outcome(self) -> Outcome:
        status, message = Status.COMPLETED, f"{self.options.steps} steps done"
        try:
            while self.step < self.options.steps:
                self._train_step()
        except StopRun as stop:
            status, message = stop.status, stop.message
        except KeyboardInterrupt:
            status, message = Status.INTERRUPTED, f"interrupted from the keyboard at step {self.step}"
        except DivergedError as error:
            error.outcome = self._outcome(Status.DIVERGED, str(error))  # type: ignore[attr-defined]
            raise
        self.good = self._snapshot()
        self.task.save(self._state, True)
        return self._outcome(status, message)

    def _outcome(self, status: Status, message: str) -> Outcome:
        field = self.objective.field_of(self.good).detached().rounded()
        stats = {"weights": self.weights} | self.clock.stats()
        return Outcome(field, self.objective.parameter_values(self.good), status, message, None, stats)

    def _batches(self) -> list[Batch]:
        o = self.options
        found = []
        for group in self.objective.groups:
            if group.interior and self.pool is not None:
                found.append(Batch(self.pool.draw(o.points, self.generator)))
            else:
                found.append(group.random(o.points if group.interior else o.face_points, self.generator))
        if not self.sorts:
            return found
        pairs = zip(self.objective.groups, found, strict=True)
        return [b if group.measured is not None else b.sorted(self.problem.domain) for group, b in pairs]

    def _renew_pool(self) -> None:
        rad = self.options.adaptive
        if rad is not None and self.step >= 0 and self.step % rad.every == 0:
            x = self.objective.groups[0].random(rad.pool_size(self.options.points), self.generator).x
            sizes = self.objective.residual_sizes(self.tensors, x)
            self.pool = Pool.weighted(x, rad.probabilities(sizes))

    def _train_step(self) -> None:
        o = self.options
        with uninterrupted():
            self._renew_pool()
            losses = self.objective.losses(self.tensors, self._batches())
            interior = [k for k in losses if k not in self.weights]
            if o.balance_every and self.weights and self.step >= 0 and self.step % o.balance_every == 0:
                self._balance(losses, interior)
            total = torch.stack([v * self.weights.get(k, 1.0) for k, v in losses.items()]).sum()
            self._check(losses, total)
            self._update(total)
            self.step += 1
            self.clock.tick()
        if self.step > 0 and (self.step % o.check_every == 0 or self.step == o.steps):
            self._record(losses, total)
        self.task.save(self._state, False)
        self.monitor.check_time()

    def _update(self, total: torch.Tensor) -> None:
        o = self.options
        for v in self.tensors.values():
            v.grad = None
        total.backward()  # type: ignore[no-untyped-call]
        self._mask()
        rate = o.rate(self.step)
        for optimizer, factors in zip(self.optimizers, self.factors, strict=True):
            for group, factor in zip(optimizer.param_groups, factors, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
        with torch.no_grad():
            for p in self.problem.parameters:
                self.tensors[PREFIX + p.name].clamp_(*p.bounds)
            if o.ema:
                for k, v in self.average.items():
                    v.lerp_(self.tensors[k], 1.0 - o.ema)

    def _mask(self) -> None:
        layout = self.objective.field.layout
        active = self.options.active_levels(self.step, layout.levels)
        grad = self.tensors["table"].grad
        if active < layout.levels and grad is not None:
            grad[layout.level_slices[active].start :] = 0

    def _balance(self, losses: Mapping[str, torch.Tensor], interior: Sequence[str]) -> None:
        inside = self._gradient_norm(torch.stack([losses[k] for k in interior]).sum())
        groups = [list(self.weights)] if self.options.shared_weight else [[k] for k in self.weights]
        for names in groups:
            outside = self._gradient_norm(torch.stack([losses[k] for k in names]).sum())
            if inside > 0 and outside > 0 and math.isfinite(inside / outside):
                for k in names:
                    self.weights[k] = min(
                        max(0.9 * self.weights[k] + 0.1 * inside / outside, 1.0), self.options.weight_cap
                    )

    def _gradient_norm(self, loss: torch.Tensor) -> float:
        found = torch.autograd.grad(loss, list(self.tensors.values()), retain_graph=True, allow_unused=True)
        return math.sqrt(sum(float(g.double().square().sum()) for g in found if g is not None))

    def _check(self, losses: Mapping[str, torch.Tensor], total: torch.Tensor) -> None:
        if self.device.type == "cpu" or self.step % self.options.check_every == 0:
            if not torch.isfinite(total):
                bad = next((k for k, v in losses.items() if not torch.isfinite(v)), "the weighted sum")
                raise DivergedError(
                    f"the loss of {bad!r} is not finite at step {self.step + 1}; the state of the last check is kept. "
                    "Look for divisions by zero, roots or logarithms of negative numbers in the residual, or lower the "
                    "learning rate"
                )
            if self.step > 0 and self.step % self.options.check_every == 0:
                self.good = self._snapshot()

    def _record(self, losses: Mapping[str, torch.Tensor], total: torch.Tensor) -> None:
        done = self.step / self.options.steps
        objective = self.objective
        self.monitor.record(
            step=self.step,
            loss=float(total.detach()),
            terms=objective.rms({k: float(v.detach()) for k, v in losses.items()}),
            level=self.options.active_levels(self.step, objective.field.layout.levels),
            unknowns=sum(v.numel() for v in self.tensors.values()),
            field=lambda: objective.field_of(self._snapshot()).rounded(),
            done=done,
            left=self.monitor.elapsed * (1 - done) / done if done > 0 else None,
            lr=self.options.rate(self.step),
            **{f"weight {k}": w for k, w in self.weights.items()},
        )
