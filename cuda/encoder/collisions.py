"""How many slots of hashed levels several vertices share."""

from __future__ import annotations

import math

import numpy as np
import torch

from hermite_pinn.errors import InvalidArgumentError

from .layout import GridLayout
from .storage import PRIMES, Storage

__all__ = ["collisions"]

MOST = 2**24  # vertices that are counted


def collisions(layout: GridLayout, points: torch.Tensor | None = None) -> tuple[float, ...]:
    """By level the share of slots with more than one used vertex; 0 where every vertex has a record of its own.

    Parameters
    ----------
    layout
        The levels; of one with several tables the smallest counts.
    points
        (dim, n): the vertices of their cells are used; None: all vertices.

    Returns
    -------
    tuple
        Shares from 0 to 1.  Of levels with more than 2**24 vertices, all used, it is what independent random slots
        would have on average.

    Raises
    ------
    InvalidArgumentError
        For points of another number of axes.

    Examples
    --------
    >>> collisions(GridLayout((0.0,), (1.0,), ((3,), (40,)), "cubic", table_sizes=(32,)))
    (0.0, 0.28125)
    """
    if points is not None and (points.ndim != 2 or len(points) != layout.dim):
        raise InvalidArgumentError(f"points have shape ({layout.dim}, n), got {tuple(points.shape)}")
    return tuple(_share(layout, level, points) for level in range(layout.levels))


def _share(layout: GridLayout, level: int, points: torch.Tensor | None) -> float:
    storage = min((g.storage for g in layout.groups[level]), key=lambda s: s.slots)
    if storage.mask == 0:
        return 0.0
    counts = layout.vertices(level)
    if points is not None:
        used = _vertices_of(layout, level, points)
        slots = storage.slot([torch.from_numpy(v) for v in used.T]).numpy()
        return float(np.mean(np.bincount(slots, minlength=storage.slots) > 1))
    if math.prod(counts) > MOST:
        return _expected(math.prod(counts), storage.slots)
    return float(np.mean(_occupancy(counts, storage) > 1))


def _occupancy(counts: tuple[int, ...], storage: Storage) -> np.ndarray:
    """Vertices of every slot."""
    hashed = np.zeros(1, dtype=np.uint32)
    for count, prime in zip(counts, PRIMES, strict=False):
        hashed = (hashed[:, None] ^ (np.arange(count, dtype=np.uint32) * np.uint32(prime))).ravel()
    return np.bincount(hashed & np.uint32(storage.mask), minlength=storage.slots)


def _expected(vertices: int, slots: int) -> float:
    """Mean share of slots with two or more of so many vertices that fall independently."""
    load = vertices / slots
    none = math.exp(vertices * math.log1p(-1.0 / slots))
    return 1.0 - none - load / (1.0 - 1.0 / slots) * none


def _vertices_of(layout: GridLayout, level: int, points: torch.Tensor) -> np.ndarray:
    """The different vertices of the cells of points, (count, dim)."""
    cells, counts = layout.resolutions[level], layout.vertices(level)
    x = points.detach().cpu().double().numpy()
    left = np.empty(x.shape, dtype=np.int64)
    for axis, (a, length, n, wraps) in enumerate(
        zip(layout.lower, layout.lengths, cells, layout.periodic, strict=True)
    ):
        unit = (x[axis] - a) / length
        left[axis] = np.clip(np.floor((unit - np.floor(unit) if wraps else unit) * n), 0, n - 1)
    corners = np.unique(left.T, axis=0)
    ends = np.stack([c.ravel() for c in np.meshgrid(*[[0, 1]] * layout.dim, indexing="ij")], 1)
    every = (corners[:, None] + ends).reshape(-1, layout.dim) % np.array(counts)
    return np.unique(every, axis=0)
