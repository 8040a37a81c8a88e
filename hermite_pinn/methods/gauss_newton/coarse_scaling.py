"""The normal matrix of a coarse grid, factored, as a change of variables beside that of the levels.

Grids between the coarse one and the finest level that are none of the levels have scaled columns, as levels have: where
an evolution is coarsened along space alone, they are functions of half the detail in space and all of that in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.least_squares.bordered_factor import BorderedFactor
from hermite_pinn.methods.least_squares.nested_dissection import dissect
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.least_squares.scaling import Scaling
from hermite_pinn.methods.systems.broken_axes import dense_pyramid
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_layout import dense_layout

from .normal_factor import gathered_blocks, scale_blocks

__all__ = ["CoarseFactorScaling", "CoarseGrid", "WithCoarseGrid"]

SHIFT = 1e-12  # of the diagonal at least: a direction that the equations leave open stays within rounding
FAINT = 1e-20  # of the squared norms of columns: those of functions without effect


class CoarseGrid:
    """A Cholesky factor of the normal matrix of the functions of a coarse grid, with the rows of the finest level.

    Functions of a grid are among those of all finer ones, so that this is what the whole normal matrix is on them, in
    which coefficients and nonlinear terms are as they are.

    Parameters
    ----------
    system
        Linearised, of blocks that have levels.
    resolution
        Cells along every axis, of which those of the finest level are halves of halves.
    damping
        Of the linearised problem.

    Attributes
    ----------
    size
        Coefficients of the grid and of those between.

    Raises
    ------
    ArithmeticError
        If numbers are not finite.
    """

    def __init__(self, system: GridSystem, resolution: tuple[int, ...], damping: float) -> None:
        self.resolution, self._finest = resolution, system.resolution
        chain = [resolution]
        while chain[-1] != system.resolution:
            chain.append(tuple(min(2 * n, most) for n, most in zip(chain[-1], system.resolution, strict=True)))
        self._pyramid = dense_pyramid(system.problem, system.basis, chain, system.dtype, system.device)
        shape = self._pyramid.shapes[0]
        self._fixed = system.constraints.mask(shape, system.device)
        layout = dense_layout(shape[0], shape[1:], system.problem.periodic, BASES[system.basis].coefficients)
        dissection = dissect(layout.positions, layout.sides, layout.wraps, layout.width)

        def pieces() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for block in system.blocks:
                yield from block.level_products(resolution)

        blocks = gathered_blocks(layout, dissection, pieces())
        if not bool(torch.isfinite(blocks).all()):
            raise ArithmeticError("a matrix with numbers that are not finite has no factor")
        self._order = torch.as_tensor(layout.unknowns[dissection.order].reshape(-1))
        own = torch.as_tensor(dissection.starts[:-1])
        squares = blocks.diagonal(dim1=1, dim2=2)[own].reshape(-1)
        dead = self._fixed.reshape(-1)[self._order] | (squares <= FAINT * squares.max())
        self._scale = torch.where(dead, 0.0, torch.where(dead, 1.0, squares).rsqrt())
        scale_blocks(blocks, dissection, self._scale)
        self._factor = BorderedFactor(dissection, blocks, self._scale.new_zeros(len(squares), 0), max(damping, SHIFT))
        self._between = [self._column_scale(system, level) for level in range(1, len(chain) - 1)]
        self.size = self._pyramid.slices[-1].start

    def _column_scale(self, system: GridSystem, level: int) -> torch.Tensor:
        """Inverse norms of the columns of a grid in between; 0 for one that the system has among its levels."""
        resolution, shape = self._pyramid.resolutions[level], self._pyramid.shapes[level]
        squares = self._scale.new_zeros(shape)
        if resolution not in system.pyramid.resolutions:
            for block in system.blocks:
                squares += block.diagonal(resolution, shape)
        dead = system.constraints.mask(shape, system.device) | (squares <= FAINT * squares.max())
        return torch.where(dead, 0.0, torch.where(dead, 1.0, squares).rsqrt()).reshape(-1)

    @cached_property
    def columns(self) -> torch.Tensor:
        """Inverse norms of all columns; 0 where conditions fix coefficients or they have no effect."""
        columns = torch.empty_like(self._scale)
        columns[self._order] = self._scale
        return torch.cat([columns, *self._between])

    def fits(self, system: GridSystem, resolution: tuple[int, ...]) -> bool:
        """Whether a grid has the same coefficients, of a system whose finest level has the same cells."""
        if (resolution, system.resolution) != (self.resolution, self._finest):
            return False
        return torch.equal(system.constraints.mask(self._pyramid.shapes[0], system.device), self._fixed)

    def finest(self, coefficients: torch.Tensor) -> torch.Tensor:
        """The coefficients of the finest level, flat, of the sum of the functions of all grids."""
        last = len(self._pyramid.shapes) - 1
        parts = [coefficients[p].view(n) for p, n in zip(self._pyramid.slices[:-1], self._pyramid.shapes, strict=False)]
        fine = parts[0]
        for level in range(last):
            fine = self._pyramid.prolong(level, fine)
            if level + 1 < last:
                fine = fine + parts[level + 1]
        return fine.reshape(-1)

    def restricted(self, finest: torch.Tensor) -> torch.Tensor:
        """The transpose of :meth:`finest`."""
        coarse = finest.view(self._pyramid.shapes[-1])
        parts = []
        for level in reversed(range(len(self._pyramid.shapes) - 1)):
            coarse = self._pyramid.restrict(level, coarse)
            parts.append(coarse.reshape(-1))
        return torch.cat(parts[::-1])

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Coefficients from variables in which the factored matrix is one, and columns have unit norm, both flat."""
        x = y * self.columns
        x[self._order] = self._factor.upper(y[self._order]) * self._scale
        return x

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to those variables."""
        out = gradient * self.columns
        out[self._order] = self._factor.lower(gradient[self._order] * self._scale)
        return out


@dataclass(frozen=True)
class WithCoarseGrid:
    """A system whose unknowns are followed by the coefficients of a coarse grid, which add to its finest level."""

    system: GridSystem
    grid: CoarseGrid

    @property
    def device(self) -> torch.device:
        """That of the system."""
        return self.system.device

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.system.size + self.grid.size

    def column_scale(self) -> torch.Tensor:
        """Inverse column norms; 0 for fixed unknowns."""
        return torch.cat([self.system.column_scale(), self.grid.columns])

    def whole(self, unknowns: torch.Tensor) -> torch.Tensor:
        """The unknowns of the system alone, with the coarse grid in its finest level."""
        own = unknowns[: self.system.size].clone()
        own[self.system.pyramid.slices[-1]] += self.grid.finest(unknowns[self.system.size :])
        return own

    def forward(self, direction: torch.Tensor) -> Rows:
        """Product with the Jacobian."""
        return self.system.forward(self.whole(direction))

    def adjoint(self, rows: Rows) -> torch.Tensor:
        """Product with the transposed Jacobian."""
        gradient = self.system.adjoint(rows)
        return torch.cat([gradient, self.grid.restricted(gradient[self.system.pyramid.slices[-1]])])

    def inner(self, a: Rows, b: Rows) -> torch.Tensor:
        """Inner product of rows."""
        return self.system.inner(a, b)

    @property
    def recordable(self) -> bool:
        """Its changes of variables are made on the host."""
        return False

    def iteration_cost(self) -> tuple[float, float] | None:
        """That of the system."""
        return self.system.iteration_cost()


@dataclass(frozen=True)
class CoarseFactorScaling:
    """Variables of a system, and after them those of a :class:`CoarseGrid`; a :class:`.Scaling`.

    Seen on the finest level, conjugate gradients in these variables are preconditioned by the sum of the inverse of
    the normal matrix on the coarse grid and of what the other variables say.

    Attributes
    ----------
    fine
        Of the system.
    grid
        The coarse grid.
    damping
        Of the linearised problem.
    """

    fine: Scaling
    grid: CoarseGrid
    damping: float

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        own, coarse = y[: -self.grid.size], y[-self.grid.size :]
        return torch.cat([self.fine.apply(own), self.grid.apply(coarse)])

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        own, coarse = gradient[: -self.grid.size], gradient[-self.grid.size :]
        return torch.cat([self.fine.transposed(own), self.grid.transposed(coarse)])
