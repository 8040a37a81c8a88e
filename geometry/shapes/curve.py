"""Boundaries in the plane: curves, and the parts of them that are left."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hermite_pinn.geometry.shape import Clearance, Piece, Sides, Surface

from .rules import count_of, gauss_panels

__all__ = ["Arc", "Curve", "CurvePiece", "Segment"]


class Curve(ABC):
    """A curve of the plane, by a parameter from 0 to :attr:`length` that is about its arc length.

    Attributes
    ----------
    length
        The end of the parameter.
    closed
        Whether it ends where it starts.
    coarsest
        The largest spacing of points with which rules are exact to about eight digits.
    """

    length: float
    closed: bool
    coarsest: float = math.inf

    @abstractmethod
    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (2, n), outward unit normals (2, n), and lengths per parameter (n,)."""


@dataclass(frozen=True, eq=False)
class Arc(Curve):
    """A circle, counter-clockwise."""

    center: np.ndarray
    radius: float

    closed = True

    @property
    def coarsest(self) -> float:  # type: ignore[override]
        """A share of the radius."""
        return 0.15 * self.radius

    @property
    def length(self) -> float:  # type: ignore[override]
        """Its circumference."""
        return 2 * np.pi * self.radius

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points, normals and lengths per parameter, all one."""
        angle = s / self.radius
        normals = np.stack([np.cos(angle), np.sin(angle)])
        return self.center[:, None] + self.radius * normals, normals, np.ones_like(s)


@dataclass(frozen=True, eq=False)
class Segment(Curve):
    """A straight line that has the shape on its left."""

    start: np.ndarray
    end: np.ndarray

    closed = False

    @property
    def length(self) -> float:  # type: ignore[override]
        """Its length."""
        return float(np.linalg.norm(self.end - self.start))

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points, normals and lengths per parameter, all one."""
        along = (self.end - self.start) / self.length
        normal = np.array([along[1], -along[0]])
        x = self.start[:, None] + along[:, None] * s
        return x, np.repeat(normal[:, None], s.size, axis=1), np.ones_like(s)


COARSE = 64  # parts of a curve at first
FINEST = 1 << 13  # parts of a curve at most
HALVINGS = 45  # until a crossing is known to rounding


@dataclass(frozen=True, eq=False)
class CurvePiece(Piece):
    """A curve, or what is left of it.

    Attributes
    ----------
    curve
        The curve.
    spans
        Intervals of its parameter with the side on which the shape lies: 1 as the curve has it, -1 reversed.
    """

    curve: Curve
    spans: tuple[tuple[float, float, int], ...]
    label: str = ""
    leaf: int = 0

    @classmethod
    def whole(cls, curve: Curve, label: str = "") -> CurvePiece:
        """All of a curve."""
        return cls(curve, ((0.0, curve.length, 1),), label)

    @classmethod
    def smooth(cls, curve: Curve, parts: Sequence[tuple[float, float]]) -> CurvePiece:
        """All of a curve that is smooth between the ends of the parts."""
        return cls(curve, tuple((a, b, 1) for a, b in parts))

    @property
    def measure(self) -> float:
        """Its length."""
        return float(self.points(self.curve.length / COARSE).weights.sum())

    def points(self, spacing: float) -> Surface:
        """Points at equal lengths on a whole closed curve, else those of Gauss rules."""
        if self.curve.closed and self.spans == ((0.0, self.curve.length, 1),):
            n = max(3, count_of(self.curve.length, spacing))
            s, weights, side = (
                (np.arange(n) + 0.5) * self.curve.length / n,
                np.full(n, self.curve.length / n),
                np.ones(n),
            )
            return self._surface(s, weights, side)
        spacing = min(spacing, self.curve.coarsest)
        rules = [gauss_panels(a, b, spacing) for a, b, _ in self.spans]
        sides = [np.full(r[0].size, side) for r, (_, _, side) in zip(rules, self.spans, strict=True)]
        none = np.zeros(0)
        return self._surface(
            *(np.concatenate([none, *p]) for p in ([r[0] for r in rules], [r[1] for r in rules], sides))
        )

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """Uniform random points; of curves whose parameter is not their length about uniform ones."""
        lengths = np.array([b - a for a, b, _ in self.spans])
        which = generator.choice(lengths.size, count, p=lengths / lengths.sum()) if lengths.size else np.zeros(0, int)
        starts, sides = np.array([a for a, _, _ in self.spans]), np.array([s for _, _, s in self.spans])
        s = starts[which] + lengths[which] * generator.random(which.size)
        surface = self._surface(s, np.ones(which.size), sides[which])
        return Surface(surface.x, np.full(which.size, self.measure / max(1, which.size)), surface.normals)

    def _surface(self, s: np.ndarray, weights: np.ndarray, sides: np.ndarray) -> Surface:
        x, normals, speed = self.curve.at(s)
        return Surface(x, weights * speed, normals * sides)

    @property
    def ends(self) -> np.ndarray:
        """Ends (2, n) of its spans."""
        return self.curve.at(np.array([s for a, b, _ in self.spans for s in (a, b)], dtype=np.float64))[0]

    # -- what is left of it ---
    def trimmed(self, sides: Sides, clearance: Clearance, leaf: int) -> CurvePiece:
        """The parts that bound a combination, cut where others cross it."""

        def side_at(s: np.ndarray) -> np.ndarray:
            x, normals, speed = self.curve.at(s)
            return sides(Surface(x, speed, normals))

        found: list[tuple[float, float, int]] = []
        for start, end, own in self.spans:
            knots = self._knots(start, end, clearance)
            middles = 0.5 * (knots[:-1] + knots[1:])
            values = side_at(middles)
            change = np.flatnonzero(values[1:] != values[:-1])
            cuts = _bisected(side_at, middles[change], middles[change + 1], values[change])
            limits = np.concatenate([[start], cuts, [end]])
            kept = values[np.concatenate([change, [values.size - 1]])]
            found += [
                (float(a), float(b), own * int(k))
                for a, b, k in zip(limits[:-1], limits[1:], kept, strict=True)
                if k != 0 and b > a
            ]
        return replace(self, spans=tuple(found), leaf=leaf)

    def _knots(self, start: float, end: float, clearance: Clearance) -> np.ndarray:
        """A subdivision that is fine wherever something may cross the curve."""
        knots = np.linspace(start, end, COARSE + 1)
        smallest = self.curve.length / FINEST
        active = np.arange(COARSE)
        while active.size:
            a, b = knots[active], knots[active + 1]
            middle = 0.5 * (a + b)
            x, _, speed = self.curve.at(middle)
            near = (clearance(x) <= 0.75 * (b - a) * speed) & (b - a > smallest)
            if not near.any():
                break
            knots = np.sort(np.concatenate([knots, middle[near]]))
            first = np.searchsorted(knots, a[near])
            active = np.sort(np.concatenate([first, first + 1]))
        return knots


def _bisected(
    side_at: Callable[[np.ndarray], np.ndarray], left: np.ndarray, right: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Parameters between ``left`` and ``right`` up to which the side is as given."""
    left, right = left.copy(), right.copy()
    for _ in range(HALVINGS if left.size else 0):
        middle = 0.5 * (left + right)
        same = side_at(middle) == values
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    return 0.5 * (left + right)
