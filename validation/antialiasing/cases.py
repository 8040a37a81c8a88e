"""What is trained: a Zip-NeRF, the same without anti-aliasing, its variants, and both with averages of blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import Antialiasing, GridLevels, ProposalGuard, Scene, ZipLosses, ZipNeRF

__all__ = ["BLOCKS", "CASES", "CONES", "PLAIN", "SCALES", "SEEDS", "VARIANTS", "ZIP", "Case", "scene_of"]

#: Pixels of a picture in training along one of a test.
SCALES = (1, 2, 4, 8)
SEEDS = (0, 1, 2)
#: Cones into which pixels are split for comparison.
CONES = 6
#: CPU seconds of one thread: those of 240 s on two cores, and of a quick comparison of the variants.
LONG, SHORT = 310.0, 60.0
ZIP, PLAIN = "zip", "plain"
#: The variants that learn averages of blocks of the training pictures as well.
BLOCKS = ("scales", "plain-scales")

RECIPE = ZipNeRF()
#: Cells across the scene's box that are as wide as its pixels; see :func:`hermite_pinn.radiance.fitted_levels`.
FITTED = 89


def _with(**options: Any) -> ZipNeRF:
    return dataclasses.replace(RECIPE, **options)


VARIANTS: Mapping[str, tuple[str, ZipNeRF]] = MappingProxyType(
    {
        ZIP: ("Zip-NeRF, one point per slice", RECIPE),
        PLAIN: ("the same without anti-aliasing", _with(antialiasing=Antialiasing.off())),
        "six": ("six points per slice", _with(antialiasing=Antialiasing(6))),
        "four": ("four points per slice", _with(antialiasing=Antialiasing(4))),
        "points": ("six points, levels in full", _with(antialiasing=Antialiasing(6, "none"))),
        "gaussian": ("weights exp(-½ N² tr Σ)", _with(antialiasing=Antialiasing(weights="gaussian"))),
        "scale": ("with scale features", _with(antialiasing=Antialiasing(scale_features=True))),
        "distillation": ("proposals distilled", _with(losses=ZipLosses(interlevel_kind="distillation"))),
        "similarity": ("proposals by similarity", _with(losses=ZipLosses(interlevel_kind="similarity"))),
        "guard": ("with a guard of the proposals", _with(guard=ProposalGuard())),
        "progressive": ("levels one after the other", _with(progressive=0.5)),
        "fitted": ("finest cells as wide as pixels", _with(levels=GridLevels(finest=FITTED))),
        "no-decay": ("without decay", _with(losses=ZipLosses(decay=0.0))),
        "no-distortion": ("without distortion loss", _with(losses=ZipLosses(distortion=0.0))),
        "scales": ("with averages of blocks, and scale features", _with(scales=SCALES, antialiasing=Antialiasing(scale_features=True))),
        "plain-scales": ("averages of blocks without anti-aliasing", _with(scales=SCALES, antialiasing=Antialiasing.off())),
    }
)  # fmt: skip


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
    long = [Case(variant, LONG, seed) for seed in SEEDS for variant in (ZIP, PLAIN, *BLOCKS)]
    return long + [Case(variant, SHORT, seed) for variant in VARIANTS for seed in SEEDS]


#: All cases by name.
CASES: Mapping[str, Case] = MappingProxyType({case.name: case for case in _cases()})
