"""Pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.output import check_writable, staged

from .measures import psnr, sample
from .pixels import picture_array

__all__ = ["draw"]


def draw(path: str | Path, picture: Any, found: Mapping[str, Any], *, peak_error: float = 0.1) -> None:
    """Draw a picture, reconstructions of it with their PSNR, and the errors beneath.

    Parameters
    ----------
    path
        File to write: PNG, PDF or SVG.
    picture
        The true one, (H, W) or (H, W, C).
    found
        Solutions or pictures of the same shape, by the label above each.
    peak_error
        Absolute error that is drawn black; none is white.

    Raises
    ------
    InvalidArgumentError
        If shapes do not fit.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import hermite_pinn as hp, pathlib, tempfile
    >>> picture = hp.images.made_picture(8, 12)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "picture.png"
    ...     hp.images.draw(file, picture, {"as it is": picture})
    ...     file.exists()
    True
    """
    target = checks.path("path", path)
    check_writable(target)
    limit = checks.number("peak_error", peak_error, above=0)
    true = _shown(picture_array("picture", picture))
    named = checks.instance("found", found, Mapping, "a mapping from words to solutions or pictures")
    if not named:
        raise InvalidArgumentError("found has no pictures to draw")
    ratios = {words: psnr(one, picture) for words, one in named.items()}
    from matplotlib.figure import Figure

    across = len(named) + 1
    figure = Figure(figsize=(2.3 * across, 4.9 * true.shape[0] / true.shape[1] + 0.5), layout="constrained")
    axes = figure.subplots(2, across, squeeze=False)
    _show(axes[0, 0], true, "true", 0.0, 1.0, "gray")
    axes[1, 0].axis("off")
    axes[1, 0].text(0.5, 0.5, f"error, white: 0,\nblack: {limit:g}", ha="center", va="center", fontsize=8)
    for column, (words, one) in enumerate(named.items(), 1):
        pixels = _shown(picture_array("found", sample(one, true.shape[:2]) if hasattr(one, "domain") else one))
        error = np.abs(pixels - true)
        _show(axes[0, column], np.clip(pixels, 0, 1), f"{words}\n{ratios[words]:.1f} dB", 0.0, 1.0, "gray")
        _show(axes[1, column], error if error.ndim == 2 else error.mean(2), "", 0.0, limit, "gray_r")
    with staged(target) as folder:
        figure.savefig(folder / target.name, dpi=75)


def _shown(channels: np.ndarray) -> np.ndarray:
    """What can be drawn: three channels as colours, others by their mean."""
    return np.moveaxis(channels, 0, 2) if len(channels) == 3 else channels.mean(0)


def _show(axes: Any, pixels: np.ndarray, words: str, least: float, most: float, colours: str) -> None:
    axes.imshow(pixels, vmin=least, vmax=most, cmap=colours, interpolation="nearest")
    axes.set_title(words, fontsize=8)
    axes.axis("off")
