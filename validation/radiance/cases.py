"""What is fitted, for how long, and what should come of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hermite_pinn.workloads.radiance import Hermite, InstantNGP, Recipe, Scene, World

__all__ = ["CASES", "GROUPS", "SEEDS", "Case", "Goal", "fox", "scene_of", "world_of"]

SEEDS = (0, 1, 2)
#: CPU seconds of one thread: of the quality of a synthetic scene, of photographs, and of encoders against each other.
SYNTHETIC, PHOTOGRAPHS, CONTEST = 120.0, 300.0, 20.0
#: Steps of encoders against each other, where these and not seconds are the same.
STEPS = 400
#: Cells of the finest level of the linear encoder on this scene.
FINEST = 256


@dataclass(frozen=True)
class Goal:
    """A bound of a measure.

    Attributes
    ----------
    measure
        A key of :attr:`.Row.measured`.
    bound
        At least, or at most.
    most
        Whether less is better.
    """

    measure: str
    bound: float
    most: bool = False

    def reached(self, value: float) -> bool:
        """Whether a value keeps the bound."""
        return value <= self.bound if self.most else value >= self.bound

    def __str__(self) -> str:
        """For tables."""
        return f"{self.measure} {'≤' if self.most else '≥'} {self.bound:g}"


@dataclass(frozen=True)
class Case:
    """A recipe, fitted to a scene for some time from a seed.

    Attributes
    ----------
    group
        What is compared with each other, a key of :data:`GROUPS`.
    title
        For tables.
    scene
        ``"synthetic"`` or ``"fox"``.
    recipe
        What is trained.
    seconds
        CPU seconds of training on one thread; steps are chosen so.
    seed
        Of everything random.
    goals
        For the median over seeds.
    steps
        In place of the seconds.
    """

    group: str
    title: str
    scene: str
    recipe: Recipe
    seconds: float
    seed: int
    goals: tuple[Goal, ...] = ()
    steps: int | None = None

    @property
    def name(self) -> str:
        """For files and the option ``--only``."""
        words = self.title.lower().replace(",", "").replace("²", "2").split()
        return "-".join([self.group, *(words if self.group == "encoders" else []), str(self.seed)])


#: What the groups show.
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "synthetic": "100 x 100, 40 views to fit and 8 held out, Instant-NGP",
        "fox": "photographs of a fox, 135 x 240, 43 views to fit and 7 held out, Instant-NGP",
        "encoders": "the synthetic scene: cubic Hermite against linear interpolation",
    }
)


def fox() -> Path | None:
    """The folder of the photographs of instant-ngp's fox, if there is one in ``HERMITE_PINN_SHARED``."""
    shared = os.environ.get("HERMITE_PINN_SHARED")
    place = None if shared is None else Path(shared) / "data/fox"
    return place if place is not None and (place / "transforms.json").is_file() else None


def scene_of(name: str) -> Scene | None:
    """A scene; None if its files are not there."""
    if name == "synthetic":
        return Scene.render_synthetic(100, train=40, test=8)
    place = fox()
    return None if place is None else Scene.load(place, 2)


def world_of(name: str) -> World | None:
    """What a scene shows, as far as that is known."""
    return World.standard() if name == "synthetic" else None


def _contest(seed: int) -> list[Case]:
    linear, cubic, steps = InstantNGP(), Hermite(), STEPS
    return [
        Case("encoders", "linear", "synthetic", linear, CONTEST, seed),
        Case("encoders", "Hermite, equal seconds", "synthetic", cubic, CONTEST, seed),
        Case("encoders", "Hermite, as fine", "synthetic", Hermite(finest=FINEST), CONTEST, seed),
        Case("encoders", f"linear, {steps} steps", "synthetic", linear, 0.0, seed, steps=steps),
        Case("encoders", f"Hermite, {steps} steps", "synthetic", cubic, 0.0, seed, steps=steps),
    ]


def _cases() -> list[Case]:
    quality = (Goal("psnr", 31.0), Goal("fewer_samples", 10.0))
    found = [Case("synthetic", "Instant-NGP", "synthetic", InstantNGP(), SYNTHETIC, seed, quality) for seed in SEEDS]
    sharp = (Goal("psnr", 28.5), Goal("render_seconds", 1.0, most=True))
    found.append(Case("fox", "Instant-NGP", "fox", InstantNGP(), PHOTOGRAPHS, 0, sharp))
    return found + [case for seed in SEEDS for case in _contest(seed)]


#: All cases by name.
CASES: Mapping[str, Case] = MappingProxyType({case.name: case for case in _cases()})
