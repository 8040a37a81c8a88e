"""Triangles in space, and what is known of each: its area, its normal, the group it is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

__all__ = ["Triangles", "unrolled"]


@dataclass(frozen=True)
class Triangles:
    """A triangulated surface.

    Attributes
    ----------
    vertices
        Coordinates, float64, (n, 3).
    faces
        Numbers of the three vertices of each triangle, int64, (m, 3), counter-clockwise seen from outside.
    groups
        The group of each triangle, int32, (m,): a place in ``names``.
    names
        Names of the groups; ``""`` is the one without a name.
    crossing
        Numbers of triangles that pass through each other, as far as that was looked for, (k, 2).
    """

    vertices: np.ndarray
    faces: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...] = ("",)
    crossing: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))

    @classmethod
    def of(cls, vertices: np.ndarray, faces: np.ndarray) -> Triangles:
        """All of them in one group without a name."""
        return cls(vertices, faces, np.zeros(len(faces), dtype=np.int32))

    @property
    def count(self) -> int:
        """Number of triangles."""
        return len(self.faces)

    @property
    def corners(self) -> np.ndarray:
        """Coordinates of the vertices of each triangle, (m, 3, 3)."""
        return self.vertices[self.faces]

    def corners_of(self, faces: np.ndarray) -> np.ndarray:
        """Coordinates of the vertices of some triangles, (n, 3, 3)."""
        return self.vertices[self.faces[faces]]

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner of a box around all."""
        used = self.vertices if self.faces.size == 0 else self.vertices[np.unique(self.faces)]
        return used.min(0), used.max(0)

    @cached_property
    def extent(self) -> float:
        """Longest edge of that box."""
        lower, upper = self.bounds
        return float((upper - lower).max())

    @cached_property
    def crosses(self) -> np.ndarray:
        """Normals as long as twice the area, (m, 3)."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    @cached_property
    def areas(self) -> np.ndarray:
        """Areas, (m,)."""
        lengths: np.ndarray = np.linalg.norm(self.crosses, axis=1)
        return lengths / 2

    @cached_property
    def normals(self) -> np.ndarray:
        """Unit normals, (m, 3); zero where there is no area."""
        return self.crosses / np.maximum(2 * self.areas[:, None], np.finfo(np.float64).tiny)

    @cached_property
    def centroids(self) -> np.ndarray:
        """Centres, (m, 3)."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return (a + b + c) / 3

    @cached_property
    def longest(self) -> np.ndarray:
        """Longest edge of each triangle, (m,)."""
        edges = (self.vertices[self.faces[:, (k + 1) % 3]] - self.vertices[self.faces[:, k]] for k in range(3))
        return np.sqrt(np.max([(edge**2).sum(1) for edge in edges], axis=0))

    def volumes(self) -> np.ndarray:
        """Signed volumes of the tetrahedra between each triangle and the middle of the box around all, (m,)."""
        middle = sum(self.bounds) / 2
        return ((self.vertices[self.faces[:, 0]] - middle) * self.crosses).sum(1) / 6

    def take(self, chosen: np.ndarray) -> Triangles:
        """Some triangles, by a mask or numbers, with all vertices."""
        return Triangles(self.vertices, self.faces[chosen], self.groups[chosen], self.names)

    def compact(self) -> Triangles:
        """The same without vertices that no triangle has and without groups that have none."""
        used, faces = np.unique(self.faces, return_inverse=True)
        present, groups = np.unique(self.groups, return_inverse=True)
        return Triangles(
            np.ascontiguousarray(self.vertices[used]),
            np.ascontiguousarray(faces.reshape(-1, 3), dtype=np.int64),
            groups.reshape(-1).astype(np.int32),
            tuple(self.names[k] for k in present),
        )

    def merged(self) -> Triangles:
        """The same with one vertex for all that are in the same place."""
        vertices = self.vertices + 0.0  # no negative zeros
        order = np.lexsort(vertices.T)
        new = np.ones(len(order), dtype=bool)
        new[1:] = (vertices[order[1:]] != vertices[order[:-1]]).any(1)
        if new.all():
            return self
        number = np.empty(len(order), dtype=np.int64)
        number[order] = np.cumsum(new) - 1
        return Triangles(vertices[order[new]], number[self.faces], self.groups, self.names)

    def moved(self, matrix: np.ndarray, offset: np.ndarray) -> Triangles:
        """Under ``x -> matrix @ x + offset``; a reflection turns the triangles so that they still face outwards."""
        faces = self.faces if np.linalg.det(matrix) > 0 else self.faces[:, ::-1]
        moved = self.vertices @ matrix.T + offset
        return Triangles(moved, np.ascontiguousarray(faces), self.groups, self.names, self.crossing)


def unrolled(sizes: np.ndarray, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of an item and a place in it, in batches.

    Parameters
    ----------
    sizes
        Number of places in each item.
    most
        Pairs in a batch.

    Examples
    --------
    >>> [(item.tolist(), place.tolist()) for item, place in unrolled(np.array([3, 0, 2]), 4)]
    [([0, 0, 0, 2], [0, 1, 2, 0]), ([2], [1])]
    """
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, most):
        flat = np.arange(start, min(total, start + most))
        item = np.searchsorted(ends, flat, side="right")
        yield item, flat - (ends[item] - sizes[item])
