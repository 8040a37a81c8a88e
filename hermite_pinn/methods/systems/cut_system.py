"""The weighted least-squares system of a problem on a domain cut out of a box: unknowns only where the domain is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.methods.least_squares.scaling import Scaling
from hermite_pinn.methods.least_squares.settling import Settling
from hermite_pinn.methods.least_squares.tail_scaling import tail_scaling
from hermite_pinn.problem.terms import Term

from .cell_channels import CellChannels
from .compact_block import CompactBlock
from .compact_pyramid import CompactPyramid
from .constraints import Carried, Constraints
from .cut_block import CutBlock
from .cut_constraints import CutConstraints
from .cut_level import CutLevel
from .cut_rows import CutRows
from .grid_rows import GridRows
from .grid_system import GridSystem
from .level_gram import LevelGram
from .vertex_blocks import block_scaling
from .vertex_layout import VertexLayout, compact_layout

__all__ = ["CutSystem"]

STEPS_EXPECTED, STEPS_FEARED = 200.0, 3000.0  # of conjugate gradients, for equations of second order, and for others
ALGEBRAIC = 0.05  # of the error that a change over a refinement leaves if the solution is smooth
#: Steps of conjugate gradients for every singular function, without and with a start.
FIRST_STEPS, STEPS = 30, 8


class CutSystem(GridSystem):
    """As :class:`GridSystem`, on a domain that shapes cut out of its bounding box.

    Unknowns are the coefficients of the vertices of cells that the domain touches, on every level, and the parameters.
    Rows are those of :class:`CutRows`; blocks of vertices near the boundary are part of the preconditioner.
    """

    tensor: ClassVar[bool] = False
    _rows_of: ClassVar[type[GridRows]] = CutRows
    _rows: CutRows
    blocks: list[CompactBlock]  # type: ignore[assignment]
    interior: CutBlock  # type: ignore[assignment]
    pyramid: CompactPyramid
    constraints: CutConstraints

    def _constraints_of(self, hard: tuple[Term, ...], carried: Carried | None) -> Constraints:
        p = self.problem
        return CutConstraints(hard, p.fields, self.basis, self.axes, carried, problem=p)

    def _levels(self, resolutions: Sequence[tuple[int, ...]]) -> Pyramid:
        return CompactPyramid(self.problem, self.basis, resolutions, self.dtype, self.device)

    # -- vectors ---
    def linearize(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Residual rows of all blocks."""
        return self._linearize(self.pyramid.accumulate(self.split(vector)[0].clone()), self.parameters(vector))

    def linearize_at(self, finest: torch.Tensor, parameters: dict[str, float]) -> list[torch.Tensor]:
        """The same at coefficients of all vertices of the finest level."""
        return self._linearize(self._compacted(finest), parameters)

    def _linearize(self, finest: torch.Tensor, parameters: dict[str, float]) -> list[torch.Tensor]:
        self._linearized = finest, parameters
        vars(self).pop("_grams", None)
        return [row for block in self.blocks for row in block.linearize(finest, parameters)]

    def _compacted(self, finest: torch.Tensor) -> torch.Tensor:
        return self.pyramid.compact(len(self.pyramid.shapes) - 1, finest)

    def norms(self, finest: torch.Tensor, corners: torch.Tensor | None = None) -> list[float]:
        """L2 norm over the domain of every field, from coefficients of all vertices of the finest level."""
        return self._sizes(self._compacted(finest), corners)

    def _sizes(self, compact: torch.Tensor, corners: torch.Tensor | None) -> list[float]:
        values = [self._value.forward(c)[0].clone() for c in compact]
        if corners is not None and len(self.corners):
            for name, value in zip(self.problem.fields, values, strict=True):
                own = list(self.corners.of(name))
                value += (corners[own] @ self._values_at_corners[name]).reshape(value.shape)
        return [float(value.norm()) for value in values]

    @cached_property
    def _values_at_corners(self) -> dict[str, torch.Tensor]:
        """By field, singular functions at the Gauss points times the roots of their weights, (functions, n)."""
        x = torch.as_tensor(self._value.points.x).to(self.device, self.dtype)
        root = self._value.root.reshape(-1)
        return {f: self.corners.jets(x, Channels.value(2), f)[:, 0] * root for f in self.problem.fields}

    @cached_property
    def _value(self) -> CellChannels:  # type: ignore[override]
        points, area, inside = self._rows.gauss_points(self._rows.level)
        rule = self.interior.rule
        root = np.sqrt(np.where(inside, area, 0.0))[:, None]
        if rule is not None:
            root = root * np.sqrt(rule.weights)
        own, roots = self.interior, torch.as_tensor(root).to(self.device, self.dtype)
        return CellChannels(points, Channels.value(own.dim), own.space, own.time, rule, roots)

    def mass(self) -> sparse.csr_array:
        """The matrix of the L2 product over the domain for the finest coefficients (V m**d, T) of one field."""
        points, area, inside = self._rows.gauss_points(self._rows.level)
        rows = points.matrix((0,) * len(self.interior.space))
        space = rows.T @ sparse.diags(np.where(inside, area, 1e-6 * area)) @ rows
        rule = self.interior.rule
        if rule is None:
            return sparse.csr_array(space)
        along = rule.rows.matrices[0]
        return sparse.csr_array(sparse.kron(space, along.T @ sparse.diags(rule.weights) @ along))

    def without_means(self, finest: torch.Tensor, corners: torch.Tensor | None = None) -> torch.Tensor:
        """Coefficients of all vertices of the finest level, less the means over the domain of fields with a gauge.

        Those of singular functions count in the means.
        """
        points, area, inside = self._rows.gauss_points(self._rows.level)
        weights = torch.as_tensor(np.where(inside, area, 0.0)[:, None]).to(self.device, self.dtype)
        space = tuple(range(len(self.interior.space)))
        one = CellChannels(points, Channels.value(len(space)), space, None, None, torch.ones_like(weights))
        functional = one.adjoint([weights])[:, 0] / weights.sum()
        compact, level = self._compacted(finest).clone(), self._rows.level
        for name in self.problem.gauges:
            field = compact[self.problem.fields.index(name)]
            mean = functional @ field
            own = list(self.corners.of(name))
            if corners is not None and own:
                root = self._value.root.reshape(-1)
                mean = mean + corners[own] @ (self._values_at_corners[name] @ root) / root.square().sum()
            field[:: level.record] -= mean
        return self.pyramid.dense(len(self.pyramid.shapes) - 1, compact)

    def held_out(self, finest: torch.Tensor, parameters: dict[str, float]) -> dict[str, float]:
        """RMS of the interior residuals at points that are not collocated, in the user's units."""
        block = self._held_out
        volume = float(block.root.square().sum())
        rows = block.linearize(self._compacted(finest), parameters)
        return {t.name: float(r.norm()) / math.sqrt(volume) for t, r in zip(block.terms, rows, strict=True)}

    @property
    def undefined_outside(self) -> bool:
        """Whether the problem is not defined at all points of cells outside the domain; see :class:`CutRows`."""
        return self._rows.undefined or self.constraints.undefined

    # -- linear algebra ---
    @property
    def preconditioned(self) -> bool:
        """Vertex blocks are needed near the boundary."""
        return True

    def preconditioner(self, columns: torch.Tensor, damping: float) -> Scaling:  # type: ignore[override]
        """Vertex blocks near the boundary; singular functions less what comes close to them on the grid."""
        starts = [part.start for part in self.pyramid.slices]
        blocks = block_scaling(self._grams, starts, columns, damping)
        if not len(self.corners):
            return blocks
        steps = FIRST_STEPS if self.close_to_corners is None else STEPS
        scaling = tail_scaling(self, blocks, len(self.corners), steps, self.close_to_corners)
        self.close_to_corners = scaling.others
        return scaling

    def iteration_cost(self) -> tuple[float, float]:
        """About 130 ns per unknown and step, and the calls for every block; on a GPU about what steps mostly take."""
        per_unknown = 1.3e-7 if self.device.type == "cpu" else 5e-9
        return 1e-3 + 3e-4 * len(
            self.blocks
        ) + per_unknown * self.size, STEPS_EXPECTED if self._second_order else STEPS_FEARED

    @cached_property
    def _second_order(self) -> bool:
        """Whether every equation has second derivatives: others make iterations long, and their settling misleading."""
        return all(any(sum(orders) >= 2 for _, orders in t.jets) for t in self.interior.terms)

    def settling(self) -> Settling | None:
        """Iterations end where less of the change of the fields is left than a twentieth of the expected error.

        Slow functions near small cuts keep the gradient from falling long after the fields have settled.
        """
        if not self._second_order:
            return None
        units: list[float] = []  # fields may differ in size by far

        def size(step: torch.Tensor) -> float:
            norms = self._sizes(self.pyramid.accumulate(self.split(step)[0].clone()), self.at_corners(step))
            if not units:
                units.extend(n or 1.0 for n in norms)
            return math.hypot(*(n / unit for n, unit in zip(norms, units, strict=True)))

        return Settling(size, ALGEBRAIC / (4.0 ** BASES[self.basis].coefficients - 1.0))

    @cached_property
    def layout(self) -> VertexLayout:
        """The coefficients of the finest level by vertex, along time last."""
        level, time = self.pyramid.levels[-1], self.problem.domain.time_axis
        fields, _, times = self.pyramid.shapes[-1]
        along = None if time is None else (times // level.m, self.problem.periodic[time])
        return compact_layout(fields, level.vertices, level.sides, level.wraps, level.record, along, level.m)

    @cached_property
    def _masks(self) -> list[torch.Tensor]:
        return [
            self.pyramid.compact(k, self.constraints.mask(shape, self.device))
            for k, shape in enumerate(self.pyramid.dense_shapes)
        ]

    def column_scale(self, changes: Sequence[Sequence[np.ndarray]] | None = None) -> torch.Tensor:
        """``1 / sqrt(diag(J^T J))`` at the last linearisation; 0 for coefficients that are fixed or have no effect."""
        squares = torch.empty(self.size, dtype=self.dtype, device=self.device)
        grid, parameters = self.split(squares)
        for view, gram in zip(self.pyramid.views(grid), self._grams, strict=True):
            view.copy_(gram.squares)
        parameters.zero_()
        for block in self.blocks:
            parameters += block.parameter_diagonal()
        self.hold(parameters)
        free = self.free(squares)
        for view, mask in zip(self.pyramid.views(self.split(free)[0]), self._masks, strict=True):
            view &= ~mask
        return self.inverse_norms(squares, free)

    @cached_property
    def _grams(self) -> list[LevelGram]:
        """Column norms and vertex blocks of all levels at the last linearisation."""
        coefficients, parameters = self._linearized
        grams = []
        for level, shape, resolution in zip(
            self.pyramid.levels, self.pyramid.shapes, self.pyramid.resolutions, strict=True
        ):
            gram = LevelGram(level, len(self.problem.fields), shape[2])
            for block in self.blocks:
                block.add_to(gram, CutLevel(self._rows, resolution, coefficients, parameters))
            grams.append(gram)
        return grams
