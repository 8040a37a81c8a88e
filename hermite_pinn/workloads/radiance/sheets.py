"""Sheets of pictures: true ones, found ones, errors, depths and normals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.checks import number
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.result.picture_file import write_figure

from .arrays import host_array
from .metrics import psnr
from .picture_files import depth_colors, normal_colors

__all__ = ["Shown", "draw_views"]

#: Most rows of a sheet, width of a picture in inches, and pixels per inch.
ROWS, INCHES, DPI = 40, 2.4, 100


@dataclass(frozen=True, eq=False)
class Shown:
    """A view as it is and as it was found.

    Attributes
    ----------
    name
        Of the view.
    true
        Colours (h, w, 3).
    found
        Colours (h, w, 3).
    depth
        Lengths along rays (h, w), infinite where there is nothing; None: they are not shown.
    normals
        (h, w, 3); None: they are not shown.
    """

    name: str
    true: Any
    found: Any
    depth: Any = None
    normals: Any = None


def draw_views(path: str | Path, views: Sequence[Shown], *, peak_error: float = 0.2) -> Path:
    """Draw views one below the other: true, found with its PSNR, the error, depth and normals.

    Parameters
    ----------
    path
        File to write: PNG, PDF or SVG.
    views
        1 to 40 of them.
    peak_error
        Mean absolute error of the channels that is drawn black; none is white.

    Raises
    ------
    InvalidArgumentError
        If there are none or too many, or shapes do not fit.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import torch
    >>> import tempfile
    >>> view = Shown("0", torch.zeros(4, 6, 3), torch.full((4, 6, 3), 0.1), torch.ones(4, 6))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     draw_views(Path(folder) / "views.png", [view]).name
    'views.png'
    """
    limit = number("peak_error", peak_error, above=0)
    if not 1 <= len(views) <= ROWS:
        raise InvalidArgumentError(f"a sheet has 1 to {ROWS} views, got {len(views)}; draw some of them")
    ratios = [psnr(view.found, view.true) for view in views]
    from matplotlib.figure import Figure

    columns = 3 + any(v.depth is not None for v in views) + any(v.normals is not None for v in views)
    height, width = np.shape(views[0].true)[:2]
    size = (INCHES * columns, (INCHES * height / width + 0.25) * len(views))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(views), columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for row, (view, ratio) in enumerate(zip(views, ratios, strict=True)):
        panels = _panels(view, ratio, limit)
        for axes, (words, pixels, colours) in zip(grid[row], panels, strict=False):
            axes.imshow(pixels, vmin=0, vmax=limit if colours else 1, cmap=colours, interpolation="nearest")
            axes.set_title(words, fontsize=8)
    return write_figure(figure, path, dpi=DPI)


def _panels(view: Shown, ratio: float, limit: float) -> list[tuple[str, np.ndarray, str | None]]:
    """Words, pixels and colour scale of the pictures of a row."""
    true, found = (np.clip(host_array(pixels), 0, 1) for pixels in (view.true, view.found))
    panels: list[tuple[str, np.ndarray, str | None]] = [
        (f"{view.name}", true, None),
        (f"{ratio:.2f} dB", found, None),
        (f"error, black: {limit:g}", np.abs(found - true).mean(2), "gray_r"),
    ]
    if view.depth is not None:
        panels.append(("depth", depth_colors(view.depth), None))
    if view.normals is not None:
        panels.append(("normals", normal_colors(view.normals), None))
    return panels
