"""A part of a boundary that is given by its points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import cKDTree

from .domain import Domain
from .quadrature import gauss_axis, per_axis
from .region import Region
from .samples import Samples
from .seeds import numpy_seed

__all__ = ["SurfacePoints", "areas"]

NEIGHBOURS = {1: 1, 2: 2, 3: 6}  # of a point, by dimension, that say how dense points are


def areas(x: np.ndarray) -> np.ndarray:
    """Areas, in the plane lengths, for which points (dim, n) of a surface stand, by the distances of their neighbours.

    Examples
    --------
    >>> t = 2 * np.pi * np.arange(100) / 100
    >>> round(float(areas(np.stack([np.cos(t), np.sin(t)])).sum()), 2)
    6.28
    """
    dim, count = x.shape
    k = min(NEIGHBOURS[min(dim, 3)], count - 1)
    if dim == 1 or k < 1:
        return np.ones(count)
    reach = cKDTree(x.T).query(x.T, k=k + 1)[0]
    if dim == 2:
        return np.asarray(reach[:, 1:].mean(1))
    return np.asarray(math.pi * reach[:, -1] ** 2 / k)


@dataclass(frozen=True, eq=False)
class SurfacePoints(Region):
    """Points on the boundary of a domain or in it, with the area for which each stands: always the same points.

    Attributes
    ----------
    domain
        In which they lie.
    points
        (n, dim), or in a domain with a time axis (n, dim - 1): then they hold at all times.
    normals
        Unit normals, shaped as the points in space, or None.
    """

    domain: Domain
    points: np.ndarray
    normals: np.ndarray | None

    on_boundary = inner = True
    on_device = False

    @property
    def name(self) -> str:
        """For messages."""
        return f"{len(self.points)} points"

    @property
    def covers(self) -> frozenset[str]:
        """Nothing that has a name."""
        return frozenset()

    @property
    def _moving(self) -> bool:
        """Whether the points extend in time."""
        return self.points.shape[1] < self.domain.dim

    @cached_property
    def _in_space(self) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Points (space, n), normals and areas."""
        space = list(self.domain.space_axes)
        x = self.points.T if self._moving else self.points.T[space]
        return np.ascontiguousarray(x), None if self.normals is None else self.normals.T.copy(), areas(x)

    @property
    def measure(self) -> float:
        """Sum of the areas, times the length of time."""
        time = self.domain.time_axis
        return float(self._in_space[2].sum()) * (self.domain.lengths[time] if time is not None else 1.0)

    def _samples(self, chosen: np.ndarray, t: np.ndarray, weights: np.ndarray) -> Samples:
        x, normals, _ = self._in_space
        space, time = list(self.domain.space_axes), self.domain.time_axis
        made = np.empty((self.domain.dim, chosen.size))
        made[space] = x[:, chosen]
        if time is not None:
            made[time] = t if self._moving else self.points[chosen, time]
        spread = None
        if normals is not None:
            spread = np.zeros_like(made)
            spread[space] = normals[:, chosen]
        return Samples(
            torch.as_tensor(made), torch.as_tensor(weights), None if spread is None else torch.as_tensor(spread)
        )

    @property
    def fixed(self) -> Samples:
        """The points."""
        count = len(self.points)
        return self._samples(np.arange(count), np.full(count, self._time(0.5)), self._in_space[2])

    def _time(self, share: float) -> float:
        time = self.domain.time_axis
        return 0.0 if time is None else self.domain.lower[time] + share * self.domain.lengths[time]

    def _drawn(self, count: int, rng: np.random.Generator, places: np.ndarray) -> Samples:
        total = np.cumsum(self._in_space[2])
        chosen = np.minimum(np.searchsorted(total, places * total[-1]), len(self.points) - 1)
        t = self._time(0.0) + (self._time(1.0) - self._time(0.0)) * (rng.permutation(count) + rng.random(count)) / count
        return self._samples(chosen, t, np.full(count, self.measure / count))

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Some of the points, in proportion to their areas, at random times."""
        rng = np.random.default_rng(numpy_seed(generator))
        return self._drawn(count, rng, rng.random(count)).to(generator.device, dtype)

    def quasi_random(self, count: int, seed: int) -> Samples:
        """Some of the points, evenly; points occur several times where there are few."""
        return self._drawn(count, np.random.default_rng(seed), (np.arange(count) + 0.5) / count)

    def in_space(self, cells: Sequence[int]) -> Samples:
        """All points, in space."""
        if self.domain.time_axis is not None and not self._moving:
            return super().in_space(cells)
        x, normals, weights = self._in_space
        spread = None if normals is None else torch.as_tensor(normals)
        return Samples(torch.as_tensor(x), torch.as_tensor(weights), spread)

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """All points, times a Gauss rule in time where they hold at all times."""
        count, time = len(self.points), self.domain.time_axis
        weights = self._in_space[2]
        if time is None or not self._moving:
            total = weights * (self.measure / weights.sum())
            return self._samples(np.arange(count), np.zeros(count), total)
        k = per_axis(order, self.domain.dim)[time]
        t, shares = gauss_axis(self.domain.lower[time], self.domain.upper[time], cells[time], k)
        return self._samples(
            np.repeat(np.arange(count), t.size), np.tile(t, count), (weights[:, None] * shares).ravel()
        )

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        time = self.domain.time_axis
        times = 1 if time is None or not self._moving else cells[time] * per_axis(order, self.domain.dim)[time]
        return len(self.points) * times

    def spacing(self, cells: Sequence[int]) -> float:
        """Size of a cell in space, the smallest."""
        return min(self.domain.lengths[i] / cells[i] for i in self.domain.space_axes)
