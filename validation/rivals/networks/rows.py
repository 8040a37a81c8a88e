"""What a code did on a problem, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hermite_pinn.schema import Entry

__all__ = ["Mark", "Row", "read_row"]


@dataclass(frozen=True)
class Mark:
    """A stage of a run: iterations so far, CPU and wall seconds so far, and the relative L2 error then."""

    iterations: int
    seconds: float
    wall: float
    error: float


@dataclass(frozen=True)
class Row:
    """The run of one code on one problem.

    Attributes
    ----------
    case, code
        Names.
    settings
        In words.
    lines
        What a user writes, from the domain to the call that solves.
    marks
        In the order of time; the last is the result.
    status
        How the code says that it ended, or "".
    reason
        Why there is no result, or "".
    skipped
        Whether something that the code needs is not there.
    """

    case: str
    code: str
    settings: str
    lines: int = 0
    marks: tuple[Mark, ...] = ()
    status: str = ""
    reason: str = ""
    skipped: bool = False

    @property
    def line(self) -> str:
        """One line for people."""
        told = f"error {self.marks[-1].error:.1e} in {self.marks[-1].seconds:.3g} CPU s" if self.marks else ""
        head = f"{self.case:<12} {self.code:<22}"
        return " ".join(part for part in (head, told, self.status, self.reason) if part)

    def to_json(self) -> Mapping[str, Any]:
        """Plain data."""
        return asdict(self)


def read_row(entry: Entry) -> Row:
    """A row from plain data.

    Raises
    ------
    CorruptFileError
        If it is none.
    """

    def mark(told: Entry) -> Mark:
        return Mark(
            told.at("iterations").integer(0),
            told.at("seconds").number(0.0, math.inf),
            told.at("wall").number(0.0, math.inf),
            told.at("error").number(finite=False),
        )

    return Row(
        entry.at("case").text(),
        entry.at("code").text(),
        entry.at("settings").text(),
        entry.at("lines").integer(0),
        tuple(mark(told) for told in entry.at("marks").items()),
        entry.at("status").text(),
        entry.at("reason").text(),
        entry.at("skipped").flag(),
    )
