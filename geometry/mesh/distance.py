"""Distances of points to triangles, exact, with the closest point: by libigl, or without it by SciPy."""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from .triangles import Triangles, unrolled

__all__ = ["Closest", "Search", "libigl", "search", "slowness"]

#: Points that are searched for at once.
BATCH = 1 << 16
#: Pairs of a point and a triangle that are computed at once.
PAIRS = 500_000


class Closest(NamedTuple):
    """The closest points of a surface: their distances (n,), the triangles they are in (n,), and themselves (n, 3)."""

    distance: np.ndarray
    face: np.ndarray
    point: np.ndarray


class Search(ABC):
    """Finds closest points on triangles."""

    @abstractmethod
    def batch(self, x: np.ndarray) -> Closest:
        """Closest points of some points (n, 3), in the memory that these take."""

    def closest(self, x: np.ndarray) -> Closest:
        """Closest points of points (n, 3), in batches."""
        parts = [self.batch(np.ascontiguousarray(x[k : k + BATCH])) for k in range(0, len(x), BATCH)]
        if not parts:
            return Closest(np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros((0, 3)))
        return Closest(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@functools.cache
def libigl() -> ModuleType | None:
    """Libigl, or None where it is not installed."""
    try:
        import igl
    except ImportError:
        return None
    return igl


def slowness(triangles: int) -> str:
    """What is lost without libigl, as a sentence; empty where it is installed.

    Parameters
    ----------
    triangles
        Their number.
    """
    if libigl() is not None:
        return ""
    return (
        f"libigl is not installed, so distances to the {triangles:,} triangles take many times as long; "
        "pip install 'hermite_pinn[mesh]'"
    )


def search(triangles: Triangles) -> Search:
    """The fastest search that can be had."""
    igl = libigl()
    return SampleSearch(triangles) if igl is None else TreeSearch(triangles, igl)


class TreeSearch(Search):
    """By libigl's tree of boxes, which uses all cores.

    Parameters
    ----------
    triangles
        The surface.
    igl
        The module.
    """

    def __init__(self, triangles: Triangles, igl: Any) -> None:
        self.vertices, self.faces = triangles.vertices, triangles.faces
        self.tree = igl.AABB()
        self.tree.init(self.vertices, self.faces)

    def batch(self, x: np.ndarray) -> Closest:
        """Closest points of some points (n, 3)."""
        _, face, point = self.tree.squared_distance(self.vertices, self.faces, x)
        return Closest(np.linalg.norm(x - point, axis=1), face, point)


class SampleSearch(Search):
    """By a tree of points on the surface, each of which stands for a part of a triangle no larger than a known radius.

    The nearest of these give an upper bound of the distance; triangles whose parts are farther than that by more than
    the radius cannot be closer.

    Parameters
    ----------
    triangles
        The surface.
    """

    def __init__(self, triangles: Triangles) -> None:
        self.corners = triangles.corners
        self.radius = max(float(np.median(triangles.longest)) / 2, float(triangles.longest.max()) / 64)
        parts = np.ceil(triangles.longest / self.radius).astype(np.int64)
        samples, owners = [], []
        for face, place in unrolled(parts**2, PAIRS):
            samples.append(_part(self.corners[face], parts[face], place))
            owners.append(face)
        self.owner = np.concatenate(owners)
        self.tree = cKDTree(np.concatenate(samples))

    def batch(self, x: np.ndarray) -> Closest:
        """Closest points of some points (n, 3)."""
        first, near = self.tree.query(x, workers=-1)
        face = self.owner[near]
        point = closest_points(x, self.corners[face])
        best = np.minimum(first, np.linalg.norm(x - point, axis=1))
        reach = (best + 2 / 3 * self.radius) * (1 + 1e-12)  # no point of a part is farther from its centroid
        counts = self.tree.query_ball_point(x, reach, return_length=True, workers=-1)
        ends = np.cumsum(counts)
        start = 0
        while start < len(x):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + PAIRS, side="right")))
            self._improve(slice(start, stop), x, reach, face, point)
            start = stop
        return Closest(np.linalg.norm(x - point, axis=1), face, point)

    def _improve(self, run: slice, x: np.ndarray, reach: np.ndarray, face: np.ndarray, point: np.ndarray) -> None:
        """Enter closer triangles of some points."""
        lists = self.tree.query_ball_point(x[run], reach[run], workers=-1, return_sorted=False)
        sizes = [len(found) for found in lists]
        item = np.repeat(np.arange(run.start, run.stop), sizes)
        samples = np.fromiter(itertools.chain.from_iterable(lists), dtype=np.int64, count=sum(sizes))
        candidates = self.owner[samples]
        keys = np.unique(item * len(self.corners) + candidates)
        item, candidates = np.divmod(keys, len(self.corners))
        points = closest_points(x[item], self.corners[candidates])
        distances = np.linalg.norm(x[item] - points, axis=1)
        order = np.lexsort((distances, item))
        first = order[np.unique(item[order], return_index=True)[1]]
        face[item[first]], point[item[first]] = candidates[first], points[first]


def _part(corners: np.ndarray, parts: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Centroids of congruent parts of triangles (n, 3, 3), each divided into ``parts`` squared."""
    first, second = part_coordinates(parts, place)
    return (
        corners[:, 0]
        + first[:, None] * (corners[:, 1] - corners[:, 0])
        + second[:, None] * (corners[:, 2] - corners[:, 0])
    )


def part_coordinates(parts: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the centroid of a part lies along the first two edges, when each edge is divided into ``parts``.

    Parts count along rows: row ``i`` has ``2 (parts - i) - 1``, those upright and those upside down in turn.
    """
    row = parts - np.ceil(np.sqrt(parts**2 - place)).astype(np.int64)
    along = place - row * (2 * parts - row)
    down = along % 2
    return (along // 2 + (1 + down) / 3) / parts, (row + (1 + down) / 3) / parts


def closest_points(x: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Closest points of triangles (n, 3, 3) to points (n, 3), one each.

    Source: C. Ericson, Real-Time Collision Detection (2005), 5.1.5.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    best = np.full(len(x), np.inf)
    result = np.empty_like(x)
    for p, q in ((a, b), (b, c), (c, a)):
        edge = q - p
        part = np.clip(((x - p) * edge).sum(1) / np.maximum((edge**2).sum(1), np.finfo(float).tiny), 0.0, 1.0)
        point = p + part[:, None] * edge
        distance = ((x - point) ** 2).sum(1)
        nearer = distance < best
        best[nearer], result[nearer] = distance[nearer], point[nearer]
    normal = np.cross(b - a, c - a)
    square = np.maximum((normal**2).sum(1), np.finfo(float).tiny)
    foot = x - (((x - a) * normal).sum(1) / square)[:, None] * normal
    inside = np.ones(len(x), dtype=bool)
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(q - p, foot - p) * normal).sum(1) >= 0
    nearer = inside & (((x - foot) ** 2).sum(1) < best)
    result[nearer] = foot[nearer]
    return result
