"""Run all codes on the problems, each once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hermite_pinn.output import write_text
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.validation.kept import read_kept, write_kept

from .cases import CASES, Case
from .codes import Code, entrants
from .picture import draw_rows
from .report import to_markdown
from .rows import Row, read_row

__all__ = ["kept_row", "race", "run_row"]

FORMAT = "networks row 1"


def run_row(case: Case, code: Code, folder: Path | None = None) -> Row:
    """Run a code on a problem, or read its row from a folder where it was run before.

    Parameters
    ----------
    case, code
        What is solved, and by whom.
    folder
        Where the row is kept as ``networks-CASE-CODE.json``; None keeps nothing.  A row of the same settings, processor
        and versions is not run again.  What was skipped or failed is.

    Raises
    ------
    CorruptFileError
        If the file that should hold the row is damaged.
    OutputError
        If the row cannot be written.
    KeyboardInterrupt
        If the run was interrupted; its row is not kept.
    """
    row = None if folder is None else kept_row(case, code, folder)
    if row is not None:
        return row
    missing = code.missing()
    if missing:
        return Row(case.name, code.code, "", reason=missing, skipped=True)
    row = code.run(case)
    if folder is not None and not row.reason:
        write_kept(_file(case, code, folder), FORMAT, _asked(case, code), row.to_json())
    return row


def kept_row(case: Case, code: Code, folder: Path) -> Row | None:
    """The row of a code that a folder keeps, or None: see :func:`run_row`."""
    found = read_kept(_file(case, code, folder), FORMAT, _asked(case, code))
    return None if found is None else read_row(found)


def race(
    cases: Sequence[Case],
    environments: Path | None,
    folder: Path | None = None,
    quick: bool = False,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Run all codes on some problems, and write table and picture of all that the folder knows after every run.

    Parameters
    ----------
    cases
        The problems.
    environments
        The folder of the rivals' environments, or None: then their rows say how to make these.
    folder
        Where ``networks.md``, ``networks.json`` and ``networks.png`` are written, or None.
    quick
        Twenty iterations of all that trains, to see that everything runs.
    seed
        Of the rivals' points and networks.
    tell
        Is given a line for every run.

    Returns
    -------
    dict
        The report, as plain data.
    """
    taking_part = entrants(environments, quick, seed)
    surroundings = machine() | {"threads": 1}
    report: dict[str, Any] = {"suite": "networks", "machine": surroundings, "quick": quick, "seed": seed}
    found: dict[tuple[str, str], Row] = {}
    for case in cases:
        for code in taking_part:
            row = found[case.name, code.name] = run_row(case, code, folder)
            tell(row.line)
            if folder is not None:
                _write(folder, report, taking_part, found)
    return report | {"results": [row.to_json() for row in found.values()]}


def _write(
    folder: Path, report: dict[str, Any], taking_part: Sequence[Code], found: dict[tuple[str, str], Row]
) -> None:
    known = []
    for case in CASES.values():
        for code in taking_part:
            row = found.get((case.name, code.name)) or kept_row(case, code, folder)
            if row is not None:
                known.append(row)
    results = report | {"results": [row.to_json() for row in known]}
    write_text(folder / "networks.json", json.dumps(results, indent=1))
    write_text(folder / "networks.md", to_markdown(list(CASES.values()), known) + "\n")
    draw_rows(list(CASES.values()), known, folder / "networks.png")


def _file(case: Case, code: Code, folder: Path) -> Path:
    return folder / f"networks-{case.name}-{code.name}.json"


def _asked(case: Case, code: Code) -> dict[str, Any]:
    return {**code.asked(case), "cpu": machine()["cpu"]}
