"""Scores of coded fields by their bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from hermite_pinn.output import write_file

from .coded_row import CodedRow

__all__ = ["plot"]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d31", "#000000")


def plot(rows: Sequence[CodedRow], path: Path) -> None:
    """Draw every score of every case over the bytes, a line for the ways that differ in bits or columns only.

    Parameters
    ----------
    rows
        What was measured.
    path
        Of the PNG.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys((row.case, score) for row in rows for score in row.scores))
    figure = Figure(figsize=(4.6 * max(1, len(panels)), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (case, score) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place)
        families: dict[str, list[CodedRow]] = {}
        for row in rows:
            if row.case == case:
                families.setdefault(row.way.rstrip("0123456789").rstrip("-"), []).append(row)
        for color, (family, members) in zip(COLORS * 4, families.items(), strict=False):
            members = sorted(members, key=lambda row: row.bytes)
            values = [row.scores[score] for row in members]
            axes.plot([row.bytes / 1000 for row in members], values, "o-", color=color, markersize=4, label=family)
            for row, value in zip(members, values, strict=True):
                number = row.way.removeprefix(family).lstrip("-")
                axes.annotate(number, (row.bytes / 1000, value), (4, 3), textcoords="offset points", fontsize=7)
        axes.set_xscale("log")
        if score not in ("psnr", "iou", "ssim"):
            axes.set_yscale("log")
        axes.set_xlabel("kB")
        axes.set_title(f"{case}: {score.replace('_', ' ')}", fontsize=10)
        axes.grid(alpha=0.3)
        if place == len(panels):
            axes.legend(fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    write_file(path, buffer.getvalue())
