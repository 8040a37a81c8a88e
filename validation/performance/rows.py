"""Rows of a performance report: what was measured against what is asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Budget", "Row", "rows_markdown"]


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes
    ----------
    label
        What was measured.
    value
        The number, or None where it could not be measured; ``note`` then says why.
    unit
        Of value and target.
    target
        What is asked for, or None.
    at_least
        Whether the value is to be no smaller than the target; else no larger.
    note
        How it was measured, or what to know about it.
    details
        Further numbers for the JSON file.
    """

    label: str
    value: float | None
    unit: str = ""
    target: float | None = None
    at_least: bool = False
    note: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``"met"``, ``"not met"``, ``"not measured"``, or nothing where no target is set.

        Examples
        --------
        >>> Row("step", 0.5, "ms", 0.6).verdict, Row("ratio", 2.0, "", 3.0, at_least=True).verdict
        ('met', 'not met')
        """
        if self.value is None:
            return "not measured"
        if self.target is None:
            return ""
        met = self.value >= self.target if self.at_least else self.value <= self.target
        return "met" if met else "not met"


class Budget:
    """The time that is left.

    Parameters
    ----------
    seconds
        From now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds that remain."""
        return self.seconds - self.elapsed

    def lacks(self, seconds: float) -> str:
        """Why something that takes so long no longer fits; nothing if it does."""
        if seconds <= self.left:
            return ""
        return (
            f"skipped: it needs about {seconds:.0f} s and {max(self.left, 0.0):.0f} s of {self.seconds:.0f} s are left"
        )


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:.1e}" if value != 0 and not 1e-2 <= abs(value) < 1e5 else f"{value:.3g}"
    if abs(value) >= 1000 and "e" in text:
        text = f"{value:,.0f}"
    return f"{text} {unit}".strip()


def rows_markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    lines = ["| what | measured | target | verdict | note |", "|---|---|---|---|---|"]
    for r in rows:
        sign = "&ge; " if r.at_least else "&le; "
        target = "" if r.target is None else sign + _number(r.target, r.unit)
        note = r.note.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {r.label} | {_number(r.value, r.unit)} | {target} | {r.verdict} | {note} |")
    return "\n".join(lines)
