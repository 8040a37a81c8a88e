"""What is trained: a Zip-NeRF, the same without anti-aliasing, and its variants."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import Antialiasing, ProposalGuard, Scene, ZipLosses, ZipNeRF

__all__ = ["CASES", "PLAIN", "SCALES", "SEEDS", "VARIANTS", "ZIP", "Case", "scene_of"]

#: Pixels of a picture in training along one of a test.
SCALES = (1, 2, 4, 8)
SEEDS = (0, 1, 2)
#: CPU seconds of one thread: those of 240 s on two cores, and of a quick comparison of the variants.
LONG, SHORT = 310.0, 60.0
ZIP, PLAIN = "zip", "plain"

RECIPE = ZipNeRF()
VARIANTS: Mapping[str, tuple[str, ZipNeRF]] = MappingProxyType(
    {
        ZIP: ("Zip-NeRF", RECIPE),
        PLAIN: ("the same without anti-aliasing", dataclasses.replace(RECIPE, antialiasing=Antialiasing.off())),
        "weights": (
            "one point per slice, levels weighted",
            dataclasses.replace(RECIPE, antialiasing=Antialiasing(1, "erf")),
        ),
        "gaussian": (
            "one point per slice, exp(-½ N² tr Σ)",
            dataclasses.replace(RECIPE, antialiasing=Antialiasing(1, "gaussian")),
        ),
        "points": ("six points, levels in full", dataclasses.replace(RECIPE, antialiasing=Antialiasing(6, "none"))),
        "four": ("four points", dataclasses.replace(RECIPE, antialiasing=Antialiasing(4, "erf"))),
        "scale": ("with scale features", dataclasses.replace(RECIPE, antialiasing=Antialiasing(6, "erf", True))),
        "distillation": (
            "proposals distilled",
            dataclasses.replace(RECIPE, losses=ZipLosses(interlevel_kind="distillation")),
        ),
        "similarity": (
            "proposals by similarity",
            dataclasses.replace(RECIPE, losses=ZipLosses(interlevel_kind="similarity")),
        ),
        "guard": ("with a guard", dataclasses.replace(RECIPE, guard=ProposalGuard())),
        "progressive": ("levels one after the other", dataclasses.replace(RECIPE, progressive=0.5)),
        "no-decay": ("without decay", dataclasses.replace(RECIPE, losses=ZipLosses(decay=0.0))),
        "no-distortion": ("without distortion loss", dataclasses.replace(RECIPE, losses=ZipLosses(distortion=0.0))),
    }
)


@dataclass(frozen=True)
class Case:
    """A recipe, trained for some time from a seed.

    Attributes
    ----------
    variant
        A key of :data:`VARIANTS`.
    seconds
        CPU seconds of training on one thread.
    seed
        Of everything random.
    """

    variant: str
    seconds: float
    seed: int

    @property
    def name(self) -> str:
        """For files and the option ``--only``."""
        return f"{self.variant}-{self.seconds:g}s-{self.seed}"

    @property
    def recipe(self) -> ZipNeRF:
        """What is trained."""
        return VARIANTS[self.variant][1]

    @property
    def title(self) -> str:
        """For tables."""
        return VARIANTS[self.variant][0]


def scene_of(size: int = 100) -> Scene:
    """The scene: 40 views to fit, and 8 that are held out."""
    return hp.radiance.Scene.render_synthetic(size, train=40, test=8)


def _cases() -> list[Case]:
    long = [Case(variant, LONG, seed) for seed in SEEDS for variant in (ZIP, PLAIN)]
    return long + [Case(variant, SHORT, seed) for variant in VARIANTS for seed in SEEDS]


#: All cases by name.
CASES: Mapping[str, Case] = MappingProxyType({case.name: case for case in _cases()})
