"""Regions that any domain can have: scattered measured points, and penalties."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from .region import Region
from .samples import Samples

__all__ = ["Penalty", "Points"]


@dataclass(frozen=True, eq=False)
class Points(Region):
    """Scattered points (n, dim) with measured columns, each (n,): always the same points, whatever is asked for."""

    points: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For messages."""
        return "data"

    @property
    def measure(self) -> float:
        """Number of points."""
        return float(len(self.points))

    @cached_property
    def measured(self) -> Samples:
        """The points with their columns and weight 1 each."""
        columns = {k: torch.as_tensor(v) for k, v in self.columns.items()}
        return Samples(torch.as_tensor(np.ascontiguousarray(self.points.T)), 1.0, columns=columns)

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """The points, on the generator's device."""
        return self.measured.to(generator.device, dtype)

    def quasi_random(self, count: int, seed: int) -> Samples:
        """The points."""
        return self.measured

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """The points."""
        return self.measured

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points."""
        return len(self.points)

    def spacing(self, cells: Sequence[int]) -> float:
        """One: values have no scale of length."""
        return 1.0


class _Same(Region):
    """Makes the points of another region."""

    region: Region

    @property
    def on_device(self) -> bool:  # type: ignore[override]
        """As of the region."""
        return self.region.on_device

    @property
    def measure(self) -> float:
        """That of the region."""
        return self.region.measure

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Points of the region."""
        return self.region.random(count, generator, dtype)

    def quasi_random(self, count: int, seed: int) -> Samples:
        """Points of the region."""
        return self.region.quasi_random(count, seed)

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """Points of the region."""
        return self.region.gauss(cells, order)

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        return self.region.gauss_count(cells, order)

    def spacing(self, cells: Sequence[int]) -> float:
        """That of the region."""
        return self.region.spacing(cells)


@dataclass(frozen=True)
class Penalty(_Same):
    """A region, mostly the whole domain, for terms that are to be small, not zero: derivatives of a field."""

    region: Region
    field: str

    everywhere = True

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.region.name}, {self.field} smooth"

    @property
    def penalty(self) -> str:
        """The field, or what of it shares a weight."""
        return self.field

    @property
    def support(self) -> Hashable:
        """Penalties of all fields share their points, apart from those of the equations."""
        return Penalty, self.region
