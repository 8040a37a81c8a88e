"""The coefficients of a level by the vertices that they belong to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["VertexLayout", "compact_layout", "dense_layout"]


@dataclass(frozen=True, eq=False)
class VertexLayout:
    """Which coefficients of a level a vertex has, and where it lies.

    Attributes
    ----------
    positions
        Of the vertices, int64, (V, d); those on both sides of a break have one.
    sides, wraps
        Vertices of the whole grid along every axis, and which axes are periodic.
    unknowns
        Numbers of the coefficients of a vertex in the flattened array of the level, int64, (V, w).
    """

    positions: np.ndarray
    sides: tuple[int, ...]
    wraps: tuple[bool, ...]
    unknowns: np.ndarray

    @property
    def width(self) -> int:
        """Coefficients of a vertex."""
        return int(self.unknowns.shape[1])

    def same(self, other: VertexLayout) -> bool:
        """Whether another level has the same vertices and coefficients."""
        return (
            (self.sides, self.wraps, self.width) == (other.sides, other.wraps, other.width)
            and np.array_equal(self.positions, other.positions)
            and np.array_equal(self.unknowns, other.unknowns)
        )


def dense_layout(
    fields: int,
    shape: Sequence[int],
    wraps: Sequence[bool],
    m: int,
    merged: Sequence[np.ndarray | None] | None = None,
) -> VertexLayout:
    """Of a level (m N_1, ..., m N_d) of all vertices, by field.

    Parameters
    ----------
    merged
        By axis, the place of every vertex where several are at one, as on both sides of a break; None where each has
        its own.

    Examples
    --------
    >>> dense_layout(2, (6,), (False,), 2).unknowns.tolist()
    [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    """
    sides = tuple(n // m for n in shape)
    positions = np.stack(np.unravel_index(np.arange(math.prod(sides)), sides), 1).astype(np.int64)
    orders = np.array(list(itertools.product(range(m), repeat=len(sides))), dtype=np.int64)
    own = positions[:, None, :] * m + orders
    numbers = np.ravel_multi_index(tuple(own.reshape(-1, len(sides)).T), tuple(shape)).reshape(len(own), -1)
    for axis, places in enumerate(merged or ()):
        if places is not None:
            positions[:, axis] = places[positions[:, axis]]
            sides = (*sides[:axis], int(places.max()) + 1, *sides[axis + 1 :])
    return VertexLayout(positions, sides, tuple(wraps), _by_field(numbers, fields, math.prod(shape)))


def compact_layout(
    fields: int,
    vertices: np.ndarray,
    sides: Sequence[int],
    wraps: Sequence[bool],
    record: int,
    times: tuple[int, bool] | None,
    m: int,
) -> VertexLayout:
    """Of a level (V record, m T) of some vertices over space, and T along time, which comes last.

    Parameters
    ----------
    times
        Vertices along time, and whether it is periodic; None without time.
    """
    count = len(vertices)
    numbers = np.arange(count * record).reshape(count, record)
    sides, wraps = tuple(sides), tuple(wraps)
    if times is None:
        return VertexLayout(vertices, sides, wraps, _by_field(numbers, fields, count * record))
    along = np.arange(times[0])
    positions = np.concatenate([np.repeat(vertices, times[0], 0), np.tile(along, count)[:, None]], 1)
    line = along[:, None] * m + np.arange(m)
    whole = numbers[:, None, :, None] * (times[0] * m) + line[None, :, None, :]
    own = whole.reshape(count * times[0], record * m)
    return VertexLayout(
        positions, (*sides, times[0]), (*wraps, times[1]), _by_field(own, fields, count * record * times[0] * m)
    )


def _by_field(numbers: np.ndarray, fields: int, size: int) -> np.ndarray:
    own: np.ndarray = numbers[:, None, :] + np.arange(fields)[None, :, None] * size
    return own.reshape(len(numbers), -1)
