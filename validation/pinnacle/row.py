"""A row of the suite: what is asked, what came of it, and the file that keeps it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hermite_pinn.schema import Entry
from hermite_pinn.validation.geometry.case import Case, Outcome
from hermite_pinn.validation.kept import read_kept, write_kept

__all__ = ["Row", "Task", "read_row", "write_row"]

FORMAT = "pinnacle row 1"


@dataclass(frozen=True, eq=False)
class Task:
    """A case of the benchmark and the call that solves it.

    Attributes
    ----------
    case
        How it is solved and compared; ``limits`` holds the goal by the error that counts.
    call
        The call of ``solve``, as a user writes it.
    note
        What the benchmark leaves open or has wrong, and which side is taken.
    counted
        Whether it is one of the 22; the others are variants.
    reference
        The file that holds what the solution is compared with, and the command that makes it; None if it is computed
        when it is needed, or comes with the case.
    """

    case: Case
    call: str
    note: str = ""
    counted: bool = True
    reference: tuple[Path, str] | None = None

    @property
    def missing(self) -> str:
        """What is said where the reference is not there, or ""."""
        if self.reference is None or self.reference[0].is_file():
            return ""
        file, command = self.reference
        return f"the reference {file.name} is not there: {command} makes it"

    @property
    def error_name(self) -> str:
        """Which of the errors counts."""
        return next(iter(self.case.limits))

    @property
    def goal(self) -> float:
        """The error to be reached."""
        return self.case.limits[self.error_name]


@dataclass(frozen=True)
class Row:
    """What came of a task.

    Attributes
    ----------
    name, title, call, note, counted, goal, longest, published
        Of the task: see :class:`Task` and :class:`~hermite_pinn.validation.geometry.case.Case`.
    mark
        ``"reached"``, ``"MISSED"``, ``"skipped"`` or ``"FAILED"``.
    reason
        Why it was skipped or failed, or "".
    error
        Relative L2 error over all fields and points, or None.
    others
        Other errors by what is compared, such as the one against the benchmark's own table.
    seconds
        Without compilation.
    status, message, estimate, unknowns
        Of the solution.
    picture
        Name of the file beside the table, or "".
    """

    name: str
    title: str
    call: str
    note: str
    counted: bool
    goal: float
    longest: float
    published: float | None
    mark: str
    reason: str = ""
    error: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    status: str = ""
    message: str = ""
    estimate: float | None = None
    unknowns: int | None = None
    picture: str = ""

    @classmethod
    def of(cls, task: Task, outcome: Outcome) -> Row:
        """A row from how a case went."""
        case, found = task.case, outcome.measured
        told: dict[str, Any] = {}
        if found is not None:
            errors = dict(found.errors)
            told |= {"error": errors.pop(task.error_name), "others": errors, "seconds": found.seconds}
            if found.solution is not None:
                told |= {
                    "status": found.solution.status.label,
                    "message": found.solution.message,
                    "estimate": found.solution.estimated_error,
                    "unknowns": int(found.solution.stats["parameters"]),
                }
        return cls(
            name=case.name,
            title=case.title,
            call=task.call,
            note=task.note,
            counted=task.counted,
            goal=task.goal,
            longest=case.seconds,
            published=case.published,
            mark=outcome.mark,
            reason=outcome.reason,
            picture="" if outcome.picture is None else outcome.picture.name,
            **told,
        )

    @property
    def reached(self) -> bool:
        """Whether error and time are within the limits."""
        return self.mark == "reached"

    @property
    def beats(self) -> bool:
        """Whether the error is below the best published one."""
        return self.error is not None and self.published is not None and self.error < self.published

    @property
    def untrue(self) -> bool:
        """Whether the run ended as *converged* with an error beyond the goal and ten times the estimate."""
        if self.status != "converged" or self.error is None:
            return False
        return not self.error <= max(self.goal, 10 * (self.estimate or 0.0))

    @property
    def line(self) -> str:
        """One line for people."""
        if self.error is None or self.seconds is None:
            return f"{self.title:<22} {self.mark}: {self.reason}"
        estimate = "none" if self.estimate is None else f"{self.estimate:.1e}"
        told = f"{self.status}, estimate {estimate}" + (", UNTRUE" if self.untrue else "")
        return (
            f"{self.title:<22} error {self.error:.2e} (<= {self.goal:g})  {self.seconds:6.1f} s (<= {self.longest:g})  "
            f"{self.mark}; {told}"
        )


def write_row(path: Path, row: Row, asked: Mapping[str, Any]) -> None:
    """Write a row with what was asked, to be read by :func:`read_row`."""
    write_kept(path, FORMAT, asked, asdict(row))


def read_row(path: Path, asked: Mapping[str, Any]) -> Row | None:
    """A row from its file; None if there is none, or something else was asked then.

    Raises
    ------
    CorruptFileError
        If the file is no row.
    """
    found = read_kept(path, FORMAT, asked)
    return None if found is None else _row(found)


def _row(entry: Entry) -> Row:
    def number(name: str) -> float | None:
        told = entry.get(name)
        return None if told is None else told.number(finite=False)

    unknowns = entry.get("unknowns")
    return Row(
        **{name: entry.at(name).text() for name in ("name", "title", "call", "note", "reason", "status", "message")},
        mark=entry.at("mark").text(["reached", "MISSED", "skipped", "FAILED"]),
        counted=entry.at("counted").flag(),
        goal=entry.at("goal").number(0.0, math.inf),
        longest=entry.at("longest").number(0.0, math.inf),
        published=number("published"),
        error=number("error"),
        others=entry.at("others").named_numbers(finite=False),
        seconds=number("seconds"),
        estimate=number("estimate"),
        unknowns=None if unknowns is None else unknowns.integer(0),
        picture=entry.at("picture").text(),
    )
