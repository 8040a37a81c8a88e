"""Radiance fields of scenes."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import flag, instance, integer
from hermite_pinn.cuda.runtime.cache import compile_clock
from hermite_pinn.errors import DivergedError, InvalidProblemError
from hermite_pinn.memory import peak_memory
from hermite_pinn.run.arguments import checked_seed, limit, listeners
from hermite_pinn.run.callbacks import Callback
from hermite_pinn.run.checkpoint import Checkpoint
from hermite_pinn.run.device import choose_device
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.interrupt import terminable
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.progress import ProgressMeter, choose_progress
from hermite_pinn.torch_state import isolated
from hermite_pinn.version import installed_version

from .camera import Cameras
from .course import Course, Length
from .model import Recipe
from .pose_refinement import started
from .posing import Posing
from .recipes import chosen_recipe
from .scene import Scene
from .solution import Radiance

__all__ = ["fit"]

#: Steps of a run for which neither steps nor seconds are given.
STEPS = 3000


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
        ``"instant_ngp"``, ``"hermite"``, or an object such as ``hp.radiance.InstantNGP(levels=12)``.
    encoder
        Of the recipe: the name of an encoder, or a :class:`hermite_pinn.Field` with its options; None: the recipe's.
    poses
        ``"fixed"``, ``"refine"``, or a :class:`PoseRefinement` with other options.
    max_time
        Seconds of training, along which learning rates fall; what evaluation takes comes on top.
    steps
        Steps of training; on a CPU the result is then the same bit for bit.  3000 if there is no ``max_time`` either.
    seed
        Of everything random.
    device, callbacks, progress, checkpoint, resume, throw
        As in :func:`hermite_pinn.solve`.

    Returns
    -------
    Radiance
        The field.

    Raises
    ------
    InvalidArgumentError, InvalidProblemError
        For options that cannot work, and scenes without training views.
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
    seconds = limit("max_time", max_time)
    seed, throw = checked_seed(seed), flag("throw", throw)
    place = choose_device(device)
    if not len(scene.train):
        raise InvalidProblemError("the scene has no training views; load it with other splits or test_every=None")
    length = Length(STEPS if number is None and seconds is None else number, seconds)
    generator = torch.Generator().manual_seed(seed)
    monitor = Monitor(listeners(callbacks, None), choose_progress(progress), None)
    monitor.method = made.name
    posing = started(poses, scene.train.cameras, place)
    model = made.build(scene, generator, torch.float32, place, fixed=posing.poses() is None)
    held_out = scene.test[0] if len(scene.test) else None
    course = Course(model, posing, scene.train, held_out, length, 0.1, generator, monitor)
    clock: list[float] = []
    began, token = time.perf_counter(), compile_clock.set(clock)
    failure: Exception | None = None
    monitor.progress.start("radiance field")
    try:
        with terminable():
            ending = course.run(_unsaved, None)
    except DivergedError as error:
        left = getattr(error, "outcome", None)
        if not isinstance(left, Ending):
            raise
        ending, failure = left, error
    finally:
        monitor.progress.close()
        compile_clock.reset(token)
    stats = _stats(course, place, time.perf_counter() - began - sum(clock), sum(clock), seed)
    found = Radiance(model, _refined(scene, posing), ending.status, ending.message, monitor.history, stats, {})
    found.trail = posing.trail()
    if failure is not None and throw:
        with suppress(AttributeError):
            failure.solution = found  # type: ignore[attr-defined]
        raise failure
    return found


def _refined(scene: Scene, posing: Posing) -> Cameras:
    """The training cameras, where they are now."""
    poses = posing.poses()
    return scene.train.cameras if poses is None else scene.train.cameras.moved(poses.detach().cpu())


def _unsaved(state: Any, force: bool) -> None:
    """There is no checkpoint."""


def _stats(course: Course, place: torch.device, seconds: float, compiling: float, seed: int) -> dict[str, Any]:
    return {
        "method": course.model.recipe.name,
        "seconds": seconds,
        "training_seconds": course.spent,
        "compile_seconds": compiling,
        "steps": course.step,
        "samples": course.samples,
        "seconds_per_step": course.spent / max(1, course.step),
        "peak_memory": peak_memory(place),
        "parameters": course.model.parameter_count,
        "device": str(place),
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "seed": seed,
        "versions": {
            "hermite_pinn": installed_version(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
