"""Figures of matplotlib as files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from hermite_pinn.errors import OutputError
from hermite_pinn.output import output_path, write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_figure"]


def write_figure(figure: Figure, path: str | Path, dpi: int = 130) -> Path:
    """Write a picture, all of it or nothing, in the format of its suffix (by default PNG); returns where.

    Raises
    ------
    OutputError
        If matplotlib does not know the format, or the file cannot be written; an earlier picture is as it was.
    """
    target, image = output_path(path), io.BytesIO()
    if not target.suffix.strip("."):
        target = target.with_name(f"{target.name.rstrip('.')}.png")
    try:
        figure.savefig(image, dpi=dpi, format=target.suffix[1:].lower())
    except (OSError, ValueError, RuntimeError) as error:
        raise OutputError(f"{target} cannot be written: {error}; matplotlib writes png, pdf, svg and others") from error
    return write_file(target, image.getbuffer())
