"""Closest points of the boundaries of shapes that are made of shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from .shape import Shape, Surface

__all__ = ["BoundaryFeet"]

ON = 1e-9  # of the size: a point that near to the boundary is on it
FINE = 64  # known points along the longest edge of a shape
NEIGHBOURS = 4  # known points from which is searched
WALK = 12  # steps along a boundary
STRIDES = 4  # along an edge
OVER = 3.0  # of half a part of an edge: how far it may go on
HALVINGS = 30  # to find where an edge ends
ALTERNATIONS = 30  # between the two boundaries that cross at an edge


class BoundaryFeet:
    """Finds closest points of the boundary of a combination.

    Parameters
    ----------
    whole
        The combination.
    leaves
        The shapes of which it is made, each with closest points of its own.
    size
        Of the combination.
    """

    def __init__(self, whole: Shape, leaves: Sequence[Shape], size: float) -> None:
        self.whole, self.leaves, self.size = whole, leaves, size

    def on(self, x: np.ndarray) -> np.ndarray:
        """Which points (dim, n) are on the boundary."""
        return np.asarray(np.abs(self.whole.signed_distance(x)) <= ON * self.size)

    def closest(self, x: np.ndarray, parts: Sequence[Shape]) -> np.ndarray:
        """Closest points to points (dim, n): of the part whose distance is that of the whole, or searched for.

        The signed distance of a combination is never more than the distance, and the closest point of that part is as
        far away as it says.  So this is right if it is on the boundary.
        """
        value, result = self.whole.signed_distance(x), np.full_like(x, np.nan)
        for part in parts:
            mine = np.flatnonzero(np.abs(part.signed_distance(x)) == np.abs(value))
            result[:, mine] = part.closest_points(x[:, mine])
        lost = np.flatnonzero(~self.on(result))
        if lost.size:
            result[:, lost] = self._searched(x[:, lost])
        return result

    def _searched(self, x: np.ndarray) -> np.ndarray:
        """The closest of the closest points of all leaves, and of what is found from known points."""
        best, distance = np.zeros_like(x), np.full(x.shape[1], np.inf)
        for leaf in self.leaves:
            _keep(x, leaf.closest_points(x), self.on, best, distance)
        places, normals, owners = self._faces
        if owners.size:
            tree, count = self._face_tree, min(NEIGHBOURS, owners.size)
            for near in tree.query(x.T, count)[1].reshape(x.shape[1], count).T:
                _keep(x, places[:, near], self.on, best, distance)
                for k, leaf in enumerate(self.leaves):
                    mine = np.flatnonzero(owners[near] == k)
                    if mine.size:
                        start = places[:, near[mine]], normals[:, near[mine]]
                        close, far = best[:, mine], distance[mine]
                        _keep(x[:, mine], self._walked(leaf, x[:, mine], *start), self.on, close, far)
                        best[:, mine], distance[mine] = close, far
        middles, tangents, halves, pairs = self._edges
        if halves.size:
            tree, count = self._edge_tree, min(NEIGHBOURS, halves.size)
            for near in tree.query(x.T, count)[1].reshape(x.shape[1], count).T:
                here, tangent, most = middles[:, near], tangents[:, near], OVER * halves[near]
                for _ in range(STRIDES):
                    along = np.clip(((x - here) * tangent).sum(0), -most, most)
                    there = self._along_edge(here, along * tangent, pairs[near])
                    _keep(x, there, self.on, best, distance)
                    chord = there - here
                    square = np.maximum((chord**2).sum(0), (1e-8 * self.size) ** 2)
                    turned = 2 * chord * (chord * tangent).sum(0) / square - tangent  # as on a circle
                    here, tangent = there, np.where((chord**2).sum(0) < square, tangent, turned)
        return best

    def _walked(self, leaf: Shape, x: np.ndarray, here: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """From points of a leaf with normals towards the closest ones to points (dim, n), along its boundary."""
        reach = self.size / FINE
        for _ in range(WALK):
            beside = here + 0.01 * reach * normals  # its closest point is here, and tells the normal
            turned = beside - leaf.closest_points(beside)
            size = np.linalg.norm(turned, axis=0)
            normals = np.where(size > 0.5 * 0.01 * reach, turned / np.maximum(size, 1e-300), normals)
            way = x - here
            way = way - normals * (way * normals).sum(0)
            length = np.linalg.norm(way, axis=0)
            new = leaf.closest_points(here + way * np.minimum(1.0, reach / np.maximum(length, 1e-300)))
            closer = np.linalg.norm(x - new, axis=0) < np.linalg.norm(x - here, axis=0)
            if not closer.any():
                break
            here = np.where(closer, new, here)
        return here

    def _along_edge(self, middle: np.ndarray, way: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """How far one gets from points of edges on given ways before the edge ends."""
        found = self._on_edge(middle + way, pairs)
        short = np.flatnonzero(~self.on(found))
        low, high = np.zeros(short.size), np.ones(short.size)
        for _ in range(HALVINGS if short.size else 0):
            half = (low + high) / 2
            trial = self._on_edge(middle[:, short] + half * way[:, short], pairs[short])
            good = self.on(trial)
            found[:, short[good]] = trial[:, good]
            low, high = np.where(good, half, low), np.where(good, high, half)
        return found

    def _on_edge(self, x: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Points near edges moved onto both boundaries that cross there."""
        result = x.copy()
        for first, second in np.unique(pairs, axis=0).tolist():
            mine = np.flatnonzero((pairs == (first, second)).all(1))
            part = result[:, mine]
            for _ in range(ALTERNATIONS if first != second else 1):
                part = self.leaves[second].closest_points(self.leaves[first].closest_points(part))
            result[:, mine] = part
        return result

    # -- known points ---
    @cached_property
    def _faces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points and normals (dim, n) of the boundary, and the leaves on whose boundaries they are."""
        parts = [(p.points(self.size / FINE), p.leaf) for p in self.whole.pieces]
        found = Surface.joined([surface for surface, _ in parts], self.whole.dim)
        owners = [np.zeros(0, dtype=int), *(np.full(surface.count, k) for surface, k in parts)]
        # normals of a part that is taken away point into it
        return found.x, found.normals, np.concatenate(owners)

    @cached_property
    def _face_tree(self) -> cKDTree:
        return cKDTree(self._faces[0].T)

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Middles and tangents (dim, n) of parts of edges, half their lengths, and pairs of leaves that meet there."""
        segments = self.whole.creases.segments
        middles = segments.mean(1).T
        ways = (segments[:, 1] - segments[:, 0]).T
        lengths = np.linalg.norm(ways, axis=0)
        if not lengths.size:
            return middles, ways, lengths, np.zeros((0, 2), dtype=int)
        values = np.abs(np.stack([leaf.signed_distance(middles) for leaf in self.leaves]))
        order = np.argsort(values, axis=0)[: min(2, len(self.leaves))]
        second = np.take_along_axis(values, order[-1:], 0)[0] <= np.maximum(0.5 * lengths, 1e-6 * self.size)
        pairs = np.stack([order[0], np.where(second, order[-1], order[0])], 1)
        return middles, ways / np.maximum(lengths, 1e-300), lengths / 2, pairs

    @cached_property
    def _edge_tree(self) -> cKDTree:
        return cKDTree(self._edges[0].T)


def _keep(
    x: np.ndarray, found: np.ndarray, on: Callable[[np.ndarray], np.ndarray], best: np.ndarray, distance: np.ndarray
) -> None:
    """Enter points that are on the boundary and closer than those that are known."""
    length = np.linalg.norm(x - found, axis=0)
    closer = np.flatnonzero(length < distance)
    closer = closer[on(found[:, closer])]
    best[:, closer], distance[closer] = found[:, closer], length[closer]
