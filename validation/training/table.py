"""Runs of the methods, and the table beside DeepXDE's numbers."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.rivals.timing import one_thread

from .cases import CASES, METHODS

__all__ = ["Row", "rivals_of", "run_case", "to_markdown"]


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


def run_case(case: str, method: str, seed: int) -> Row:
    """Solve a problem by a method without options, on one thread of the CPU.

    A short run before compiles the kernels; its time does not count.
    """
    chosen, made = CASES[case], METHODS[method]
    with one_thread():
        hp.solve(chosen.statement(), method=made(), device="cpu", max_time=1e-3, throw=False, progress=False)
        cpu, wall = time.process_time(), time.perf_counter()
        solution = hp.solve(chosen.statement(), method=made(), device="cpu", seed=seed, throw=False, progress=False)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Row(case, method, seed, chosen.error(solution), cpu, wall, solution.status.name)


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
    for (case, method), own in sorted(groups.items(), key=lambda item: (list(CASES).index(item[0][0]), item[0][1])):
        errors = [r.error for r in own]
        status = ", ".join(dict.fromkeys(r.status.lower() for r in own if r.status))
        lines.append(
            f"| {case} | {method} | {len(own)} | {statistics.median(errors):.2e} | {min(errors):.2e} to {max(errors):.2e} | "
            f"{statistics.median(r.cpu for r in own):.1f} | {status} |"
        )
    return "\n".join(lines)
