"""Differences of pixels: sums of a few pixels around every one, and their transposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .pixels import Pixels

__all__ = ["Stencil"]

#: Row and column of a neighbour relative to a pixel, and its weight.
Tap = tuple[int, int, float]


@dataclass(frozen=True)
class Stencil:
    """The same weighted sum of neighbours at many pixels.

    Attributes
    ----------
    places
        Numbers of the neighbours, int64, (taps, n).
    weights
        Their weights, (taps,).
    shape
        Rows and columns of the n pixels.
    size
        Pixels of the picture.

    Examples
    --------
    >>> along = Stencil.of(Pixels(2, 3), [(0, 0, -1.0), (0, 1, 1.0)], (0, 2), (0, 2))
    >>> along.apply(np.array([[[0.0, 1.0, 3.0], [5.0, 5.0, 4.0]]])).tolist()
    [[[1.0, 2.0], [0.0, -1.0]]]
    """

    places: np.ndarray
    weights: np.ndarray
    shape: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, pixels: Pixels, taps: Sequence[Tap], rows: tuple[int, int], columns: tuple[int, int]) -> Stencil:
        """At the pixels of some rows and columns; what lies beyond the picture is mirrored at its outermost pixels."""
        i, j = np.arange(*rows), np.arange(*columns)
        places = [
            pixels.numbers[np.ix_(_mirrored(i + down, pixels.rows), _mirrored(j + right, pixels.columns))].ravel()
            for down, right, _ in taps
        ]
        return cls(np.stack(places), np.array([w for *_, w in taps]), (len(i), len(j)), pixels.shape)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """The sums (channels, rows, columns) of a picture."""
        flat = values.reshape(len(values), -1)
        sums = sum(w * flat[:, at] for w, at in zip(self.weights, self.places, strict=True))
        return np.asarray(sums).reshape(len(values), *self.shape)

    def transpose(self, sums: np.ndarray) -> np.ndarray:
        """The transposed matrix times numbers (channels, rows, columns) at the pixels of the stencil."""
        flat = sums.reshape(len(sums), -1)
        total = self.size[0] * self.size[1]
        out = np.zeros((len(sums), total))
        for w, at in zip(self.weights, self.places, strict=True):
            for channel, row in zip(out, flat, strict=True):
                channel += w * np.bincount(at, row, total)
        return out.reshape(len(sums), *self.size)


def _mirrored(places: np.ndarray, count: int) -> np.ndarray:
    """Places along an axis, those one beyond an end mirrored there."""
    last = count - 1
    return last - np.abs(last - np.abs(places))
