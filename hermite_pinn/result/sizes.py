"""Sizes of what is sampled and written: refused before anything is allocated where they do not fit."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hermite_pinn.checks import integer
from hermite_pinn.errors import OutputError
from hermite_pinn.memory import check_fits, spelled_size

__all__ = ["DRAWN", "ENCODED", "MOST_FRAMES", "WRITTEN", "check_disk", "check_grid", "intervals"]

#: How often samples are in memory while an HDF5 file, a VTK file or a picture of them is made.
WRITTEN, ENCODED, DRAWN = 3.0, 8.0, 13.0
#: Files that a series over time may have.
MOST_FRAMES = 10_000


def intervals(name: str, value: Any, **words: Any) -> int:
    """A number of intervals per axis, also as a floating-point number such as 1e3.

    Examples
    --------
    >>> intervals("resolution", 1e3)
    1000
    """
    whole = isinstance(value, float) and value.is_integer()
    return integer(name, int(value) if whole else value, least=1, **words)


def check_grid(
    counts: Sequence[int], components: int, *, times: float = 1.0, folder: Path | None = None, files: int = 1
) -> None:
    """Refuse samples on a grid that do not fit.

    Parameters
    ----------
    counts
        Points per axis.
    components
        Numbers per point, float64.
    times
        How often they are in memory at the same time.
    folder
        Where they are written, too; None for nowhere.
    files
        How often they are written there.

    Raises
    ------
    OutOfMemoryError
        If they do not fit into the free memory; the message tells the size.
    OutputError
        If they do not fit on the disk of the folder.
    """
    size = 8.0 * components * math.prod(map(float, counts))
    what = f"a grid of {' x '.join(map(str, counts))} points with {components} number{'s' * (components > 1)} each"
    check_fits(times * size, what, "lower the resolution, or sample a part of it by solution.on_grid")
    if folder is not None:
        check_disk(0.25 * size * files, what if files == 1 else f"{files:,} times {what}", folder)


def check_disk(size: float, what: str, folder: Path) -> None:
    """Raise :class:`.OutputError` if a disk has less than ``size`` bytes left."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # what writes the file says why the folder does not do
    if size > free:
        raise OutputError(
            f"{what} takes about {spelled_size(size)}, but {spelled_size(free)} are free in {folder}; lower the resolution"
        )
