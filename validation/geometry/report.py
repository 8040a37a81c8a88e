"""The outcomes as a table and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .case import Outcome

__all__ = ["to_json", "to_markdown"]


def to_markdown(outcomes: Sequence[Outcome], pictures: str | None = None) -> str:
    """A Markdown table, one row a case.

    Parameters
    ----------
    outcomes
        What was run.
    pictures
        Where the pictures lie as seen from the table, None for no links.
    """
    lines = [
        "| case | errors | at most | published | seconds | at most | unknowns | estimate | status |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        case, m = outcome.case, outcome.measured
        title = case.title
        if pictures is not None and outcome.picture is not None:
            title = f"[{title}]({Path(pictures, outcome.picture.name).as_posix()})"
        most = ", ".join(f"{e:g}" for e in case.limits.values())
        published = "" if case.published is None else f"{case.published:.2e}"
        if m is None:
            lines.append(
                f"| {title} | {outcome.mark} | {most} | {published} | | {case.seconds:g} | | | {outcome.reason} |"
            )
            continue
        errors = ", ".join(f"{name} {e:.2e}" for name, e in m.errors.items())
        mark = "" if outcome.reached else " (missed)"
        estimate, status, unknowns = "", m.notes, ""
        if m.solution is not None:
            known = m.solution.estimated_error
            estimate = "" if known is None else f"{known:.1e}"
            status = m.solution.status.label
            unknowns = f"{int(m.solution.stats['parameters']):,}"
        lines.append(
            f"| {title} | {errors}{mark} | {most} | {published} | {m.seconds:.1f} | {case.seconds:g} | {unknowns} | {estimate} | {status} |"
        )
    return "\n".join(lines)


def to_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The outcomes as plain data."""
    rows = []
    for outcome in outcomes:
        case, m = outcome.case, outcome.measured
        row: dict[str, Any] = {
            "name": case.name,
            "title": case.title,
            "limits": dict(case.limits),
            "longest": case.seconds,
            "published": case.published,
            "outcome": outcome.mark,
            "reason": outcome.reason,
        }
        if m is not None:
            row |= {"errors": dict(m.errors), "seconds": m.seconds}
            if m.solution is not None:
                row |= {
                    "status": m.solution.status.label,
                    "message": m.solution.message,
                    "estimate": m.solution.estimated_error,
                    "parameters": int(m.solution.stats["parameters"]),
                }
        rows.append(row)
    return rows
