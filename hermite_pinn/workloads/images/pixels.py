"""Pixels as points of a box, and pictures as arrays of one form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.checks import real_array
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Box

__all__ = ["Pixels", "picture_array"]

#: Sizes along an axis that are accepted, and the largest number of channels.
LEAST, MOST, CHANNELS = 2, 2**14, 16


@dataclass(frozen=True)
class Pixels:
    """The pixels of a picture as points: column ``j`` at ``x = j h``, row ``i`` at ``y = i h``.

    Attributes
    ----------
    rows, columns
        How many there are, at least 2.

    Examples
    --------
    >>> pixels = Pixels(3, 5)
    >>> pixels.spacing, pixels.box.bounds
    (0.25, {'x': (0.0, 1.0), 'y': (0.0, 0.5)})
    """

    rows: int
    columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    @property
    def spacing(self) -> float:
        """Distance ``h`` of neighbours: the longer edge of the picture has length 1."""
        return 1.0 / (max(self.shape) - 1)

    @property
    def box(self) -> Box:
        """From the first pixel to the last one."""
        x, y = self.axes
        return Box(x=(0.0, float(x[-1])), y=(0.0, float(y[-1])))

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates x of the columns and y of the rows."""
        longest = max(self.shape) - 1
        return np.arange(self.columns) / longest, np.arange(self.rows) / longest

    @cached_property
    def numbers(self) -> np.ndarray:
        """Of all pixels, row after row, (rows, columns)."""
        return np.arange(self.rows * self.columns).reshape(self.shape)

    @cached_property
    def border(self) -> np.ndarray:
        """Numbers of the pixels in the first and last rows and columns."""
        outer = np.ones(self.shape, dtype=bool)
        outer[1:-1, 1:-1] = False
        return self.numbers[outer]


def picture_array(name: str, value: Any) -> np.ndarray:
    """A picture as (channels, rows, columns), float64.

    Integers are divided by the largest number of their type, so that white is 1; floating-point numbers stay as they
    are.

    Parameters
    ----------
    name
        Of the argument.
    value
        (H, W), or (H, W, C) with up to 16 channels.

    Raises
    ------
    InvalidArgumentError
        For other shapes, fewer than two pixels along an axis, and numbers that are not finite.

    Examples
    --------
    >>> picture_array("picture", np.array([[0, 255], [51, 255]], dtype=np.uint8)).tolist()
    [[[0.0, 1.0], [0.2, 1.0]]]
    """
    accepted = "an array of grey values (H, W), or of channels (H, W, C)"
    array = real_array(name, value, shape=accepted)
    if array.ndim not in (2, 3):
        raise InvalidArgumentError(f"{name} must be {accepted}, got the shape {array.shape}")
    if min(array.shape[:2]) < LEAST or max(array.shape[:2]) > MOST:
        raise InvalidArgumentError(
            f"{name} must have between {LEAST} and {MOST} pixels along both axes, got the shape {array.shape}; a derivative "
            "needs two neighbours"
        )
    if array.ndim == 3 and not 1 <= array.shape[2] <= CHANNELS:
        raise InvalidArgumentError(
            f"{name} must have between 1 and {CHANNELS} channels along its last axis, got the shape {array.shape}"
        )
    white = _white(value)
    channels = array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)
    return np.ascontiguousarray(channels) / white


def _white(value: Any) -> float:
    """The number that stands for white."""
    kind = np.dtype(str(getattr(value, "dtype", "float64")).removeprefix("torch."))
    return float(np.iinfo(kind).max) if kind.kind in "ui" else 1.0
