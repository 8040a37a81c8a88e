"""The rows as a table and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from .cases import CASES, CONES, PLAIN, SCALES, Case
from .row import Row

__all__ = ["gains", "to_json", "to_markdown"]


def to_markdown(rows: Sequence[Row]) -> str:
    """Markdown tables of medians over seeds: gains over the same without anti-aliasing, and other ways of rendering."""
    return f"{_gained(rows)}\n\n{_rendered(rows)}"


def _gained(rows: Sequence[Row]) -> str:
    """A ray per pixel."""
    scales = [f"1/{k}" for k in SCALES]
    lines = [
        f"| recipe | CPU seconds | seeds | steps | {' | '.join(f'{s}, dB' for s in scales)} | gain, dB |",
        "|---|---|---|---|" + "---|" * (len(SCALES) + 1),
    ]
    for (seconds, variant), group in _groups(rows).items():
        case = CASES[group[0].name]
        psnr = " | ".join(f"{median(r.psnr[k] for r in group):.2f}" for k in range(len(SCALES)))
        found = gains(rows, variant, seconds)
        gain = " / ".join(f"{g:+.2f}" for g in found) if found and variant != PLAIN else ""
        steps = round(median(r.steps for r in group))
        lines.append(f"| {case.title} | {seconds:g} | {len(group)} | {steps:,} | {psnr} | {gain} |")
    return "\n".join(lines)


def _rendered(rows: Sequence[Row]) -> str:
    """Several cones per pixel, and block averages of pictures of full size."""
    head = " | ".join(f"1/{k}, {CONES} cones, dB | 1/{k}, averaged, dB" for k in SCALES)
    lines = [f"| recipe | CPU seconds | seeds | {head} |", "|---|---|---|" + "---|---|" * len(SCALES)]
    for (seconds, _), group in _groups(rows).items():
        cells = (
            f"{median(r.split[k] for r in group):.2f} | {median(r.averaged[k] for r in group):.2f}"
            for k in range(len(SCALES))
        )
        lines.append(f"| {CASES[group[0].name].title} | {seconds:g} | {len(group)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def gains(rows: Sequence[Row], variant: str, seconds: float) -> tuple[float, ...]:
    """Medians over seeds, by scale, of PSNR over the plain recipe of the same seed and time; empty if there is none."""
    by_case = {(c.variant, c.seconds, c.seed): r for r in rows for c in [CASES[r.name]]}
    pairs = [
        (row, by_case[PLAIN, seconds, seed])
        for (name, time, seed), row in by_case.items()
        if name == variant and time == seconds and (PLAIN, seconds, seed) in by_case
    ]
    return tuple(median(a.psnr[k] - b.psnr[k] for a, b in pairs) for k in range(len(SCALES))) if pairs else ()


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain data."""
    return [asdict(r) for r in rows]


def _groups(rows: Sequence[Row]) -> dict[tuple[float, str], list[Row]]:
    """Rows of the same recipe and time, in the order of the cases."""
    order = list(CASES)
    found: dict[tuple[float, str], list[Row]] = {}
    for row in sorted(rows, key=lambda r: order.index(r.name)):
        case: Case = CASES[row.name]
        found.setdefault((case.seconds, case.variant), []).append(row)
    return found
