"""The cells of a level that a cut domain touches, and their vertices: the only ones with coefficients."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sparse

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.cuda.tensor_grid.axis import prolongation_matrix
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry import Domain, Span
from hermite_pinn.geometry.cells import TOUCHED
from hermite_pinn.problem.problem import Problem

__all__ = ["LevelCells", "contained", "level_cells", "prolongation"]

_ROWS = 100_000  # of a prolongation that are made at a time


class LevelCells:
    """Active cells of one level over the space axes, and the numbers of their vertices.

    A vertex has ``m ** d`` coefficients, one record, in row-major order of the orders of differentiation along the d
    space axes; records lie one after another.  Corners of a cell are in row-major order too, left before right.

    Parameters
    ----------
    basis
        Of the grid.
    lower, upper
        Corners of the bounding box, over the space axes.
    wraps
        Which of them are periodic.
    kinds
        Of all cells (see :class:`~hermite_pinn.geometry.cells.Cells`).

    Attributes
    ----------
    cells
        Positions of the active cells, int64, (C, d), the full ones first.
    touched
        Which of them the boundary passes through, (C,).
    corners
        Numbers of the vertices of the cells, int64, (C, 2 ** d).
    vertices
        Positions of the vertices, int64, (V, d), in row-major order.
    """

    def __init__(
        self,
        basis: str,
        lower: Sequence[float],
        upper: Sequence[float],
        wraps: Sequence[bool],
        kinds: np.ndarray,
    ) -> None:
        self.basis, self.m = basis, BASES[basis].coefficients
        self.lower, self.upper, self.wraps = np.asarray(lower), np.asarray(upper), tuple(wraps)
        self.counts = kinds.shape
        self.dim = kinds.ndim
        self.record = self.m**self.dim
        self.sides = tuple(n + (not w) for n, w in zip(self.counts, wraps, strict=True))  # vertices per axis
        cells = np.argwhere(kinds != 0)
        touched = kinds[tuple(cells.T)] == TOUCHED
        order = np.argsort(touched, kind="stable")
        self.cells, self.touched = cells[order], touched[order]
        places = np.stack([self._place(self.cells + offset) for offset in self._offsets], 1)
        known, inverse = np.unique(places, return_inverse=True)
        self.corners = inverse.reshape(places.shape)
        self.vertices = np.stack(np.unravel_index(known, self.sides), 1)
        self._number = np.full(math.prod(self.sides), -1, dtype=np.int32)
        self._number[known] = np.arange(len(known), dtype=np.int32)

    @cached_property
    def _offsets(self) -> np.ndarray:
        return np.array(list(itertools.product((0, 1), repeat=self.dim)), dtype=np.int64)

    def _place(self, vertices: np.ndarray) -> np.ndarray:
        """Row-major places among all vertices, wrapped."""
        return np.ravel_multi_index(tuple(v % n for v, n in zip(vertices.T, self.sides, strict=True)), self.sides)

    @property
    def count(self) -> int:
        """Number of vertices."""
        return len(self.vertices)

    @property
    def widths(self) -> np.ndarray:
        """Lengths of a cell, (d,)."""
        return np.asarray((self.upper - self.lower) / np.array(self.counts))

    @cached_property
    def places(self) -> np.ndarray:
        """Where the coefficients lie in an array (m N_1, ..., m N_d) of all, flat, int64, (V m**d,)."""
        orders = np.array(list(itertools.product(range(self.m), repeat=self.dim)), dtype=np.int64)
        positions = self.vertices[:, None, :] * self.m + orders
        return np.ravel_multi_index(tuple(positions.reshape(-1, self.dim).T), tuple(self.m * n for n in self.sides))

    def numbers(self, vertices: np.ndarray) -> np.ndarray:
        """Numbers of vertices given by their positions (n, d); -1 for those without coefficients."""
        return self._number[self._place(vertices)]

    def locate(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cells of points (d, n), as positions (n, d), and where in them they are, (n, d) between 0 and 1.

        Points on a face between a cell with coefficients and one without belong to the first.
        """
        t = (x.T - self.lower) / self.widths
        cell = np.clip(np.floor(t), 0, np.array(self.counts) - 1).astype(np.int64)
        lost = np.flatnonzero(~self.has(cell))
        if len(lost):  # by rounding, or on a face
            nudged = cell[lost]
            for shift in itertools.product((0, -1, 1), repeat=self.dim):
                other = np.clip(cell[lost] + shift, 0, np.array(self.counts) - 1)
                near = (np.abs(t[lost] - other - 0.5) <= 0.5 + 1e-6).all(1) & self.has(other) & ~self.has(nudged)
                nudged[near] = other[near]
            cell[lost] = nudged
        return cell, t - cell

    def has(self, cells: np.ndarray) -> np.ndarray:
        """Which cells (n, d) are active."""
        return self._active[tuple(cells.T)]

    @cached_property
    def _active(self) -> np.ndarray:
        active = np.zeros(self.counts, dtype=bool)
        active[tuple(self.cells.T)] = True
        return active

    def corners_of(self, cells: np.ndarray) -> np.ndarray:
        """Numbers of the vertices (n, 2 ** d) of cells (n, d); -1 for those without coefficients."""
        return np.stack([self.numbers(cells + offset) for offset in self._offsets], 1).astype(np.int64)

    def values(self, t: np.ndarray, orders: Sequence[int]) -> np.ndarray:
        """Derivatives of the functions of a cell at positions (n, d) in it, (n, 2 ** d m ** d): corners, then records.

        Parameters
        ----------
        orders
            Of differentiation along the space axes.
        """
        n, product = len(t), np.ones((len(t), 1, 1))
        for axis, order in enumerate(orders):
            one = np.stack([np.broadcast_to(v, n) for v in basis_values(self.basis, t[:, axis], order)], 1)
            one = one.reshape(n, 2, self.m) * self.widths[axis] ** -order
            ends, m = product.shape[1], product.shape[2]
            product = (product[:, :, None, :, None] * one[:, None, :, None, :]).reshape(n, 2 * ends, m * self.m)
        return product.reshape(n, math.prod(product.shape[1:]))


