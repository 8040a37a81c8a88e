"""Shapes of which others can be made."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.schema import Entry

from .ridges import Edges, straight
from .shape import Shape

__all__ = ["Part", "coordinates"]


class Part(Shape):
    """A shape that can be a part of others."""

    @property
    def is_bounded(self) -> bool:
        """Whether it is known where its boundary lies; an implicit function is first given bounds, or a box."""
        return True

    @property
    def extent(self) -> float:
        """How large it is, for steps and tolerances."""
        lower, upper = self.bounds
        size = float(np.max(upper - lower))
        return max(size, 1e-4 * float(max(np.abs(lower).max(), np.abs(upper).max()))) if math.isfinite(size) else 1.0

    def edges(self, spacing: float) -> Edges:
        """Its creases in parts that are at most ``spacing`` long."""
        return straight(self.creases, spacing)

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The shapes of which it is made, from left to right."""
        return (self,)

    def logic(self, states: Iterator[np.ndarray]) -> np.ndarray:
        """Which points are inside, (n,), by what is known of each of the leaves, in their order."""
        return next(states)

    @classmethod
    @abstractmethod
    def from_state(cls, entry: Entry, shape: Callable[[Entry], Shape]) -> Shape:
        """What :meth:`state` described; ``shape`` reads the shapes in it."""


def coordinates(x: Any, dim: int) -> np.ndarray:
    """Points as an array (dim, n).

    Raises
    ------
    InvalidProblemError
        If they have another number of coordinates.
    """
    found = np.asarray(x, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != dim:
        raise InvalidProblemError(f"points must be an array of shape ({dim}, n), got the shape {found.shape}")
    return found
