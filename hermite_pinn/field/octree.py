"""Sparse octrees: the cells of every level of detail that a prior asks for, and the corners of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError, InvalidProblemError
from hermite_pinn.memory import check_fits

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


@dataclass(frozen=True, eq=False)
class Octree:
    """Levels of detail, each with twice the cells of the one before along every axis.

    Attributes
    ----------
    coarsest
        Cells per axis of the coarsest level, which has all of its cells.
    cells
        By level the numbers of its cells, int64, (n, dim), in row-major order.
    """

    coarsest: tuple[int, ...]
    cells: tuple[np.ndarray, ...]

    @classmethod
    def of(
        cls, prior: Prior, lower: Sequence[float], upper: Sequence[float], coarsest: Sequence[int], levels: int = 4
    ) -> Octree:
        """The cells that a prior wants, found from those of the coarsest level.

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
        OutOfMemoryError
            If the cells do not fit.

        Examples
        --------
        >>> circle = Distance(lambda x: np.linalg.norm(x, axis=1) - 0.7)
        >>> tree = Octree.of(circle, (-1.0, -1.0), (1.0, 1.0), (4, 4), 4)
        >>> tree.resolutions[-1], len(tree.cells[-1]) < 32**2 / 5
        ((32, 32), True)
        >>> [None if corners is None else len(corners) for corners in tree.listed][:2]
        [None, 40]
        """
        low, extent = np.asarray(lower, dtype=float), np.subtract(upper, lower).astype(float)
        counts = np.array(coarsest, dtype=np.int64)
        cells = [_all(counts)]
        for _ in range(1, levels):
            near = cells[-1][prior.wanted(low + cells[-1] * (extent / counts), extent / counts)]
            counts = counts * 2
            need = 72.0 * len(near) * len(counts) * 2 ** len(counts)
            check_fits(need, f"the cells of a level of {'x'.join(map(str, counts))}", "take fewer levels")
            finer = _sorted((2 * near[:, None] + _parts(len(counts))).reshape(-1, len(counts)), counts)
            finer = finer[prior.wanted(low + finer * (extent / counts), extent / counts)]
            if not len(finer):
                raise InvalidProblemError(
                    f"no cell of {'x'.join(map(str, counts))} has details: the prior is that of another box, or of an empty one; "
                    "or give fewer levels"
                )
            cells.append(finer)
        return cls(tuple(map(int, coarsest)), tuple(cells))

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.cells)

    @property
    def resolutions(self) -> tuple[tuple[int, ...], ...]:
        """Cells per axis of every level."""
        return tuple(tuple(n << level for n in self.coarsest) for level in range(self.levels))

    @cached_property
    def listed(self) -> tuple[VertexList | None, ...]:
        """By level the corners of its cells; None where the level has all of its cells."""
        return tuple(_corners(cells, np.array(n)) for cells, n in zip(self.cells, self.resolutions, strict=True))

    def prefix(self, levels: int) -> Octree:
        """The coarsest levels."""
        return replace(self, cells=self.cells[:levels])

    # -- files ---
    def masks(self, level: int) -> bytes:
        """Which parts of the cells of a level belong to the next one, a bit for each part, a byte or two per cell."""
        counts = np.array(self.resolutions[level])
        parents = np.ravel_multi_index(tuple(self.cells[level].T), tuple(counts))
        finer = self.cells[level + 1]
        at = np.searchsorted(parents, np.ravel_multi_index(tuple((finer >> 1).T), tuple(counts)))
        bit = (finer & 1) @ (1 << np.arange(finer.shape[1])[::-1])
        masks = np.zeros(len(parents), dtype=_mask_type(len(counts)))
        np.bitwise_or.at(masks, at, (1 << bit).astype(masks.dtype))
        return masks.tobytes()

    @property
    def mask_bytes(self) -> int:
        """Bytes of the masks of the finest level."""
        return len(self.cells[-1]) * _mask_type(len(self.coarsest)).itemsize

    @classmethod
    def whole(cls, coarsest: Sequence[int]) -> Octree:
        """The coarsest level alone."""
        return cls(tuple(coarsest), (_all(np.array(coarsest, dtype=np.int64)),))

    def refined(self, masks: bytes) -> Octree:
        """One more level, from :meth:`masks`.

        Raises
        ------
        CorruptFileError
            If these are not those of the finest level.
        """
        dim, kind = len(self.coarsest), _mask_type(len(self.coarsest))
        if len(masks) != self.mask_bytes:
            raise CorruptFileError(
                f"{len(self.cells[-1]):,} cells have as many masks of {kind.itemsize} bytes, got {len(masks):,} bytes; the block is damaged"
            )
        given = np.frombuffer(masks, kind).astype(np.int64)
        if given.max() >= 1 << (1 << dim) or not given.any():
            raise CorruptFileError(
                "the masks of the cells name parts that no cell has, or none at all; the block is damaged"
            )
        which = (given[:, None] >> np.arange(1 << dim) & 1).astype(bool)
        finer = (2 * self.cells[-1][:, None] + _parts(dim))[which]
        return replace(self, cells=(*self.cells, _sorted(finer, np.array(self.resolutions[-1]) * 2)))


def _mask_type(dim: int) -> np.dtype[Any]:
    return np.dtype("u1" if dim <= 3 else "<u2")


def _parts(dim: int) -> np.ndarray:
    """Numbers of the parts of a cell, which are those of its corners, too, (2**dim, dim)."""
    return np.stack(np.meshgrid(*[[0, 1]] * dim, indexing="ij"), -1).reshape(-1, dim)


def _all(counts: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, len(counts))


def _sorted(cells: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return cells[np.argsort(np.ravel_multi_index(tuple(cells.T), tuple(counts)))]


def _corners(cells: np.ndarray, counts: np.ndarray) -> VertexList | None:
    """The corners of cells; None if those are all that a level has."""
    if len(cells) == int(np.prod(counts)):
        return None
    corners = (cells[:, None] + _parts(len(counts))).reshape(-1, len(counts))
    flat = np.unique(np.ravel_multi_index(tuple(corners.T), tuple(counts + 1)))
    return VertexList.of(np.stack(np.unravel_index(flat, tuple(counts + 1)), 1))
