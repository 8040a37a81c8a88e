"""Sparse octrees: the cells of every level of detail that a prior asks for, and the corners of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError

__all__ = ["Distance", "Everywhere", "Occupancy", "Octree", "Prior"]

#: Cells that are asked for at a time.
PIECE = 1 << 17


class Prior(ABC):
    """What is known of a field before it is coded: in which cells it has details."""

    @abstractmethod
    def wanted(self, lower: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Which cells have details, truth values (n,).

        A cell of which nothing is wanted has no wanted part either.

        Parameters
        ----------
        lower
            Lower corners of the cells, (n, dim).
        size
            Their edges, (dim,).
        """


class Everywhere(Prior):
    """Details in all cells."""

    def wanted(self, lower: np.ndarray, size: np.ndarray) -> np.ndarray:
        """All."""
        return np.ones(len(lower), dtype=bool)


class Distance(Prior):
    """Details near a surface: in the cells that a ball around their centre, as large as they are, connects to it.

    Parameters
    ----------
    function
        Distance of points (n, dim) to the surface, with a sign or without, (n,).
    width
        Radius of the ball in half diagonals of the cell; 1 or more, so that every cell is taken that the surface
        crosses.

    Examples
    --------
    >>> sphere = Distance(lambda x: np.linalg.norm(x, axis=1) - 1.0)
    >>> sphere.wanted(np.array([[0.9, 0.0], [0.0, 0.0]]), np.array([0.2, 0.2]))
    array([ True, False])
    """

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], width: float = 1.0) -> None:
        if not width >= 1:
            raise InvalidArgumentError(f"width counts half diagonals of a cell and is at least 1, got {width!r}")
        self._function, self._width = function, width

    def wanted(self, lower: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Those near the surface."""
        reach = self._width * float(np.linalg.norm(size)) / 2
        parts = [np.abs(self._function(lower[k : k + PIECE] + size / 2)) for k in range(0, len(lower), PIECE)]
        return np.concatenate(parts) <= reach if parts else np.zeros(0, dtype=bool)


class Occupancy(Prior):
    """Details where a grid of truth values says so, as that of the densities of a radiance field.

    Parameters
    ----------
    occupied
        Truth values of the cells of a box, one axis of the array per axis.
    lower, upper
        Corners of the box.

    Examples
    --------
    >>> half = Occupancy(np.array([True, False]), (0.0,), (1.0,))
    >>> half.wanted(np.array([[0.2], [0.4], [0.6]]), np.array([0.2]))
    array([ True,  True, False])
    """

    def __init__(self, occupied: np.ndarray, lower: Sequence[float], upper: Sequence[float]) -> None:
        if occupied.dtype != bool or occupied.ndim != len(lower) or len(lower) != len(upper) or not occupied.size:
            raise InvalidArgumentError(
                f"occupied must be truth values with one axis for each of the {len(lower)} of the box, got {occupied.dtype} of "
                f"shape {occupied.shape}"
            )
        sums = np.zeros(np.array(occupied.shape) + 1, dtype=np.int64)
        sums[(slice(1, None),) * occupied.ndim] = occupied
        for axis in range(occupied.ndim):
            np.cumsum(sums, axis=axis, out=sums)
        self._sums, self._counts = sums, np.array(occupied.shape)
        self._lower, self._upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)

    def wanted(self, lower: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Those that an occupied cell overlaps."""
        scale = self._counts / (self._upper - self._lower)
        first = (lower - self._lower) * scale
        ends = [np.floor(first + 1e-9), np.ceil(first + size * scale - 1e-9)]
        low, high = (np.clip(end, 0, self._counts).astype(np.int64) for end in ends)
        total = np.zeros(len(lower), dtype=np.int64)
        for corner in range(1 << len(size)):
            upper = [bool(corner >> axis & 1) for axis in range(len(size))]
            at = tuple(np.where(up, high[:, axis], low[:, axis]) for axis, up in enumerate(upper))
            total += (1 if (len(size) - sum(upper)) % 2 == 0 else -1) * self._sums[at]
        return total > 0


@dataclass(frozen=True)
class Octree:
    """Levels of detail, each with twice the cells of the one before along every axis.

    Attributes
    ----------
    resolutions
        Cells per axis of every level.
    listed
        By level the corners of its cells; None where the level has all of its cells.
    cells
        Numbers of the finest cells, int64, (n, dim).
    """

    resolutions: tuple[tuple[int, ...], ...]
    listed: tuple[VertexList | None, ...]
    cells: np.ndarray

    @classmethod
    def of(
        cls, prior: Prior, lower: Sequence[float], upper: Sequence[float], coarsest: Sequence[int], levels: int = 4
    ) -> Octree:
        """The cells that a prior wants, found from those of the coarsest level, which are all there.

        Parameters
        ----------
        prior
            Where the details are.
        lower, upper
            Corners of the box.
        coarsest
            Cells per axis of the coarsest level.
        levels
            Number of levels.

        Raises
        ------
        InvalidProblemError
            If nothing is wanted.

        Examples
        --------
        >>> circle = Distance(lambda x: np.linalg.norm(x, axis=1) - 0.7)
        >>> tree = Octree.of(circle, (-1.0, -1.0), (1.0, 1.0), (4, 4), 4)
        >>> tree.resolutions[-1], len(tree.cells) < 32**2 / 5
        ((32, 32), True)
        >>> [None if corners is None else len(corners) for corners in tree.listed][:2]
        [None, 40]
        """
        low, extent = np.asarray(lower, dtype=float), np.subtract(upper, lower).astype(float)
        counts = np.array(coarsest, dtype=np.int64)
        corners = np.stack(np.meshgrid(*[[0, 1]] * len(counts), indexing="ij"), -1).reshape(-1, len(counts))
        cells = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, len(counts))
        resolutions, listed = [tuple(map(int, counts))], [None]
        kept: list[VertexList | None] = list(listed)
        for _ in range(1, levels):
            near = prior.wanted(low + cells * (extent / counts), extent / counts)
            if not near.any():
                raise InvalidProblemError(
                    f"no cell of {'x'.join(map(str, counts))} has details: the prior is that of another box, or of an empty one"
                )
            counts = counts * 2
            cells = (2 * cells[near][:, None] + corners).reshape(-1, len(counts))
            cells = cells[prior.wanted(low + cells * (extent / counts), extent / counts)]
            if not len(cells):
                raise InvalidProblemError(f"no cell of {'x'.join(map(str, counts))} has details; give fewer levels")
            resolutions.append(tuple(map(int, counts)))
            kept.append(_corners(cells, corners, counts))
        return cls(tuple(resolutions), tuple(kept), cells)


def _corners(cells: np.ndarray, corners: np.ndarray, counts: np.ndarray) -> VertexList | None:
    """The corners of cells; None if those are all that a level has."""
    if len(cells) == int(np.prod(counts)):
        return None
    flat = np.ravel_multi_index(tuple((cells[:, None] + corners).reshape(-1, len(counts)).T), tuple(counts + 1))
    return VertexList.of(np.stack(np.unravel_index(np.unique(flat), tuple(counts + 1)), 1))
