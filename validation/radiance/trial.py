"""Options of a recipe, compared by views that were kept back from the *training* views, or on other worlds.

    python -m hermite_pinn.validation.radiance.trial --scene fox --seconds 60 "" "rate=0.01" "rate=0.01 cone=0.01"
    python -m hermite_pinn.validation.radiance.trial --scene 1 --seconds 30 "" "recipe=hermite coarsest=8"

A candidate is a list of options that differ from the recipe's own.  All are trained for the same CPU seconds of one
thread, along which rates fall.  Of photographs the views that are held out are never looked at, and a synthetic scene
is a random world and not that of the suite.
"""

from __future__ import annotations

import argparse
import ast
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.output import make_folder
from hermite_pinn.run.history import History
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.status import Status
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.workloads.radiance import Radiance, Recipe, Scene, Views, World
from hermite_pinn.workloads.radiance.course import Course, Length
from hermite_pinn.workloads.radiance.evaluation import mean_measures, rendered
from hermite_pinn.workloads.radiance.metrics import psnr
from hermite_pinn.workloads.radiance.posing import Posing
from hermite_pinn.workloads.radiance.recipes import RECIPES
from hermite_pinn.workloads.radiance.sheets import Shown, draw_views

from .cases import scene_of
from .normals import normal_errors

__all__ = ["Trial", "candidate", "kept_back", "main", "tried"]

#: Of the training views of photographs every so-many-th is kept back, from this one on; pixels and views of a world.
EVERY, FIRST = 6, 3
PIXELS, TRAIN, BACK = 100, 40, 8
#: Training views that are looked at, and views of the picture.
LOOKED, SHEET = 6, 4
#: CPU seconds between two lines of a run.
TOLD = 30.0


@dataclass(frozen=True)
class Trial:
    """What came of a candidate.

    Attributes
    ----------
    psnr, ssim
        Of the views that were kept back.
    exposed
        PSNR of these after the best factor of each colour, in dB: what differences of exposure cost at most.
    train
        PSNR of some that were fitted, in dB.
    steps
        That the time was enough for.
    rays, samples
        Of a step at the end.
    render
        CPU seconds of a view.
    normals
        Median angle to the true normals in degrees; NaN where these are not known.
    """

    psnr: float
    ssim: float
    exposed: float
    train: float
    steps: int
    rays: int
    samples: int
    render: float
    normals: float

    def __str__(self) -> str:
        return (
            f"{self.psnr:6.2f} dB  SSIM {self.ssim:.4f}  exposed {self.exposed:.2f} dB  fitted {self.train:6.2f} dB  {self.steps:6d} steps  "
            f"{self.rays:5d} rays  {self.samples:6d} samples  view {self.render:.2f} s  "
            f"normals {self.normals:.1f} degrees"
        )


class ToldCourse(Course):
    """A course that tells how it goes on."""

    def train(self, label: str) -> None:
        """All steps of the given seconds."""
        self.clock.start()
        told = 0.0
        while self.progress < 1.0:
            self._step()
            if self.clock.spent - told > TOLD:
                told = self.clock.spent
                say(f"  {label}: {told:.0f} s, {self.step} steps, loss {sum(self.losses.values()):.5f}")


