"""What every level of detail of a coded field shows, side by side."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from hermite_pinn.output import write_file

from .coded_field import CodedField

__all__ = ["draw_levels"]


def draw_levels(coded: CodedField, path: str | Path) -> list[Path]:
    """Draw what each level shows, with its bytes and scores, as PNG.

    Parameters
    ----------
    coded
        A radiance field is shown as its first camera sees it, others by their first field.
    path
        File to write.

    Returns
    -------
    list
        The file; nothing where there is nothing to be shown, as of a field of one axis.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    shown = [coded.skeleton.shown(coded.field(k + 1)) for k in range(coded.levels)]
    pictures = [picture for picture in shown if picture is not None]
    if not pictures:
        return []
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 * len(pictures), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    low, high = (float(bound(pictures[-1])) for bound in (np.min, np.max))
    rows = zip(pictures, coded.sizes, coded.scores or ({},) * len(pictures), strict=True)
    for k, (picture, size, scores) in enumerate(rows, 1):
        axes = figure.add_subplot(1, len(pictures), k)
        axes.imshow(picture, cmap="gray", vmin=low, vmax=high)
        told = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        axes.set_title(f"{size / 1000:.1f} kB\n{told}", fontsize=9)
        axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    write_file(path, buffer.getvalue())
    return [Path(path)]
