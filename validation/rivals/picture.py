"""Error against CPU seconds, a panel per contest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from hermite_pinn.result.picture_file import write_figure

from .contest import Contest, Curve

__all__ = ["draw_curves"]


def draw_curves(contests: Sequence[Contest], curves: Mapping[str, Sequence[Curve]], path: Path) -> None:
    """Write a picture with a panel for every contest that has curves, and nothing if none has.

    Parameters
    ----------
    contests
        In the order of the panels.
    curves
        Of all codes, by the name of the contest.
    path
        Of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = [c for c in contests if any(k.points for k in curves.get(c.name, ()))]
    if not drawn:
        return
    columns = min(4, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    figure = Figure(figsize=(3.3 * columns, 2.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    codes = list(dict.fromkeys(e.code for c in contests for e in c.entrants))
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    for ax, contest in zip(axes, drawn, strict=False):
        for curve in curves[contest.name]:
            known = [(p.seconds, p.error) for p in curve.points if math.isfinite(p.error) and p.error > 0]
            if known:
                number = codes.index(curve.code)
                ax.loglog(
                    *zip(*known, strict=True), f"{'osD^v'[number % 5]}-", color=f"C{number}", ms=4, label=curve.code
                )
        ax.set_title(contest.title, fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.3)
    for ax in axes[::columns]:
        ax.set_ylabel("relative L2 error", fontsize=8)
    for ax in axes[max(0, len(drawn) - columns) : len(drawn)]:
        ax.set_xlabel("CPU seconds", fontsize=8)
    handles = {label: h for ax in axes[: len(drawn)] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    write_figure(figure, path, dpi=110)
