"""Several parts of a boundary as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .region import Region
from .samples import Samples

__all__ = ["Union"]


@dataclass(frozen=True)
class Union(Region):
    """Several parts of a boundary as one, with as many points on each, in their order."""

    regions: tuple[Region, ...]

    on_boundary = True

    @property
    def name(self) -> str:
        """Names of the regions."""
        return ", ".join(r.name for r in self.regions)

    @property
    def measure(self) -> float:
        """Sum of the measures."""
        return sum((r.measure for r in self.regions), 0.0)

    @property
    def on_device(self) -> bool:  # type: ignore[override]
        """Whether all regions make their points there."""
        return all(r.on_device for r in self.regions)

    @property
    def covers(self) -> frozenset[str]:
        """What the regions cover."""
        return frozenset().union(*(r.covers for r in self.regions))

    @property
    def normal(self) -> tuple[float, ...] | None:
        """The normal, if all regions have the same."""
        first, *others = (r.normal for r in self.regions)
        return first if all(other == first for other in others) else None

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """``count`` points on each region."""
        return self._joined([r.random(count, generator, dtype) for r in self.regions])

    def quasi_random(self, count: int, seed: int) -> Samples:
        """``count`` points on each region."""
        return self._joined([r.quasi_random(count, seed + k) for k, r in enumerate(self.regions)])

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """The rules of all regions."""
        return self._joined([r.gauss(cells, order) for r in self.regions])

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        return sum(r.gauss_count(cells, order) for r in self.regions)

    def spacing(self, cells: Sequence[int]) -> float:
        """The smallest of all regions."""
        return min(r.spacing(cells) for r in self.regions)

    def _joined(self, parts: Sequence[Samples]) -> Samples:
        x, weights = torch.cat([p.x for p in parts], 1), torch.cat([p.weights for p in parts])
        if self.normal is not None or all(p.normals is None for p in parts):
            return Samples(x, weights, self.normal)
        return Samples(x, weights, torch.cat([_spread(p) for p in parts], 1))


def _spread(samples: Samples) -> torch.Tensor:
    """Normals (dim, n) of samples, zero where they have none."""
    if isinstance(samples.normals, torch.Tensor):
        return samples.normals
    constant = samples.x.new_tensor(samples.normals or [0.0] * samples.dim)
    return constant[:, None].expand(-1, samples.count)
