"""A case that is run, and the file that keeps what came of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hermite_pinn as hp
from hermite_pinn.validation.kept import completed, read_kept, write_kept
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.workloads.radiance import Radiance, Scene, Views
from hermite_pinn.workloads.radiance.evaluation import mean_measures
from hermite_pinn.workloads.radiance.metrics import compare
from hermite_pinn.workloads.radiance.reduction import reduced

from .cases import CONES, SCALES, Case, scene_of

__all__ = ["Row", "kept_row", "run_case"]

FORMAT = "antialiasing row 2"
#: Steps that are not timed, and those from which their number in the given time is told.
WARM, PILOT = 4, 24


@dataclass(frozen=True)
class Row:
    """What came of a case.

    Attributes
    ----------
    name
        Of the case.
    psnr
        Of held-out views in decibels, by scale, see :data:`.SCALES`.
    split
        The same where every pixel is split into :data:`.CONES` cones.
    averaged
        The same of block averages of the pictures of full size: what no rendering with fewer rays can surpass.
    seconds
        CPU seconds of training, one thread.
    steps, parameters
        Of the training, and of the field.
    """

    name: str
    psnr: tuple[float, ...]
    split: tuple[float, ...]
    averaged: tuple[float, ...]
    seconds: float
    steps: int
    parameters: int

    @property
    def line(self) -> str:
        """For the terminal."""
        told = "  ".join(f"1/{k} {p:5.2f}" for k, p in zip(SCALES, self.psnr, strict=True))
        return f"{self.name:<24} {told} dB  {self.steps:6d} steps  {self.seconds:6.1f} CPU s"


def run_case(case: Case, folder: Path | None = None, scene: Scene | None = None) -> Row:
    """Run a case, or read what is kept of it.

    Parameters
    ----------
    case
        The case.
    folder
        Where rows and fields are kept; None: nowhere.
    scene
        Another scene than that of the suite, whose rows are not kept.
    """
    kept = kept_row(case, folder) if scene is None else None
    if kept is not None:
        return kept
    given = scene_of() if scene is None else scene
    with one_thread():
        steps = _steps(case, given)
        began = time.process_time()
        found = _fitted(case, given, steps)
        seconds = time.process_time() - began
        smaller = [reduced(given.test, k) for k in SCALES]
        alone, several = (tuple(found.evaluate(views, cones)["psnr"] for views in smaller) for cones in (1, CONES))
        averaged = _averaged(found, given.test)
    row = Row(case.name, alone, several, averaged, seconds, steps, int(found.stats["parameters"]))
    if folder is not None and scene is None:
        found.save(folder / f"{case.name}.h5")
        write_kept(_file(case, folder), FORMAT, _asked(case), asdict(row))
    return row


def kept_row(case: Case, folder: Path | None) -> Row | None:
    """What a folder keeps of a case; None if it has nothing, or something else was asked then."""
    entry = None if folder is None else read_kept(_file(case, folder), FORMAT, _asked(case))
    if entry is None:
        return None
    kinds = ("psnr", "split", "averaged")
    alone, several, averaged = (tuple(e.number() for e in entry.at(kind).items(len(SCALES))) for kind in kinds)
    steps, parameters = (entry.at(name).integer(0) for name in ("steps", "parameters"))
    return Row(case.name, alone, several, averaged, entry.at("seconds").number(0.0), steps, parameters)


def _averaged(field: Radiance, views: Views) -> tuple[float, ...]:
    """PSNR of block averages of pictures, by scale."""
    pictures = Views(views.cameras, [field.render(camera).image for camera in views.cameras])
    found = []
    for k in SCALES:
        pairs = zip(reduced(pictures, k).images, reduced(views, k).images, strict=True)
        found.append(mean_measures([compare(seen, true) for seen, true in pairs])["psnr"])
    return tuple(found)


def _file(case: Case, folder: Path) -> Path:
    return folder / f"{case.name}.json"


def _asked(case: Case) -> dict[str, Any]:
    return {
        "seconds": case.seconds,
        "seed": case.seed,
        "scales": list(SCALES),
        "cones": CONES,
        "recipe": repr(case.recipe),
    }


def _steps(case: Case, scene: Scene) -> int:
    """As many as take the time; all cost the same, whatever the field is."""
    _fitted(case, scene, WARM)
    began = time.process_time()
    found = _fitted(case, scene, PILOT)
    return max(1, round(case.seconds * found.stats["steps"] / (time.process_time() - began)))


def _fitted(case: Case, scene: Scene, steps: int) -> Radiance:
    return completed(
        hp.radiance.fit(scene, recipe=case.recipe, steps=steps, seed=case.seed, device="cpu", progress=False)
    )
