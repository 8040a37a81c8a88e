"""A case that is run, and the files that keep what came of it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hermite_pinn as hp
from hermite_pinn.field.sampling import grid_jets
from hermite_pinn.output import staged
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.workloads.images import psnr
from hermite_pinn.workloads.images.evidence import Evidence, evidence
from hermite_pinn.workloads.images.fit import VALUE
from hermite_pinn.workloads.images.ways import Direct, Fitted, Run, Trained

from .cases import BUDGET, ENTRANTS, Case, Entrant, picture

__all__ = ["Row", "kept_row", "run_case"]

FORMAT = "images row 1"
#: Pixels of the border in a training step.
BORDER = 1020
#: Steps from which their number in the given time is told.
PILOT = 8


@dataclass(frozen=True)
class Row:
    """What came of a case.

    Attributes
    ----------
    name
        Of the case.
    psnr
        Of the final state, in decibels, at the pixels, not clipped.
    seconds
        CPU seconds of one thread.
    parameters, steps
        Of the field, and of training; 0 for the direct solution.
    goal
        PSNR to be reached, or None.
    """

    name: str
    psnr: float
    seconds: float
    parameters: int
    steps: int
    goal: float | None

    @property
    def reached(self) -> bool:
        """Whether the goal is reached, if there is one, within a minute."""
        return self.goal is None or (self.psnr >= self.goal and self.seconds <= 60.0)

    @property
    def line(self) -> str:
        """For the terminal."""
        mark = "" if self.goal is None else "  reached" if self.reached else "  MISSED"
        goal = "" if self.goal is None else f" (>= {self.goal:g})"
        return f"{self.name:<36} {self.psnr:7.2f} dB{goal}  {self.seconds:6.2f} CPU s{mark}"


def run_case(case: Case, seed: int = 0, folder: Path | None = None) -> tuple[Row, np.ndarray]:
    """Run a case, or read what is kept of it; returns the row and the pixels (H, W) that were found."""
    kept = kept_row(case, seed, folder)
    if kept is not None:
        return kept
    true = picture(case.source, case.size)
    given = _noisy(evidence(true, *_arguments(case)), case.noise, seed)
    with one_thread():
        found, seconds, steps = (
            _trained(ENTRANTS[case.entrant], given, seed) if case.entrant else _direct(given, case, seed)
        )
        with torch.no_grad():
            x, y = given.pixels.axes
            pixels = grid_jets(found.field, [x, y], VALUE)[0, 0].double().numpy().T
    row = Row(case.name, psnr(pixels, true), seconds, found.field.parameter_count, steps, case.goal)
    if folder is not None:
        with staged(_pixels_file(case, folder)) as stage:
            np.save(stage / _pixels_file(case, folder).name, pixels)
        write_kept(_file(case, folder), FORMAT, _asked(case, seed), asdict(row))
    return row, pixels


def kept_row(case: Case, seed: int, folder: Path | None) -> tuple[Row, np.ndarray] | None:
    """What a folder keeps of a case; None if it has nothing, or something else was asked then."""
    if folder is None or not _pixels_file(case, folder).is_file():
        return None
    entry = read_kept(_file(case, folder), FORMAT, _asked(case, seed))
    if entry is None:
        return None
    row = Row(
        case.name,
        entry.at("psnr").number(),
        entry.at("seconds").number(0.0),
        entry.at("parameters").integer(0),
        entry.at("steps").integer(0),
        case.goal,
    )
    return row, np.load(_pixels_file(case, folder), allow_pickle=False)


def _file(case: Case, folder: Path) -> Path:
    return folder / f"{case.name}.json"


def _pixels_file(case: Case, folder: Path) -> Path:
    return folder / f"{case.name}.npy"


def _asked(case: Case, seed: int) -> dict[str, Any]:
    asked: dict[str, Any] = {"seed": seed, "size": case.size, "told": dict(case.told), "noise": case.noise}
    if case.entrant:
        entrant = ENTRANTS[case.entrant]
        asked |= {"budget": BUDGET, "points": entrant.points, "rate": entrant.rate, "field": repr(entrant.field)}
    return asked


def _arguments(case: Case) -> tuple[Any, ...]:
    told = case.told
    return told["from_"], told.get("derivatives"), None, None, told.get("known"), None, None


def _noisy(given: Evidence, noise: float, seed: int) -> Evidence:
    if not noise:
        return given
    generator = np.random.default_rng(seed)
    rms = float(np.sqrt(np.mean([np.square(t).mean() for t in given.targets])))
    return dataclasses.replace(
        given, targets=tuple(t + noise * rms * generator.standard_normal(t.shape) for t in given.targets)
    )


def _run(seed: int) -> Run:
    return Run(Monitor(clock=time.process_time), seed, torch.device("cpu"), lambda state, force: None, None)


def _direct(given: Evidence, case: Case, seed: int) -> tuple[Fitted, float, int]:
    began = time.process_time()
    found = Direct(None, None, None, case.told.get("slopes", "smooth")).run(given, _run(seed))
    return found, time.process_time() - began, 0


def _trained(entrant: Entrant, given: Evidence, seed: int) -> tuple[Fitted, float, int]:
    """As many steps as take the budget, by a cosine of rates to the end; the final state."""

    def way(steps: int) -> Trained:
        method = hp.Adam(
            steps=steps,
            lr=entrant.rate,
            lr_end=entrant.rate / 100,
            points=entrant.points,
            face_points=BORDER,
            weight=10.0,
            balance_every=0,
            ema=0.0,
        )
        return Trained(method, entrant.field, entrant.levels, torch.float32)

    way(1).run(given, _run(seed))  # kernels are compiled
    began = time.process_time()
    way(PILOT).run(given, _run(seed))
    steps = max(1, int(BUDGET * PILOT / (time.process_time() - began)))
    began = time.process_time()
    found = way(steps).run(given, _run(seed))
    return found, time.process_time() - began, steps
