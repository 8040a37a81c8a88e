"""Curves of errors against CPU seconds, a panel for each problem."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hermite_pinn.result.picture_file import write_figure

__all__ = ["Panel", "draw_panels"]


@dataclass(frozen=True)
class Panel:
    """A problem, and what codes need for it.

    Attributes
    ----------
    title
        Above the panel.
    curves
        Pairs of CPU seconds and relative errors, by the name of the code.
    """

    title: str
    curves: Mapping[str, Sequence[tuple[float, float]]]


def draw_panels(panels: Sequence[Panel], codes: Sequence[str], path: Path, *, columns: int, same: bool) -> None:
    """Write a picture of the panels that have curves, and nothing if none has.

    Parameters
    ----------
    panels
        In their order.
    codes
        Names in the order of their colours.
    path
        Of the picture.
    columns
        The most of them.
    same
        Whether all panels have the same axis of time.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    drawn = [p for p in panels if any(p.curves.values())]
    if not drawn:
        return
    columns = min(columns, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    figure = Figure(figsize=(3.4 * columns, 2.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    seconds = [s for p in drawn for curve in p.curves.values() for s, _ in curve if s > 0]
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    for ax, panel in zip(axes, drawn, strict=False):
        for code, curve in panel.curves.items():
            known = [(s, e) for s, e in curve if math.isfinite(e) and e > 0]
            if known:
                number = codes.index(code)
                ax.loglog(*zip(*known, strict=True), f"{'osD^v'[number % 5]}-", color=f"C{number}", ms=4, label=code)
        if same and seconds:
            ax.set_xlim(min(seconds) / 2, max(seconds) * 2)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(panel.title, fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.3)
    for ax in axes[::columns]:
        ax.set_ylabel("relative L2 error", fontsize=8)
    for ax in axes[max(0, len(drawn) - columns) : len(drawn)]:
        ax.set_xlabel("CPU seconds", fontsize=8)
    handles = {label: h for ax in axes[: len(drawn)] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=8)
    write_figure(figure, path, dpi=110)
