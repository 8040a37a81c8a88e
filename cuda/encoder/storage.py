"""Where the record of a vertex lies among those of its level: dense, hashed or indexed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from .vertices import VertexList

__all__ = ["PRIMES", "Dense", "Hashed", "Indexed", "Storage"]

PRIMES = (1, 2654435761, 805459861, 3674653429)


class Storage(Protocol):
    """A policy that gives vertices their slots; what it is to the kernels is in storage.cuh."""

    @property
    def slots(self) -> int:
        """Records that are stored."""

    @property
    def mask(self) -> int:
        """What a hash is cut down to, 0 where there is none."""

    @property
    def row_major(self) -> bool:
        """Whether every vertex has a record of its own, in the order of an array of the vertices."""

    @property
    def reachable(self) -> int:
        """Slots of some vertex."""

    def slot(self, vertex: Sequence[torch.Tensor]) -> torch.Tensor:
        """Slots of vertices, given by their numbers along every axis; -1 for one without a record."""


@dataclass(frozen=True)
class Dense:
    """Row-major: a record for every one of ``counts`` vertices per axis."""

    counts: tuple[int, ...]

    @property
    def slots(self) -> int:
        """As many as vertices."""
        return math.prod(self.counts)

    mask = 0
    row_major = True

    @property
    def reachable(self) -> int:
        """All."""
        return self.slots

    def slot(self, vertex: Sequence[torch.Tensor]) -> torch.Tensor:
        """The place in an array."""
        return _row_major(vertex, self.counts)


@dataclass(frozen=True)
class Hashed:
    """``xor_i(v_i * prime_i)`` cut down to a power of two of slots, which several vertices may share."""

    counts: tuple[int, ...]
    slots: int

    row_major = False

    @property
    def mask(self) -> int:
        """One less than the number of slots."""
        return self.slots - 1

    @cached_property
    def reachable(self) -> int:
        """Slots that some vertex maps to; all of them for grids too large to count."""
        slot = np.zeros(1, dtype=np.uint32)
        for count, prime in zip(self.counts, PRIMES, strict=False):
            part = np.arange(count, dtype=np.uint32) * np.uint32(prime)
            slot = (slot[:, None] ^ part).ravel()
            if slot.size > 2**27:
                return self.slots
        return int(np.unique(slot & np.uint32(self.mask)).size)

    def slot(self, vertex: Sequence[torch.Tensor]) -> torch.Tensor:
        """The hash."""
        index = torch.zeros_like(vertex[0])
        for v, prime in zip(vertex, PRIMES, strict=False):
            index = index ^ ((v * prime) & 0xFFFFFFFF)
        return index & self.mask


@dataclass(frozen=True)
class Indexed:
    """A record for every listed vertex; the others have none."""

    counts: tuple[int, ...]
    listed: VertexList

    mask = 0
    row_major = False

    @property
    def slots(self) -> int:
        """As many as listed vertices."""
        return len(self.listed)

    @property
    def reachable(self) -> int:
        """All."""
        return self.slots

    @cached_property
    def _sorted(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Places of the listed vertices in an array of all, sorted, and their slots."""
        listed = torch.from_numpy(self.listed.vertices.T)
        return torch.sort(_row_major(list(listed), self.counts))

    def slot(self, vertex: Sequence[torch.Tensor]) -> torch.Tensor:
        """The place in the list, by bisection: not as the kernels find it."""
        places, slots = (t.to(vertex[0].device) for t in self._sorted)
        wanted = _row_major(vertex, self.counts)
        at = torch.searchsorted(places, wanted).clamp(max=len(places) - 1)
        return torch.where(places[at] == wanted, slots[at], -1)


def _row_major(vertex: Sequence[torch.Tensor], counts: Sequence[int]) -> torch.Tensor:
    index = torch.zeros_like(vertex[0])
    for v, count in zip(vertex, counts, strict=True):
        index = index * count + v
    return index
