"""The weighted least-squares system of a problem on a nested dense grid, matrix-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar, TypeVar

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.cuda.tensor_grid.sum_factorization import SumFactorization
from hermite_pinn.field.field import GridField, linear_field
from hermite_pinn.methods.least_squares.settling import Settling
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.corner_functions import corner_functions, singular_part
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.reference_state import reference_state
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.residuals.sizes import field_sizes
from hermite_pinn.run.distributed import ALONE, Ranks

from .block import Block
from .block_system import BlockSystem
from .broken_axes import axes_of, dense_pyramid
from .constraints import Carried, Constraints, is_hard
from .dense_block import DenseBlock
from .gauge import remove_means
from .grid_rows import GridRows
from .singular_columns import SingularColumns
from .tensor_block import TensorBlock
from .transport import transport_speeds
from .vertex_basis import VertexBases, VertexScaling
from .vertex_layout import VertexLayout, dense_layout

__all__ = ["GridSystem"]

AnyBlock = TypeVar("AnyBlock", bound=Block)

TAKEN = {3: 50.0, 4: 250.0}  # steps of iterations by coefficients per vertex and axis
DERIVATIVE, CALL = 1.5e-8, 7e-5  # seconds of a derivative of a field in a step: by unknown, and of the calls
FAINT = 1e-20  # of the squared norms of columns: those of unknowns without effect


class GridSystem(BlockSystem[DenseBlock]):
    """Residuals, products and column norms of a problem on levels ``resolutions[0] ... resolutions[-1]``.

    Parameters
    ----------
    problem
        What to solve.
    basis
        A refinable one of :data:`hermite_pinn.cuda.encoder.basis.BASES`.
    resolutions
        Cells per axis of every level, nested.
    gauss
        Gauss points per cell, for all axes or by axis; ``None`` chooses.
    scales
        Divisors of the residuals (see :func:`source_scales`), for parts of a domain that are to share them.
    carried
        State at the start of time that replaces the initial conditions, or None.
    smoothness
        Weights of penalties that are chosen automatically, by field; see :meth:`smooth`.
    ranks
        Processes that share the rows: each has the cells of a part of the axis with the most cells.  Products with the
        transpose, norms and inner products of rows are sums over all ranks.
    """

    def __init__(
        self,
        problem: Problem,
        basis: str,
        resolutions: Sequence[tuple[int, ...]],
        gauss: int | tuple[int, ...] | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        *,
        scales: Sequence[float] | None = None,
        carried: Carried | None = None,
        smoothness: dict[str, float] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.problem, self.basis = problem, basis
        self._options = (gauss, scales, carried)
        self.dtype, self.device = dtype, torch.device(device)
        self.pyramid = self._levels(resolutions)
        self.resolution = self.pyramid.resolutions[-1]
        self.corners = corner_functions(problem).basis
        self.parameter_names = (*(p.name for p in problem.parameters), *self.corners.unknowns)
        self.axes = axes_of(problem)
        terms = problem.terms if carried is None else [t for t in problem.terms if carried.keeps(t)]
        hard = () if len(self.corners) else tuple(t for t in terms if is_hard(t, basis))
        self.constraints = self._constraints_of(hard, carried)
        self.misfit = Misfit(problem)
        self._scales = source_scales(problem) if scales is None else list(scales)
        self._rows = made = self._rows_of(
            problem, basis, self.resolution, self.axes, self.constraints, terms, self.misfit, gauss, self._scales,
            dtype, self.device, ranks,
        )  # fmt: skip
        self.gauss, self.interior, self.penalties = made.gauss, made.interior, made.penalties
        self.derived, self.blocks = made.derived, [self.enriched(b) for b in made.blocks]
        labels = self.pyramid.labels
        for block in self.blocks:
            block.relabel(labels)
        self.noisy = [b for b in self.blocks if any(self.misfit.is_noisy(t.term) for t in b.terms)]
        self._roots = [b.root for b in self.noisy]
        self.smooth(smoothness or {})
        self.affine = all(t.affine for b in self.blocks for t in b.terms)

    def enriched(self, block: AnyBlock) -> AnyBlock:
        """The block, with singular functions at the corners of the domain where there are some."""
        if len(self.corners):
            block.singular = SingularColumns.of(self.corners, block)
        return block

    #: By singular function the unknowns of the grid that come close to it, (functions, size), once they are known.
    close_to_corners: torch.Tensor | None = None

    def take_corners(self, known: torch.Tensor) -> None:
        """Begin with the :attr:`close_to_corners` of a system on some of the levels."""
        start = known.new_zeros(len(known), self.size)
        size = known.shape[1] - len(self.parameter_names)
        start[:, :size] = known[:, :size]
        self.close_to_corners = start

    @property
    def undefined_outside(self) -> bool:
        """Whether the problem is not defined at all points at which it is asked for outside its domain."""
        return False

    tensor: ClassVar[bool] = True  # whether levels are arrays of all vertices
    _rows_of: ClassVar[type[GridRows]] = GridRows

    def _constraints_of(self, hard: tuple[Term, ...], carried: Carried | None) -> Constraints:
        """What the grid satisfies exactly."""
        return Constraints(hard, self.problem.fields, self.basis, self.axes, carried, self.problem.continuity)

    def _levels(self, resolutions: Sequence[tuple[int, ...]]) -> Pyramid:
        """The levels of the unknowns."""
        return dense_pyramid(self.problem, self.basis, resolutions, self.dtype, self.device)

    @property
    def grid_size(self) -> int:
        """Number of grid coefficients of all levels."""
        return self.pyramid.size

    @property
    def size(self) -> int:
        """Number of unknowns: grid coefficients of all levels, then parameters."""
        return self.pyramid.size + len(self.parameter_names)

    @property
    def rows(self) -> int:
        """Number of residual rows, of all ranks."""
        return self._rows.count

    def smooth(self, weights: dict[str, float], emphasis: float = 1.0) -> None:
        """Set the weights of the penalties that are chosen automatically; takes effect at the next linearisation.

        Parameters
        ----------
        weights
            By field; where one is missing, its first value.
        emphasis
            Factor of the weight of noisy data and penalties together, against the equations.
        """
        volume = self.problem.domain.interior.measure
        for field, penalty in self.penalties.items():
            scale = math.sqrt(volume / (emphasis * self.misfit.penalty(field, weights)))
            penalty.scales = [scale] * len(penalty.terms)
        for block, root in zip(self.noisy, self._roots, strict=True):
            block.root = root * math.sqrt(emphasis)
        self.emphasis = emphasis

    # -- vectors ---
    def split(self, vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Grid part and parameter part of a vector."""
        return vector[: self.grid_size], vector[self.grid_size :]

    def finest(self, vector: torch.Tensor) -> torch.Tensor:
        """Finest-level coefficients of the grid part of a vector, which is not changed."""
        return self.pyramid.total(self.split(vector)[0])

    def set_level(self, vector: torch.Tensor, level: int, coefficients: torch.Tensor) -> None:
        """Set a level of a vector, in place, from coefficients of all vertices (fields, m N_1, ...)."""
        self.pyramid.views(self.split(vector)[0])[level].copy_(self.pyramid.compact(level, coefficients))

    def refer(self, vector: torch.Tensor) -> None:
        """Set the first level of a vector, in place, to the :func:`reference_state`."""
        first = torch.zeros(self.pyramid.dense_shapes[0], dtype=self.dtype, device=self.device)
        reference_state(self.problem).fill(self.problem, self.basis, first)
        self.set_level(vector, 0, first)

    def impose(self, vector: torch.Tensor) -> torch.Tensor:
        """Satisfy the exact conditions: change the finest level of ``vector`` in place where coefficients are fixed."""
        if self.constraints.terms:
            accumulated = self.finest(vector)
            lifted = self.constraints.lift(self.resolution, accumulated)
            last = len(self.pyramid.shapes) - 1
            self.pyramid.views(self.split(vector)[0])[last].add_(self.pyramid.compact(last, lifted - accumulated))
        return vector

    def linearize(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Residual rows of all blocks."""
        return self.linearize_at(self.finest(vector), self.parameters(vector))

    def linearize_at(self, finest: torch.Tensor, parameters: dict[str, float]) -> list[torch.Tensor]:
        """The same at coefficients of all vertices of the finest level."""
        return [row for block in self.blocks for row in block.linearize(finest, parameters)]

    def at(self, vector: torch.Tensor) -> GridField:
        """The fields that a vector stands for."""
        p = self.problem
        field = linear_field(p.domain, p.fields, p.periodic, self.basis, [self.resolution], [self.finest(vector)])
        return replace(field, singular=singular_part(p, self.parameters(vector), vector))

    def at_corners(self, vector: torch.Tensor) -> torch.Tensor:
        """View of the coefficients of singular functions in a vector."""
        return self.split(vector)[1][len(self.problem.parameters) :]

    def norms(self, finest: torch.Tensor, corners: torch.Tensor | None = None) -> list[float]:
        """L2 norm over the domain of every field, from finest-level coefficients and those of singular functions."""
        sizes = [float(self._value.forward(c)[0].norm()) for c in finest]
        return [math.sqrt(s) for s in self.ranks.add_all(*(size * size for size in sizes))]  # infinite, not an error

    def without_means(self, finest: torch.Tensor, corners: torch.Tensor | None = None) -> torch.Tensor:
        """Coefficients of all vertices of the finest level, less the means over space of fields with a gauge.

        Parameters
        ----------
        corners
            Coefficients of singular functions, on domains that have them.
        """
        return remove_means(self.problem, self.basis, self.resolution, finest.clone())

    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Size of a step: the largest of the L2 norms of the fields and the parameters, relative to ``vector``."""
        count = len(self.problem.parameters)
        sizes, moved = (
            [*self.norms(self.finest(v), self.at_corners(v)), *self.split(v)[1][:count].abs().tolist()]
            for v in (vector, step)
        )
        return max((m / n for m, n in zip(moved, sizes, strict=True) if n > 0), default=0.0)

    @cached_property
    def _value(self) -> SumFactorization:
        block = self.interior
        matrices = []
        for i, (a, n) in enumerate(zip(self.axes, self.resolution, strict=True)):
            root = np.sqrt(block.weights[i])
            values = a.evaluation(self.basis, n, block.points[i], (0,), root)
            matrices.append(values.to(self.dtype, self.device))
        return SumFactorization(matrices, Channels.value(len(self.axes)))

    def mass(self) -> sparse.csr_array:
        """The matrix of the L2 product over the domain for the finest coefficients of one field."""
        one = sparse.csr_array(np.ones((1, 1)))
        rule = self.problem.domain.interior.gauss(self.resolution, BASES[self.basis].coefficients * 2).axes
        assert rule is not None
        for axis, cells, (x, weights) in zip(self.axes, self.resolution, rule, strict=True):
            values = axis.evaluation(self.basis, cells, x, (0,)).matrices[0]
            one = sparse.kron(one, values.T @ sparse.diags(weights) @ values)
        return one

    # -- what it says of a state ---
    @cached_property
    def _held_out(self) -> TensorBlock:
        return self.enriched(self._rows.held_out_block())

    def held_out(self, finest: torch.Tensor, parameters: dict[str, float]) -> dict[str, float]:
        """RMS of the interior residuals at points that are not collocated, in the user's units."""
        block = self._held_out
        volume = self.problem.domain.interior.measure
        rows = block.linearize(finest, parameters)
        squares = self.ranks.add_all(*(float(r.norm()) ** 2 for r in rows))
        return {t.name: math.sqrt(s / volume) for t, s in zip(block.terms, squares, strict=True)}

    def speeds(self) -> tuple[float, ...]:
        """See :func:`transport_speeds`."""
        return transport_speeds(self.problem, self.interior, self.ranks)

    @property
    def location(self) -> str:
        """For messages."""
        return f"level {len(self.pyramid.resolutions)}, {self.resolution} cells"

    @property
    def warm(self) -> bool:
        """Whether it continues an earlier time slab."""
        return self.constraints.carried is not None

    # -- linear algebra ---
    @cached_property
    def _single(self) -> GridSystem:
        gauss, scales, carried = self._options
        return type(self)(
            self.problem, self.basis, self.pyramid.resolutions, gauss, torch.float32, self.device,
            scales=self._scales if scales is None else scales, carried=carried, ranks=self.ranks,
        )  # fmt: skip

    def in_single(self) -> GridSystem:
        """The same system in float32, for products at the last linearisation."""
        for own, block in zip(self._single.blocks, self.blocks, strict=True):
            own.take_over(block)
        return self._single

    @property
    def recordable(self) -> bool:
        """Where levels are arrays of all vertices, on one GPU; processes add up on the host's call."""
        return self.tensor and self.device.type == "cuda" and self.ranks.size == 1 and not self.held_parameters

    @property
    def preconditioned(self) -> bool:
        """Whether vertex bases help: beyond cubics, for which with the levels the column scaling is enough."""
        return BASES[self.basis].coefficients > 2

    def iteration_cost(self) -> tuple[float, float] | None:
        """About 60 ns per unknown and step, and the calls for every block; on a GPU what steps mostly take.

        More derivatives than four for every field, as in coupled equations, take longer, and so do those of which
        penalties are made.  Where nothing is known of
        them, iterations are tried with cubics; beyond, they mostly take :data:`TAKEN`.
        """
        if self.device.type != "cpu":
            return None
        jets = sum(len(t.jets) for block in (self.interior, *self.penalties.values()) for t in block.terms)
        unknown = max(6e-8, DERIVATIVE * jets / len(self.problem.fields))
        calls = max(3e-4 * len(self.blocks), CALL * jets)
        return unknown * self.size + calls, TAKEN.get(BASES[self.basis].coefficients, 0.0)

    def settling(self) -> Settling | None:
        """None: iterations end by the gradient."""
        return None

    def preconditioner(self, columns: torch.Tensor, damping: float) -> VertexScaling:
        """Vertex bases."""
        return VertexScaling(self._vertex_bases, self.column_scale(self._vertex_bases.changes), damping)

    @cached_property
    def _vertex_bases(self) -> VertexBases:
        jets = {o for block in self.blocks for t in block.terms for _, o in t.jets}
        orders = [range(max(o[axis] for o in jets) + 1) for axis in range(len(self.axes))]
        return VertexBases(self.pyramid, orders, self._masks, [a.pieces for a in self.axes])

    @cached_property
    def layout(self) -> VertexLayout:
        """The coefficients of the finest level by vertex."""
        shape = self.pyramid.shapes[-1]
        merged = [
            None if a.pieces is None else a.pieces.merged(n, a.periodic)
            for a, n in zip(self.axes, self.resolution, strict=True)
        ]
        return dense_layout(shape[0], shape[1:], self.problem.periodic, BASES[self.basis].coefficients, merged)

    @cached_property
    def _masks(self) -> list[torch.Tensor]:
        masks = [self.constraints.mask(shape, self.device) for shape in self.pyramid.shapes]
        return [self.pyramid.bound(level, mask) for level, mask in enumerate(masks)]

    @property
    def fixed(self) -> torch.Tensor:
        """Which coefficients of the finest level the exact conditions fix."""
        return self._masks[-1]

    def column_scale(self, changes: Sequence[Sequence[np.ndarray]] | None = None) -> torch.Tensor:
        """``1 / sqrt(diag(J^T J))`` at the last linearisation; 0 for coefficients that are fixed or have no effect.

        With ``changes``, an array per level and axis, for coefficients in vertex bases.
        """
        squares = torch.empty(self.size, dtype=self.dtype, device=self.device)
        grid, parameters = self.split(squares)
        for level, view in enumerate(self.pyramid.views(grid)):
            view.zero_()
            for block in self.blocks:
                change = None if changes is None else changes[level]
                view += block.diagonal(self.pyramid.resolutions[level], self.pyramid.shapes[level], change)
            self.pyramid.merge_squares(level, view)
        parameters.zero_()
        for block in self.blocks:
            parameters += block.parameter_diagonal()
        self.hold(parameters)
        self.ranks.add(squares)
        free = self.free(squares)
        for view, mask in zip(self.pyramid.views(self.split(free)[0]), self._masks, strict=True):
            view &= ~mask
        return self.inverse_norms(squares, free)

    def free(self, squares: torch.Tensor) -> torch.Tensor:
        """Which unknowns have an effect on the rows, from the squared norms of their columns.

        Coefficients are compared with those of the same field; parameters and singular functions, at changes of their
        sizes, with those of all fields at theirs.
        """
        known = field_sizes(self.problem)
        sizes = squares.new_tensor([known[f] for f in self.problem.fields])
        grid, parameters = self.split(squares)
        views = self.pyramid.views(grid)
        largest = torch.stack([view.flatten(1).amax(1) for view in views]).amax(0)
        free = torch.empty(len(squares), dtype=torch.bool, device=squares.device)
        for view, own in zip(self.pyramid.views(self.split(free)[0]), views, strict=True):
            view.copy_(own > FAINT * largest.reshape(-1, *[1] * (own.ndim - 1)))
        changes = [*(p.size(p.init) for p in self.problem.parameters), *([float(sizes.max())] * len(self.corners))]
        least = FAINT * (largest * sizes.square()).max()
        self.split(free)[1].copy_(parameters * squares.new_tensor(changes).square() > least)
        return free

    def forward(self, direction: torch.Tensor) -> list[torch.Tensor]:
        """Product with the Jacobian; ``direction`` is overwritten."""
        grid, parameters = self.split(direction)
        self.hold(parameters)
        finest = self.pyramid.accumulate(grid)
        return [row for block in self.blocks for row in block.forward(finest, parameters)]

    def adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """Product with the transposed Jacobian: the sum of all ranks' parts."""
        gradient = torch.empty(self.size, dtype=self.dtype, device=self.device)
        grid, parameters = self.split(gradient)
        finest = self.pyramid.views(grid)[-1].zero_()
        parameters.zero_()
        for block, own in self.parts(rows):
            parameters += block.adjoint(own, finest)
        self.hold(parameters)
        if self.ranks.size > 1:  # the finest level and the parameters, which follow it
            self.ranks.add(gradient[self.pyramid.slices[-1].start :])
        self.pyramid.accumulate_transposed(finest, grid)
        return gradient
