"""One-dimensional rules and checks that shapes share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.geometry.names import face_name
from hermite_pinn.schema import Entry

__all__ = ["array_of", "count_of", "directions", "face_name", "frame", "gauss_panels", "numbers_of", "plain", "rings"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(3)
MOST = 1 << 24  # points along a line
TOGETHER = 3e6  # points on circles, all together


def count_of(length: float, spacing: float) -> int:
    """Number of points along a length so that they are at most ``spacing`` apart."""
    return max(1, min(MOST, math.ceil(length / spacing * (1 - 1e-12))))


def gauss_panels(start: float, end: float, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of a Gauss rule of three points on equal panels, about ``spacing`` apart."""
    panels = count_of(end - start, 3 * spacing)
    width = (end - start) / panels
    middles = start + (np.arange(panels) + 0.5) * width
    points = middles[:, None] + 0.5 * width * _NODES
    return points.ravel(), np.tile(0.5 * width * _WEIGHTS, panels)


def directions(x: np.ndarray) -> np.ndarray:
    """Vectors (dim, n) scaled to length 1; the first axis for those without length."""
    length = np.linalg.norm(x, axis=0)
    result = x / np.where(length > 0, length, 1.0)
    result[0, length == 0] = 1.0
    return np.asarray(result)


def plain(values: np.ndarray) -> str:
    """A point as it is written in a call."""
    return f"({', '.join(f'{v:.10g}' for v in values)})"


def numbers_of(entry: Entry, count: int | Sequence[int]) -> np.ndarray:
    """A list of numbers in a file."""
    least, most = (count, count) if isinstance(count, int) else (min(count), max(count))
    return np.array([e.number() for e in entry.items(least=least, most=most)])


def array_of(entry: Entry, shape: Sequence[int | None]) -> np.ndarray:
    """An array in a file."""
    value = torch.from_numpy(np.array(entry.value)) if isinstance(entry.value, np.ndarray) else entry.value
    return Entry(value, entry.source, entry.path).tensor(shape).numpy().copy()


def rings(radii: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal angles on circles with as many points as ``spacing`` asks for, at least four.

    Parameters
    ----------
    radii
        Of the circles, (m,).
    spacing
        Largest distance of points.

    Returns
    -------
    ring, turn, count
        Number of the circle and angle of every point, (n,); number of points of every circle, (m,).
    """
    wanted = 2 * np.pi * radii / spacing * (1 - 1e-12)
    if wanted.sum() > TOGETHER:  # far larger than what it cuts
        wanted *= TOGETHER / wanted.sum()
    count = np.maximum(4, np.ceil(wanted)).astype(np.int64)
    ring = np.repeat(np.arange(count.size), count)
    place = np.arange(ring.size) - np.repeat(np.cumsum(count) - count, count)
    shift = 0.5 + 0.6180339887498949 * np.arange(count.size) % 1.0  # so that no seam shows
    return ring, 2 * np.pi * (place + shift[ring]) / count[ring], count


def frame(axis: np.ndarray) -> np.ndarray:
    """An orthonormal matrix (3, 3) that keeps the orientation and whose last column has the direction of ``axis``."""
    last = axis / np.linalg.norm(axis)
    helper = np.eye(3)[int(np.abs(last).argmin())]
    first = np.cross(helper, last)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(last, first), last], axis=1)
