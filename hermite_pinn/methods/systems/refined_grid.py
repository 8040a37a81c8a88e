"""The functions of a locally refined grid: sums over its levels, of those vertices that have all their cells there.

Functions of a level vanish with their derivatives on the rim of its cells, so that the sum is as smooth as the basis.
The coefficients of the sum at the vertices of a level are those of the coarser levels, prolonged, and its own; with
them every cell that is not refined is evaluated from its own corners, as a cell of a uniform grid.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sparse

from hermite_pinn.cuda.encoder.basis import BASES

from .refined_mesh import RefinedMesh
from .refined_transfer import prolongation, restriction_to_coarse

__all__ = ["RefinedGrid"]


class RefinedGrid:
    """Coefficients by level, vertex and order of differentiation, one after another: arrays (..., size).

    Parameters
    ----------
    mesh
        The cells.
    basis
        A refinable one of :data:`hermite_pinn.cuda.encoder.basis.BASES`.
    lower, upper
        Corners of the box.

    Examples
    --------
    >>> mesh = RefinedMesh.uniform((2,), (False,)).refined([np.array([True, False])], (2,))
    >>> grid = RefinedGrid(mesh, "cubic", (0.0,), (1.0,))
    >>> grid.starts, int(grid.independent.sum())       # the function of the first vertex is a sum of finer ones
    ([0, 6, 12], 8)
    """

    def __init__(self, mesh: RefinedMesh, basis: str, lower: Sequence[float], upper: Sequence[float]) -> None:
        self.mesh, self.basis = mesh, basis
        self.m = BASES[basis].coefficients
        self.lower, self.upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
        self.record = self.m**mesh.dim
        sizes = [len(level.vertices) * self.record for level in mesh.levels]
        self.starts = [0, *np.cumsum(sizes).tolist()]

    @property
    def size(self) -> int:
        """Number of coefficients, also of those that are no unknowns."""
        return int(self.starts[-1])

    def widths(self, level: int) -> np.ndarray:
        """Lengths of a cell of a level, (d,)."""
        return np.asarray((self.upper - self.lower) / np.array(self.mesh.levels[level].resolution))

    def part(self, level: int) -> slice:
        """Where the coefficients of a level lie."""
        return slice(self.starts[level], self.starts[level + 1])

    @cached_property
    def steps(self) -> list[sparse.csr_array]:
        """By pair of levels, the prolongation."""
        levels = self.mesh.levels
        return [prolongation(self.basis, a, b) for a, b in itertools.pairwise(levels)]

    @cached_property
    def _transposed(self) -> list[sparse.csr_array]:
        return [sparse.csr_array(step.T) for step in self.steps]

    @cached_property
    def active(self) -> np.ndarray:
        """Which coefficients have a function, (size,)."""
        return np.concatenate([np.repeat(level.active, self.record) for level in self.mesh.levels])

    @cached_property
    def covered(self) -> np.ndarray:
        """Which coefficients have a function that is a sum of those of finer levels, (size,)."""
        return np.concatenate([np.repeat(level.covered, self.record) for level in self.mesh.levels])

    @property
    def independent(self) -> np.ndarray:
        """Which coefficients are independent of each other, and make up all functions, (size,)."""
        return self.active & ~self.covered

    def accumulated(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients (fields, size) of the sum of all levels at the vertices of every one."""
        total = coefficients.copy()
        for level, step in enumerate(self.steps):
            total[:, self.part(level + 1)] += (step @ total[:, self.part(level)].T).T
        return total

    @cached_property
    def backs(self) -> list[sparse.csr_array]:
        """By pair of levels, the interpolation from the finer one; see :func:`restriction_to_coarse`."""
        levels = self.mesh.levels
        return [restriction_to_coarse(self.basis, a, b) for a, b in itertools.pairwise(levels)]

    def interpolated(self, total: np.ndarray) -> np.ndarray:
        """Coefficients (fields, size) of the whole function at the vertices of every level.

        Those of :meth:`accumulated` lack what finer levels add where these have all cells around a vertex.
        """
        values = total.copy()
        for level in reversed(range(len(self.steps))):
            coarse, fine = self.mesh.levels[level], self.mesh.levels[level + 1]
            shared = np.repeat(coarse.known_on(fine), self.record)
            back = (self.backs[level] @ values[:, self.part(level + 1)].T).T
            values[:, self.part(level)] = np.where(shared, back, values[:, self.part(level)])
        return values

    def collected(self, total: np.ndarray) -> np.ndarray:
        """Transpose of :meth:`accumulated`."""
        own = total.copy()
        for level in reversed(range(len(self.steps))):
            own[:, self.part(level)] += (self._transposed[level] @ own[:, self.part(level + 1)].T).T
        return own

    def combination(self, chosen: np.ndarray) -> sparse.csr_array:
        """The matrix of :meth:`accumulated` for some coefficients, numbers (n,) in increasing order: (size, n)."""
        count, parts = len(chosen), list[sparse.csr_array]()
        for level in range(self.mesh.depth):
            here = self.part(level)
            first, last = np.searchsorted(chosen, [here.start, here.stop])
            entries = (np.ones(last - first), (chosen[first:last] - here.start, np.arange(first, last)))
            own = sparse.csr_array(sparse.coo_array(entries, shape=(here.stop - here.start, count)))
            parts.append(own if level == 0 else sparse.csr_array(own + self.steps[level - 1] @ parts[-1]))
        return sparse.csr_array(sparse.vstack(parts, format="csr"))

    def settled(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of the same functions with those that are :attr:`covered` moved to finer levels."""
        moved = coefficients.copy()
        for level, step in enumerate(self.steps):
            here, there = self.part(level), self.part(level + 1)
            own = np.where(self.covered[here], moved[:, here], 0.0)
            moved[:, here] -= own
            moved[:, there] += np.where(self.active[there], (step @ own.T).T, 0.0)
        return moved

    def transferred(self, coefficients: np.ndarray, finer: RefinedGrid) -> np.ndarray:
        """Coefficients on a finer grid with the same levels, or more of them, of which all may have more cells."""
        found = np.zeros((len(coefficients), finer.size))
        for level, (own, other) in enumerate(zip(self.mesh.levels, finer.mesh.levels, strict=False)):
            values = coefficients[:, self.part(level)]
            if own.resolution == other.resolution:
                at = finer.starts[level] + other.number(own.vertices)[:, None] * self.record + np.arange(self.record)
                found[:, at.ravel()] = values
            else:
                found[:, finer.part(level)] = (prolongation(self.basis, own, other) @ values.T).T
        return finer.settled(found)
