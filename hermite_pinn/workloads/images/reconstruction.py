"""The pixels of a picture from what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .measurement import Differences, Measurement

__all__ = ["Known", "reconstruct"]

#: Solutions of the equations for what was left; the second one takes the rounding of the first.
ROUNDS = 3


@dataclass(frozen=True)
class Known:
    """What derivatives do not tell.

    Attributes
    ----------
    mean
        Of all pixels, by channel, (channels,); None where the frame is known, or everything is.
    frame
        A picture (channels, H, W) of which the outermost pixels count, or None.
    """

    mean: np.ndarray | None = None
    frame: np.ndarray | None = None


def reconstruct(measurement: Measurement, targets: Sequence[np.ndarray], known: Known) -> np.ndarray:
    """The pixels (channels, H, W) of which numbers agree best with the measured ones, in least squares.

    Of a pattern that neither the numbers nor what is known tell there is as much as makes the sum of the squares of
    differences of neighbours least.

    Parameters
    ----------
    measurement
        How numbers depend on pixels.
    targets
        The measured numbers, each (channels, rows, columns).
    known
        The mean or the outermost pixels, which are kept exactly.
    """
    values = np.zeros((len(targets[0]), *measurement.pixels.shape))
    inner = (slice(None), measurement.unknown, measurement.unknown)
    if known.frame is not None:
        values += known.frame
        values[inner] = 0.0
    if values[inner].size:
        for _ in range(ROUNDS):
            misfits = [t - m for t, m in zip(targets, measurement.apply(values), strict=True)]
            values[inner] += measurement.system.solve(measurement.gather(misfits)[inner])
        if measurement.unseen is not None:
            values += _smoothest(measurement, values) * measurement.unseen
    if known.mean is not None:
        values += (known.mean - values.mean((1, 2)))[:, None, None]
    return values


def _smoothest(measurement: Measurement, values: np.ndarray) -> np.ndarray:
    """How much of the unseen pattern makes neighbours most alike, (channels, 1, 1)."""
    assert measurement.unseen is not None
    differences = Differences(measurement.pixels, False)
    pattern = differences.apply(measurement.unseen[None])
    found = differences.apply(values)
    common = sum((f * p).sum((1, 2)) for f, p in zip(found, pattern, strict=True))
    return np.asarray(-common / sum((p * p).sum() for p in pattern))[:, None, None]
