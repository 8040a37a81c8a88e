"""How a model is learned by a field on an octree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hermite_pinn.checks import check_options, choice, either, flag, integer, items, number
from hermite_pinn.cuda.encoder.basis import KERNEL_BASES

from .learning import Course
from .octree_field import Decoder
from .teacher import Teacher

__all__ = ["OctreeOptions"]

STARTS = ("kmeans", "random")


def _pair(name: str, value: Any) -> tuple[float, float]:
    first, last = items(name, value, "two positive numbers: at the beginning and at the end", least=2, most=2)
    return number(name, first, above=0), number(name, last, above=0)


def _cells(name: str, value: Any, **words: Any) -> tuple[int, ...]:
    several = items(name, value, "cells of the coarsest level, one number per axis", least=1, most=4, **words)
    return tuple(integer(f"each number of {name}", n, least=1, most=1 << 16) for n in several)


@dataclass(frozen=True)
class OctreeOptions:
    """How a model is learned by a field on an octree.

    Attributes
    ----------
    levels, coarsest
        Levels of detail, and cells per axis of the coarsest; of what is None, what suits the model.
    features, width, depth, basis
        Features of a corner, the network that reads their sum, and the basis of the levels.  Radiance fields have
        networks of their own, of the same width, and multilinear levels.
    steps, code_steps, points
        Training steps of the uncompressed field, those with codes after it, by default a quarter, and points of each.
    temperature
        Of the softmax that gradients go through, at the beginning and at the end.
    revive
        Steps after which entries that no corner reads get some; 0: never.
    random_levels
        Whether steps leave out finer levels at random, so that every level of detail is trained.
    start
        ``"kmeans"``: codes begin as the clusters of the uncompressed field; ``"random"``: with random numbers.
    seed
        Of everything random.
    """

    levels: int = 4
    coarsest: tuple[int, ...] | None = None
    features: int | None = None
    width: int = 64
    depth: int = 1
    basis: str = "linear"
    steps: int = 1000
    code_steps: int | None = None
    points: int | None = None
    temperature: tuple[float, float] = (1.0, 1.0)
    revive: int = 100
    random_levels: bool = False
    start: str = "kmeans"
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(
            self,
            {
                "levels": partial(integer, least=1, most=16),
                "coarsest": either(_cells, None),
                "features": either(partial(integer, least=1, most=256), None),
                "width": partial(integer, least=1, most=4096),
                "depth": partial(integer, least=1, most=64),
                "basis": partial(choice, options=[n for n, b in KERNEL_BASES.items() if b.weights != "window"]),
                "steps": partial(integer, least=1, most=10**6),
                "code_steps": either(partial(integer, least=0, most=10**6), None),
                "points": either(partial(integer, least=16, most=1 << 22), None),
                "temperature": _pair,
                "revive": partial(integer, least=0),
                "random_levels": flag,
                "start": partial(choice, options=STARTS),
                "seed": partial(integer, least=0, most=2**62),
            },
        )

    def settled(self, teacher: Teacher) -> OctreeOptions:
        """With what suits a teacher in place of what was left open."""
        return replace(
            self,
            coarsest=self.coarsest or teacher.coarsest,
            features=self.features or teacher.features,
            points=self.points or teacher.points,
        )

    @property
    def decoder(self) -> Decoder:
        """What reads the features, once they are settled."""
        return Decoder(self.features or 0, self.width, self.depth, basis=self.basis)

    @property
    def course(self) -> Course:
        """How it is trained."""
        return Course(self.steps, self.points or 0, 5e-3, 1e-2, random_levels=self.random_levels)

    @property
    def code_course(self) -> Course:
        """How codes are trained, from clusters with lower rates."""
        rates = {"rate": 5e-4, "table_rate": 1e-3} if self.start == "kmeans" else {"rate": 5e-3, "table_rate": 1e-2}
        steps = -(-self.steps // 4) if self.code_steps is None else self.code_steps
        return replace(self.course, steps=steps, **rates, temperature=self.temperature, revive=self.revive)  # type: ignore[arg-type]
