"""The rows as tables and plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from .cases import WAYS, Case
from .row import Row

__all__ = ["compared", "to_json", "to_markdown"]


def to_markdown(rows: Mapping[Case, Row]) -> str:
    """A table of all rows, and one of the means of every way and rate over scenes and draws."""
    lines = [
        "| scene | draw | way | rate | rotation, degrees | median, worst | translation | centres | PSNR, dB | placed only | training | ms/step | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case, r in rows.items():
        lines.append(
            f"| {case.scene} | {case.draw} | {WAYS[case.way].title} | {case.rate:g} | {r.start_rotation:.2f} → {r.rotation:.2f} | {r.median_rotation:.2f}, {r.worst_rotation:.2f} "
            f"| {r.start_translation:.3f} → {r.translation:.3f} | {r.start_centres:.3f} → {r.centres:.3f} | {r.psnr:.2f} "
            f"| {r.placed_psnr:.2f} | {r.train_psnr:.2f} | {r.step_ms:.1f} | {r.seconds:.0f} |"
        )
    return "\n".join([*lines, "", compared(rows)])


def compared(rows: Mapping[Case, Row]) -> str:
    """Means over scenes and draws, and by how much poses are better than with linear weights in the same case."""
    lines = [
        "| way | rate | cases | rotation, degrees | median | translation | PSNR, dB | ms/step | parameters | rotation / that of linear (geometric mean; least, most) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, float], dict[Case, Row]] = {}
    for case, row in rows.items():
        groups.setdefault((case.way, case.rate), {})[case] = row
    plain = {(c.scene, c.draw, c.rate, c.scale): r for c, r in rows.items() if c.way == "linear"}
    for (way, rate), group in groups.items():
        mean = {
            name: float(np.mean([getattr(r, name) for r in group.values()]))
            for name in ("rotation", "median_rotation", "translation", "psnr", "step_ms", "parameters")
        }
        pairs = [
            row.rotation / plain[key].rotation
            for case, row in group.items()
            if WAYS[way].poses == "refined" and (key := (case.scene, case.draw, case.rate, case.scale)) in plain
        ]
        told = f"{np.exp(np.mean(np.log(pairs))):.2f} ({min(pairs):.2f}, {max(pairs):.2f})" if pairs else ""
        lines.append(
            f"| {WAYS[way].title} | {rate:g} | {len(group)} | {mean['rotation']:.2f} | {mean['median_rotation']:.2f} | {mean['translation']:.3f} | {mean['psnr']:.2f} "
            f"| {mean['step_ms']:.1f} | {mean['parameters']:,.0f} | {told} |"
        )
    return "\n".join(lines)


def to_json(rows: Mapping[Case, Row]) -> list[dict[str, Any]]:
    """The rows as plain data."""
    return [asdict(case) | asdict(row) for case, row in rows.items()]
