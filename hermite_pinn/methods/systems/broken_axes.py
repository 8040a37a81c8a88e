"""Axes with breaks: what of the fields jumps there, and levels on which it may."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix
from hermite_pinn.cuda.tensor_grid.pieces import Ties
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.problem.problem import Problem

from .block import Axis

__all__ = ["BrokenPyramid", "axes_of", "dense_pyramid", "is_broken"]


def axes_of(problem: Problem) -> tuple[Axis, ...]:
    """The axes of grids for a problem."""
    domain = problem.domain
    every = zip(domain.names, domain.lower, domain.upper, problem.periodic, domain.pieces, strict=True)
    return tuple(Axis(name, (a, b), wraps, pieces) for name, a, b, wraps, pieces in every)


def is_broken(problem: Problem) -> bool:
    """Whether an axis has breaks."""
    return bool(problem.domain.breaks)


def dense_pyramid(
    problem: Problem,
    basis: str,
    resolutions: Sequence[tuple[int, ...]],
    dtype: torch.dtype,
    device: torch.device,
) -> Pyramid:
    """Nested levels with the coefficients of all vertices."""
    if is_broken(problem):
        return BrokenPyramid(problem, basis, resolutions, dtype, device)
    return Pyramid(basis, resolutions, problem.periodic, len(problem.fields), dtype, device)


class BrokenPyramid(Pyramid):
    """Nested levels on axes in pieces, whose fields may jump at breaks as far as the equations let them.

    A vector has all coefficients of the vertices on both sides of a break; those on the right that do not jump are no
    unknowns, and what stands there does not count.
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
        self.axes = axes_of(problem)
        self.shapes = [
            (self.fields, *(a.coefficients(basis, n) for a, n in zip(self.axes, r, strict=True)))
            for r in self.resolutions
        ]
        self.dense_shapes = self.shapes
        self._lay_out()
        self._orders = [problem.continuity[name] for name in problem.fields]
        self.ties = [self._ties(r) for r in self.resolutions]

    def _ties(self, resolution: tuple[int, ...]) -> Ties:
        m = BASES[self.basis].coefficients
        return Ties([a.pieces for a in self.axes], resolution, self._orders, m, self.periodic)

    @cached_property
    def _steps(self) -> list[list[AxisMatrix | None]]:
        plain = Pyramid(self.basis, self.resolutions, self.periodic, self.fields, self.dtype, self.device)
        steps = []
        for level, (coarse, fine) in enumerate(zip(self.resolutions, self.resolutions[1:], strict=False)):
            row = list(plain._steps[level])
            for i, (axis, a, b) in enumerate(zip(self.axes, coarse, fine, strict=True)):
                if axis.pieces is not None and a != b:
                    made = axis.pieces.prolongation(self.basis, a, b)
                    row[i] = AxisMatrix(made.matrices, self.dtype, self.device)
            steps.append(row)
        return steps

    def prolong(self, level: int, coefficients: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """See :meth:`Pyramid.prolong`."""
        return super().prolong(level, self.ties[level].expanded(coefficients.clone()), out)

    def restrict(self, level: int, coefficients: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """See :meth:`Pyramid.restrict`."""
        return self.ties[level].folded(super().restrict(level, coefficients, out))

    def dense(self, level: int, coefficients: torch.Tensor) -> torch.Tensor:
        """See :meth:`Pyramid.dense`."""
        return self.ties[level].expanded(coefficients.clone())

    def accumulate(self, vector: torch.Tensor) -> torch.Tensor:
        """See :meth:`Pyramid.accumulate`; all coefficients on both sides of breaks."""
        return self.ties[-1].expanded(super().accumulate(vector))

    def accumulate_transposed(self, finest: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        """See :meth:`Pyramid.accumulate_transposed`."""
        return super().accumulate_transposed(self.ties[-1].folded(finest), vector)

    def merge_squares(self, level: int, squares: torch.Tensor) -> None:
        """See :meth:`Pyramid.merge_squares`."""
        self.ties[level].folded(squares, 2)

    def bound(self, level: int, fixed: torch.Tensor) -> torch.Tensor:
        """See :meth:`Pyramid.bound`."""
        return self.ties[level].marked(fixed)

    @property
    def labels(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """See :attr:`Pyramid.labels`."""
        return self.ties[-1].labels(self.shapes[-1])
