"""The boundary of a shape that is made of shapes: what is left of theirs, and where it is not smooth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from .part import Part
from .ridges import Edges, crossings, lie_on, plane_creases, sectors
from .shape import Creases, Piece, Shape, Surface
from .trimming import ChosenPiece

__all__ = ["CombinedBoundary", "distance_from"]

ON = 1e-12  # of the size: points nearer to two boundaries are on both
ALONG = 1e-4  # boundaries whose normals differ by a cosine of less than this coincide
BESIDE = 1e-7  # of the size: a step off a boundary that lands on one side of it
LOOKED_AT = {2: 256, 3: 24}  # points along the edge of a combination, to see whether anything is left
EDGES = 64  # parts of an edge as long as a combination
SAME = 1e-7  # of the size: edges nearer to each other are one


def distance_from(leaf: Shape, x: np.ndarray, slack: float) -> np.ndarray:
    """Signed distances (n,) of points (dim, n); of those farther than ``slack`` from the bounds a lower bound."""
    lower, upper = leaf.bounds
    gap = np.maximum(np.maximum(lower[:, None] - x, x - upper[:, None]), 0.0)
    result = np.linalg.norm(np.where(np.isfinite(gap), gap, 0.0), axis=0)
    near = np.flatnonzero(result <= slack)
    result[near] = leaf.signed_distance(x[:, near])
    return result


@dataclass(frozen=True, eq=False)
class CombinedBoundary:
    """The boundary of a combination.

    Attributes
    ----------
    leaves
        The shapes of which it is made, from left to right.
    logic
        Which points are inside, (n,), by what is known of each of the leaves, in their order.
    dim
        Number of axes.
    extent
        How large the combination is.
    """

    leaves: tuple[Part, ...]
    logic: Callable[[Iterator[np.ndarray]], np.ndarray]
    dim: int
    extent: float

    @cached_property
    def _on(self) -> float:
        """How near points are to boundaries on which they are."""
        corners = np.abs(np.array([leaf.bounds for leaf in self.leaves]))
        largest = float(np.max(corners, where=np.isfinite(corners), initial=0.0))
        return max(ON * self.extent, 16 * float(np.finfo(np.float64).eps) * largest)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """What is left of the boundaries of the leaves; where they coincide, of the first."""
        found: list[Piece] = []
        for number, leaf in enumerate(self.leaves):
            sides, clearance = partial(self._sides, number), partial(self._clearance, number)
            for piece in leaf.pieces:
                left = piece.trimmed(sides, clearance, number)
                if left is None:
                    left = ChosenPiece(piece, sides, clearance, self.dim, number, leaf.signed_distance)
                if left.points(self.extent / LOOKED_AT[self.dim]).count:
                    found.append(left)
        return tuple(found)

    def _sides(self, number: int, surface: Surface) -> np.ndarray:
        """Whether points on the boundary of a leaf bound the combination: 1, or -1 with the other side, else 0."""
        x, step = surface.x, BESIDE * self.extent * surface.normals
        within, beyond = [], []
        claimed = np.zeros(surface.count, dtype=bool)  # by a leaf that comes first
        for k, leaf in enumerate(self.leaves):
            if k == number:
                within.append(np.ones(surface.count, dtype=bool))
                beyond.append(np.zeros(surface.count, dtype=bool))
                continue
            if k not in self._neighbours[number]:
                within.append(np.zeros(surface.count, dtype=bool))
                beyond.append(within[-1])
                continue
            distance = distance_from(leaf, x, 2 * BESIDE * self.extent)
            inner, outer = distance < 0, distance < 0
            near = np.flatnonzero(np.abs(distance) <= self._on)
            if near.size:
                before, after = (leaf.signed_distance(x[:, near] + s * step[:, near]) for s in (-1, 1))
                inner[near], outer[near] = before < 0, after < 0
                along = np.minimum(np.abs(before), np.abs(after)) > (1 - ALONG) * BESIDE * self.extent
                claimed[near] |= along & (k < number)
            within.append(inner)
            beyond.append(outer)
        side = self.logic(iter(within)).astype(np.int8) - self.logic(iter(beyond)).astype(np.int8)
        side[claimed] = 0
        return np.asarray(side)

    def _clearance(self, number: int, x: np.ndarray) -> np.ndarray:
        """Distances (n,) of points (dim, n) from the boundaries of the leaves but one, or less."""
        result = np.full(x.shape[1], np.inf)
        for k in self._neighbours[number]:
            np.minimum(result, np.abs(distance_from(self.leaves[k], x, 0.0)), out=result)
        return result

    @cached_property
    def _neighbours(self) -> list[frozenset[int]]:
        """For every leaf the others with boxes that overlap its own, or nearly."""
        lower, upper = (np.array(c) for c in zip(*(leaf.bounds for leaf in self.leaves), strict=True))
        margin = 0.05 * self.extent
        near = [
            ((lower <= high + margin) & (upper >= low - margin)).all(1) for low, high in zip(lower, upper, strict=True)
        ]
        return [frozenset(np.flatnonzero(row).tolist()) - {k} for k, row in enumerate(near)]

    def _inside(self, x: np.ndarray) -> np.ndarray:
        """Which points (dim, n) are inside, (n,)."""
        return self.logic(iter([distance_from(leaf, x, 0.0) < 0 for leaf in self.leaves]))

    # -- where it is not smooth ---
    @cached_property
    def creases(self) -> Creases:
        """Those of the leaves as far as they are left, and where boundaries of leaves cross."""
        if self.dim == 2:
            own = [leaf.creases.segments[:, 0].T for leaf in self.leaves]
            ends = [p.ends for p in self.pieces]
            return plane_creases(self._inside, np.concatenate([*own, *ends], axis=1), self.extent)
        return self.edges(self.extent / EDGES).creases

    def edges(self, spacing: float) -> Edges:
        """Edges in space in parts that are at most about ``spacing`` long."""
        found = []
        for k, leaf in enumerate(self.leaves):
            edges = leaf.edges(spacing)
            clear = self._clearance(k, edges.middles)
            near = clear <= 0.6 * edges.lengths
            found.append(self._kept(k, edges.take(~near)))
            found.append(sectors(self._inside, edges.take(near), self.extent))
        for k, first in enumerate(self.leaves):
            for second in self.leaves[k + 1 :]:
                crossed = crossings(first, second)
                if crossed.count:
                    crossed = crossed.take(~lie_on(crossed, Edges.joined(found), SAME * self.extent))
                    found.append(sectors(self._inside, crossed, self.extent))
        return Edges.joined(found)

    def _kept(self, number: int, edges: Edges) -> Edges:
        """Edges of a leaf that are away from all others, as far as they are left."""
        states = [distance_from(leaf, edges.middles, 0.0) < 0 for leaf in self.leaves]
        inner, outer = (np.full(edges.count, value) for value in (True, False))
        side = self.logic(iter([*states[:number], inner, *states[number + 1 :]])).astype(np.int8)
        side -= self.logic(iter([*states[:number], outer, *states[number + 1 :]])).astype(np.int8)
        return edges.with_angles(np.where(side < 0, 2 * np.pi - edges.angles, edges.angles)).take(side != 0)
