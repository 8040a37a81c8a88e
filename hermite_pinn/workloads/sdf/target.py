"""What is fitted: distances to a surface, and the directions in which they grow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hermite_pinn.geometry.shape import Surface

__all__ = ["Nearest", "Target"]


@dataclass(frozen=True)
class Nearest:
    """Distances of points to a surface.

    Attributes
    ----------
    distance
        With signs, negative inside; of surfaces without an inside never negative; float64, (n,).
    gradient
        Unit vectors along which the distance grows fastest: from the closest point of the surface, or towards it
        inside; float64, (3, n).
    known
        Where that direction is defined, (n,).
    """

    distance: np.ndarray
    gradient: np.ndarray
    known: np.ndarray

    def take(self, chosen: np.ndarray) -> Nearest:
        """Some of the points, by a mask or numbers."""
        return Nearest(self.distance[chosen], self.gradient[:, chosen], self.known[chosen])


class Target(ABC):
    """A surface in space to which distances can be measured.

    Attributes
    ----------
    signed
        Whether it has an inside.
    notes
        Sentences about what was mended or is worth knowing.
    slow
        Why distances take longer than they need to, and what to do, as a sentence; empty where they do not.
    """

    signed: bool = True
    notes: tuple[str, ...] = ()
    slow: str = ""

    @property
    @abstractmethod
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of the box around it."""

    @abstractmethod
    def nearest(self, x: np.ndarray, inside: np.ndarray | None = None) -> Nearest:
        """Distances of points (3, n) and their gradients, from the closest points of the surface.

        Parameters
        ----------
        x
            The points.
        inside
            1 for points that are known to be inside, -1 for those outside, 0 for others, (n,).
        """

    @abstractmethod
    def surface(self, count: int, generator: np.random.Generator) -> Surface:
        """Random points on the surface with unit normals that point out, uniform by area."""

    @abstractmethod
    def described(self) -> Mapping[str, Any]:
        """What it is, for files: plain data, with a digest of its numbers."""

    @property
    def extent(self) -> float:
        """Longest edge of the box around it."""
        lower, upper = self.bounds
        return float((upper - lower).max())


def directed(x: np.ndarray, foot: np.ndarray, sign: np.ndarray, normal: np.ndarray, room: float) -> Nearest:
    """Signed distances and gradients at points from the closest points of a surface.

    Parameters
    ----------
    x, foot
        Points and the closest points of the surface, (3, n).
    sign
        -1 inside, else 1, (n,).
    normal
        Normals (3, n) of the surface at the closest points, which take the place of the direction on the surface; zero
        where they are not known.
    room
        Distance up to which a point is on the surface.
    """
    away = x - foot
    distance = np.linalg.norm(away, axis=0)
    on = distance <= room
    gradient = np.where(on, normal, sign * away / np.where(on, 1.0, distance))
    known = ~on | (np.einsum("in,in->n", normal, normal) > 0.5)
    return Nearest(np.where(on, 0.0, sign * distance), gradient, known)
