"""A case that is run, and the file that keeps what came of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hermite_pinn as hp
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.workloads.radiance import Radiance, Scene
from hermite_pinn.workloads.radiance.reduction import reduced

from .cases import SCALES, Case, scene_of

__all__ = ["Row", "kept_row", "run_case"]

FORMAT = "antialiasing row 1"
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
    seconds
        CPU seconds of training, one thread.
    steps, parameters
        Of the training, and of the field.
    """

    name: str
    psnr: tuple[float, ...]
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
        Where rows are kept; None: nowhere.
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
        psnr = tuple(found.evaluate(reduced(given.test, k))["psnr"] for k in SCALES)
    row = Row(case.name, psnr, seconds, steps, int(found.stats["parameters"]))
    if folder is not None and scene is None:
        write_kept(_file(case, folder), FORMAT, _asked(case), asdict(row))
    return row


def kept_row(case: Case, folder: Path | None) -> Row | None:
    """What a folder keeps of a case; None if it has nothing, or something else was asked then."""
    entry = None if folder is None else read_kept(_file(case, folder), FORMAT, _asked(case))
    if entry is None:
        return None
    psnr = tuple(e.number() for e in entry.at("psnr").items(len(SCALES)))
    steps, parameters = (entry.at(name).integer(0) for name in ("steps", "parameters"))
    return Row(case.name, psnr, entry.at("seconds").number(0.0), steps, parameters)


def _file(case: Case, folder: Path) -> Path:
    return folder / f"{case.name}.json"


def _asked(case: Case) -> dict[str, Any]:
    return {"seconds": case.seconds, "seed": case.seed, "scales": list(SCALES), "recipe": repr(case.recipe)}


def _steps(case: Case, scene: Scene) -> int:
    """As many as take the time; all cost the same, whatever the field is."""
    _fitted(case, scene, WARM)
    began = time.process_time()
    found = _fitted(case, scene, PILOT)
    return max(1, round(case.seconds * found.stats["steps"] / (time.process_time() - began)))


def _fitted(case: Case, scene: Scene, steps: int) -> Radiance:
    return hp.radiance.fit(scene, recipe=case.recipe, steps=steps, seed=case.seed, device="cpu", progress=False)
