"""A case that is run, and the files that keep what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.output import check_writable
from hermite_pinn.validation.kept import completed, read_kept, write_kept
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.validation.workloads.ray_samples import COLOURS, EVERYWHERE, OCCUPIED, SHADOW, fewer, some_rays, ways
from hermite_pinn.workloads.radiance import Radiance, Scene, View
from hermite_pinn.workloads.radiance.evaluation import mean_measures, rendered
from hermite_pinn.workloads.radiance.grid_model import GridModel
from hermite_pinn.workloads.radiance.history_picture import draw_history
from hermite_pinn.workloads.radiance.metrics import psnr
from hermite_pinn.workloads.radiance.picture_files import write_png
from hermite_pinn.workloads.radiance.sheets import Shown, draw_views

from .cases import Case, scene_of, world_of
from .normals import normal_errors

__all__ = ["Row", "kept_row", "run_case"]

FORMAT = "radiance row 2"
#: Steps that are not timed, and those from which their number in the given time is told.
WARM, PILOT = 20, 200
#: Views of the sheet, and of how many rows and columns of pixels one is looked at for the number of samples.
SHEET, EVERY = 4, 4
MEASURES = (
    "psnr", "ssim", "seconds", "steps", "step_ms", "samples_per_step", "parameters", "render_seconds", "dense_samples",
    "occupied_samples", "seen_samples", "fewer_samples", "same_image", "unmasked_image",
)  # fmt: skip
#: What is measured only where the scene is known: the median angle of normals.
KNOWN = "normal_degrees"


@dataclass(frozen=True)
class Row:
    """What came of a case.

    Attributes
    ----------
    name
        Of the case.
    measured
        By name: ``psnr`` and ``ssim`` of the held-out views; ``seconds``, ``steps`` and ``step_ms`` of training in CPU
        seconds of one thread, ``samples_per_step``; ``parameters``; ``render_seconds`` of a view; samples per ray of
        equal steps everywhere, in occupied cells and seen, and how many times fewer both networks take;
        ``same_image``, PSNR in dB of what is rendered so against equal steps of which only those in occupied cells
        count, and ``unmasked_image``, where those count, too, that nothing trained; and of a
        scene that was rendered ``normal_degrees``, the median angle between normals and the true ones in the held-out
        views.
    """

    name: str
    measured: dict[str, float]

    @property
    def line(self) -> str:
        """For the terminal."""
        m = self.measured
        return (
            f"{self.name:<36} {m['psnr']:5.2f} dB  SSIM {m['ssim']:.4f}  {m['steps']:6.0f} steps  {m['seconds']:6.1f} CPU s  "
            f"{m['step_ms']:5.1f} ms/step  view {m['render_seconds']:.2f} CPU s  {m['dense_samples']:.0f} -> {m['seen_samples']:.1f} samples"
        )


def run_case(case: Case, folder: Path | None = None, scene: Scene | None = None) -> Row | None:
    """Run a case, or read what is kept of it; None if the files of its scene are not there.

    Parameters
    ----------
    case
        The case.
    folder
        Where rows and pictures are kept; None: nowhere.
    scene
        Another scene than that of the suite, of which nothing is kept.
    """
    kept = kept_row(case, folder) if scene is None else None
    if kept is not None:
        return kept
    given = scene_of(case.scene) if scene is None else scene
    if given is None:
        return None
    if folder is not None:
        check_writable(_file(case, folder))
    with one_thread():
        steps = _steps(case, given) if case.steps is None else case.steps
        began = time.process_time()
        found = _fitted(case, given, steps)
        seconds = time.process_time() - began
        row = Row(case.name, _measured(found, given, steps, seconds) | _known(case, found, given))
        if folder is not None and scene is None:
            _draw(case, found, given, folder)
            write_kept(_file(case, folder), FORMAT, _asked(case), row.measured)
    return row


def kept_row(case: Case, folder: Path | None) -> Row | None:
    """What a folder keeps of a case; None if it has nothing, or something else was asked then."""
    entry = None if folder is None else read_kept(_file(case, folder), FORMAT, _asked(case))
    if entry is None:
        return None
    names = (*MEASURES, *([KNOWN] if entry.get(KNOWN) is not None else []))
    return Row(case.name, {name: entry.at(name).number() for name in names})


def _file(case: Case, folder: Path) -> Path:
    return folder / f"{case.name}.json"


def _asked(case: Case) -> dict[str, Any]:
    asked: dict[str, Any] = {"scene": case.scene, "seed": case.seed, "recipe": repr(case.recipe)}
    return asked | ({"seconds": case.seconds} if case.steps is None else {"steps": case.steps})


def _steps(case: Case, scene: Scene) -> int:
    """As many as take the time, as far as the first ones tell."""
    _fitted(case, scene, WARM)
    began = time.process_time()
    _fitted(case, scene, PILOT)
    return max(1, round(case.seconds * PILOT / (time.process_time() - began)))


def _fitted(case: Case, scene: Scene, steps: int) -> Radiance:
    return completed(
        hp.radiance.fit(scene, recipe=case.recipe, steps=steps, seed=case.seed, device="cpu", progress=False)
    )


def _measured(found: Radiance, scene: Scene, steps: int, seconds: float) -> dict[str, float]:
    began = time.process_time()
    for view in scene.test:
        found.render(view.camera)
    rendering = (time.process_time() - began) / len(scene.test)
    model = found.model
    assert isinstance(model, GridModel)
    told = mean_measures([rendered(found, view).measures for view in scene.test])
    return (
        told
        | {
            "seconds": seconds,
            "steps": float(steps),
            "step_ms": 1e3 * seconds / steps,
            "samples_per_step": float(found.stats["samples"]) / steps,
            "parameters": float(found.stats["parameters"]),
            "render_seconds": rendering,
        }
        | samples_of(model, scene.train[0])
    )


def samples_of(model: GridModel, view: View, every: int = EVERY) -> dict[str, float]:
    """Samples per ray of a view that was fitted, since cells that no such view sees are left out."""
    found = {way.name: way for way in ways(model, some_rays(view.camera, every).to(model.dtype))}
    dense, seen = found[EVERYWHERE], found[COLOURS]
    picture = seen.picture.T[None]
    return {
        "dense_samples": dense.densities,
        "occupied_samples": found[OCCUPIED].densities,
        "seen_samples": seen.colours,
        "fewer_samples": fewer(dense, seen),
        "same_image": min(psnr(picture, found[SHADOW].picture.T[None].clamp(0, 1)), 200.0),
        "unmasked_image": min(psnr(picture, dense.picture.T[None].clamp(0, 1)), 200.0),
    }


def _known(case: Case, found: Radiance, scene: Scene) -> dict[str, float]:
    """Angles of normals, where they can be told."""
    world = world_of(case.scene)
    errors = normal_errors(found, scene.test, world) if world is not None else np.empty(0)
    return {KNOWN: float(np.median(errors))} if errors.size else {}


def _draw(case: Case, found: Radiance, scene: Scene, folder: Path) -> None:
    """Keep the first held-out view, a sheet of some, and the course."""
    shown = []
    for view in scene.test[:SHEET]:
        seen = rendered(found, view, normals=True)
        shown.append(Shown(view.name, seen.true, seen.image, seen.depth, seen.normals))
    write_png(folder / f"{case.name}-view.png", shown[0].found)
    write_png(folder / f"{case.scene}-true.png", shown[0].true)
    draw_views(folder / f"{case.name}.png", shown)
    if len(found.history):
        draw_history(folder / f"{case.name}-history.png", found.history)
