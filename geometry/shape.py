"""What a shape must be able to do: say what is inside, how far its boundary is, and put points on that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hermite_pinn.expressions.graph import Expr

from .steps import stepped
from .touched import near_cells

__all__ = ["Clearance", "Creases", "Piece", "Shape", "Sides", "Surface"]


@dataclass(frozen=True)
class Surface:
    """Points on a boundary with the area, or length, each stands for.

    Attributes
    ----------
    x
        Points, float64, (dim, n).
    weights
        Areas (n,); their sum is about the measure of the boundary.
    normals
        Unit normals (dim, n) that point out of the shape.
    """

    x: np.ndarray
    weights: np.ndarray
    normals: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Surface], dim: int) -> Surface:
        """The points of several, in their order; none where there are none.

        Examples
        --------
        >>> one = Surface(np.zeros((2, 3)), np.ones(3), np.ones((2, 3)))
        >>> Surface.joined([one, one], 2).count, Surface.joined([], 2).x.shape
        (6, (2, 0))
        """
        return cls(
            np.concatenate([np.zeros((dim, 0)), *(p.x for p in parts)], axis=1),
            np.concatenate([np.zeros(0), *(p.weights for p in parts)]),
            np.concatenate([np.zeros((dim, 0)), *(p.normals for p in parts)], axis=1),
        )

    def take(self, chosen: np.ndarray) -> Surface:
        """Some of the points, by a mask or numbers."""
        return Surface(self.x[:, chosen], self.weights[chosen], self.normals[:, chosen])

    @property
    def count(self) -> int:
        """Number of points."""
        return int(self.weights.size)


@dataclass(frozen=True)
class Creases:
    """Where a boundary is not smooth: corners in the plane, edges in space.

    Attributes
    ----------
    segments
        Ends of the edges, float64, (n, 2, dim); in the plane both ends are the corner.
    angles
        Angle of what lies inside, between 0 and 2 pi, (n,).
    """

    segments: np.ndarray
    angles: np.ndarray

    @classmethod
    def none(cls, dim: int) -> Creases:
        """Of a smooth boundary."""
        return cls(np.zeros((0, 2, dim)), np.zeros(0))


#: On which side of points of a boundary something lies: 1, -1, or 0 for neither or both, (n,).
Sides = Callable[[Surface], np.ndarray]
#: Distances (n,) of points (dim, n) from something.
Clearance = Callable[[np.ndarray], np.ndarray]


class Piece(ABC):
    """A part of the boundary of a shape: a side of a polygon, a group of triangles of a mesh, mostly all of it.

    Attributes
    ----------
    label
        What follows the name of the shape: ``""``, or ``":0"``, ``":inlet"``.
    leaf
        Number of the shape to which it belongs among the :attr:`Shape.leaves` of a combination.
    """

    label: str = ""
    leaf: int = 0

    @property
    @abstractmethod
    def measure(self) -> float:
        """Area, or length."""

    @property
    def ends(self) -> np.ndarray:
        """Ends (2, n) of the parts of a curve in the plane; none of what is closed."""
        return np.zeros((2, 0))

    @abstractmethod
    def points(self, spacing: float) -> Surface:
        """Points that are at most about ``spacing`` apart, the same at every call."""

    @abstractmethod
    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points; the weights are ``measure / count``."""

    def trimmed(self, sides: Sides, clearance: Clearance, leaf: int) -> Piece | None:
        """The part that bounds a combination of shapes, cut exactly; None if a piece can only choose among points.

        Parameters
        ----------
        sides
            Takes points of the piece; 1 where it bounds the combination, -1 where that lies on its other side, 0 where
            it does not bound it.
        clearance
            Distances (n,) of points (dim, n) from all that may cross the piece.
        leaf
            Number of its shape among the leaves of the combination.
        """
        return None


FIXED = {2: 512, 3: 64}  # surface points along the longest edge of a shape that mark their cells at every resolution


class Shape(ABC):
    """A closed set of the plane or of space with a boundary, in the coordinates of the box that it cuts.

    Attributes
    ----------
    dim
        2 or 3.
    name
        What its face is called, or None: then :attr:`kind`, numbered from the second of a kind on.
    kind
        The class in lower case.
    """

    dim: int
    name: str | None = None

    @property
    def kind(self) -> str:
        """What its face is called without a name of its own."""
        return type(self).__name__.lower()

    @abstractmethod
    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which of the points (dim, n) are inside or on the boundary, (n,)."""

    @abstractmethod
    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        """Distances (n,) of points (dim, n) to the boundary, negative inside."""

    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """Closest points (dim, n) of the boundary to points (dim, n), by steps along the signed distance."""
        lower, upper = self.bounds
        size = float(np.max(upper - lower))
        return stepped(self.signed_distance, np.asarray(x, dtype=np.float64), size if np.isfinite(size) else 1.0)

    def vanishing(self, x: Sequence[Expr], inside: bool) -> Expr | None:
        """A smooth formula that is zero on the boundary, positive on one side, and like the distance near it.

        Parameters
        ----------
        x
            Coordinates as symbols.
        inside
            The side on which it must have no other zero.

        Returns
        -------
        Expr or None
            None where only :meth:`signed_distance` is known.
        """
        return None

    @property
    @abstractmethod
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (dim,) of a box around it; infinite for complements."""

    @property
    @abstractmethod
    def pieces(self) -> tuple[Piece, ...]:
        """Its boundary, in parts that can be named."""

    @property
    def measure(self) -> float | None:
        """Area or volume of its inside, if it is known."""
        return None

    @property
    def leaves(self) -> tuple[Shape, ...]:
        """The shapes of which it is made, from left to right."""
        return (self,)

    def within(self, lower: np.ndarray, upper: np.ndarray, axes: Sequence[str] = ()) -> Shape:
        """The shape as a box between two corners (dim,) with named axes sees it; most shapes are as they are."""
        return self

    def touched_cells(self, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        """Which cells of a grid its boundary passes through, bool of shape ``counts``; rather too many than too few.

        Cells of a grid that are touched lie in touched cells of a grid with half as many.

        Parameters
        ----------
        lower, upper
            Corners (dim,) of the grid.
        counts
            Cells along every axis.
        """
        low, high = self.bounds
        extent = float(np.max(high - low))
        points = [p.points(extent / FIXED[self.dim]).x for p in self.pieces] if np.isfinite(extent) else []
        fixed = np.concatenate([np.zeros((self.dim, 0)), *points], axis=1)
        return near_cells(self.signed_distance, fixed, lower, upper, counts)

    @property
    def creases(self) -> Creases:
        """Where its boundary is not smooth."""
        return Creases.none(self.dim)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was mended or is worth knowing."""
        return ()

    @abstractmethod
    def state(self) -> Mapping[str, Any]:
        """What :func:`shape_from_state` makes it from again: numbers, texts, lists, arrays; ``"kind"`` is the class."""
