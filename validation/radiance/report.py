"""The rows as tables, plain data and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from hermite_pinn.workloads.images import draw

from .cases import CASES, GROUPS, Case
from .row import KNOWN, MEASURES, Row

__all__ = ["draw_rows", "medians", "missed", "to_json", "to_markdown"]

HEADS = (
    ("psnr", "PSNR, dB", ".2f"), ("ssim", "SSIM", ".4f"), ("seconds", "CPU s", ".0f"), ("steps", "steps", ",.0f"),
    ("step_ms", "ms/step", ".1f"), ("samples_per_step", "samples/step", ",.0f"), ("parameters", "parameters", ",.0f"),
    ("render_seconds", "CPU s/view", ".2f"), ("dense_samples", "samples/ray, dense", ".0f"),
    ("occupied_samples", "occupied", ".1f"), ("seen_samples", "seen", ".1f"), ("fewer_samples", "fewer", ".1f"),
    ("same_image", "same image, dB", ".1f"), ("unmasked_image", "with empty cells, dB", ".1f"),
    (KNOWN, "normals, degrees", ".1f"),
)  # fmt: skip


def medians(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, float]]:
    """Medians over seeds by group and title, and the number of ``seeds``."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for case in CASES.values():
        groups.setdefault((case.group, case.title), []).extend(r for r in rows if r.name == case.name)
    return {
        key: {
            name: median(r.measured[name] for r in members)
            for name in (*MEASURES, KNOWN)
            if all(name in r.measured for r in members)
        }
        | {"seeds": float(len(members))}
        for key, members in groups.items()
        if members
    }


def missed(rows: Sequence[Row]) -> list[str]:
    """Goals that medians over seeds miss, in words."""
    found = medians(rows)
    told = []
    for (group, title), values in found.items():
        told += [
            f"{group}, {title}: {goal} is missed, {values[goal.measure]:.4g}"
            for goal in _case(group, title).goals
            if not goal.reached(values[goal.measure])
        ]
    return told


def to_markdown(rows: Sequence[Row]) -> str:
    """A Markdown table per group, medians over seeds, with least and greatest PSNR, and what should be reached."""
    parts = []
    for group, words in GROUPS.items():
        found = {title: values for (g, title), values in medians(rows).items() if g == group}
        if not found:
            continue
        lines = [
            f"{words[0].upper()}{words[1:]}:",
            "",
            f"| recipe | seeds | {' | '.join(h for _, h, _ in HEADS)} | goals |",
        ]
        lines.append("|---|---|" + "---|" * (len(HEADS) + 1))
        for title, values in found.items():
            case = _case(group, title)
            mine = [r.measured["psnr"] for r in rows if CASES[r.name].group == group and CASES[r.name].title == title]
            cells = [format(values[name], form) if name in values else "-" for name, _, form in HEADS]
            if len(mine) > 1:
                cells[0] += f" ({min(mine):.2f} to {max(mine):.2f})"
            goals = ", ".join(
                f"{goal}{'' if goal.reached(values[goal.measure]) else ' (missed)'}" for goal in case.goals
            )
            lines.append(f"| {title} | {values['seeds']:.0f} | {' | '.join(cells)} | {goals} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _case(group: str, title: str) -> Case:
    return next(case for case in CASES.values() if (case.group, case.title) == (group, title))


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain data."""
    return [{"name": r.name} | r.measured for r in rows]


def draw_rows(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Pictures of the first held-out view side by side, one file for every group; seeds are the first of each."""
    files = []
    for group in GROUPS:
        found: dict[str, np.ndarray] = {}
        scene = ""
        for row in rows:
            case, file = CASES[row.name], folder / f"{row.name}-view.png"
            if case.group == group and case.title not in found and file.is_file():
                found[case.title], scene = _pixels(file), case.scene
        true = folder / f"{scene}-true.png"
        if found and true.is_file():
            files.append(folder / f"radiance-{group}.png")
            draw(files[-1], _pixels(true), {title.replace(", ", ",\n"): pixels for title, pixels in found.items()})
    return files


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, dtype=np.float64) / 255
