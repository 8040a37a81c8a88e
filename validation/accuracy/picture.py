"""Error against time for a suite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hermite_pinn.result.picture_file import write_figure

from .suite import Result

__all__ = ["draw_results"]


def draw_results(results: Sequence[Result], path: Path) -> None:
    """Write a picture with a panel per case.

    The line is the estimated error at the end of every level, the dot the true error of the final field; dashed what is
    to be beaten, and a diamond a classical spectral method.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    columns = min(4, len(results))
    rows = math.ceil(len(results) / columns)
    figure = Figure(figsize=(3.3 * columns, 2.7 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(results) :]:
        ax.set_axis_off()
    for ax, r in zip(axes, results, strict=False):
        known = [(t, e) for t, _, e in r.course if math.isfinite(e) and e > 0]
        if known:
            ax.loglog(*zip(*known, strict=True), "-", color="C0", marker=".", label="estimate, level by level")
        ax.loglog([r.seconds], [r.error], "o", color="C3", label="true error at the end")
        if r.case.paper is not None:
            ax.axhline(r.case.paper, ls="--", color="0.4", label="to beat")
        if r.classical is not None:
            ax.loglog([r.classical.seconds], [r.classical.error], "D", color="C2", ms=5, label="spectral method")
        low, high = (math.log10(t) for t in ax.get_xlim())
        ax.set_xlim(10.0 ** math.floor(low), 10.0 ** math.ceil(high))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_title(r.case.label, fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.3)
    for ax in axes[::columns]:
        ax.set_ylabel("relative L2 error", fontsize=8)
    for ax in axes[max(0, len(results) - columns) : len(results)]:
        ax.set_xlabel("seconds", fontsize=8)
    handles = {
        label: h for ax in axes[: len(results)] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    write_figure(figure, path, dpi=110)
