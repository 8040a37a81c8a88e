"""Pieces of boundaries that are moved, or of which a combination of shapes leaves a part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .shape import Clearance, Piece, Sides, Surface
from .similarity import Similarity

__all__ = ["ChosenPiece", "MovedPiece"]

FINE = 48  # points along the edge of a square as large as a piece, to measure it
DRAWS = 64  # attempts to find random points on what is left
PARTS = 6  # of the patch of a point along an axis
LOOKS = 3  # steps to the boundary


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
    """What a combination leaves of a piece in space, as those of its points that are left.

    A point near the cut stands for the part of a square around it that is left, so that the measure is known better
    than the points are apart.

    Attributes
    ----------
    piece
        The piece.
    sides, clearance
        As for :meth:`Piece.trimmed`.
    dim
        Number of axes, 3.
    leaf
        Number of its shape.
    distance
        Signed distances (n,) of points (dim, n) from the boundary of which it is a part; without them the squares are
        taken as they are, in the plane that touches it.
    """

    piece: Piece
    sides: Sides
    clearance: Clearance
    dim: int = 3
    leaf: int = 0
    distance: Clearance | None = None

    @property
    def label(self) -> str:  # type: ignore[override]
        """That of the piece."""
        return self.piece.label

    @cached_property
    def measure(self) -> float:
        """Area."""
        return float(self.points(self.piece.measure**0.5 / FINE).weights.sum())

    def points(self, spacing: float) -> Surface:
        """The points that are left; one near the cut stands for the part of its patch that is left."""
        whole = self.piece.points(spacing)
        near = self.clearance(whole.x) <= 0.75 * np.sqrt(whole.weights)
        if not near.any():
            return self._left(whole)
        return Surface.joined([self._left(whole.take(~near)), *self._patches(whole.take(near))], 3)

    def _patches(self, whole: Surface) -> list[Surface]:
        """For points near the cut the middles of what is left of squares around them, on either side."""
        first, second = _tangents(whole.normals)
        place = (np.arange(PARTS) + 0.5) / PARTS - 0.5
        u, v = (g.ravel() for g in np.meshgrid(place, place))
        edge = np.sqrt(whole.weights)
        offsets = edge[:, None] * (first[:, :, None] * u + second[:, :, None] * v)
        x = whole.x[:, :, None] + offsets
        normals = np.repeat(whole.normals[:, :, None], u.size, axis=2)
        flat = Surface(x.reshape(3, -1), np.ones(x[0].size), normals.reshape(3, -1))
        side = np.asarray(self.sides(flat)).reshape(whole.count, -1)
        beside = np.ones_like(side, dtype=bool)
        if self.distance is not None:
            beside = _beside(self.distance, flat, np.repeat(1e-3 * edge, u.size)).reshape(whole.count, -1)
        found = []
        for sign in (1, -1):
            kept = (side == sign) & beside
            share = kept.sum(1) / np.maximum(beside.sum(1), 1)
            some = np.flatnonzero(share)
            middle = (offsets[:, some] * kept[some]).sum(2) / kept[some].sum(1)
            away = np.where(kept[some], ((offsets[:, some] - middle[:, :, None]) ** 2).sum(0), np.inf)
            chosen = x[:, some, away.argmin(1)]  # the middle itself may be gone
            points, outward = chosen, whole.normals[:, some]
            if self.distance is not None and some.size:
                points, outward = _projected(self.distance, chosen, 1e-5 * float(edge.max()))
            found.append(Surface(points, whole.weights[some] * share[some], sign * outward))
        return found

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
        surface = Surface.joined(found, 3)
        surface = surface.take(np.arange(min(count, surface.count)))
        return Surface(surface.x, np.full(surface.count, self.measure / max(1, surface.count)), surface.normals)

    def _left(self, surface: Surface) -> Surface:
        side = self.sides(surface) if surface.count else np.zeros(0, dtype=np.int8)
        kept = np.flatnonzero(side)
        return Surface(surface.x[:, kept], surface.weights[kept], surface.normals[:, kept] * side[kept])


def _tangents(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two directions (3, n) at right angles to unit normals and to each other."""
    helper = np.zeros_like(normals)
    helper[np.abs(normals).argmin(0), np.arange(normals.shape[1])] = 1.0
    first = np.cross(normals.T, helper.T).T
    first /= np.maximum(np.linalg.norm(first, axis=0), 1e-300)
    return first, np.cross(normals.T, first.T).T


def _beside(distance: Clearance, flat: Surface, step: np.ndarray) -> np.ndarray:
    """Which points are beside the boundary, not beyond an edge of it: the distance grows along the normal."""
    offset = step * flat.normals
    return np.asarray(distance(flat.x + offset) - distance(flat.x - offset) > 1.4 * step)


def _projected(distance: Clearance, x: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of the boundary near others, and its normals there."""
    slope = np.zeros_like(x)
    for _ in range(LOOKS):
        slope = np.stack([distance(x + step * e[:, None]) - distance(x - step * e[:, None]) for e in np.eye(3)])
        slope /= np.maximum(np.linalg.norm(slope, axis=0), 1e-300)
        x = x - distance(x) * slope
    return x, slope
