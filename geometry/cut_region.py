"""What the regions of a domain that shapes cut out of a box have in common."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from .carving import Carving
from .region import Region
from .span import Span

__all__ = ["BATCH", "CutRegion", "TRIES"]

TRIES = 60  # rounds of random points before a region counts as empty
BATCH = 1 << 18  # points at once


@dataclass(frozen=True, eq=False)
class CutRegion(Region):
    """What all regions of a cut domain have in common: what is left of the box, and how it extends in time."""

    carving: Carving
    span: Span

    on_device = False

    @property
    def key(self) -> Hashable:
        """What tells it from other regions of its kind."""
        return self.name

    @property
    def _identity(self) -> tuple[Hashable, ...]:
        return self.key, self.carving, self.span.start, self.span.end

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CutRegion) and type(other) is type(self) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def spacing(self, cells: Sequence[int]) -> float:
        """Size of a cell in space, the smallest."""
        sizes = (self.carving.upper - self.carving.lower) / [cells[i] for i in self.span.space]
        return float(sizes.min())

    def _counts(self, cells: Sequence[int]) -> tuple[int, ...]:
        return tuple(int(cells[i]) for i in self.span.space)
