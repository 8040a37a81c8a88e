"""A domain that no method knows: a rectangle with circles inside it, on which conditions can be set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.geometry import Box, Domain, Region, Samples


@dataclass(frozen=True)
class Circle(Region):
    """A circle whose normal points to its centre, another one at every point."""

    centre: tuple[float, float]
    radius: float
    box: Box
    name: str = "circle"

    on_boundary = True

    @property
    def measure(self) -> float:
        return 2 * math.pi * self.radius

    def _at(self, turns: torch.Tensor) -> Samples:
        outward = torch.stack([torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)])
        x = turns.new_tensor(self.centre)[:, None] + self.radius * outward
        return Samples(x, self.measure / len(turns), -outward)

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        return self._at(torch.rand(count, generator=generator, dtype=dtype, device=generator.device))

    def quasi_random(self, count: int, seed: int) -> Samples:
        return self._at((torch.arange(count, dtype=torch.float64) + 0.1 * seed) / count)

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        return self.quasi_random(self.gauss_count(cells, order), 0)

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        return 3 * math.ceil(self.measure / self.spacing(cells))

    def spacing(self, cells: Sequence[int]) -> float:
        return min(length / n for length, n in zip(self.box.lengths, cells, strict=True))


class Ringed(Domain):
    """A rectangle whose faces are its sides and two circles in it."""

    def __init__(self, box: Box, centre: tuple[float, float], radius: float) -> None:
        self.box, self.names, self.lower, self.upper = box, box.names, box.lower, box.upper
        self.circle = Circle(centre, radius, box)
        self.inner = Circle(centre, radius / 2, box, "inner")

    def __repr__(self) -> str:
        return f"Ringed({self.box})"

    @property
    def interior(self) -> Region:
        return self.box.interior

    @property
    def faces(self) -> tuple[Region, ...]:
        return (*self.box.faces, self.circle, self.inner)

    def contains(self, x: torch.Tensor, slack: float = 0.0) -> torch.Tensor:
        return self.box.contains(x, slack)
