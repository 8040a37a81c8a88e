"""The rows as tables, plain data and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.workloads.images import draw

from .cases import BUDGET, CASES, ENTRANTS, picture
from .row import Row

__all__ = ["draw_rows", "to_json", "to_markdown"]


def to_markdown(rows: Sequence[Row]) -> str:
    """Two Markdown tables: of the direct solutions and of what was trained."""
    direct = [r for r in rows if not CASES[r.name].entrant]
    trained = [r for r in rows if CASES[r.name].entrant]
    lines = [
        "| picture | what is told | PSNR, dB | at least | CPU seconds | coefficients |",
        "|---|---|---|---|---|---|",
    ]
    for r in direct:
        case = CASES[r.name]
        goal = "" if r.goal is None else f"{r.goal:g}"
        missed = "" if r.reached else " (missed)"
        lines.append(
            f"| {case.source} {case.size}² | {case.words} | {r.psnr:.1f}{missed} | {goal} | {r.seconds:.2f} | {r.parameters:,} |"
        )
    if trained:
        lines += [
            "",
            f"Adam on {BUDGET:g} CPU seconds:",
            "",
            "| picture | what is told | field | PSNR, dB | CPU seconds | steps | parameters |",
            "|---|---|---|---|---|---|---|",
        ]
    for r in trained:
        case = CASES[r.name]
        lines.append(
            f"| {case.source} {case.size}² | {case.words} | {ENTRANTS[case.entrant].title} | {r.psnr:.1f} | {r.seconds:.1f} | {r.steps:,} "
            f"| {r.parameters:,} |"
        )
    return "\n".join(lines)


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain data."""
    return [asdict(r) | {"reached": r.reached} for r in rows]


def draw_rows(pixels: Mapping[str, np.ndarray], folder: Path) -> list[Path]:
    """Pictures side by side: direct solutions of 256 pixels, and what was trained, one file for everything told."""
    files = []
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, found in pixels.items():
        case = CASES[name]
        if case.entrant:
            words = ENTRANTS[case.entrant].title
            groups.setdefault(f"images-{case.told['from_']}", {})[words.replace(", ", ",\n")] = found
        elif case.size == 256 and case.told["derivatives"] == "pixels":
            words = f"{case.told['from_']},\n{case.told['known']}" + (", noise" if case.noise else "")
            groups.setdefault(f"images-{case.source}", {})[words] = found
    for group, members in groups.items():
        source = "made" if group.endswith("made") else "camera"
        files.append(folder / f"{group}.png")
        draw(files[-1], picture(source, 256), members)
    return files
