"""Runs of the methods, and the table beside DeepXDE's numbers."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import Field
from hermite_pinn.methods.base import Method
from hermite_pinn.validation.rivals.timing import one_thread

from .cases import CASES, METHODS, Case

__all__ = ["QUICK", "Row", "rivals_of", "run_case", "timed", "to_markdown"]

#: Steps where it is only asked whether all of it runs.
QUICK = 20


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes
    ----------
    case, method, seed
        Which.
    error
        Relative L2 error.
    cpu, wall
        Seconds.
    status
        Of the solution, or nothing for another code.
    """

    case: str
    method: str
    seed: int
    error: float
    cpu: float
    wall: float
    status: str = ""


def run_case(case: str, method: str, seed: int, quick: bool = False) -> Row:
    """Solve an example of DeepXDE by a method without options, or with twenty steps to see that it runs."""
    made = METHODS[method](**({"steps": QUICK} if quick else {}))
    return replace(timed(CASES[case], made, seed), method=method)


def timed(case: Case, method: Method, seed: int, field: Field | None = None) -> Row:
    """Solve a problem on one thread of the CPU.

    A short run before compiles the kernels; its time does not count.
    """
    common: dict[str, Any] = {"method": method, "field": field, "device": "cpu", "throw": False, "progress": False}
    with one_thread():
        hp.solve(case.statement(), max_time=1e-3, **common)
        cpu, wall = time.process_time(), time.perf_counter()
        solution = hp.solve(case.statement(), seed=seed, **common)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if solution.status is hp.Status.INTERRUPTED:
        raise KeyboardInterrupt
    return Row(case.name, method.name, seed, case.error(solution), cpu, wall, solution.status.name)


def rivals_of(path: Path) -> list[Row]:
    """Rows of another code: a JSON list of objects with ``case``, ``seed``, ``error``, ``cpu`` and perhaps ``wall``.

    Raises
    ------
    InvalidArgumentError
        If the file has another form.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return [
            Row(
                r["case"],
                r.get("code", "DeepXDE"),
                int(r["seed"]),
                float(r["error"]),
                float(r["cpu"]),
                float(r.get("wall", 0.0)),
            )
            for r in found
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgumentError(
            f"--rival {path} must be a JSON list of objects with case, seed, error and cpu, got {type(error).__name__}: {error}"
        ) from error


def to_markdown(rows: Sequence[Row]) -> str:
    """Medians over seeds with the range, by problem and method."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.case, row.method), []).append(row)
    lines = [
        "| problem | method | seeds | error | smallest to largest | CPU s | status |",
        "|---|---|---|---|---|---|---|",
    ]
    for (case, method), own in sorted(groups.items(), key=lambda item: (_place(item[0][0]), item[0][1])):
        errors = [r.error for r in own]
        status = ", ".join(dict.fromkeys(r.status.lower() for r in own if r.status))
        lines.append(
            f"| {case} | {method} | {len(own)} | {statistics.median(errors):.2e} | {min(errors):.2e} to {max(errors):.2e} | "
            f"{statistics.median(r.cpu for r in own):.1f} | {status} |"
        )
    return "\n".join(lines)


def _place(case: str) -> int:
    """Of a problem in the table: DeepXDE's examples in their order, others before them in the order of the rows."""
    return list(CASES).index(case) if case in CASES else -1
