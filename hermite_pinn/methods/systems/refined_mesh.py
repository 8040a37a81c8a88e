"""A locally refined grid: nested levels of cells, each of which doubles some axes of the one before.

Cells have all of their children or none.  A refined cell and all its neighbours exist on their level, so that levels
differ by one at most across faces; where they do not, their parents are refined as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .refined_level import RefinedLevel, offsets

__all__ = ["RefinedMesh"]


@dataclass(frozen=True, eq=False)
class RefinedMesh:
    """Levels of cells.

    Attributes
    ----------
    levels
        From the coarsest, which covers the domain.

    Examples
    --------
    >>> mesh = RefinedMesh.uniform((4, 4), (False, False))
    >>> corner = np.array([True] + 15 * [False])
    >>> mesh.refined([corner], (1, 2)).leaves
    17
    """

    levels: tuple[RefinedLevel, ...]

    @classmethod
    def uniform(cls, resolution: Sequence[int], wraps: Sequence[bool]) -> RefinedMesh:
        """A single level."""
        count = int(np.prod(resolution))
        whole = RefinedLevel(tuple(resolution), tuple(wraps), np.arange(count), np.zeros(count, dtype=bool))
        return cls((whole,))

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.levels[0].dim

    @property
    def depth(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def leaves(self) -> int:
        """Number of cells that are not refined."""
        return sum(len(level.leaves) for level in self.levels)

    def locate(self, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Levels and numbers (n,) of the cells that are not refined in which points (d, n) of the unit box lie."""
        found, numbers = np.zeros(inside.shape[1], dtype=np.int64), np.zeros(inside.shape[1], dtype=np.int64)
        for k, level in enumerate(self.levels):
            n = np.array(level.resolution)[:, None]
            cells = np.clip(np.floor(inside * n), 0, n - 1).astype(np.int64).T
            own = level.find(cells)
            there = own >= 0
            found[there], numbers[there] = k, own[there]
        return found, numbers

    def ratio(self, level: int) -> tuple[int, ...]:
        """By axis, into how many parts cells of a level are divided on the next one; all axes on the last level."""
        if level + 1 >= self.depth:
            return (2,) * self.dim
        pair = zip(self.levels[level + 1].resolution, self.levels[level].resolution, strict=True)
        return tuple(fine // coarse for fine, coarse in pair)

    def refined(self, marked: Sequence[np.ndarray], ratio: Sequence[int], rings: int = 0) -> RefinedMesh:
        """The mesh with some more cells refined.

        Parameters
        ----------
        marked
            By level, which of its cells are to be refined, (C,).
        ratio
            Of a new level, if there is to be one.
        rings
            Of neighbours on the same level that are refined with them.
        """
        ratios = [*(self.ratio(k) for k in range(self.depth - 1)), tuple(ratio)]
        chosen = []
        for level, own in zip(self.levels, marked, strict=True):
            padded = self._padded(level, np.asarray(own, dtype=bool) & ~level.refined, rings)
            chosen.append(level.keys[padded | level.refined])
        for k in range(self.depth - 1, 0, -1):
            missing = self._missing(self.levels[k], chosen[k])
            if len(missing):
                parents = missing // np.array(ratios[k - 1])
                keys, _ = self.levels[k - 1].keys_of(parents)
                chosen[k - 1] = np.union1d(chosen[k - 1], keys)
        return self._of(chosen, ratios)

    @staticmethod
    def _padded(level: RefinedLevel, own: np.ndarray, rings: int) -> np.ndarray:
        for _ in range(rings):
            around = level.cells[own][:, None, :] + offsets(level.dim, (-1, 0, 1))
            found = level.find(around.reshape(-1, level.dim))
            own = own.copy()
            own[found[found >= 0]] = True
        return own

    @staticmethod
    def _missing(level: RefinedLevel, keys: np.ndarray) -> np.ndarray:
        """Cells at and around given ones, of those that the domain has, that the level does not have."""
        cells = np.stack(np.unravel_index(keys, level.resolution), 1).astype(np.int64)
        around = (cells[:, None, :] + offsets(level.dim, (-1, 0, 1))).reshape(-1, level.dim)
        wanted, there = level.keys_of(around)
        wanted = np.setdiff1d(wanted[there], level.keys)
        return np.stack(np.unravel_index(wanted, level.resolution), 1).astype(np.int64)

    def _of(self, chosen: Sequence[np.ndarray], ratios: Sequence[Sequence[int]]) -> RefinedMesh:
        """Levels of which the chosen cells, by their keys, are refined."""
        first, levels = self.levels[0], list[RefinedLevel]()
        keys, resolution = first.keys, first.resolution
        for own, ratio in zip(chosen, ratios, strict=True):
            levels.append(RefinedLevel(resolution, first.wraps, keys, np.isin(keys, own)))
            if not len(own):
                return RefinedMesh(tuple(levels))
            cells = np.stack(np.unravel_index(own, resolution), 1).astype(np.int64)
            parts = np.stack(np.meshgrid(*(np.arange(r) for r in ratio), indexing="ij"), -1).reshape(-1, self.dim)
            resolution = tuple(n * r for n, r in zip(resolution, ratio, strict=True))
            children = (cells[:, None, :] * np.array(ratio) + parts).reshape(-1, self.dim)
            keys = np.sort(np.ravel_multi_index(tuple(children.T), resolution))
        levels.append(RefinedLevel(resolution, first.wraps, keys, np.zeros(len(keys), dtype=bool)))
        return RefinedMesh(tuple(levels))

    def doubled(self, axis: int) -> RefinedMesh:
        """The mesh with all cells of all levels halved along an axis."""
        levels = []
        step = np.array([1 + (k == axis) for k in range(self.dim)])
        halves = np.stack([np.zeros(self.dim, dtype=np.int64), (step - 1).astype(np.int64)])
        for level in self.levels:
            resolution = tuple(n * int(s) for n, s in zip(level.resolution, step, strict=True))
            cells = (level.cells[:, None, :] * step + halves).reshape(-1, self.dim)
            keys = np.ravel_multi_index(tuple(cells.T), resolution)
            order = np.argsort(keys)
            levels.append(RefinedLevel(resolution, level.wraps, keys[order], np.repeat(level.refined, 2)[order]))
        return RefinedMesh(tuple(levels))
