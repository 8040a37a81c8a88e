"""How often points with normals and areas wind around places: about 1 inside of a closed surface, 0 outside.

Every point is a dipole (G. Barill and others, ACM Transactions on Graphics 37, 2018); those in a cube that is far away
are one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PointWinding"]

#: Points in the smallest cubes, about; and how many cubes there are along an axis at most.
FEW, DEEPEST = 8, 7
#: A cube is far away at so many of its half diagonals.
FAR = 2.5
TOGETHER = 2048  # places at once


@dataclass(frozen=True)
class Cubes:
    """Cubes with points of one size, each one dipole.

    Attributes
    ----------
    centre, moment
        Where it is, and its strength, (n, 3).
    radius
        In which its points are, (n,).
    first, last
        Which smaller cubes, or points, are in it, (n,).
    """

    centre: np.ndarray
    moment: np.ndarray
    radius: np.ndarray
    first: np.ndarray
    last: np.ndarray


class PointWinding:
    """Winding numbers of points with normals.

    Parameters
    ----------
    points, normals
        (n, 3).
    areas
        For which the points stand, (n,).
    """

    def __init__(self, points: np.ndarray, normals: np.ndarray, areas: np.ndarray) -> None:
        lower, size = points.min(0), max(float((points.max(0) - points.min(0)).max()), np.finfo(float).tiny)
        depth = int(np.clip(np.ceil(np.log2(max(len(points) / FEW, 1)) / 2), 1, DEEPEST))
        place = np.clip((points - lower) / size * 2**depth, 0, 2**depth - 1).astype(np.int64)
        key = _interleaved(place, depth)
        order = np.argsort(key, kind="stable")
        key, points = key[order], points[order]
        moments, areas = areas[order, None] * normals[order], areas[order]
        self.levels: list[Cubes] = []
        below, children = np.arange(len(key)), key
        for level in range(depth, -1, -1):
            own = children >> 3 if level < depth else key
            found, first = np.unique(own, return_index=True)
            last = np.append(first[1:], len(own))
            start, count = below[first], np.append(below[first][1:], len(key)) - below[first]
            total = np.maximum(np.add.reduceat(areas, start), np.finfo(float).tiny)
            centre = np.add.reduceat(areas[:, None] * points, start) / total[:, None]
            spread = np.linalg.norm(points - np.repeat(centre, count, 0), axis=1)
            radius = np.maximum.reduceat(spread, start)
            self.levels.insert(0, Cubes(centre, np.add.reduceat(moments, start), radius, first, last))
            below, children = start, found
        self.points, self.moments = points, moments

    def at(self, x: np.ndarray) -> np.ndarray:
        """Winding numbers (m,) at places (m, 3)."""
        parts = [self._at(x[k : k + TOGETHER]) for k in range(0, len(x), TOGETHER)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _at(self, x: np.ndarray) -> np.ndarray:
        result = np.zeros(len(x))
        item, cube = np.arange(len(x)), np.zeros(len(x), dtype=np.int64)
        for cubes in self.levels:
            way = cubes.centre[cube] - x[item]
            square = np.einsum("ni,ni->n", way, way)
            far = square > (FAR * cubes.radius[cube]) ** 2
            result += _dipoles(item[far], cubes.moment[cube[far]], way[far], square[far], len(x))
            item, cube = _children(item[~far], cubes.first[cube[~far]], cubes.last[cube[~far]])
        way = self.points[cube] - x[item]
        square = np.maximum(np.einsum("ni,ni->n", way, way), np.finfo(float).tiny)
        return result + _dipoles(item, self.moments[cube], way, square, len(x))


def _dipoles(item: np.ndarray, moment: np.ndarray, way: np.ndarray, square: np.ndarray, count: int) -> np.ndarray:
    """What dipoles add to winding numbers."""
    share = np.einsum("ni,ni->n", moment, way) / (4 * np.pi * square * np.sqrt(square))
    return np.bincount(item, share, minlength=count)


def _children(item: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of an item and a number from first to last."""
    sizes = last - first
    number = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(item, sizes), np.repeat(first, sizes) + number


def _interleaved(place: np.ndarray, depth: int) -> np.ndarray:
    """Numbers of cubes along a curve on which the eight parts of a cube follow each other."""
    key = np.zeros(len(place), dtype=np.int64)
    for bit in range(depth):
        for axis in range(3):
            key |= ((place[:, axis] >> bit) & 1) << (3 * bit + axis)
    return key
