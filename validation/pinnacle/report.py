"""The rows as a table and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .row import Row

__all__ = ["summary", "to_json", "to_markdown"]


def to_markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table with pictures, after what they say in all, before notes."""
    lines = [
        summary(rows),
        "",
        "| case | call | error | goal | best published | other errors | seconds | at most | unknowns | estimate | status |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        title = f"[{r.title}]({r.picture})" if r.picture else r.title
        published = "" if r.published is None else f"{r.published:.2e}"
        head = f"| {title} | `{r.call}` |"
        if r.error is None or r.seconds is None:
            lines.append(f"{head} {r.mark} | {r.goal:g} | {published} | | | {r.longest:g} | | | {_cell(r.reason)} |")
            continue
        error = f"**{r.error:.2e}**" if r.beats else f"{r.error:.2e}"
        error += "" if r.error <= r.goal else " (missed)"
        others = ", ".join(f"{name} {e:.2e}" for name, e in r.others.items())
        seconds = f"{r.seconds:.1f}" + ("" if r.seconds <= r.longest else " (missed)")
        estimate = "" if r.estimate is None else f"{r.estimate:.1e}"
        unknowns = "" if r.unknowns is None else f"{r.unknowns:,}"
        status = r.status + (", untrue" if r.untrue else "")
        lines.append(
            f"{head} {error} | {r.goal:g} | {published} | {others} | {seconds} | {r.longest:g} | {unknowns} | {estimate} | {status} |"
        )
    notes = [f"* {r.title}: {r.note}" for r in rows if r.note]
    return "\n".join(lines + (["", *notes] if notes else []))


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def summary(rows: Sequence[Row]) -> str:
    """How many of the benchmark's cases were run, beat the best published error, and reach their goals.

    Examples
    --------
    >>> summary([])
    'No case of the benchmark was run.'
    """
    counted = [r for r in rows if r.counted]
    if not counted:
        return "No case of the benchmark was run."
    beaten, reached = sum(r.beats for r in counted), sum(r.reached for r in counted)
    untrue = sum(r.untrue for r in rows)
    skipped = sum(r.mark == "skipped" for r in counted)
    return (
        f"Of {len(counted)} cases {beaten} end below the best published error (bold), {reached} reach their goals in error and time; "
        f"{skipped} were skipped. {untrue} of {len(rows)} runs say *converged* of an answer that is not."
    )


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain data."""
    return [asdict(r) | {"reached": r.reached, "beats": r.beats, "untrue": r.untrue} for r in rows]
