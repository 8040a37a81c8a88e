"""Parts of the boundary in space that shapes make or trim."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch

from .cut_region import CutRegion
from .quadrature import per_axis, sobol_cube
from .samples import Samples
from .seeds import numpy_seed
from .shape import Surface

__all__ = ["CutSurface"]


@dataclass(frozen=True, eq=False)
class CutSurface(CutRegion):
    """A part of the boundary in space that shapes make or trim."""

    on_boundary = True

    @abstractmethod
    def _fine(self, cells: Sequence[int] | None) -> Surface:
        """Points in space, for a grid, or fine ones for measures."""

    @cached_property
    def _finest(self) -> Surface:
        return self._fine(None)

    @property
    def measure(self) -> float:
        """Area or length of what is left, times the length of time."""
        return float(self._finest.weights.sum()) * self.span.length

    @cached_property
    def _grids(self):  # type: ignore[no-untyped-def]  # a cache that goes with its object
        return lru_cache(maxsize=4)(self._scaled)

    def _scaled(self, counts: tuple[int, ...]) -> Surface:
        cells = [1] * len(self.span.names)
        for axis, n in zip(self.span.space, counts, strict=True):
            cells[axis] = n
        made = self._fine(cells)
        if not made.count:
            made = self._finest
        total = float(self._finest.weights.sum())
        return Surface(made.x, made.weights * (total / made.weights.sum()), made.normals)

    def in_space(self, cells: Sequence[int]) -> Samples:
        """Points in space with weights and outward normals."""
        made: Surface = self._grids(self._counts(cells))
        return Samples(torch.as_tensor(made.x), torch.as_tensor(made.weights), torch.as_tensor(made.normals))

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """The points in space times a Gauss rule in time."""
        made = self.span.product(self.in_space(cells), cells, order)
        return Samples(made.x, made.weights, self.normal or made.normals)

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        count = self._grids(self._counts(cells)).count
        t = self.span.time
        return int(count if t is None else count * cells[t] * per_axis(order, len(self.span.names))[t])

    @cached_property
    def normal(self) -> tuple[float, ...] | None:  # type: ignore[override]
        """The outward normal where it is the same at all points."""
        normals = self._finest.normals
        if np.ptp(normals, axis=1).max() > 1e-12:
            return None
        return tuple(self.span.normals(normals[:, :1])[:, 0].tolist())

    def quasi_random(self, count: int, seed: int) -> Samples:
        """Points that divide the surface evenly, those of a fine rule, at low-discrepancy times."""
        fine = self._finest
        total = np.cumsum(fine.weights)
        unit = sobol_cube(1, 1, seed).numpy()[0, 0]
        chosen = np.minimum(np.searchsorted(total, (np.arange(count) + unit) / count * total[-1]), fine.count - 1)
        t = self.span.start + self.span.length * (np.random.default_rng(seed).permutation(count) + 0.5) / count
        return self._samples(fine.take(chosen), t)

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Uniform random points."""
        rng = np.random.default_rng(numpy_seed(generator))
        made = self._drawn(count, rng)
        samples = self._samples(made, self.span.start + self.span.length * rng.random(count))
        return samples.to(generator.device, dtype)

    def _samples(self, made: Surface, t: np.ndarray) -> Samples:
        normals = self.normal or self.span.normals(made.normals)
        return Samples(self.span.joined(made.x, t), self.measure / made.count, normals)

    @abstractmethod
    def _drawn(self, count: int, rng: np.random.Generator) -> Surface:
        """Uniform random points in space."""
