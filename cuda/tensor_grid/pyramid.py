"""Nested levels of a tensor-product grid: prolong and accumulate, and the transpose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache

import torch

from hermite_pinn.cuda.encoder.basis import BASES

from .axis import AxisMatrix, prolongation_matrix

__all__ = ["Pyramid", "from_records", "to_records"]


class Pyramid:
    """Levels ``0 .. L-1`` of one grid, each with the resolution of the one before or twice that along every axis.

    A vector of all levels is flat: level after level, each of shape (fields, m N_1, ..., m N_d) with m coefficients
    per vertex and axis.  The function it stands for is the sum of its levels; :meth:`accumulate` returns its
    coefficients on the finest level.
    """

    def __init__(
        self,
        basis: str,
        resolutions: Sequence[tuple[int, ...]],
        periodic: Sequence[bool],
        fields: int,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.dtype, self.device = dtype, torch.device(device)
        self.basis = basis
        self.resolutions = [tuple(r) for r in resolutions]
        self.periodic = tuple(periodic)
        self.fields = fields
        m = BASES[basis].coefficients
        self.shapes = [
            (fields, *(m * (n + (not p)) for n, p in zip(r, self.periodic, strict=True))) for r in self.resolutions
        ]
        self.dense_shapes = self.shapes
        self._lay_out()

    def _lay_out(self) -> None:
        """Where the levels stand in a vector, from their shapes."""
        sizes = [math.prod(s) for s in self.shapes]
        self.slices = [slice(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(len(sizes))]
        self.size = sum(sizes)

    @cached_property
    def _steps(self) -> list[list[AxisMatrix | None]]:
        steps = []
        for coarse, fine in zip(self.resolutions, self.resolutions[1:], strict=False):
            axes = zip(coarse, fine, self.periodic, strict=True)
            steps.append([None if a == b else _step(self.basis, a, b, p, self.dtype, self.device) for a, b, p in axes])
        return steps

    def views(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """The levels of a flat vector, sharing its memory."""
        return [vector[part].view(shape) for part, shape in zip(self.slices, self.shapes, strict=True)]

    def prolong(self, level: int, coefficients: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Coefficients on level ``level + 1`` of a function given on ``level``; added to ``out`` if given."""
        moves = [(i + 1, matrix) for i, matrix in enumerate(self._steps[level]) if matrix is not None]
        for k, (axis, matrix) in enumerate(moves):
            final = k == len(moves) - 1
            coefficients = matrix.apply(
                [(0, coefficients)], axis, out if final else None, add=final and out is not None
            )
        if not moves:
            return coefficients.clone() if out is None else out.add_(coefficients)
        return coefficients

    def restrict(self, level: int, coefficients: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Transpose of :meth:`prolong`, from level ``level + 1`` to ``level``."""
        moves = [(i + 1, matrix.transposed) for i, matrix in enumerate(self._steps[level]) if matrix is not None]
        for k, (axis, matrix) in enumerate(reversed(moves)):
            final = k == len(moves) - 1
            coefficients = matrix.apply([(0, coefficients)], axis, out if final else None, add=False)
        if not moves:
            return coefficients.clone() if out is None else out.copy_(coefficients)
        return coefficients

    def dense(self, level: int, coefficients: torch.Tensor) -> torch.Tensor:
        """Coefficients of all vertices of a level, (fields, m N_1, ..., m N_d), from its part of a vector."""
        return coefficients

    def compact(self, level: int, dense: torch.Tensor) -> torch.Tensor:
        """The part of a vector that belongs to a level, from coefficients of all vertices."""
        return dense

    def total(self, vector: torch.Tensor) -> torch.Tensor:
        """Coefficients of all vertices of the finest level of the sum of all levels; ``vector`` is not changed."""
        return self.dense(len(self.shapes) - 1, self.accumulate(vector.clone()))

    def merge_squares(self, level: int, squares: torch.Tensor) -> None:
        """Add the squared norms of columns (fields, ...) of a level that belong to one unknown, in place."""

    def bound(self, level: int, fixed: torch.Tensor) -> torch.Tensor:
        """Which coefficients (fields, ...) of a level are no unknowns, those that are ``fixed`` included."""
        return fixed

    @property
    def labels(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """See :attr:`Block.labels`."""
        return None

    def accumulate(self, vector: torch.Tensor) -> torch.Tensor:
        """Finest-level coefficients of the sum of all levels; ``vector`` is overwritten on the way."""
        views = self.views(vector)
        for level in range(len(views) - 1):
            self.prolong(level, views[level], views[level + 1])
        return views[-1]

    def accumulate_transposed(self, finest: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        """Transpose of :meth:`accumulate`: fills ``vector`` from finest-level coefficients."""
        views = self.views(vector)
        if views[-1].data_ptr() != finest.data_ptr():
            views[-1].copy_(finest)
        for level in reversed(range(len(views) - 1)):
            self.restrict(level, views[level + 1], views[level])
        return vector


@lru_cache(maxsize=256)
def _step(basis: str, coarse: int, fine: int, periodic: bool, dtype: torch.dtype, device: torch.device) -> AxisMatrix:
    """One prolongation along an axis; pyramids that grow level by level share theirs."""
    return AxisMatrix(prolongation_matrix(basis, coarse, fine, periodic).matrices, dtype, device)


def to_records(coefficients: torch.Tensor, orders: int) -> torch.Tensor:
    """Coefficients (fields, m N_1, ..., m N_d) in the order of a dense level's table, flat."""
    fields, *axes = coefficients.shape
    dim = len(axes)
    split = coefficients.reshape(fields, *(k for a in axes for k in (a // orders, orders)))
    vertex, record = range(1, 2 * dim + 1, 2), range(2, 2 * dim + 1, 2)
    return split.permute(*vertex, *record, 0).reshape(-1)


def from_records(table: torch.Tensor, orders: int, vertices: Sequence[int], features: int) -> torch.Tensor:
    """Inverse of :func:`to_records`: (features, m N_1, ..., m N_d)."""
    dim = len(vertices)
    split = table.reshape(*vertices, *(orders,) * dim, features)
    order = [2 * dim] + [k for i in range(dim) for k in (i, dim + i)]
    return split.permute(*order).reshape(features, *(orders * n for n in vertices))
