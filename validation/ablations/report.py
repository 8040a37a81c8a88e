"""The ablations as tables and as plain data."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .ablation import Ablation, Row

__all__ = ["ratios", "spread", "table", "to_json", "to_markdown"]

Rows = Mapping[str, Sequence[Row]]


def ratios(ablation: Ablation, rows: Sequence[Row]) -> dict[tuple[str, str], float]:
    """The first number of every row over that of the first variant of its group, by group and variant.

    Examples
    --------
    >>> from .ablation import Variant
    >>> asked = Ablation("a", "A", "Which?", (Variant("x", "g", None), Variant("y", "g", None)))
    >>> ratios(asked, [Row("x", "g", {"error": 0.1}), Row("y", "g", {"error": 0.2})])
    {('g', 'x'): 1.0, ('g', 'y'): 2.0}
    """
    key = ablation.columns[0].key
    first = {g: next(v.name for v in ablation.variants if v.group == g) for g in ablation.groups}
    known = {(r.group, r.variant): r.numbers[key] for r in rows if key in r.numbers}
    base = {g: known.get((g, name)) for g, name in first.items()}
    return {(g, v): value / b for (g, v), value in known.items() if (b := base[g])}


def spread(ablation: Ablation, rows: Sequence[Row]) -> dict[str, tuple[float, float, float]]:
    """Smallest, middle and largest first number of every group."""
    key = ablation.columns[0].key
    groups = {g: [r.numbers[key] for r in rows if r.group == g and key in r.numbers] for g in ablation.groups}
    return {g: (min(v), statistics.median(v), max(v)) for g, v in groups.items() if v}


def table(ablation: Ablation, rows: Sequence[Row]) -> str:
    """The rows of an ablation as a Markdown table."""
    headings = ["method" if ablation.columns[0].key == "error" else "setting", "variant"]
    headings += [c.heading for c in ablation.columns] + ["to the first"]
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    by_name, relative = {(r.group, r.variant): r for r in rows}, ratios(ablation, rows)
    for v in ablation.variants:
        row = by_name.get((v.group, v.name))
        if row is None:
            continue
        cells = [c.spelled(row.numbers) for c in ablation.columns]
        if row.reason:
            cells[0] = row.reason.replace("|", "/").replace("\n", " ")
        ratio = relative.get((v.group, v.name))
        lines.append(f"| {' | '.join([v.group, v.name, *cells, '' if ratio is None else _spelled(ratio)])} |")
    if ablation.spread:
        form = ablation.columns[0].form
        for group, (least, middle, most) in spread(ablation, rows).items():
            lines.append(
                f"\n{group}: smallest {least:{form}}, middle {middle:{form}}, largest {most:{form}}: a factor {most / least:.2g}."
            )
    return "\n".join(lines)


def _spelled(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2g}"


def to_markdown(ablations: Sequence[Ablation], rows: Rows, pictures: str = ".") -> str:
    """Every ablation with its question, table and picture.

    Parameters
    ----------
    ablations
        In order.
    rows
        By the name of the ablation.
    pictures
        Folder of ``NAME.png``, as the text is to link it.
    """
    parts = []
    for ablation in ablations:
        own = rows.get(ablation.name, ())
        if own:
            picture = f"![{ablation.title}: all variants]({pictures}/{ablation.name}.png)"
            parts += [f"## {ablation.title}", ablation.question, table(ablation, own), picture]
    return "\n\n".join(parts)


def to_json(ablations: Sequence[Ablation], rows: Rows) -> list[dict[str, Any]]:
    """The rows as plain data."""
    return [
        {"name": a.name, "question": a.question, "rows": [asdict(r) for r in rows[a.name]]}
        for a in ablations
        if rows.get(a.name)
    ]
