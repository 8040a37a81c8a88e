"""The comparison of distances as tables and as plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from .contest import Entry
from .contest_surfaces import SUBJECTS, Subject
from .contest_ways import WAYS, Way

__all__ = ["to_json", "to_markdown"]

#: Title of a column, name of the figure, how it is written, and whether small is good.
COLUMNS: tuple[tuple[str, str, Callable[[float], str], bool], ...] = (
    ("value RMS", "value_rms", "{:.1e}".format, True),
    ("gradient MAE", "gradient_mae", "{:.4f}".format, True),
    ("wrong signs", "wrong_signs", "{:.2%}".format, True),
    ("IoU", "iou", "{:.4f}".format, False),
    ("Chamfer", "chamfer", "{:.1e}".format, True),
    ("curvature", "curvature", "{:.3f}".format, True),
    ("curvature, averaged", "averaged", "{:.3f}".format, True),
)


def to_markdown(entries: Sequence[Entry]) -> str:
    """A table for every surface, one row a way: medians over the seeds, and the range of what varies.

    The best number of a column is printed bold.

    Parameters
    ----------
    entries
        What was run.
    """
    parts = []
    for subject in SUBJECTS.values():
        chosen = [e for e in entries if e.subject == subject.name]
        if chosen:
            parts.append(_table(subject, chosen))
    return "\n\n".join(parts)


def _table(subject: Subject, entries: Sequence[Entry]) -> str:
    columns = [c for c in COLUMNS if subject.curvature is not None or c[1] not in ("curvature", "averaged")]
    best = {name: _best(entries, name, small) for _, name, _, small in columns}
    head = ["way", "parameters", "finest", *(title for title, *_ in columns), "CPU s", "steps", "s per step", "rate"]
    lines = [f"**{subject.title}**", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for way in WAYS.values():
        rows = [e for e in entries if e.way == way.name]
        if rows:
            lines.append(_line(way, rows, columns, best))
    return "\n".join(lines)


def _line(way: Way, rows: Sequence[Entry], columns: Sequence[Any], best: dict[str, float | None]) -> str:
    known = [e for e in rows if e.figures is not None]
    if not known:
        reason = rows[0].reason.replace("|", "/").replace("\n", " ")
        return f"| {way.title} | {reason} |" + " |" * (len(columns) + 5)
    cells = [_cell(known, name, spelled, best[name]) for _, name, spelled, _ in columns]
    first = known[0]
    finest = str(first.levels[-1]) if way.name != "siren" else ""
    rate = "" if first.rate is None else f"{first.rate:g}"
    cost = [
        f"{median(e.seconds for e in known):.1f}",
        str(first.steps or ""),
        f"{first.per_step:.3f}" if first.steps else "",
        rate,
    ]
    return f"| {' | '.join([way.title, f'{first.parameters:,}', finest, *cells, *cost])} |"


def _cell(entries: Sequence[Entry], name: str, spelled: Callable[[float], str], best: float | None) -> str:
    """The median over the seeds, and in brackets the least and the largest."""
    values = _values(entries, name)
    if not values:
        return "none"
    middle = median(values)
    text = f"**{spelled(middle)}**" if middle == best else spelled(middle)
    low, high = spelled(min(values)), spelled(max(values))
    return f"{text} ({low} to {high})" if low != high else text


def _values(entries: Sequence[Entry], name: str) -> list[float]:
    values = [getattr(e.figures, name) for e in entries if e.figures is not None]
    return [v for v in values if v is not None]


def _best(entries: Sequence[Entry], name: str, small: bool) -> float | None:
    """The best median of a column."""
    medians = []
    for way in WAYS:
        values = _values([e for e in entries if e.way == way], name)
        if values:
            medians.append(median(values))
    return (min if small else max)(medians) if medians else None


def to_json(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The entries as plain data."""
    return [asdict(e) for e in entries]
