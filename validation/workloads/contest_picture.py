"""A picture for every surface, with what each way made of it side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hermite_pinn.output import write_file

from .contest import Entry
from .contest_suite import tile_of
from .contest_surfaces import SUBJECTS, Subject
from .contest_ways import WAYS

__all__ = ["draw_surfaces"]

#: Tiles in a row, and colours of the file.
ACROSS, COLORS = 5, 160


def draw_surfaces(entries: Sequence[Entry], folder: Path) -> list[Path]:
    """Write ``distances-SURFACE.png`` for every surface of which the folder has small pictures; return where.

    Parameters
    ----------
    entries
        What was run.
    folder
        Where the small pictures lie.
    """
    files = []
    for subject in SUBJECTS.values():
        shown = [
            e
            for e in entries
            if e.subject == subject.name and e.seed == 0 and tile_of(subject, WAYS[e.way], folder).exists()
        ]
        if shown:
            shown.sort(key=lambda e: list(WAYS).index(e.way))
            files.append(_draw(subject, shown, folder))
    return files


def window(tiles: Sequence[np.ndarray], margin: int = 4) -> tuple[slice, slice]:
    """The rows and columns in which some of the pictures (height, width, channels) is not white.

    Examples
    --------
    >>> white = np.ones((40, 40, 3))
    >>> dark = white.copy()
    >>> dark[10:20, 15:30] = 0.0
    >>> window([white, dark])
    (slice(6, 24, None), slice(11, 34, None))
    """
    darkest = np.stack([t[..., :3].min(-1) for t in tiles]).min(0)
    ends = []
    for line in (darkest.min(1) < 0.99, darkest.min(0) < 0.99):
        found = np.flatnonzero(line) if line.any() else np.arange(len(line))
        ends.append(slice(max(0, int(found[0]) - margin), min(len(line), int(found[-1]) + 1 + margin)))
    return ends[0], ends[1]


def _draw(subject: Subject, entries: Sequence[Entry], folder: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import imread
    from PIL import Image

    rows = -(-len(entries) // ACROSS)
    figure = Figure(figsize=(2.05 * ACROSS, 2.3 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    tiles = [imread(tile_of(subject, WAYS[entry.way], folder)) for entry in entries]
    shown = window(tiles)
    for ax, entry, tile in zip(axes, entries, tiles, strict=False):
        ax.imshow(tile[shown], interpolation="nearest")
        f = entry.figures
        told = "" if f is None else f"gradient {f.gradient_mae:.3f}, IoU {f.iou:.3f}"
        ax.set_title(f"{WAYS[entry.way].title}\n{told}", fontsize=7.5)
    scale = ScalarMappable(Normalize(*subject.limits), "RdBu_r")
    bar = figure.colorbar(
        scale, ax=list(axes), location="bottom", extend="both", shrink=0.35, aspect=30, pad=0.02
    )  # fmt: skip
    bar.ax.tick_params(labelsize=7)
    bar.set_label("mean curvature, averaged", fontsize=7.5)
    image = io.BytesIO()
    figure.savefig(image, dpi=100, format="png")
    small = io.BytesIO()
    Image.open(image).convert("RGB").quantize(COLORS).save(small, format="png", optimize=True)
    return write_file(folder / f"distances-{subject.name}.png", small.getbuffer())
