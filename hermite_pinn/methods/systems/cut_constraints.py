"""Conditions that a grid on a cut domain satisfies exactly: those of whole sides of the box, and states in time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.geometry import gauss_axis
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import FaceTrace, Term

from .cell_channels import CellPoints, PointGroup
from .constraints import Constraints
from .level_cells import LevelCells, contained, level_cells

__all__ = ["CutConstraints", "inward"]

OUTSIDE = 1e-2  # weight of points outside
GHOST = 1e-4  # of jumps of derivatives between cells at the boundary, where there are no such points


def inward(x: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Points (d, n), those outside replaced by the nearest of the others."""
    moved = x.copy()
    moved[:, ~inside] = x[:, inside][:, cKDTree(x[:, inside].T).query(x[:, ~inside].T)[1]]
    return moved


@dataclass(frozen=True)
class CutConstraints(Constraints):
    """As :class:`Constraints`; a state at a time is fitted at points of the cells that the domain touches.

    Attributes
    ----------
    problem
        On a cut domain.
    """

    problem: Problem = field(kw_only=True)
    _notes: list[str] = field(default_factory=list, repr=False)

    @property
    def undefined(self) -> bool:
        """Whether a state was not finite outside the domain, so that points inside alone were taken."""
        return bool(self._notes)

    def _projection(
        self, term: Term, trace: FaceTrace, resolution: tuple[int, ...], like: torch.Tensor
    ) -> torch.Tensor | float:
        plane = term.region.plane
        assert plane is not None
        if plane.axis != self.problem.domain.time_axis or (trace.value.is_constant and trace.value.data == 0):
            return super()._projection(term, trace, resolution, like)
        level = level_cells(self.problem, self.basis, resolution)
        points = _points(level, BASES[self.basis].coefficients + 2)
        inside = np.ones(points.count, dtype=bool)
        inside[points.slices()[-1]] = contained(self.problem.domain, points.x[:, points.slices()[-1]])
        weights = np.where(inside, 1.0, OUTSIDE)
        value = self._values(trace, plane.position, points.x)
        bad = ~np.isfinite(value)
        if (bad & inside).any():
            raise InvalidProblemError(
                f"the value of {term.name!r} is not finite at {int((bad & inside).sum())} of {int(inside.sum())} points of "
                f"the face {term.region.name}; look for divisions by zero, roots or logarithms of negative numbers in it"
            )
        if bad.any():
            self._notes.append(term.name)
            value = self._values(trace, plane.position, inward(points.x, inside))
            weights = np.where(inside, 1.0, 0.0)
        axis = self.axes[plane.axis]
        cell = (axis.bounds[1] - axis.bounds[0]) / resolution[plane.axis]
        rows = points.matrix((0,) * level.dim)
        weighted = rows.T @ sparse.diags(weights)
        normal = weighted @ rows
        if bad.any():
            jumps = _jumps(level)
            normal = normal + GHOST * (jumps.T @ jumps)
        solved = splu(normal.tocsc()).solve(weighted @ (value * cell**trace.order))
        whole = np.zeros([level.m * n for n in level.sides])
        whole.reshape(-1)[level.places] = solved
        return torch.as_tensor(whole).to(like)

    def _values(self, trace: FaceTrace, position: float, x: np.ndarray) -> np.ndarray:
        """Of a prescribed function at points (d, n) over space."""
        domain = self.problem.domain
        assert domain.time_axis is not None
        env: dict[Leaf, Value] = {("coordinate", domain.names[domain.time_axis]): position}
        env |= {("coordinate", domain.names[a]): torch.as_tensor(x[k]) for k, a in enumerate(domain.space_axes)}
        return np.broadcast_to(np.asarray(trace.program.run(env)[0], dtype=float), x.shape[1]).copy()


def _points(level: LevelCells, count: int) -> CellPoints:
    """Gauss points of all cells; the last group is that of the touched ones."""
    nodes, _ = gauss_axis(0.0, 1.0, 1, count)
    inside = np.array(list(itertools.product(nodes, repeat=level.dim)))
    parts = [level.cells[~level.touched], level.cells[level.touched]]
    return CellPoints(level, tuple(PointGroup(cells, inside) for cells in parts if len(cells)))


def _jumps(level: LevelCells) -> sparse.csr_matrix:
    """Jumps of the derivatives that may have some, in units of cells, on faces of touched cells."""
    nodes, _ = gauss_axis(0.0, 1.0, 1, level.m + 1)
    touched = np.zeros(level.counts, dtype=bool)
    touched[tuple(level.cells[level.touched].T)] = True
    blocks = []
    for axis in range(level.dim):
        right = level.cells.copy()
        right[:, axis] += 1
        there = right[:, axis] < level.counts[axis]
        left, right = level.cells[there], right[there]
        both = level.has(right) & (touched[tuple(left.T)] | touched[tuple(right.T)])
        across = [[1.0] if i == axis else nodes for i in range(level.dim)]
        face = np.array(list(itertools.product(*across)))
        ends = [
            CellPoints(level, (PointGroup(cells[both], at),))
            for cells, at in ((left, face), (right, face - np.eye(level.dim)[axis]))
        ]
        if not both.any():
            continue
        for order in range(level.m, 2 * level.m):
            orders = tuple(order if i == axis else 0 for i in range(level.dim))
            before, after = (points.matrix(orders) for points in ends)
            blocks.append((after - before) * level.widths[axis] ** order)
    return sparse.vstack(blocks).tocsr()
