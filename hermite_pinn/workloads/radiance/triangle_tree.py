"""A tree of boxes around triangles, in which many rays look for the first triangle together."""

from __future__ import annotations

import numpy as np

__all__ = ["TriangleTree"]

#: Most triangles of a leaf.
LEAF = 4


class TriangleTree:
    """Boxes around triangles, halved at the median of the longest side.

    Parameters
    ----------
    corners
        Of the triangles, (m, 3, 3).

    Examples
    --------
    >>> tree = TriangleTree(np.array([[[0.0, 0, 1], [1, 0, 1], [0, 1, 1]]]))
    >>> t, face = tree.hit(np.array([0.2, 0.2, 0.0]), np.array([[0.0, 0, 1], [0, 0, -1]]))
    >>> t.tolist(), face.tolist()
    ([1.0, inf], [0, 0])
    """

    def __init__(self, corners: np.ndarray) -> None:
        self._corners = np.asarray(corners, dtype=np.float64)
        low, high = self._corners.min(1), self._corners.max(1)
        middle = (low + high) / 2
        lower, upper = list[np.ndarray](), list[np.ndarray]()
        children, faces = list[list[int]](), list[np.ndarray]()
        waiting = [(np.arange(len(corners)), -1, 0)]
        while waiting:
            own, parent, side = waiting.pop()
            number = len(lower)
            lower.append(low[own].min(0))
            upper.append(high[own].max(0))
            children.append([-1, -1])
            faces.append(np.full(LEAF, -1))
            if parent >= 0:
                children[parent][side] = number
            if len(own) <= LEAF:
                faces[number][: len(own)] = own
                continue
            axis = int(np.ptp(middle[own], axis=0).argmax())
            order = own[np.argsort(middle[own, axis], kind="stable")]
            half = len(own) // 2
            waiting += [(order[:half], number, 0), (order[half:], number, 1)]
        self._lower, self._upper = np.array(lower), np.array(upper)
        self._children, self._faces = np.array(children), np.array(faces)

    def hit(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First positive lengths (n,) at which rays (n, 3) from (3,) or (n, 3) meet a triangle, and its number (n,).

        Lengths are infinite, and numbers 0, of rays that meet none.
        """
        way = np.asarray(direction, dtype=np.float64)
        start = np.broadcast_to(np.asarray(origin, dtype=np.float64), way.shape)
        with np.errstate(divide="ignore"):
            inverse = 1 / way
        best, face = np.full(len(way), np.inf), np.zeros(len(way), dtype=np.int64)
        rays, nodes = np.arange(len(way)), np.zeros(len(way), dtype=np.int64)
        while rays.size:
            enter = self._enters(start[rays], inverse[rays], nodes)
            met = enter < best[rays]
            rays, nodes = rays[met], nodes[met]
            leaf = self._children[nodes, 0] < 0
            self._test(start, way, rays[leaf], nodes[leaf], best, face)
            rays = np.repeat(rays[~leaf], 2)
            nodes = self._children[nodes[~leaf]].ravel()
        return best.astype(direction.dtype), face

    def _enters(self, start: np.ndarray, inverse: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """Lengths at which rays enter boxes; infinite of those that miss them."""
        with np.errstate(invalid="ignore"):
            low, high = (self._lower[nodes] - start) * inverse, (self._upper[nodes] - start) * inverse
            near, far = np.minimum(low, high), np.maximum(low, high)
            # a ray along a face of the box gives 0 times infinity, and is in
            first, last = np.where(np.isnan(near), -np.inf, near).max(1), np.where(np.isnan(far), np.inf, far).min(1)
            met = (first <= last + 1e-12 * np.abs(last)) & (last >= 0)  # flat boxes, too
        return np.where(met, np.maximum(first, 0), np.inf)

    def _test(
        self,
        start: np.ndarray,
        way: np.ndarray,
        rays: np.ndarray,
        nodes: np.ndarray,
        best: np.ndarray,
        face: np.ndarray,
    ) -> None:
        """Take the triangles of leaves that rays meet before all others (Möller and Trumbore)."""
        faces = self._faces[nodes].ravel()
        rays, faces = np.repeat(rays, LEAF)[faces >= 0], faces[faces >= 0]
        if not rays.size:
            return
        a, b, c = self._corners[faces].swapaxes(0, 1)
        one, other, d = b - a, c - a, way[rays]
        p = np.cross(d, other)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / (one * p).sum(1)
            to = start[rays] - a
            u = (to * p).sum(1) * inverse
            q = np.cross(to, one)
            v, t = (d * q).sum(1) * inverse, (other * q).sum(1) * inverse
            edge = -1e-12  # neighbours leave no gap between them
            met = (u >= edge) & (v >= edge) & (u + v <= 1 - edge) & (t > 0) & (t < best[rays])
        rays, faces, t = rays[met], faces[met], t[met]
        order = np.argsort(-t, kind="stable")  # of several for one ray the nearest is assigned last
        best[rays[order]], face[rays[order]] = t[order], faces[order]
