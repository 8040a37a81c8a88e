"""Options of the training methods: what is checked when they are made, and the plans of rates and levels."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from hermite_pinn.errors import InvalidArgumentError

from .batches import RAD
from .updates import Trained, Update

__all__ = ["FirstOrderOptions", "QuasiNewtonOptions"]

SCHEDULES = ("cosine", "step", "constant")


@dataclass(frozen=True)
class FirstOrderOptions(ABC):
    """Options of all first-order methods; :class:`hermite_pinn.Adam` explains them.

    ``points``, ``face_points``, ``normalize`` and ``adaptive`` are meant for losses that draw points in regions.
    """

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
        _check_adaptive(self.adaptive)

    @abstractmethod
    def updates(self, trained: Trained) -> list[Update]:
        """Rules that move what is trained, each tensor in one."""

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
        """Levels whose gradients are kept in a step, counted from 0 after the warm-up; of ``levels`` at most all."""
        if step < 0:
            return levels
        return min((n for until, n in sorted(self.curriculum) if step < until), default=levels)


@dataclass(frozen=True)
class QuasiNewtonOptions:
    """Options of quasi-Newton methods; :class:`hermite_pinn.LBFGS` explains them.

    ``points``, ``face_points``, ``normalize`` and ``adaptive`` are meant for losses that draw points in regions.
    """

    steps: int = 2000
    points: int | None = None
    face_points: int | None = None
    rounds: int = 1
    adaptive: RAD | None = None
    weight: float = 100.0
    normalize: bool = True
    memory: int = 50
    search_steps: int = 25
    gtol: float = 1e-8
    ftol: float = 1e-6
    probes: int = 16
    check_every: int = 10

    def __post_init__(self) -> None:
        for option in ("steps", "rounds", "memory", "search_steps", "check_every"):
            if getattr(self, option) < 1:
                raise InvalidArgumentError(f"{option} must be at least 1, got {getattr(self, option)}")
        for option in ("points", "face_points"):
            if getattr(self, option) is not None and getattr(self, option) < 1:
                raise InvalidArgumentError(f"{option} must be at least 1 or None, got {getattr(self, option)}")
        if self.rounds > self.steps:
            raise InvalidArgumentError(f"rounds={self.rounds} exceeds steps={self.steps}")
        if not (self.gtol >= 0 and self.ftol >= 0 and self.weight > 0 and self.probes >= 0):
            raise InvalidArgumentError(
                f"gtol, ftol and probes must not be negative and weight must be positive, got gtol={self.gtol}, "
                f"ftol={self.ftol}, probes={self.probes}, weight={self.weight}"
            )
        _check_adaptive(self.adaptive)
        if self.adaptive is not None and self.points is None:
            raise InvalidArgumentError("adaptive points need their number: LBFGS(points=10_000, adaptive=RAD())")


def _check_adaptive(adaptive: object) -> None:
    if adaptive is not None and not isinstance(adaptive, RAD):
        raise InvalidArgumentError(f"adaptive takes a hermite_pinn.RAD or None, got {adaptive!r}")
