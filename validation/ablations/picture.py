"""The first number of every variant on a logarithmic axis, a panel per group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hermite_pinn.result.picture_file import write_figure

from .ablation import Ablation, Row

__all__ = ["draw_ablation"]


def draw_ablation(ablation: Ablation, rows: Sequence[Row], path: Path) -> None:
    """Write the picture of an ablation, and nothing without a number to draw.

    Parameters
    ----------
    ablation
        What was compared.
    rows
        Its rows so far.
    path
        Of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    column = ablation.columns[0]
    drawn = {
        group: [
            (r.variant, v) for r in rows if r.group == group and 0 < (v := r.numbers.get(column.key, 0.0)) < math.inf
        ]
        for group in ablation.groups
    }
    drawn = {group: found for group, found in drawn.items() if found}
    if not drawn:
        return
    heights = [0.9 + 0.3 * len(found) for found in drawn.values()]
    figure = Figure(figsize=(7.0, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights).ravel()
    for number, (ax, (group, found)) in enumerate(zip(panels, drawn.items(), strict=True)):
        names, values = [n for n, _ in found], [v for _, v in found]
        low, high = min(values), max(values)
        left = 10.0 ** (math.floor(math.log10(low) * 2 - 0.2) / 2)
        ax.hlines(range(len(values)), left, values, color="0.85", lw=4, zorder=1)
        ax.plot(values, range(len(values)), "o", color=f"C{number % 10}", ms=6, zorder=2)
        for place, value in enumerate(values):
            ax.annotate(
                format(value, column.form), (value, place), (7, 0), textcoords="offset points", va="center", fontsize=7
            )
        ax.set_xscale("log")
        ax.set_xlim(left, high * max(1.5, high / left) ** 0.2)  # room for the last number
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_locator(LogLocator(numticks=8))
        ax.set_yticks(range(len(names)), names, fontsize=8)
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_title(group, fontsize=9, loc="left")
        ax.tick_params(axis="x", labelsize=7)
        ax.grid(axis="x", alpha=0.3)
    panels[-1].set_xlabel(column.heading, fontsize=8)
    write_figure(figure, path, dpi=100)
