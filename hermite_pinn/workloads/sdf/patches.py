"""Curved patches through points with normals: the surface between the points of a cloud.

At every point, heights over its tangent plane are a polynomial of degree two, fitted by least squares to its
neighbours: to their heights, and to the slopes that their normals tell.  On a smooth surface with points at distances
h, the patch is off by a multiple of h**3 at most, its normal by one of h**2 (least squares that move: D. Levin,
Mathematics of Computation 67, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["Feet", "Patches", "frames"]

#: Neighbours to which a patch is fitted, and those among which it reaches.
NEIGHBOURS, WITHIN = 16, 8
#: Width of the weights of neighbours, as a part of the distance of the farthest.
WIDTH = 0.6
#: Least product of normals of neighbours on the same sheet.
SAME_SHEET = 0.3
#: Largest slope, and bend over its width, of a patch.
STEEPEST = 0.7
RIDGE = 1e-10
#: Part of its reach up to which a patch is not compared with its neighbours; how many these are; and the largest sine
#: of the angle between their planes and the way to a point of the same surface.
INNER, BESIDE, OFF = 0.35, 8, 0.4
STEPS = 6  # of Newton on a patch
MOVES = 3  # from patch to patch
BATCH = 1 << 16


@dataclass(frozen=True)
class Feet:
    """Closest points of a surface.

    Attributes
    ----------
    points
        (n, 3).
    normals
        Unit normals there, (n, 3).
    """

    points: np.ndarray
    normals: np.ndarray


class Patches:
    """Patches at points with normals.

    Parameters
    ----------
    points
        Different from each other, float64, (n, 3).
    normals
        Unit normals, (n, 3).
    """

    def __init__(self, points: np.ndarray, normals: np.ndarray) -> None:
        self.points = points
        self.tree = cKDTree(points)
        self.frames = frames(normals)
        count = min(NEIGHBOURS + 1, len(points))
        distance, number = self.tree.query(points, count)
        near = distance[:, min(WITHIN, count - 1)]
        #: How far every patch reaches, (n,).
        self.reach = distance[:, -1]
        #: The area for which every point stands: that of a disk with as many neighbours, (n,).
        self.areas = np.pi * near**2 / min(WITHIN, count - 1)
        self.heights = np.concatenate(
            [
                self._fitted(number[k : k + BATCH], normals, np.arange(k, min(k + BATCH, len(points))))
                for k in range(0, len(points), BATCH)
            ]
        )

    @property
    def spacing(self) -> float:
        """Typical distance between points."""
        return float(np.sqrt(np.median(self.areas)))

    def _fitted(self, number: np.ndarray, normals: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Coefficients (n, 6) of heights: 1, u, v, u**2 / 2, u v, v**2 / 2."""
        frame = self.frames[chosen]
        offset = np.einsum("nki,nai->nka", self.points[number] - self.points[chosen, None], frame)
        normal = np.einsum("nki,nai->nka", normals[number], frame)
        scale = self.reach[chosen, None]
        u, v, height = np.moveaxis(offset / scale[..., None], 2, 0)
        same = normal[..., 2] > SAME_SHEET
        weight = np.exp(-(u**2 + v**2 + height**2) / (2 * WIDTH**2)) * same
        slope = -normal[..., :2] / np.where(same, normal[..., 2], 1.0)[..., None]
        one, none = np.ones_like(u), np.zeros_like(u)
        rows = np.stack(
            [
                np.stack([one, u, v, u**2 / 2, u * v, v**2 / 2], -1),
                np.stack([none, one, none, u, v, none], -1),
                np.stack([none, none, one, none, u, v], -1),
            ],
            2,
        )
        wanted = np.concatenate([height[..., None], slope], 2)
        matrix = np.einsum("nk,nkra,nkrb->nab", weight, rows, rows) + RIDGE * np.eye(6)
        found = np.linalg.solve(matrix, np.einsum("nk,nkra,nkr->na", weight, rows, wanted)[..., None])[..., 0]
        # at creases, what bends more than a patch is long is no more than a guess
        bent = np.maximum(np.abs(found[:, 1:]).max(1), np.finfo(float).tiny)
        found[:, 1:] *= np.minimum(1.0, STEEPEST / bent)[:, None]
        powers = np.array([1, 0, 0, -1, -1, -1])
        return np.asarray(found * scale**powers)

    # -- points on patches ---
    def at(self, chosen: np.ndarray, u: np.ndarray, v: np.ndarray) -> Feet:
        """Points of some patches at places (n,) in their tangent planes."""
        height, slope_u, slope_v = _height(self.heights[chosen], u, v)[:3]
        frame = self.frames[chosen]
        points = self.points[chosen] + np.einsum("na,nai->ni", np.stack([u, v, height], 1), frame)
        normals = np.einsum("na,nai->ni", np.stack([-slope_u, -slope_v, np.ones_like(u)], 1), frame)
        return Feet(points, normals / np.linalg.norm(normals, axis=1, keepdims=True))

    def closest(self, x: np.ndarray) -> Feet:
        """Closest points of the patches to points (n, 3), which begin at the closest points of the cloud."""
        parts = [self._closest(x[k : k + BATCH]) for k in range(0, len(x), BATCH)]
        if not parts:
            return Feet(np.zeros((0, 3)), np.zeros((0, 3)))
        return Feet(np.concatenate([p.points for p in parts]), np.concatenate([p.normals for p in parts]))

    def _closest(self, x: np.ndarray) -> Feet:
        first = self.tree.query(x)[1]
        owner = first.copy()
        u, v = self._places(owner, x)
        active = np.arange(len(x))
        for _ in range(MOVES):
            far = np.hypot(u[active], v[active]) > INNER * self.reach[owner[active]]
            active = active[far]
            if not active.size:
                break
            feet = self.at(owner[active], u[active], v[active])
            nearer = self.tree.query(feet.points)[1]
            moved = nearer != owner[active]
            active, nearer = active[moved], nearer[moved]
            new_u, new_v = self._places(nearer, x[active])
            before = np.linalg.norm(x[active] - feet.points[moved], axis=1)
            after = np.linalg.norm(x[active] - self.at(nearer, new_u, new_v).points, axis=1)
            better = after < before
            active, nearer = active[better], nearer[better]
            owner[active], u[active], v[active] = nearer, new_u[better], new_v[better]
        return self._kept(self.at(owner, u, v), np.hypot(u, v) > INNER * self.reach[owner], first)

    def _kept(self, feet: Feet, far: np.ndarray, first: np.ndarray) -> Feet:
        """Closest points of the cloud with the mean normals around them, where patches go on beyond a crease.

        They do where they are off the planes of their neighbours.
        """
        chosen = np.flatnonzero(far)
        near = self.tree.query(feet.points[chosen], min(BESIDE, len(self.points)))[1]
        way = feet.points[chosen, None] - self.points[near]
        height = np.abs(np.einsum("nki,nki->nk", way, self.frames[near, 2]))
        off = (height > OFF * np.linalg.norm(way, axis=2)).any(1)
        chosen = chosen[off]
        mean = self.frames[near[off], 2].sum(1)
        feet.points[chosen] = self.points[first[chosen]]
        feet.normals[chosen] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-300)
        return feet

    def _places(self, owner: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where on their patches the closest points to points (n, 3) are, by Newton's method within their reach."""
        local = np.einsum("ni,nai->an", x - self.points[owner], self.frames[owner])
        heights, reach = self.heights[owner], self.reach[owner]
        u, v = np.zeros(len(x)), np.zeros(len(x))
        for _ in range(STEPS):
            height, by_u, by_v, by_uu, by_uv, by_vv = _height(heights, u, v)
            over = height - local[2]
            first, second = u - local[0] + over * by_u, v - local[1] + over * by_v
            uu, uv, vv = 1 + by_u**2 + over * by_uu, by_u * by_v + over * by_uv, 1 + by_v**2 + over * by_vv
            determinant = uu * vv - uv**2
            convex = (determinant > 1e-3 * (1 + by_u**2 + by_v**2)) & (uu > 0)
            scale = np.where(convex, determinant, 1.0)
            step_u = np.where(convex, (vv * first - uv * second) / scale, first)
            step_v = np.where(convex, (uu * second - uv * first) / scale, second)
            u, v = u - step_u, v - step_v
            room = np.minimum(1.0, reach / np.maximum(np.hypot(u, v), 1e-300))
            u, v = u * room, v * room
        return u, v


def _height(c: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
    """Heights and their derivatives by u, v, uu, uv, vv."""
    by_u = c[:, 1] + c[:, 3] * u + c[:, 4] * v
    by_v = c[:, 2] + c[:, 4] * u + c[:, 5] * v
    height = c[:, 0] + (c[:, 1] + by_u) * u / 2 + (c[:, 2] + by_v) * v / 2
    return height, by_u, by_v, c[:, 3], c[:, 4], c[:, 5]


def frames(normals: np.ndarray) -> np.ndarray:
    """Two unit tangents and the normal for each of unit normals (n, 3): (n, 3, 3).

    Examples
    --------
    >>> frames(np.array([[0.0, 0.0, 1.0]]))[0].round(12).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    helper = np.zeros_like(normals)
    helper[np.arange(len(normals)), np.abs(normals).argmin(1)] = 1.0
    first = helper - (helper * normals).sum(1, keepdims=True) * normals
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(normals, first), normals], 1)