def level_cells(problem: Problem, basis: str, resolution: Sequence[int]) -> LevelCells:
    """The cells of a level of a problem on a cut domain, kept for all parts of it in time.

    Raises
    ------
    InvalidProblemError
        If the domain touches no cell.
    """
    domain = problem.domain
    axes = domain.space_axes
    bounds = tuple((domain.lower[i], domain.upper[i]) for i in axes)
    counts = tuple(resolution[i] for i in axes)

    def made() -> LevelCells:
        cells = domain.cells(tuple(resolution))
        assert cells is not None
        if not cells.active.any():
            raise InvalidProblemError(f"{domain} touches no cell of {'x'.join(map(str, counts))}")
        wraps = [problem.periodic[i] for i in axes]
        return LevelCells(basis, [a for a, _ in bounds], [b for _, b in bounds], wraps, cells.kinds)

    return problem.plan.shared.once(("level cells", basis, counts, bounds), made)


def contained(domain: Domain, x: np.ndarray) -> np.ndarray:
    """Which points (d, n) over the space axes lie in a domain."""
    span = Span.of(domain)
    return domain.contains(span.joined(x, 0.5 * (span.start + span.end))).numpy()


def prolongation(coarse: LevelCells, fine: LevelCells) -> sparse.csr_matrix:
    """Coefficients on the vertices of a fine level from those of a coarse one; rows and columns are records in order.

    Contributions of coarse vertices without coefficients are left out; there are none where the levels are nested.
    """
    m = coarse.m
    lines = []
    for a, b, wraps in zip(coarse.counts, fine.counts, coarse.wraps, strict=True):
        one = prolongation_matrix(coarse.basis, a, b, wraps).matrices[0]
        width = int(np.diff(one.indptr).max())
        columns, values = (np.zeros((one.shape[0], width), dtype=t) for t in (np.int64, float))
        for row in range(one.shape[0]):
            part = slice(one.indptr[row], one.indptr[row + 1])
            columns[row, : part.stop - part.start] = one.indices[part]
            values[row, : part.stop - part.start] = one.data[part]
        lines.append((columns, values))
    positions = np.stack(np.unravel_index(fine.places, tuple(m * n for n in fine.sides)), 1)
    blocks = []
    for first in range(0, len(positions), _ROWS):
        some = positions[first : first + _ROWS]
        n = len(some)
        vertex, order = np.zeros((n, 1), dtype=np.int64), np.zeros((n, 1), dtype=np.int64)
        value = np.ones((n, 1))
        for axis, (columns, values) in enumerate(lines):
            c, v = columns[some[:, axis]], values[some[:, axis]]
            vertex = (vertex[:, :, None] * coarse.sides[axis] + c[:, None, :] // m).reshape(n, -1)
            order = (order[:, :, None] * m + c[:, None, :] % m).reshape(n, -1)
            value = (value[:, :, None] * v[:, None, :]).reshape(n, -1)
        number = coarse._number[vertex]
        rows, at = np.nonzero((value != 0) & (number >= 0))
        columns = number[rows, at].astype(np.int64) * coarse.record + order[rows, at]
        block = sparse.csr_matrix((value[rows, at], (rows, columns)), shape=(n, coarse.count * coarse.record))
        blocks.append(block)
    return sparse.vstack(blocks).tocsr() if len(blocks) > 1 else blocks[0]
