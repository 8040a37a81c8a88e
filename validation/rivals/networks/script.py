"""A script of a rival as a process of its own, with one thread."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .environment import Rival

__all__ = ["ScriptError", "Stage", "Told", "run_script"]

HERE = Path(__file__).parent
SCRIPTS = HERE / "scripts"
#: Parts of the iterations of Adam after which predictions are kept.
PARTS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class ScriptError(Exception):
    """A script gave no result; the message says why."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What was predicted after some iterations, and the CPU and wall seconds until then."""

    iterations: int
    seconds: float
    wall: float
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Told:
    """What a script tells: the lines of a user, and the stages."""

    lines: int
    stages: tuple[Stage, ...]


def run_script(
    rival: Rival, environments: Path, problem: str, settings: Mapping[str, Any], points: np.ndarray, seed: int
) -> Told:
    """Run ``NAME_problems.py`` in the environment of a rival.

    Parameters
    ----------
    rival
        Whose script.
    environments
        The folder of environments.
    problem
        Its name.
    settings
        Of the training: fields of :class:`.frame.Settings`.
    points
        Where predictions are kept, (axes, n).
    seed
        Of all that is random.

    Raises
    ------
    ScriptError
        If the script fails, or leaves nothing that can be read.
    """
    marks = sorted({max(1, round(part * settings["iterations"])) for part in PARTS})
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        script = here / f"{rival.name}_problems.py"
        shutil.copyfile(SCRIPTS / script.name, script)
        shutil.copyfile(HERE / "frame.py", here / "frame.py")
        np.save(here / "points.npy", points)
        asked = {"settings": dict(settings), "marks": marks, "seed": seed}
        (here / "settings.json").write_text(json.dumps(asked), encoding="utf-8")
        command = [str(rival.python(environments)), script.name, problem, "settings.json"]
        ended = subprocess.run(command, cwd=here, env=_surroundings(rival), capture_output=True, text=True)
        if ended.returncode:
            told = ended.stderr.strip().splitlines()
            raise ScriptError(f"{script.name} ended with {ended.returncode}: {told[-1] if told else 'it says nothing'}")
        return _read(here)


def _surroundings(rival: Rival) -> dict[str, str]:
    """One thread, and nothing of the Python that runs here."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return kept | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"} | rival.surroundings


def _read(folder: Path) -> Told:
    try:
        told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
        with np.load(folder / "values.npz") as file:
            values = [file[f"arr_{k}"] for k in range(len(told["marks"]))]
        stages = tuple(
            Stage(int(m["iterations"]), float(m["seconds"]), float(m["wall"]), found)
            for m, found in zip(told["marks"], values, strict=True)
        )
        return Told(int(told["lines"]), stages)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScriptError(f"it left no result that can be read: {type(error).__name__}: {error}") from error
