"""Options of the training methods: what is checked when they are made, and the plans of rates and levels."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Self, TypeVar

from hermite_pinn.checks import Check, check_options, choice, either, flag, instance, integer, items, number
from hermite_pinn.errors import InvalidArgumentError

from .batches import RAD
from .defaults import Numbers, Plan, RoundPlan
from .updates import Trained, Update

__all__ = ["FirstOrderOptions", "QuasiNewtonOptions"]

SCHEDULES = ("cosine", "step", "constant")
DEFAULTS = ("device", "paper")
MOST_PROBES = 10_000
#: Steps remembered, and unknowns of a network up to which the full matrix is kept instead.
MEMORY, MOST_DENSE = 50, 3000

at_least_one = partial(integer, least=1)
positive = partial(number, above=0)
not_negative = partial(number, least=0)
adaptive = either(partial(instance, types=RAD, accepted="a hermite_pinn.RAD"), None)


T = TypeVar("T")


def _or(given: T | None, otherwise: T) -> T:
    return otherwise if given is None else given


def _curriculum(name: str, value: Any) -> tuple[tuple[int, int], ...]:
    """Pairs of a step and a number of levels."""
    accepted = "a sequence of pairs (step, number of levels)"
    pairs = [
        items(f"each pair of {name}", pair, "(step, number of levels)", least=2, most=2)
        for pair in items(name, value, accepted)
    ]
    return tuple(
        (integer(f"a step of {name}", step, least=0), integer(f"a number of levels of {name}", levels, least=1))
        for step, levels in pairs
    )


FIRST_ORDER: Mapping[str, Check] = MappingProxyType(
    {
        "steps": either(at_least_one, None),
        "lr": either(positive, None),
        "lr_end": either(not_negative, None),
        "schedule": partial(choice, options=SCHEDULES),
        "lr_every": at_least_one,
        "points": either(at_least_one, None),
        "face_points": either(at_least_one, None),
        "weight": not_negative,
        "weight_cap": not_negative,
        "balance_every": partial(integer, least=0),
        "shared_weight": flag,
        "curriculum": _curriculum,
        "ema": either(partial(number, least=0, below=1), None),
        "warmup": partial(integer, least=0),
        "normalize": flag,
        "hard": either(flag, None),
        "check_every": at_least_one,
        "adaptive": adaptive,
        "cuda_graph": flag,
        "march": either(partial(number, least=0, most=1), None),
        "defaults": partial(choice, options=DEFAULTS),
    }
)

QUASI_NEWTON: Mapping[str, Check] = MappingProxyType(
    {
        "steps": either(at_least_one, None),
        "points": either(at_least_one, None),
        "face_points": either(at_least_one, None),
        "rounds": either(at_least_one, None),
        "adaptive": adaptive,
        "weight": positive,
        "normalize": flag,
        "hard": either(flag, None),
        "memory": either(at_least_one, None),
        "search_steps": at_least_one,
        "gtol": not_negative,
        "ftol": not_negative,
        "probes": partial(integer, least=0, most=MOST_PROBES),
        "check_every": at_least_one,
    }
)


@dataclass(frozen=True)
class FirstOrderOptions(ABC):
    """Options of all first-order methods; :class:`hermite_pinn.Adam` explains them.

    ``points``, ``face_points``, ``normalize`` and ``adaptive`` are meant for losses that draw points in regions.
    """

    steps: int | None = None
    lr: float | None = None
    lr_end: float | None = None
    schedule: str = "cosine"
    lr_every: int = 15_000
    points: int | None = None
    face_points: int | None = None
    weight: float = 1.0
    weight_cap: float = 1e6
    balance_every: int = 100
    shared_weight: bool = False
    curriculum: tuple[tuple[int, int], ...] = ()
    ema: float | None = None
    warmup: int = 0
    normalize: bool = True
    hard: bool | None = None
    check_every: int = 100
    adaptive: RAD | None = None
    cuda_graph: bool = True
    march: float | None = None
    defaults: str = "device"

    def __post_init__(self) -> None:
        check_options(self, FIRST_ORDER)

    @abstractmethod
    def updates(self, trained: Trained) -> list[Update]:
        """Rules that move what is trained, each tensor in one."""

    def numbers(self, otherwise: Numbers | None = None) -> Plan:
        """The numbers that are given, and others where none are."""
        n = otherwise or Numbers()
        steps, lr = _or(self.steps, n.steps), _or(self.lr, n.lr)
        return Plan(
            steps,
            _or(self.points, n.points),
            _or(self.face_points, n.face_points),
            lr,
            _or(self.lr_end, n.decay * lr),
            _or(self.ema, n.ema(steps)),
            _or(self.march, n.march),
        )

    def completed(self, otherwise: Numbers | None = None) -> Self:
        """The same with all numbers."""
        return replace(self, **vars(self.numbers(otherwise)))

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0 after the warm-up."""
        n = self.numbers()
        if step < 0 or self.schedule == "constant":
            return n.lr
        if self.schedule == "step":
            return n.lr * 0.5 ** (step // self.lr_every)
        return n.lr_end + (n.lr - n.lr_end) * 0.5 * (1 + math.cos(math.pi * min(step, n.steps) / n.steps))

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

    steps: int | None = None
    points: int | None = None
    face_points: int | None = None
    rounds: int | None = None
    adaptive: RAD | None = None
    weight: float = 100.0
    normalize: bool = True
    hard: bool | None = None
    memory: int | None = None
    search_steps: int = 25
    gtol: float = 1e-8
    ftol: float = 1e-6
    probes: int = 16
    check_every: int = 10

    def __post_init__(self) -> None:
        check_options(self, QUASI_NEWTON)
        plan = self.plan()
        if plan.rounds > plan.steps:
            raise InvalidArgumentError(f"rounds={plan.rounds} exceeds steps={plan.steps}")
        if self.adaptive is not None and self.points is None:
            raise InvalidArgumentError("adaptive points need their number: LBFGS(points=10_000, adaptive=RAD())")

    def plan(self) -> RoundPlan:
        """Steps and rounds, as they are where nothing else is known."""
        return RoundPlan(_or(self.steps, RoundPlan.steps), _or(self.rounds, RoundPlan.rounds))

    def remembered(self, unknowns: int, network: bool) -> int | None:
        """Steps remembered for a number of unknowns, or None for a full matrix: that of a small network."""
        if self.memory is None and network and unknowns <= MOST_DENSE:
            return None
        return _or(self.memory, MEMORY)