def say(line: str) -> None:
    """A line for the terminal, now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def kept_back(name: str) -> Scene:
    """A scene without its held-out views, some of whose training views are for comparisons.

    Parameters
    ----------
    name
        ``"fox"``, or the number of a random world.

    Raises
    ------
    FileNotFoundError
        If there are no photographs.
    """
    if name != "fox":
        seed = int(name)
        return Scene.render_synthetic(PIXELS, train=TRAIN, test=BACK, world=World.random(seed), seed=seed)
    scene = scene_of(name)
    if scene is None:
        raise FileNotFoundError("the photographs are not there: set HERMITE_PINN_SHARED")
    fitted = [k for k, split in enumerate(scene.splits) if split == "train"]
    splits = ["test" if k % EVERY == FIRST else "train" for k in range(len(fitted))]
    return replace(scene, views=scene.views.take(fitted), splits=tuple(splits))


def candidate(words: str) -> Recipe:
    """A recipe with other options; Instant-NGP unless it is named.

    Examples
    --------
    >>> candidate("rate=0.005 background=random").rate, candidate("recipe=hermite coarsest=8").coarsest
    (0.005, 8)
    """
    options = {"recipe": "instant_ngp"}
    for word in words.split():
        name, _, value = word.partition("=")
        try:
            options[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[name] = value
    return replace(RECIPES[options.pop("recipe")](), **options)  # type: ignore[type-var]


def tried(
    scene: Scene,
    recipe: Recipe,
    seconds: float,
    seed: int = 0,
    world: World | None = None,
    picture: Path | None = None,
    label: str = "",
) -> Trial:
    """Train for CPU seconds, and look at the views of the split ``"test"``.

    Parameters
    ----------
    scene
        As of :func:`kept_back`.
    recipe
        The candidate.
    seconds
        Of one thread.
    seed
        Of everything random.
    world
        What the scene shows, if that is known.
    picture
        A PNG to draw views in.
    label
        For lines of the terminal.
    """
    with one_thread():
        generator, device = torch.Generator().manual_seed(seed), torch.device("cpu")
        model = recipe.build(scene, generator, torch.float32, device)
        length = Length(None, seconds)
        course = ToldCourse(
            model, Posing(), scene.train, None, length, model.rate_end, generator, Monitor(clock=time.process_time)
        )
        course.train(label)
        field = Radiance(model, scene.train.cameras, Status.COMPLETED, "", History(), {}, {})
        began = time.process_time()
        seen = [rendered(field, view) for view in scene.test]
        render = (time.process_time() - began) / max(1, len(scene.test))
        measures = mean_measures([one.measures for one in seen])
        exposed = sum(psnr(_exposed(one.image, one.true), one.true) for one in seen) / max(1, len(seen))
        angles = normal_errors(field, scene.test, world) if world is not None else np.empty(0)
        angle = float(np.median(angles)) if angles.size else math.nan
        train: Views = scene.train.take(range(0, len(scene.train), max(1, len(scene.train) // LOOKED)))
        fitted = mean_measures([rendered(field, view).measures for view in train])["psnr"]
        if picture is not None:
            shown = []
            for view in [*scene.test][:SHEET] + [*train][:2]:
                one = rendered(field, view, normals=True)
                shown.append(Shown(view.name, one.true, one.image, one.depth, one.normals))
            draw_views(picture, shown)
    return Trial(
        measures["psnr"], measures["ssim"], exposed, fitted, course.step, model.rays, model.count, render, angle
    )


def _exposed(found: Tensor, true: Tensor) -> Tensor:
    """A picture (h, w, 3) with the factor of each colour that brings it nearest to another one."""
    return (found * ((found * true).sum((0, 1)) / found.square().sum((0, 1)).clamp_min(1e-12))).clamp(0, 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", nargs="+", help='options of the recipe, such as "rate=0.01 cells=128"; "": none')
    parser.add_argument("--scene", default="fox", help='"fox", or the number of a random world')
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, help="a folder for pictures")
    options = parser.parse_args(arguments)
    scene, world = kept_back(options.scene), None if options.scene == "fox" else World.random(int(options.scene))
    if options.out is not None:
        make_folder(options.out)
    for number, words in enumerate(options.candidates):
        recipe = candidate(words)
        for seed in options.seeds:
            picture = None if options.out is None else options.out / f"trial-{options.scene}-{number}-{seed}.png"
            label = f"{options.scene} [{words}] seed {seed}"
            found = tried(scene, recipe, options.seconds, seed, world, picture, label)
            say(f"{label} {options.seconds:g} s: {found}")


if __name__ == "__main__":
    main()
