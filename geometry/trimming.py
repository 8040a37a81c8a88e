"""Pieces of boundaries that are moved, or of which a combination of shapes leaves a part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from .shape import Clearance, Piece, Sides, Surface
from .similarity import Similarity

__all__ = ["ChosenPiece", "MovedPiece"]

FINE = 48  # points along the edge of a square as large as a piece, to measure it
DRAWS = 64  # attempts to find random points on what is left
PARTS = 4  # of the patch of a point along an axis


@dataclass(frozen=True, eq=False)
class MovedPiece(Piece):
    """The image of a piece."""

    piece: Piece
    motion: Similarity

    @property
    def label(self) -> str:  # type: ignore[override]
        """That of the piece."""
        return self.piece.label

    @property
    def leaf(self) -> int:  # type: ignore[override]
        """That of the piece."""
        return self.piece.leaf

    @property
    def ends(self) -> np.ndarray:
        """Images of its ends."""
        return self.motion.points(self.piece.ends)

    @property
    def measure(self) -> float:
        """Area, or length."""
        return self.piece.measure * self.motion.scale ** (self.motion.dim - 1)

    def points(self, spacing: float) -> Surface:
        """Images of its points."""
        return self.motion.surface(self.piece.points(spacing / self.motion.scale))

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Images of random points."""
        return self.motion.surface(self.piece.random(count, generator))

    def trimmed(self, sides: Sides, clearance: Clearance, leaf: int) -> Piece | None:
        """The image of what is left of the piece."""
        motion = self.motion
        inner = self.piece.trimmed(
            lambda surface: sides(motion.surface(surface)),
            lambda x: clearance(motion.points(x)) / motion.scale,
            leaf,
        )
        return None if inner is None else replace(self, piece=inner)


@dataclass(frozen=True, eq=False)
class ChosenPiece(Piece):
    """What a combination leaves of a piece, as those of its points that are left.

    The patch of a point near the cut is looked at in finer points, so that the measure is known better than the points
    are apart.
    """

    piece: Piece
    sides: Sides
    clearance: Clearance
    dim: int
    leaf: int = 0

    @property
    def label(self) -> str:  # type: ignore[override]
        """That of the piece."""
        return self.piece.label

    @cached_property
    def measure(self) -> float:
        """Area, or length."""
        return float(self.points(self.piece.measure ** (1 / (self.dim - 1)) / FINE).weights.sum())

    def points(self, spacing: float) -> Surface:
        """The points that are left; one near the cut stands for the part of its patch that is left."""
        whole = self.piece.points(spacing)
        near = self.clearance(whole.x) <= spacing
        if not near.any():
            return self._left(whole)
        fine = self.piece.points(spacing / PARTS)
        fine = fine.take(np.flatnonzero(self.clearance(fine.x) <= 2 * spacing))
        _, owner = cKDTree(whole.x.T).query(fine.x.T)
        fine, owner = fine.take(near[owner]), owner[near[owner]]
        alone = near.copy()
        alone[owner] = False  # patches that the finer points miss
        return _joined([self._left(whole.take(~near | alone)), self._gathered(whole, fine, owner)])

    def _gathered(self, whole: Surface, fine: Surface, owner: np.ndarray) -> Surface:
        """One point per patch of ``whole`` and side for those of its finer points that are left."""
        total = np.bincount(owner, fine.weights, whole.count)
        side = np.asarray(self.sides(fine), dtype=np.int64)
        found = []
        for sign in (1, -1):
            kept = np.flatnonzero(side == sign)
            own, weights = owner[kept], fine.weights[kept]
            sums = np.bincount(own, weights, whole.count)
            means = np.stack([np.bincount(own, weights * x, whole.count) for x in fine.x[:, kept]]) / np.maximum(
                sums, 1e-300
            )
            away = np.linalg.norm(fine.x[:, kept] - means[:, own], axis=0)
            order = np.lexsort((away, own))
            patches, first = np.unique(own[order], return_index=True)
            chosen = kept[order[first]]  # the point nearest to the middle of what is left lies on the surface
            share = sums[patches] / total[patches]
            found.append(Surface(fine.x[:, chosen], whole.weights[patches] * share, sign * fine.normals[:, chosen]))
        return _joined(found)

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points, by rejection."""
        found: list[Surface] = []
        total = 0
        for _ in range(DRAWS if self.measure > 0 else 0):
            draw = self._left(self.piece.random(max(64, 2 * count), generator))
            found.append(draw)
            total += draw.count
            if total >= count:
                break
        surface = _joined([Surface(np.zeros((self.dim, 0)), np.zeros(0), np.zeros((self.dim, 0))), *found])
        surface = surface.take(np.arange(min(count, surface.count)))
        return Surface(surface.x, np.full(surface.count, self.measure / max(1, surface.count)), surface.normals)

    def _left(self, surface: Surface) -> Surface:
        side = self.sides(surface) if surface.count else np.zeros(0, dtype=np.int8)
        kept = np.flatnonzero(side)
        return Surface(surface.x[:, kept], surface.weights[kept], surface.normals[:, kept] * side[kept])


def _joined(parts: list[Surface]) -> Surface:
    return Surface(
        np.concatenate([p.x for p in parts], 1),
        np.concatenate([p.weights for p in parts]),
        np.concatenate([p.normals for p in parts], 1),
    )
