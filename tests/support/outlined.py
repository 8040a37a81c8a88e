"""Solutions on domains whose outline is known: fields of boxes, looked at on a part of them."""

from __future__ import annotations

import copy

import numpy as np

import hermite_pinn as hp
from hermite_pinn.geometry.shape import Creases, Piece, Shape, Surface


class Ring(Piece):
    """A circle."""

    def __init__(self, centre: np.ndarray, radius: float) -> None:
        self.centre, self.radius = centre, radius

    @property
    def measure(self) -> float:
        return 2 * np.pi * self.radius

    def _at(self, turns: np.ndarray) -> Surface:
        normals = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)])
        weights = np.full(turns.size, self.measure / turns.size)
        return Surface(self.centre[:, None] + self.radius * normals, weights, normals)

    def points(self, spacing: float) -> Surface:
        count = int(np.ceil(self.measure / spacing))
        return self._at((np.arange(count) + 0.5) / count)

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        return self._at(generator.random(count))


class Round(Shape):
    """A disc."""

    dim = 2

    def __init__(self, centre: tuple[float, float], radius: float, name: str = "ring") -> None:
        self.centre, self.radius, self.name = np.array(centre), radius, name

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        return np.hypot(*(x - self.centre[:, None])) - self.radius

    def contains(self, x: np.ndarray) -> np.ndarray:
        return self.signed_distance(x) <= 0

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self.centre - self.radius, self.centre + self.radius

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return (Ring(self.centre, self.radius),)

    def state(self) -> dict[str, object]:
        return {"kind": "round", "centre": self.centre, "radius": self.radius}


class Edge(Piece):
    """A side of a polygon."""

    def __init__(self, start: np.ndarray, end: np.ndarray) -> None:
        self.start, self.along = start, end - start
        self.measure_ = float(np.hypot(*self.along))

    @property
    def measure(self) -> float:
        return self.measure_

    def _at(self, share: np.ndarray) -> Surface:
        normal = np.array([self.along[1], -self.along[0]]) / self.measure
        weights = np.full(share.size, self.measure / share.size)
        return Surface(
            self.start[:, None] + share * self.along[:, None], weights, np.repeat(normal[:, None], share.size, 1)
        )

    def points(self, spacing: float) -> Surface:
        count = int(np.ceil(self.measure / spacing))
        return self._at((np.arange(count) + 0.5) / count)

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        return self._at(generator.random(count))


class Tilted(Shape):
    """A square that stands on a corner or is turned otherwise."""

    dim = 2
    name = "square"

    def __init__(self, centre: tuple[float, float], half: float, turn: float) -> None:
        self.centre, self.half = np.array(centre), half
        c, s = np.cos(turn), np.sin(turn)
        self.turn = np.array([[c, s], [-s, c]])
        square = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        self.corners = square @ self.turn + self.centre

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        beyond = np.abs(self.turn @ (x - self.centre[:, None])) - self.half
        return np.hypot(*np.maximum(beyond, 0)) + np.minimum(beyond.max(0), 0)

    def contains(self, x: np.ndarray) -> np.ndarray:
        return self.signed_distance(x) <= 0

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self.corners.min(0), self.corners.max(0)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(Edge(a, b) for a, b in zip(self.corners, np.roll(self.corners, -1, 0), strict=True))

    @property
    def creases(self) -> Creases:
        return Creases(np.repeat(self.corners[:, None], 2, 1), np.full(4, np.pi / 2))

    def state(self) -> dict[str, object]:
        return {"kind": "tilted"}


def on_part(solution: hp.Solution, domain: object) -> hp.Solution:
    """A solution on a box, on a part of that."""
    part = copy.copy(solution)
    part.__dict__.pop("_fast", None)
    part.domain = domain
    return part
