"""Colour scales of small pictures and pages, without a library: numbers to colours."""

from __future__ import annotations

import numpy as np

__all__ = ["CYCLIC", "DIVERGING", "SEQUENTIAL", "coloured", "scale_of"]

Anchors = tuple[str, ...]

#: From dark blue to yellow, of equal steps to the eye (nine colours of viridis, which is in the public domain).
SEQUENTIAL: Anchors = (
    "440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725",
)  # fmt: skip
#: From blue by white to red, for numbers of both signs.
DIVERGING: Anchors = (
    "2166ac", "4393c3", "92c5de", "d1e5f0", "f7f7f7", "fddbc7", "f4a582", "d6604d", "b2182b",
)  # fmt: skip
#: A full turn, for phases: both ends are alike (nine colours of twilight, which is in the public domain).
CYCLIC: Anchors = (
    "e2d9e2", "9ebbc9", "6785be", "5e43a5", "2f1436", "741e4f", "b0585e", "ceac94", "e2d9e2",
)  # fmt: skip


def coloured(values: np.ndarray, low: float, high: float, anchors: Anchors) -> np.ndarray:
    """Colours (..., 4), uint8, of numbers between two ends; what is not finite is transparent.

    Examples
    --------
    >>> coloured(np.array([0.0, 1.0, np.nan]), 0.0, 1.0, SEQUENTIAL).tolist()
    [[68, 1, 84, 255], [253, 231, 37, 255], [0, 0, 0, 0]]
    """
    known = np.isfinite(values)
    span = high - low
    place = np.where(known, np.clip((values - low) / span, 0.0, 1.0) if span > 0 else 0.5, 0.0) * (len(anchors) - 1)
    stops = np.array([[int(a[k : k + 2], 16) for k in (0, 2, 4)] for a in anchors], dtype=np.float64)
    made = np.zeros((*values.shape, 4), dtype=np.uint8)
    for k in range(3):
        made[..., k] = np.round(np.interp(place, np.arange(len(anchors)), stops[:, k]))
    made[..., 3] = 255
    made[~known] = 0
    return made


def scale_of(values: np.ndarray) -> tuple[float, float, Anchors]:
    """Ends and colours that suit some numbers: symmetric ones where both signs matter.

    Examples
    --------
    >>> scale_of(np.array([-1.0, 0.5]))[:2], scale_of(np.array([1.0, 3.0]))[:2]
    ((-1.0, 1.0), (1.0, 3.0))
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 0.0, SEQUENTIAL
    low, high = float(known.min()), float(known.max())
    most = max(-low, high)
    if low < -0.2 * most and high > 0.2 * most:
        return -most, most, DIVERGING
    return low, high, SEQUENTIAL
