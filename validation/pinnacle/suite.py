"""Run a task of the suite, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hermite_pinn as hp
from hermite_pinn.validation.geometry.case import Case, Outcome, run_case
from hermite_pinn.version import installed_version

from .row import Row, Task, read_row, write_row

__all__ = ["kept_row", "run_row"]


def run_row(task: Task, seed: int = 0, device: str = "auto", folder: Path | None = None) -> Row:
    """Run a task, or read its row from a folder where it was run before.

    Parameters
    ----------
    task
        What to solve and to compare.
    seed, device
        Of ``solve``.
    folder
        Where the row is kept as ``NAME.json``, and its picture as ``NAME.png``; None keeps nothing.  A row of the same
        call, seed, device and version of the package is not run again.  Rows that were skipped are.

    Raises
    ------
    CorruptFileError
        If the file that should hold the row is damaged.
    OutputError
        If the row cannot be written.
    KeyboardInterrupt
        If the run was interrupted; its row is not kept.
    """
    row = None if folder is None else kept_row(task, folder, seed, device)
    if row is not None:
        return row
    if task.missing:
        return Row.of(task, Outcome(task.case, reason=task.missing, skipped=True))
    outcome = _drawn(_run(task.case, seed, device), folder)
    found = outcome.measured
    if found is not None and found.solution is not None and found.solution.status is hp.Status.INTERRUPTED:
        raise KeyboardInterrupt
    row = Row.of(task, outcome)
    if folder is not None and not outcome.skipped:
        write_row(_file(task, folder), row, _asked(task, seed, device))
    return row


def kept_row(task: Task, folder: Path, seed: int = 0, device: str = "auto") -> Row | None:
    """The row of a task that a folder keeps, or None: see :func:`run_row`."""
    return read_row(_file(task, folder), _asked(task, seed, device))


def _file(task: Task, folder: Path) -> Path:
    return folder / f"{task.case.name}.json"


def _asked(task: Task, seed: int, device: str) -> dict[str, Any]:
    """All that a row depends on."""
    return {
        "call": task.call,
        "goal": task.goal,
        "longest": task.case.seconds,
        "seed": seed,
        "device": device,
        "version": installed_version(),
    }


def _run(case: Case, seed: int, device: str) -> Outcome:
    """Run a case; whatever goes wrong, also what no user should ever see, is told in the outcome."""
    try:
        return run_case(case, seed, device)
    except Exception as error:
        return Outcome(case, reason=f"{type(error).__name__}: {error}")


def _drawn(outcome: Outcome, folder: Path | None) -> Outcome:
    """The outcome with a picture of its solution; what was measured is kept if that cannot be drawn."""
    if folder is None or outcome.measured is None or outcome.measured.solution is None:
        return outcome
    picture = folder / f"{outcome.case.name}.png"
    try:
        outcome.measured.solution.plot(picture)
    except Exception as error:
        return replace(outcome, reason=f"no picture: {type(error).__name__}: {error}")
    return replace(outcome, picture=picture)
