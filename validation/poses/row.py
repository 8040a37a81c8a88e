"""A case that is run, and the file that keeps what came of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hermite_pinn.run.status import Status
from hermite_pinn.validation.kept import completed, read_kept, write_kept
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.workloads.radiance import (
    Cameras,
    PoseErrors,
    Radiance,
    Scene,
    draw_poses,
    fit,
    perturbed,
    placed,
    pose_errors,
    registered,
)

from .cases import SCALES, WAYS, Case

__all__ = ["Row", "kept_row", "run_case"]

FORMAT = "poses row 2"


@dataclass(frozen=True)
class Row:
    """What came of a case; means over cameras, after alignment.

    Attributes
    ----------
    start_rotation, start_translation, start_centres
        Errors of the noise: degrees, BARF's of extrinsic shifts, and of centres.
    rotation, translation, centres
        Errors at the end.
    median_rotation, worst_rotation
        Of the cameras, at the end.
    psnr
        Of the test views, in dB, by BARF's protocol: placed by the alignment, then registered by 100 photometric steps
        on themselves.  With known poses neither is done.
    placed_psnr
        Of the test views where the alignment places them.
    train_psnr
        Of the training views where they were found, as many as there are test views.
    step_ms
        CPU milliseconds of one thread per step.
    seconds
        CPU seconds of the fit.
    parameters
        Of the field.
    """

    start_rotation: float
    start_translation: float
    start_centres: float
    rotation: float
    translation: float
    centres: float
    median_rotation: float
    worst_rotation: float
    psnr: float
    placed_psnr: float
    train_psnr: float
    step_ms: float
    seconds: float
    parameters: int

    @property
    def line(self) -> str:
        """For the terminal."""
        return (
            f"{self.start_rotation:5.2f} -> {self.rotation:6.3f} deg (median {self.median_rotation:.3f}, worst {self.worst_rotation:.2f})  {self.start_translation:.3f} -> {self.translation:.4f}  "
            f"centres {self.centres:.4f}  PSNR {self.psnr:5.2f} (placed {self.placed_psnr:5.2f}, training {self.train_psnr:5.2f})  "
            f"{self.step_ms:5.1f} ms/step  {self.seconds:6.1f} CPU s"
        )


def run_case(case: Case, folder: Path | None = None) -> Row:
    """Run a case, or read what is kept of it."""
    kept = kept_row(case, folder)
    if kept is not None:
        return kept
    scene, way = case.pictures(), WAYS[case.way]
    true = scene.train.cameras
    start = true if way.poses == "known" else perturbed(true, case.sigma, case.draw)
    with one_thread():
        found, seconds = _fitted(case, _at(scene, start))
        errors = pose_errors(found.cameras, true)
        row = Row(
            **_start(pose_errors(start, true)),
            rotation=float(errors.rotation.mean()),
            translation=float(errors.translation.mean()),
            centres=float(errors.centres.mean()),
            median_rotation=float(errors.rotation.median()),
            worst_rotation=float(errors.rotation.max()),
            **_ratios(case, scene, found, errors),
            step_ms=1e3 * seconds / found.stats["steps"],
            seconds=seconds,
            parameters=found.stats["parameters"],
        )
    if folder is not None:
        if found.trail is not None:
            draw_poses(folder / f"{case.name}.png", found.trail, true)
        write_kept(_file(case, folder), FORMAT, _asked(case), asdict(row))
    return row


def _at(scene: Scene, cameras: Cameras) -> Scene:
    """A scene whose training views are elsewhere."""
    poses = scene.cameras.poses.clone()
    poses[[k for k, split in enumerate(scene.splits) if split == "train"]] = cameras.poses
    return replace(scene, views=scene.views.moved(poses))


def _fitted(case: Case, scene: Scene) -> tuple[Radiance, float]:
    """The field, and the CPU seconds of its training once kernels are compiled."""
    poses = case.refinement if WAYS[case.way].poses == "refined" else "fixed"
    recipe, steps = case.recipe, SCALES[case.scale].steps
    fit(scene, recipe=recipe, poses=poses, steps=2, device="cpu", progress=False)
    began = time.process_time()
    found = completed(fit(scene, recipe=recipe, poses=poses, steps=steps, device="cpu", progress=False))
    if found.status is Status.INTERRUPTED:  # such a row is not kept, and ends the study
        raise KeyboardInterrupt(found.message)
    return found, time.process_time() - began


def _start(errors: PoseErrors) -> dict[str, float]:
    return {f"start_{name}": float(getattr(errors, name).mean()) for name in ("rotation", "translation", "centres")}


def _ratios(case: Case, scene: Scene, found: Radiance, errors: PoseErrors) -> dict[str, float]:
    """PSNR of the test views, placed and registered, and of training views."""
    tested, refined = scene.test, WAYS[case.way].poses != "known"
    if refined:
        tested = placed(tested, errors.similarity.inverse)
    before = found.evaluate(tested)["psnr"]
    if refined:
        tested = registered(found.model, tested, case.refinement, rays=SCALES[case.scale].rays)
    some = scene.train.moved(found.cameras.poses)[: len(scene.test)]
    return {
        "psnr": found.evaluate(tested)["psnr"] if refined else before,
        "placed_psnr": before,
        "train_psnr": found.evaluate(some)["psnr"],
    }


def kept_row(case: Case, folder: Path | None) -> Row | None:
    """What a folder keeps of a case; None if it has nothing, or something else was asked then."""
    if folder is None:
        return None
    entry = read_kept(_file(case, folder), FORMAT, _asked(case))
    if entry is None:
        return None
    numbers = {name: entry.at(name).number() for name in Row.__dataclass_fields__ if name != "parameters"}
    return Row(**numbers, parameters=entry.at("parameters").integer(0))


def _file(case: Case, folder: Path) -> Path:
    return folder / f"{case.name}.json"


def _asked(case: Case) -> dict[str, Any]:
    return {
        "case": asdict(case),
        "scale": asdict(SCALES[case.scale]),
        "recipe": repr(case.recipe),
        "refinement": repr(case.refinement) if WAYS[case.way].poses == "refined" else "",
        "torch": torch.__version__,
    }
