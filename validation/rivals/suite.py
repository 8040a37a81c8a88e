"""Run the codes of a contest, each once."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hermite_pinn.schema import Entry
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.version import installed_version

from .contest import Contest, Curve, Entrant, Point, run_entrant, spelled

__all__ = ["kept_curve", "run_curve"]

FORMAT = "rivals curve 1"


def run_curve(contest: Contest, entrant: Entrant, folder: Path | None = None) -> Curve:
    """Run a code on a contest, or read its curve from a folder where it was run before.

    Parameters
    ----------
    contest, entrant
        What is solved, and by which of its codes.
    folder
        Where the curve is kept as ``NAME-CODE.json``; None keeps nothing.  A curve of the same settings, processor and
        version of the package is not run again.  What was skipped is.

    Raises
    ------
    CorruptFileError
        If the file that should hold the curve is damaged.
    OutputError
        If the curve cannot be written.
    KeyboardInterrupt
        If the run was interrupted; its curve is not kept.
    """
    curve = None if folder is None else kept_curve(contest, entrant, folder)
    if curve is not None:
        return curve
    curve = run_entrant(contest, entrant)
    if folder is not None and not curve.skipped:
        write_kept(_file(contest, entrant, folder), FORMAT, _asked(contest, entrant), asdict(curve))
    return curve


def kept_curve(contest: Contest, entrant: Entrant, folder: Path) -> Curve | None:
    """The curve of a code that a folder keeps, or None: see :func:`run_curve`."""
    found = read_kept(_file(contest, entrant, folder), FORMAT, _asked(contest, entrant))
    return None if found is None else _curve(found)


def _file(contest: Contest, entrant: Entrant, folder: Path) -> Path:
    return folder / f"{contest.name}-{entrant.code}.json"


def _asked(contest: Contest, entrant: Entrant) -> dict[str, Any]:
    """All that a curve depends on."""
    return {
        "problem": contest.problem,
        "method": entrant.method,
        "settings": [spelled(s) for s in entrant.settings],
        "cpu": machine()["cpu"],
        "version": installed_version(),
    }


def _curve(entry: Entry) -> Curve:
    def point(told: Entry) -> Point:
        return Point(
            told.at("setting").text(),
            told.at("unknowns").integer(0),
            told.at("seconds").number(0.0, math.inf),
            told.at("error").number(finite=False),
            told.at("status").text(),
        )

    return Curve(
        entry.at("contest").text(),
        entry.at("code").text(),
        entry.at("method").text(),
        tuple(point(told) for told in entry.at("points").items()),
        entry.at("reason").text(),
        entry.at("skipped").flag(),
    )
