"""The rows as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from .cases import Case
from .rows import Row

__all__ = ["to_markdown"]


def to_markdown(cases: Sequence[Case], rows: Sequence[Row]) -> str:
    """The result of every code on every problem, then the course of each training, then the settings.

    Parameters
    ----------
    cases
        In the order of the table.
    rows
        Of all codes.
    """
    lines = [
        "| problem | code | lines | iterations | CPU s | wall s | error | status |",
        "|---|---|---|---|---|---|---|---|",
    ]
    course = ["| problem | code | error (CPU s) in the course of training |", "|---|---|---|"]
    settings = []
    for case in cases:
        for row in (r for r in rows if r.case == case.name):
            head = f"| {case.title} | {row.code} |"
            if not row.marks:
                lines.append(f"{head} | | | | | {_cell(row.reason)} |")
                continue
            end = row.marks[-1]
            steps = f"{end.iterations:,}" if end.iterations else ""
            lines.append(
                f"{head} {row.lines} | {steps} | {end.seconds:.3g} | {end.wall:.3g} | {end.error:.1e} | {row.status} |"
            )
            if len(row.marks) > 1:
                course.append(f"{head} {', '.join(f'{m.error:.1e} ({m.seconds:.3g})' for m in row.marks)} |")
            settings.append(f"* {case.title}, {row.code}: {row.settings}")
    equations = [f"* {c.title}: {c.equation}" for c in cases if any(r.case == c.name for r in rows)]
    return "\n".join([*lines, "", *course, "", *equations, "", *settings])


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
