"""The weighted least-squares system of a problem on a locally refined grid of a box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.field.field import GridField
from hermite_pinn.field.heads import LinearHead
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.geometry import Samples
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import CompiledTerm, Jet, compile_term
from hermite_pinn.residuals.evaluation import restriction
from hermite_pinn.residuals.reference_state import reference_state
from hermite_pinn.residuals.scales import first_sizes
from hermite_pinn.residuals.sizes import relative_sizes
from hermite_pinn.run.distributed import ALONE

from .block_system import BlockSystem
from .constraints import is_hard
from .refined_block import RefinedBlock
from .refined_faces import RefinedFaces
from .refined_grid import RefinedGrid
from .refined_mesh import RefinedMesh
from .refined_normal import column_squares, normal_matrix
from .refined_points import LeafPoints, gauss_points

__all__ = ["RefinedSystem"]


class RefinedSystem(BlockSystem[RefinedBlock]):
    """Residuals and products of a problem on a locally refined grid.

    A vector has the coefficients (fields, size) of :class:`RefinedGrid`, flat; those that are no unknowns, because they
    have no function, depend on others or are fixed by exact conditions, are never changed by a step.

    Parameters
    ----------
    problem
        On a box, without parameters and data.
    basis
        Of the grid.
    mesh
        The cells.
    gauss
        Gauss points per cell and axis.
    scales
        Divisors of the interior rows.
    added
        By equation, what is added to its residual: numbers times jets that it has.
    layers
        Axes across which there are layers, and how wide these are: the rows of a cell weigh as much as it is long
        across them, or as the layer is wide, so that the residual in a layer does not outweigh all others.
    """

    def __init__(
        self,
        problem: Problem,
        basis: str,
        mesh: RefinedMesh,
        gauss: int,
        scales: Sequence[float],
        added: Sequence[Mapping[Jet, float]] = (),
        layers: Sequence[tuple[int, float]] = (),
    ) -> None:
        domain = problem.domain
        self.problem, self.basis, self.gauss, self._added = problem, basis, gauss, added
        self.ranks, self.parameter_names = ALONE, ()
        self.dtype, self.device = torch.float64, torch.device("cpu")
        self.grid = RefinedGrid(mesh, basis, domain.lower, domain.upper)
        self.faces = RefinedFaces(
            self.grid, tuple(t for t in problem.terms if is_hard(t, basis)), problem.fields, domain.names
        )
        interior = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
        self.points = gauss_points(self.grid, gauss)
        self._layers = layers
        root = np.sqrt(self.points.weights) * self._across(self.points)
        self.interior = self._block(interior, self.points, root, scales, added)
        soft = [t for t in problem.terms if t.region.plane is not None and t not in self.faces.terms]
        self.blocks = [self.interior, *(self._soft(t) for t in soft)]
        self.affine = all(t.affine for block in self.blocks for t in block.terms)

    def _block(
        self,
        terms: Sequence[CompiledTerm],
        points: LeafPoints,
        root: np.ndarray,
        scales: Sequence[float],
        added: Sequence[Mapping[Jet, float]] = (),
    ) -> RefinedBlock:
        return RefinedBlock(terms, self.problem.fields, self.problem.domain.names, points, root, scales, added)

    def _across(self, points: LeafPoints) -> np.ndarray:
        """Factors of the rows, at most one, (points,)."""
        factor = np.ones(points.count)
        for axis, width in self._layers:
            sizes = np.array([max(self.grid.widths(g.level)[axis], width) for g in points.groups])
            whole = max(self.grid.widths(0)[axis], width)
            factor = np.minimum(factor, points.by_cell(sizes / whole))
        return factor

    def _soft(self, term: Term) -> RefinedBlock:
        """A condition on a side, weighted as :meth:`GridRows._face_scale` does, by the size of every cell."""
        compiled, plane = compile_term(self.problem, term), term.region.plane
        points = gauss_points(self.grid, self.gauss, plane)
        root = np.sqrt(points.weights * (term.weight or 1.0))
        root = (
            root * self._across(points) / points.by_cell([self._face_scale(compiled, g.level) for g in points.groups])
        )
        if term.where is not None:
            kept = restriction(term, self.problem, Samples(torch.as_tensor(points.x))).numpy()
            root = np.where(kept, root, 0.0)
        return self._block([compiled], points, root, [1.0])

    def _face_scale(self, term: CompiledTerm, level: int) -> float:
        plane, widths = term.term.region.plane, self.grid.widths(level)
        assert plane is not None
        sizes = relative_sizes(self.problem, {f for f, _ in term.jets})

        def size(t: CompiledTerm) -> float:
            return max(
                (
                    sizes[f] * s / math.prod(a**m for a, m in zip(widths, o, strict=True))
                    for (f, o), s in first_sizes(self.problem, t).items()
                    if f in sizes
                ),
                default=0.0,
            )

        pairs = zip(self.interior.terms, self.interior.scales, strict=True)
        interior, own = max((size(t) / s for t, s in pairs), default=0.0), size(term)
        return own / interior / math.sqrt(widths[plane.axis]) if interior > 0 and own > 0 else 1.0

    # -- vectors ---
    @property
    def size(self) -> int:
        """Length of a vector."""
        return len(self.problem.fields) * self.grid.size

    @cached_property
    def free(self) -> np.ndarray:
        """Which entries of a vector are unknowns, (size,)."""
        return (self.grid.independent & ~self.faces.fixed).ravel()

    @cached_property
    def movable(self) -> np.ndarray:
        """Which entries of a vector have a function and are not fixed, (size,); some depend on others."""
        return (self.grid.active & ~self.faces.fixed).ravel()

    @cached_property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return int(self.free.sum())

    @property
    def location(self) -> str:
        """For messages."""
        mesh = self.grid.mesh
        return f"{mesh.leaves:,} cells on {mesh.depth} levels, the finest {mesh.levels[-1].resolution}"

    def split(self, vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Coefficients (fields, size), and no parameters."""
        return vector.view(len(self.problem.fields), -1), vector[:0]

    def total(self, vector: torch.Tensor) -> torch.Tensor:
        """Coefficients (fields, size) of the sum of the levels."""
        return torch.as_tensor(self.grid.accumulated(self.split(vector)[0].numpy()))

    def start(self, vector: np.ndarray | None = None) -> torch.Tensor:
        """A vector with the exact conditions: the reference state, or coefficients (fields, size) changed for them."""
        if vector is None:
            vector = np.zeros((len(self.problem.fields), self.grid.size))
            self._refer(vector)
            vector = self.grid.settled(vector)
        return torch.as_tensor(self.faces.lifted(vector).reshape(-1))

    def _refer(self, vector: np.ndarray) -> None:
        """Set the first level to the reference state."""
        level, m, dim = self.grid.mesh.levels[0], self.grid.m, self.grid.mesh.dim
        dense = torch.zeros(len(vector), *(m * n for n in level.sides), dtype=torch.float64)
        reference_state(self.problem).fill(self.problem, self.basis, dense)
        split = dense.reshape(len(vector), *(k for n in level.sides for k in (n, m)))
        order = [0, *range(1, 2 * dim, 2), *range(2, 2 * dim + 1, 2)]
        vector[:, self.grid.part(0)] = split.permute(order).reshape(len(vector), -1).numpy()

    def linearize(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Residual rows of all blocks."""
        total = self.total(vector)
        return [row for block in self.blocks for row in block.linearize(total)]

    def norms(self, vector: torch.Tensor) -> list[float]:
        """L2 norm of every field."""
        values = self.interior.jets(self.total(vector), [(f, (0,) * self.grid.mesh.dim) for f in self.problem.fields])
        weights = torch.as_tensor(self.points.weights)
        return [math.sqrt(float((v.square() * weights).sum())) for v in values.values()]

    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Size of a step: the largest of the L2 norms of the fields, relative to those of ``vector``."""
        pairs = zip(self.norms(step), self.norms(vector), strict=True)
        return max((moved / size for moved, size in pairs if size > 0), default=0.0)

    def at(self, vector: torch.Tensor) -> GridField:
        """The fields that a vector stands for: indexed levels of the vertices that have functions."""
        problem, grid = self.problem, self.grid
        fields, domain = len(problem.fields), problem.domain
        chosen, lists, tables = [], [], []
        coefficients = self.split(vector)[0].numpy()
        for number, level in enumerate(grid.mesh.levels):
            records = coefficients[:, grid.part(number)].reshape(fields, -1, grid.record)
            known = np.flatnonzero((records != 0).any((0, 2)))
            if not len(known):
                continue
            listed = VertexList.of(level.vertices[known])
            order = level.number(listed.vertices)
            chosen.append(level.resolution)
            lists.append(listed)
            tables.append(records[:, order].transpose(1, 2, 0).reshape(-1))
        if not chosen:
            chosen, lists = [grid.mesh.levels[0].resolution], [VertexList.of(grid.mesh.levels[0].vertices)]
            tables = [np.zeros(len(lists[0]) * grid.record * fields)]
        layout = GridLayout(
            domain.lower, domain.upper, tuple(chosen), self.basis, fields, None, tuple(problem.periodic), tuple(lists)
        )
        table = torch.zeros(layout.size, dtype=torch.float64)
        for groups, own in zip(layout.groups, tables, strict=True):
            table[groups[0].offset : groups[0].offset + len(own)] = torch.as_tensor(own)
        return GridField(domain.names, tuple(problem.fields), HermiteGrid(layout, table), LinearHead(fields))

    # -- linear algebra ---
    def forward(self, direction: torch.Tensor) -> list[torch.Tensor]:
        """Product with the Jacobian."""
        total = self.total(direction)
        return [row for block in self.blocks for row in block.forward(total)]

    def adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """Product with the transposed Jacobian."""
        out = torch.zeros(len(self.problem.fields), self.grid.size, dtype=self.dtype)
        for block, own in self.parts(rows):
            block.adjoint(own, out)
        gradient = torch.as_tensor(self.grid.collected(out.numpy())).reshape(-1)
        return gradient.mul_(torch.as_tensor(self.movable))

    def normal(self) -> sparse.csr_array:
        """The normal matrix of the unknowns at the last linearisation."""
        return normal_matrix(self.blocks, self.grid, self.free.reshape(len(self.problem.fields), -1))

    def column_scale(self) -> torch.Tensor:
        """Inverse norms of the columns of all functions at the last linearisation; 0 for fixed and other entries.

        Functions that depend on others are among them: together they are a multilevel preconditioner.
        """
        squares = torch.as_tensor(np.where(self.movable, column_squares(self.blocks, self.grid).ravel(), 0.0))
        return self.inverse_norms(squares, self.effective(squares))

    def iteration_cost(self) -> None:
        """None: what steps mostly take."""
        return

    def held_out_block(self) -> RefinedBlock:
        """The equations at points that are not collocated: Gauss points of a rule with one point more."""
        points = gauss_points(self.grid, self.gauss + 1)
        terms = self.interior.terms
        return self._block(terms, points, np.sqrt(points.weights), [1.0] * len(terms), self._added)
