"""Points on triangles with the areas that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hermite_pinn.geometry.shape import Piece, Surface

from .distance import part_coordinates
from .triangles import Triangles, unrolled

__all__ = ["TrianglePiece"]

#: Points per square of the spacing that triangles give which are divided, and to which finer ones are thinned.
DENSITY = 3.0
BATCH = 1_000_000


@dataclass(frozen=True)
class TrianglePiece(Piece):
    """Some triangles of a mesh.

    Attributes
    ----------
    triangles
        Which.
    label
        What follows the name of the mesh.
    """

    triangles: Triangles
    label: str = ""

    @cached_property
    def measure(self) -> float:  # type: ignore[override]
        """Area."""
        return float(self.triangles.areas.sum())

    def points(self, spacing: float) -> Surface:
        """Centroids of congruent parts of large triangles, and one for several small ones.

        A triangle is divided into ``q**2`` parts, ``q`` the least for which edges and the square root of three parts
        are no longer than ``spacing``; triangles smaller than that stand for their neighbours along a curve that fills
        space, so that the weights add up to the area exactly.
        """
        areas = self.triangles.areas
        parts = np.ceil(np.maximum(np.sqrt(DENSITY * areas), self.triangles.longest) / spacing).astype(np.int64)
        parts = np.maximum(parts, 1)
        small = np.flatnonzero(parts == 1)
        wanted = int(np.ceil(DENSITY * areas[small].sum() / spacing**2))
        if len(small) > 1.5 * wanted:
            parts[small] = 0
            chosen, weights = self._thinned(small, wanted)
        else:
            chosen, weights = small[:0], areas[:0]
        faces = [chosen, *(face for face, _ in unrolled(parts**2, BATCH))]
        thirds = np.full((len(chosen), 2), 1 / 3)
        where = [thirds, *(np.stack(part_coordinates(parts[f], place), 1) for f, place in unrolled(parts**2, BATCH))]
        divided = np.concatenate(faces[1:]) if len(faces) > 1 else chosen[:0]
        weights = np.concatenate([weights, areas[divided] / parts[divided] ** 2])
        return self._at(np.concatenate(faces), np.concatenate(where), weights)

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points; the weights are ``measure / count``."""
        ends = np.cumsum(self.triangles.areas)
        face = np.searchsorted(ends, generator.random(count) * ends[-1], side="right")
        face = np.minimum(face, self.triangles.count - 1)
        where = generator.random((count, 2))
        where = np.where(where.sum(1, keepdims=True) > 1, 1 - where, where)
        return self._at(face, where, np.full(count, self.measure / max(count, 1)))

    def _at(self, face: np.ndarray, where: np.ndarray, weights: np.ndarray) -> Surface:
        a, b, c = (self.triangles.vertices[self.triangles.faces[face, k]] for k in range(3))
        x = a + where[:, :1] * (b - a) + where[:, 1:] * (c - a)
        return Surface(np.ascontiguousarray(x.T), weights, np.ascontiguousarray(self.triangles.normals[face].T))

    def _thinned(self, small: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
        """Triangles that stand for runs of about equal area along a Morton curve, and the areas of the runs."""
        areas = self.triangles.areas[small]
        lower, _ = self.triangles.bounds
        place = (self.triangles.centroids[small] - lower) / max(self.triangles.extent, np.finfo(float).tiny)
        order = np.argsort(_morton((place * 1023).astype(np.uint64)), kind="stable")
        middles = np.cumsum(areas[order]) - areas[order] / 2
        run = np.minimum((middles / areas.sum() * wanted).astype(np.int64), wanted - 1)
        present, run = np.unique(run, return_inverse=True)
        totals = np.bincount(run, areas[order])
        first = np.searchsorted(run, np.arange(len(present)))
        heaviest = first + (np.bincount(run) // 2)
        return small[order[heaviest]], totals


def _morton(cells: np.ndarray) -> np.ndarray:
    """Places of cells (n, 3), of ten bits each, along a curve that fills space."""
    result = np.zeros(len(cells), dtype=np.uint64)
    for bit in range(10):
        for axis in range(3):
            digit = (cells[:, axis] >> np.uint64(bit)) & np.uint64(1)
            result |= digit << np.uint64(3 * bit + axis)
    return result
