"""How many bytes a stage on a cut domain will need, told before it begins.

What is large: the functions of a cell at points of its own (of the boundary, and between the collocation points), of
which there are ``2**d m**d`` at each; the coefficients gathered cell by cell; prolongations; the blocks of vertices
near the boundary; singular functions at all points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from hermite_pinn.memory import available_memory
from hermite_pinn.methods.least_squares.nested_dissection import elimination_work
from hermite_pinn.methods.systems.compact_pyramid import CompactPyramid
from hermite_pinn.methods.systems.level_cells import LevelCells
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.corner_functions import corner_functions

from .factor_cost import FRONT, OPERATION, PASSED, PRODUCT
from .sparse_factor import SHARE

__all__ = ["cut_memory"]

REAL = 8.0  # bytes of a number
LEFT = 0.5  # of what a sparse factor is expected to take on a whole grid, as measured
ASKED = 200 * 2**20  # bytes in which distances in space are asked for, and what remembers them
STEPS = 200  # of conjugate gradients, by which a sparse factor is judged
REUSED = 0.5  # of what scaling takes, that is not taken again by the iterations
GAPS = 1.1  # what the allocator takes for itself, as a factor
PIECE = 4e6  # numbers of rows that vertex blocks are summed up from at a time
COPIES = 3  # of such a piece, and one of the rows of one field in one equation
SLABS = 3.0  # slabs whose systems live at a time: the one before does until its end is final
VECTORS = 15  # of all unknowns
DENSE = 6  # arrays of all vertices of the finest level, between the linear solves
PER_AREA = 9  # points on a face for every cell that it passes, in space; the root of that in the plane


def cut_memory(problem: Problem, pyramid: CompactPyramid, gauss: int | None, slabs: int) -> float:
    """Estimate of the bytes of a stage.

    Parameters
    ----------
    pyramid
        Its levels.
    gauss
        Gauss points per cell and axis, or None.
    slabs
        Number of time slabs.
    """
    counts = _Counts(problem, pyramid, gauss, slabs)
    kept, solving = counts.faces + counts.levels + counts.corners, counts.interior + counts.held_out
    again = 1.0 if slabs == 1 else SLABS
    vectors = VECTORS * pyramid.size / slabs
    dense = DENSE * math.prod(pyramid.dense_shapes[-1])
    asked = ASKED if counts.level.dim == 3 else 0.0
    total = asked + GAPS * REAL * (again * (kept + solving) + vectors + dense + REUSED * counts.scaling)
    factor, free = GAPS * REAL * counts.factor, available_memory(torch.device("cpu"))
    return total + factor if free is None or factor <= SHARE * (free - total) else total


@dataclass(frozen=True)
class _Counts:
    """Numbers that a stage holds."""

    problem: Problem
    pyramid: CompactPyramid
    gauss: int | None
    slabs: int

    @property
    def level(self) -> LevelCells:
        """The finest one."""
        return self.pyramid.levels[-1]

    @property
    def local(self) -> int:
        """Coefficients over space of a cell, of one field."""
        return int(2**self.level.dim * self.level.record)

    @cached_property
    def equations(self) -> list[CompiledTerm]:
        """Those inside."""
        return [compile_term(self.problem, t) for t in self.problem.terms if t.region.is_interior]

    @cached_property
    def times(self) -> float:
        """Gauss points in time, of one slab."""
        axis = self.pyramid.time
        if axis is None:
            return 1.0
        cells = self.pyramid.resolutions[-1][axis]
        return float(max(self.gauss or 0, self.level.m + 1)) * math.ceil(cells / self.slabs)

    @cached_property
    def points(self) -> float:
        """Gauss points over space."""
        m, d = self.level.m, self.level.dim
        second = all(any(sum(o) == 2 for _, o in t.jets) for t in self.equations)
        full = self.gauss or (m if self.pyramid.time is None and m == 2 and second else m + 1)
        touched = int(self.level.touched.sum())
        return float((len(self.level.cells) - touched) * full**d + touched * max(full, m + 1, m + d - 1) ** d)

    @property
    def interior(self) -> float:
        """Of the rows of the equations: channels, records of cells, the points, the norm of the fields."""
        rows, cells = self.points * self.times, len(self.level.cells)
        fields, channels = len(self.problem.fields), _channels(self.equations)
        variable = sum(len(t.variable) for t in self.equations)
        gathered = fields * cells * (self.local * self.times + 2 * 2**self.level.dim)
        return (
            gathered + rows * (channels + variable + 5 + 4 * len(self.equations)) + self.points * (self.level.dim + 3)
        )

    @property
    def held_out(self) -> float:
        """Of the equations at one point of every cell."""
        orders = {o for t in self.equations for _, o in t.jets}
        return len(self.level.cells) * (
            self.local * (len(orders) + _channels(self.equations)) + self.times * len(self.equations)
        )

    @cached_property
    def on_faces(self) -> list[tuple[CompiledTerm, float]]:
        """The conditions on the boundary, and the number of their points over space."""
        return [(compile_term(self.problem, t), self._count(t)) for t in self.problem.terms if self._is_face(t)]

    def _is_face(self, term: Term) -> bool:
        region, time = term.region, self.pyramid.time
        along = region.plane is not None and region.plane.axis == time
        return not (region.is_interior or region.measured is not None or region.penalty is not None or along)

    def _count(self, term: Term) -> float:
        domain, d = self.problem.domain, self.level.dim
        length = 1.0 if self.pyramid.time is None else domain.lengths[self.pyramid.time]
        width = float(min(self.level.widths))
        return PER_AREA ** ((d - 1) / 2) * term.region.measure / length / width ** (d - 1)

    @property
    def faces(self) -> float:
        """Of the conditions: the functions of a cell at all points, and records in time."""
        total = 0.0
        for term, count in self.on_faces:
            orders = len({o for _, o in term.jets})
            timed = 0.0 if self.pyramid.time is None else 2.0 * self.times
            total += count * (self.local * (orders + _channels([term]) + timed) + 3 * self.level.dim + 4 * self.times)
        return total

    @property
    def levels(self) -> float:
        """Of cells, vertices, prolongations, and blocks of vertices near the boundary, with their factors."""
        m, d, fields = self.level.m, self.level.dim, len(self.problem.fields)
        total = 0.0
        for k, level in enumerate(self.pyramid.levels):
            unknowns = level.count * level.record
            total += 0.75 * math.prod(level.sides) + len(level.cells) * (d + 2**d) + level.count * d + unknowns
            if k and level is not self.pyramid.levels[k - 1]:
                total += 2 * 1.5 * unknowns * ((1 + 2 * m) / 2) ** d
            total += 2 * self._blocks(level, fields)
        return total

    def _blocks(self, level: LevelCells, fields: int) -> float:
        """Of the vertices of cells that the boundary passes."""
        times = self.pyramid.shapes[-1][2] / self.slabs
        near = min(level.count, 2 * int(level.touched.sum()))
        return float(near * times * (fields * level.record) ** 2)

    @property
    def corners(self) -> float:
        """Of singular functions at all points, and of what comes close to them on the grid."""
        functions = len(corner_functions(self.problem).basis)
        rows = self.points * len(self.equations) + sum(n for _, n in self.on_faces)
        return functions * (3 * rows + 3 * self.pyramid.size)

    @cached_property
    def factor(self) -> float:
        """Of a sparse factor, where it is expected to take less time than conjugate gradients."""
        m, shape = self.level.m, self.pyramid.dense_shapes[-1][1:]
        time = self.pyramid.time
        own = [math.ceil(n / self.slabs) if i == time else n for i, n in enumerate(shape)]
        finest = math.prod(self.pyramid.shapes[-1]) / len(self.problem.fields) / math.prod(shape)
        sides = tuple(max(1, round(n // m * finest ** (1.0 / len(shape)))) for n in own)
        width = len(self.problem.fields) * m ** len(shape)
        work, columns = elimination_work(sides, tuple(self.problem.periodic), width), width * 2 ** len(shape)
        rows = self.points * self.times * len(self.equations)
        making = OPERATION * work.operations + PASSED * work.passing + FRONT * work.fronts
        making += PRODUCT * columns**2 * (0.1 * rows + 3.0 * math.prod(sides))
        size = self.pyramid.size / self.slabs
        if making > STEPS * (1e-3 + 1.3e-7 * size):
            return 0.0
        pairs = (3 ** len(sides) + 1) / 2 * math.prod(sides) * width**2
        return LEFT * (work.entries + pairs + 0.5 * work.passing)

    @property
    def scaling(self) -> float:
        """While the columns are scaled: pieces of rows, conditions on coarser levels, eigenvectors of blocks.

        That is before the iterations need theirs, which is partly the same.
        """
        fields, equations = len(self.problem.fields), len(self.equations)
        piece = min(PIECE, self.points * self.local * fields * equations)
        coarse = sum(n * self.local * 2.0 for _, n in self.on_faces)
        return max((COPIES + 1.0 / (fields * equations)) * piece + coarse, 3 * self._blocks(self.level, fields))


def _channels(terms: Sequence[CompiledTerm]) -> int:
    """Derivative channels of some terms: jets with constant sensitivities are merged."""
    constant = {(t, name) for t, term in enumerate(terms) for name, _ in term.constant}
    variable = {jet for term in terms for jet in term.variable}
    return len(constant) + len(variable)
