"""Nested levels on the cells that a cut domain touches: prolong and accumulate, and the transpose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix, prolongation_matrix
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.problem.problem import Problem

from .level_cells import LevelCells, contained, level_cells, prolongation

__all__ = ["CompactPyramid", "inner_vertices"]


class CompactPyramid(Pyramid):
    """Levels whose vertices are those of active cells.

    A level is an array (fields, V m**d, T): V vertices with m**d coefficients over the d space axes, and T = m N_t
    coefficients along time, or 1 without time.  Where coefficients of all vertices are asked for, those that do not
    exist are zero.

    Parameters
    ----------
    problem
        On a cut domain.
    basis, resolutions, dtype, device
        See :class:`~hermite_pinn.cuda.tensor_grid.pyramid.Pyramid`.
    """

    def __init__(
        self,
        problem: Problem,
        basis: str,
        resolutions: Sequence[tuple[int, ...]],
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(basis, resolutions, problem.periodic, len(problem.fields), dtype, device)
        self._problem = problem
        self.space, self.time = problem.domain.space_axes, problem.domain.time_axis
        self.dense_shapes = self.shapes
        self.levels: list[LevelCells] = [level_cells(problem, basis, r) for r in self.resolutions]
        self.shapes = [
            (self.fields, level.count * level.record, self._times(shape))
            for level, shape in zip(self.levels, self.dense_shapes, strict=True)
        ]
        self._lay_out()

    def _times(self, shape: Sequence[int]) -> int:
        return 1 if self.time is None else shape[self.time + 1]

    @cached_property
    def _compact_steps(self) -> list[tuple[AxisMatrix | None, AxisMatrix | None]]:
        """By pair of levels, the prolongations over space and along time."""
        steps = []
        for k, (coarse, fine) in enumerate(zip(self.levels, self.levels[1:], strict=False)):
            over = None if coarse is fine else self._over_space(coarse, fine)
            along = None
            if self.time is not None:
                a, b = self.resolutions[k][self.time], self.resolutions[k + 1][self.time]
                if a != b:
                    matrices = prolongation_matrix(self.basis, a, b, self.periodic[self.time]).matrices
                    along = AxisMatrix(matrices, self.dtype, self.device)
            steps.append((over, along))
        return steps

    def _over_space(self, coarse: LevelCells, fine: LevelCells) -> AxisMatrix:
        key = ("prolongation", id(coarse), id(fine), self.dtype, self.device)

        def made() -> tuple[LevelCells, LevelCells, AxisMatrix]:  # the levels are kept so that their ids stay their own
            return coarse, fine, AxisMatrix({0: prolongation(coarse, fine)}, self.dtype, self.device)

        return self._problem.plan.shared.once(key, made)[2]

    def prolong(self, level: int, coefficients: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Coefficients on level ``level + 1`` of a function given on ``level``; added to ``out`` if given."""
        over, along = self._compact_steps[level]
        if along is not None:
            coefficients = along.apply([(0, coefficients)], 2, None if over is not None else out, add=out is not None)
            if over is None:
                return coefficients
        if over is not None:
            return over.apply([(0, coefficients)], 1, out, add=out is not None)
        return coefficients.clone() if out is None else out.add_(coefficients)

    def restrict(self, level: int, coefficients: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Transpose of :meth:`prolong`, from level ``level + 1`` to ``level``."""
        over, along = self._compact_steps[level]
        if over is not None:
            coefficients = over.transposed.apply([(0, coefficients)], 1, out if along is None else None)
        if along is not None:
            return along.transposed.apply([(0, coefficients)], 2, out)
        if over is not None:
            return coefficients
        return coefficients.clone() if out is None else out.copy_(coefficients)

    def dense(self, level: int, coefficients: torch.Tensor) -> torch.Tensor:
        """Coefficients of all vertices (fields, m N_1, ..., m N_d) from those of a level, zero where there are none."""
        shape = self.dense_shapes[level]
        order = self._order
        moved = [shape[i] for i in order]
        whole = coefficients.new_zeros(self.fields, math.prod(moved[1 : 1 + len(self.space)]), self._times(shape))
        whole[:, self._places[level]] = coefficients
        inverse = [order.index(i) for i in range(len(order))]
        return whole.reshape(moved).permute(inverse).contiguous()

    def compact(self, level: int, dense: torch.Tensor) -> torch.Tensor:
        """The coefficients of a level among those of all vertices; the others are dropped."""
        shape = self.dense_shapes[level]
        moved = dense.permute(self._order).reshape(self.fields, -1, self._times(shape))
        return moved[:, self._places[level]]

    @property
    def _order(self) -> list[int]:
        """Axes of a dense array: fields, space, time."""
        return [0, *(i + 1 for i in self.space), *([] if self.time is None else [self.time + 1])]

    @cached_property
    def _places(self) -> list[torch.Tensor]:
        return [torch.as_tensor(level.places).to(self.device) for level in self.levels]


def inner_vertices(problem: Problem, basis: str, resolution: Sequence[int]) -> torch.Tensor:
    """Which vertices (N_1, ..., N_d) of a level lie in a cut domain; the others only continue fields."""
    level, domain = level_cells(problem, basis, resolution), problem.domain

    def made() -> np.ndarray:
        inside = np.zeros(level.count, dtype=bool)
        inside[level.corners[~level.touched]] = True
        doubtful = np.flatnonzero(~inside)
        x = (level.lower + level.vertices[doubtful] * level.widths).T
        inside[doubtful] = contained(domain, x)
        space = np.zeros(level.sides, dtype=bool)
        space[tuple(level.vertices[inside].T)] = True
        return space

    space = problem.plan.shared.once(("inner vertices", id(level)), made)
    if domain.time_axis is None:
        return torch.as_tensor(space)
    vertices = resolution[domain.time_axis] + (not problem.periodic[domain.time_axis])
    return torch.as_tensor(np.repeat(np.expand_dims(space, domain.time_axis), vertices, domain.time_axis))
