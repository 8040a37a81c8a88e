"""Radiance fields of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from hermite_pinn.checks import instance, integer
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.run.arguments import checked_seed, limit
from hermite_pinn.run.callbacks import Callback
from hermite_pinn.run.checkpoint import Checkpoint
from hermite_pinn.run.device import choose_device
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.identity import identity_of, plain
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.progress import ProgressMeter
from hermite_pinn.run.stats import Done
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Frame, Save, Workload
from hermite_pinn.torch_state import isolated

from .camera import Cameras
from .course import Course, Length, decibels
from .digest import described_scene
from .model import Recipe
from .pixels import lattice
from .pose_refinement import started
from .posing import Posing
from .recipes import chosen_recipe, described_recipe
from .scene import Scene
from .solution import Radiance

__all__ = ["fit"]

#: Steps of a run for which neither steps nor seconds are given.
STEPS = 3000
#: Training views by which a run is judged.
SOME = 4


@isolated()
def fit(
    scene: Scene,
    *,
    recipe: str | Recipe = "instant_ngp",
    encoder: Any = None,
    poses: Any = "fixed",
    max_time: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    callbacks: Sequence[Callback] | Callback = (),
    progress: bool | str | ProgressMeter = "auto",
    checkpoint: str | Path | Checkpoint | None = None,
    resume: str | Path | None = None,
    throw: bool = True,
) -> Radiance:
    """Fit a radiance field to the training views of a scene.

    Parameters
    ----------
    scene
        Pictures and cameras.
    recipe
        ``"instant_ngp"``, ``"hermite"``, ``"zip_nerf"``, or an object such as ``hp.radiance.InstantNGP(levels=12)``.
    encoder
        Name of another encoder for the recipe, or a :class:`hermite_pinn.Field` with its options.  None: the recipe's.
    poses
        ``"fixed"``, ``"refine"``, or a :class:`PoseRefinement` with other options.
    max_time
        Seconds of training, along which learning rates fall; evaluation takes additional time.
    steps
        Number of training steps; on a CPU the result is then the same bit for bit.  Default: 3000 if ``max_time`` is
        not given either.
    seed
        Seed of the random numbers.
    device, callbacks, progress, checkpoint, resume, throw
        As for :func:`hermite_pinn.solve`.

    Returns
    -------
    Radiance
        The fitted field.

    Raises
    ------
    InvalidArgumentError, InvalidProblemError
        If an option is invalid, or the scene has no training views.
    DivergedError
        If a loss becomes infinite or NaN; ``error.solution`` is the last good state.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> scene = hp.radiance.Scene.render_synthetic(16, train=6, test=1)
    >>> small = hp.radiance.InstantNGP(levels=4, table_size=2**10, samples=2048, cells=16)
    >>> found = hp.radiance.fit(scene, recipe=small, steps=40, progress=False)
    >>> found.render(scene.test[0].camera).image.shape
    torch.Size([16, 16, 3])
    """
    instance("scene", scene, Scene, "a hermite_pinn.radiance.Scene")
    made = chosen_recipe(recipe, encoder)
    number = None if steps is None else integer("steps", steps, least=1, most=1 << 40, otherwise="None")
    seconds, seed, place = limit("max_time", max_time, infinite=True), checked_seed(seed), choose_device(device)
    frame = Frame(callbacks=callbacks, progress=progress, checkpoint=checkpoint, resume=resume, throw=throw)
    if not len(scene.train):
        raise InvalidProblemError("the scene has no training views; load it with other splits or test_every=None")
    posing = started(poses, scene.train.cameras, place)
    length = Length(STEPS if number is None and seconds is None else number, seconds)
    return frame.run(_Fit(scene, made, posing, poses, length, seed, place, frame.monitor))


class _Fit(Workload[Ending, Radiance]):
    """A run that makes a radiance field."""

    title, kind = "radiance field", Ending

    def __init__(
        self,
        scene: Scene,
        recipe: Recipe,
        posing: Posing,
        poses: Any,
        length: Length,
        seed: int,
        device: torch.device,
        monitor: Monitor,
    ) -> None:
        self.scene, self.posing, self.seed, self.device, self.monitor = scene, posing, seed, device, monitor
        self.method, fixed = recipe.name, posing.poses() is None
        asked = {"poses": poses if isinstance(poses, str) else plain(asdict(poses))}
        self.identity = identity_of(
            "radiance field",
            {"scene": described_scene(scene), "poses": asked},
            method=recipe.name,
            options={**described_recipe(recipe)["options"], "steps": length.steps},
            seed=seed,
            dtype=torch.float32,
        )
        generator = torch.Generator().manual_seed(seed)
        model = recipe.build(scene, generator, torch.float32, device, fixed)
        held_out = scene.test[0] if len(scene.test) else None
        self.course = Course(model, posing, scene.train, held_out, length, model.rate_end, generator, monitor)

    def run(self, save: Save, saved: dict[str, Any] | None) -> Ending:
        """Train."""
        return self.course.run(save, saved)

    def judged(self, done: Done[Ending]) -> Done[Ending]:
        """No success if not even the training views became better than their mean colour."""
        ending, views = done.found, self.scene.train.moved(self.cameras.poses)
        told = (
            ""
            if len(self.scene.test)
            else "; there are no test views, so that nothing tells how it looks from elsewhere"
        )
        if ending.status.success:
            some = [views[k] for k in range(0, len(views), max(1, len(views) // SOME))]
            truth = [lattice(view, 2048 // len(some))[1] for view in some]
            mean = torch.cat(truth, 1).mean(1, keepdim=True)
            flat = decibels(torch.stack([(t - mean).square().mean() for t in truth]).mean())
            reached = self.course.glance(some)
            self.reached = reached
            if reached <= flat:
                ending = Ending(
                    Status.UNSOLVED,
                    f"{ending.message}; PSNR of training views is {reached:.1f} dB, and {flat:.1f} dB for their mean colour alone: take more "
                    "steps, and check that poses, box and convention of the cameras are those of the pictures",
                )
        return replace(done, found=replace(ending, message=ending.message + told))

    reached: float | None = None

    @property
    def cameras(self) -> Cameras:
        """Those of the training views, where they are now."""
        poses, cameras = self.posing.poses(), self.scene.train.cameras
        return cameras if poses is None else cameras.moved(poses.detach().cpu())

    def result(self, done: Done[Ending]) -> Radiance:
        """The field, and what was told of it."""
        course, model = self.course, self.course.model
        own = {
            "steps": course.step,
            "seconds_per_step": course.clock.spent / max(1, course.step),
            "training_seconds": course.clock.spent,
            "samples": course.samples,
            "parameters": model.parameter_count,
            "device": str(self.device),
            "dtype": "float32",
            "train_views": len(self.scene.train),
            "test_views": len(self.scene.test),
        } | ({} if self.reached is None else {"train_psnr": self.reached})
        found = Radiance(
            model,
            self.cameras,
            done.found.status,
            done.found.message,
            self.monitor.history,
            done.stats(self.method, self.seed, self.monitor.history) | own,
            self.identity,
        )
        found.trail = self.posing.trail()
        return found
