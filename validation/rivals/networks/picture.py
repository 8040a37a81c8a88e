"""Error against CPU seconds, a panel per problem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hermite_pinn.result.picture_file import write_figure

from .cases import Case
from .rows import Row

__all__ = ["draw_rows"]


def draw_rows(cases: Sequence[Case], rows: Sequence[Row], path: Path) -> None:
    """Write a picture with a panel for every problem that has results, and nothing if none has.

    Parameters
    ----------
    cases
        In the order of the panels.
    rows
        Of all codes.
    path
        Of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    drawn = [c for c in cases if any(r.case == c.name and r.marks for r in rows)]
    if not drawn:
        return
    columns = min(3, len(drawn))
    count = math.ceil(len(drawn) / columns)
    figure = Figure(figsize=(3.6 * columns, 2.9 * count), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(count, columns, squeeze=False).ravel()
    codes = list(dict.fromkeys(r.code for r in rows))
    seconds = [m.seconds for r in rows for m in r.marks if m.seconds > 0]
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    for ax, case in zip(axes, drawn, strict=False):
        for row in (r for r in rows if r.case == case.name):
            known = [(m.seconds, m.error) for m in row.marks if math.isfinite(m.error) and m.error > 0]
            if known:
                number = codes.index(row.code)
                ax.loglog(
                    *zip(*known, strict=True), f"{'osD^v'[number % 5]}-", color=f"C{number}", ms=5, label=row.code
                )
        if seconds:
            ax.set_xlim(min(seconds) / 2, max(seconds) * 2)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(case.title, fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.3)
    for ax in axes[::columns]:
        ax.set_ylabel("relative L2 error", fontsize=8)
    for ax in axes[max(0, len(drawn) - columns) : len(drawn)]:
        ax.set_xlabel("CPU seconds", fontsize=8)
    handles = {label: h for ax in axes[: len(drawn)] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=8)
    write_figure(figure, path, dpi=110)
