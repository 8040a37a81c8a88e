"""The weighted least-squares system of a problem on a locally refined grid of a box."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.field.field import GridField
from hermite_pinn.field.heads import LinearHead
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.geometry import Samples
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.adn_weights import derived_rows
from hermite_pinn.residuals.compiled import CompiledTerm, Jet, compile_term
from hermite_pinn.residuals.data_weights import Misfit
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
from .refined_normal import bordered, column_squares, normal_matrix
from .refined_points import LeafPoints, gauss_points, scattered_points

__all__ = ["RefinedSystem"]


class RefinedSystem(BlockSystem[RefinedBlock]):
    """Residuals and products of a problem on a locally refined grid.

    A vector has the coefficients (fields, size) of :class:`RefinedGrid`, flat, and the parameters; coefficients that
    are no unknowns, because they have no function, depend on others or are fixed by exact conditions, are never changed
    by a step.  Of a field that the problem determines up to a constant, one coefficient more is held.

    Parameters
    ----------
    problem
        On a box, without noisy data and penalties.
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
    trust
        Factor of the rows of data: those with small ones hardly bend fields.

    Attributes
    ----------
    misfit, emphasis
        Weights of the data, and a factor of that of noisy data.
    held
        Whether the parameters are held for now.
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
        trust: float = 1.0,
    ) -> None:
        domain = problem.domain
        self.problem, self.basis, self.gauss, self._added = problem, basis, gauss, added
        self.ranks, self.parameter_names = ALONE, tuple(p.name for p in problem.parameters)
        self.misfit, self.emphasis, self.held = Misfit(problem), 1.0, False
        self.dtype, self.device = torch.float64, torch.device("cpu")
        self.grid = RefinedGrid(mesh, basis, domain.lower, domain.upper)
        self.faces = RefinedFaces(
            self.grid, tuple(t for t in problem.terms if is_hard(t, basis)), problem.fields, domain.names
        )
        interior = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
        self.points = gauss_points(self.grid, gauss)
        self._layers, self._trust = layers, trust
        root = np.sqrt(self.points.weights) * self._across(self.points)
        self.interior = self._block(interior, self.points, root, scales, added)
        derived, divisors = derived_rows(problem, interior, scales, mesh.levels[-1].resolution)
        self.derived = self._block(derived, self.points, root, divisors) if derived else None
        soft = [t for t in problem.terms if t.region.plane is not None and t not in self.faces.terms]
        data = [t for t in problem.terms if t.region.measured is not None]
        self.blocks = [
            self.interior,
            *([self.derived] if self.derived else []),
            *(self._soft(t) for t in soft),
            *(self._data(t) for t in data),
        ]
        self.affine = all(t.affine for block in self.blocks for t in block.terms)

    def _block(
        self,
        terms: Sequence[CompiledTerm],
        points: LeafPoints,
        root: np.ndarray,
        scales: Sequence[float],
        added: Sequence[Mapping[Jet, float]] = (),
        known: Mapping[Leaf, Value] | None = None,
    ) -> RefinedBlock:
        fields, names, parameters = self.problem.fields, self.problem.domain.names, self.parameter_names
        return RefinedBlock(terms, fields, names, points, root, scales, added, parameters, known)

    def _data(self, term: Term) -> RefinedBlock:
        """Measured values, which weigh as :class:`Misfit` says."""
        samples = term.region.measured
        assert samples is not None
        points, order = scattered_points(self.grid, samples.x.numpy(), self.misfit.point_weights(term))
        chosen = Samples(
            samples.x[:, order], 1.0, columns={name: column[order] for name, column in samples.columns.items()}
        )
        known = chosen.leaves(self.problem.domain.names)
        root = self._trust * np.sqrt(points.weights)
        return self._block([compile_term(self.problem, term)], points, root, [1.0], known=known)

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
        return len(self.problem.fields) * self.grid.size + len(self.parameter_names)

    @property
    def free(self) -> np.ndarray:
        """Which entries of a vector are unknowns, (size,)."""
        return np.append(self._free.ravel(), self._parameters_free)

    @property
    def _parameters_free(self) -> np.ndarray:
        return np.full(len(self.parameter_names), not self.held)

    @cached_property
    def _free(self) -> np.ndarray:
        """Which coefficients (fields, size) are unknowns."""
        free = self.grid.independent & ~self.faces.fixed
        for name in self.problem.gauges:
            f = self.problem.fields.index(name)
            free[f, int(np.argmax(np.where(free[f], np.abs(self._one), 0.0)))] = False
        return free

    @cached_property
    def _one(self) -> np.ndarray:
        """The coefficients (size,) of a field that is one everywhere."""
        one = np.zeros((1, self.grid.size))
        one[0, self.grid.part(0)][:: self.grid.record] = 1.0
        return self.grid.settled(one)[0]

    @property
    def movable(self) -> np.ndarray:
        """Which entries of a vector have a function and are not fixed, (size,); some depend on others."""
        return np.append((self.grid.active & ~self.faces.fixed).ravel(), self._parameters_free)

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return int(self.free.sum())

    @property
    def location(self) -> str:
        """For messages."""
        mesh = self.grid.mesh
        return f"{mesh.leaves:,} cells on {mesh.depth} levels, the finest {mesh.levels[-1].resolution}"

    def split(self, vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Coefficients (fields, size), and parameters."""
        count = len(vector) - len(self.parameter_names)
        return vector[:count].view(len(self.problem.fields), -1), vector[count:]

    def total(self, vector: torch.Tensor) -> torch.Tensor:
        """Coefficients (fields, size) of the sum of the levels."""
        return torch.as_tensor(self.grid.accumulated(self.split(vector)[0].numpy()))

    def start(self, vector: np.ndarray | None = None, parameters: Mapping[str, float] | None = None) -> torch.Tensor:
        """A vector with the exact conditions: the reference state, or coefficients (fields, size) changed for them."""
        if vector is None:
            vector = np.zeros((len(self.problem.fields), self.grid.size))
            self._refer(vector)
            vector = self.grid.settled(vector)
        values = np.array([(parameters or {})[name] for name in self.parameter_names])
        return torch.as_tensor(np.append(self.faces.lifted(vector).reshape(-1), values))

    def without_means(self, vector: torch.Tensor) -> torch.Tensor:
        """A vector less the means of the fields with a gauge."""
        if not self.problem.gauges:
            return vector
        found, none = vector.clone(), (0,) * self.grid.mesh.dim
        values = self.interior.jets(self.total(vector), [(name, none) for name in self.problem.gauges])
        weights = torch.as_tensor(self.points.weights)
        for (name, _), value in values.items():
            own = self.split(found)[0][self.problem.fields.index(name)]
            own -= float((value * weights).sum() / weights.sum()) * torch.as_tensor(self._one)
        return found

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
        parameters = self.parameters(vector)
        return [row for block in self.blocks for row in block.linearize(total, parameters)]

    def norms(self, vector: torch.Tensor) -> list[float]:
        """L2 norm of every field."""
        values = self.interior.jets(self.total(vector), [(f, (0,) * self.grid.mesh.dim) for f in self.problem.fields])
        weights = torch.as_tensor(self.points.weights)
        return [math.sqrt(float((v.square() * weights).sum())) for v in values.values()]

    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Size of a step: the largest of the L2 norms of the fields and the parameters, relative to ``vector``."""
        moved, sizes = ([*self.norms(v), *self.split(v)[1].abs().tolist()] for v in (step, vector))
        pairs = zip(moved, sizes, strict=True)
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

    def pressed(self, vector: torch.Tensor, gradient: Callable[[], torch.Tensor]) -> tuple[int, ...]:
        """None: here parameters that leave their bounds are moved back after a step."""
        return ()

    def beyond(
        self, vector: torch.Tensor, step: torch.Tensor, held: Collection[int]
    ) -> tuple[tuple[int, ...], torch.Tensor]:
        """None; see :meth:`pressed`."""
        return (), torch.zeros_like(step)

    # -- linear algebra ---
    def forward(self, direction: torch.Tensor) -> list[torch.Tensor]:
        """Product with the Jacobian."""
        total, parameters = self.total(direction), self.split(direction)[1]
        rows = [row for block in self.blocks for row in block.forward(total)]
        if not len(parameters):
            return rows
        columns = (own for block in self.blocks for own in block.parameter_columns())
        return [row + own @ parameters for row, own in zip(rows, columns, strict=True)]

    def adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """Product with the transposed Jacobian."""
        out = torch.zeros(len(self.problem.fields), self.grid.size, dtype=self.dtype)
        for block, own in self.parts(rows):
            block.adjoint(own, out)
        gradient = torch.as_tensor(self.grid.collected(out.numpy())).reshape(-1)
        if self.parameter_names:
            columns = (own for block in self.blocks for own in block.parameter_columns())
            by_row = [own.T @ row for row, own in zip(rows, columns, strict=True)]
            gradient = torch.cat([gradient, torch.stack(by_row).sum(0)])
        return gradient.mul_(torch.as_tensor(self.movable))

    def normal(self) -> sparse.csr_array:
        """The normal matrix of the unknowns at the last linearisation."""
        inner = normal_matrix(self.blocks, self.grid, self._free)
        if not self.parameter_names or self.held:
            return inner
        columns = [own for block in self.blocks for own in block.parameter_columns()]
        corner = sum((own.T @ own for own in columns), torch.zeros((), dtype=torch.float64))
        products = [self.adjoint([own[:, i] for own in columns]) for i in range(len(self.parameter_names))]
        side = torch.stack(products, 1)[: -len(self.parameter_names)]
        return bordered(inner, side[torch.as_tensor(self._free.ravel())].numpy(), corner.numpy())

    def column_scale(self) -> torch.Tensor:
        """Inverse norms of the columns of all functions at the last linearisation; 0 for fixed and other entries.

        Functions that depend on others are among them: together they are a multilevel preconditioner.
        """
        own = [block.parameter_columns().square().sum((0, 1)) for block in self.blocks]
        every = np.append(column_squares(self.blocks, self.grid).ravel(), torch.stack(own).sum(0).numpy())
        squares = torch.as_tensor(np.where(self.movable, every, 0.0))
        return self.inverse_norms(squares, self.effective(squares))

    def iteration_cost(self) -> None:
        """None: what steps mostly take."""
        return

    def held_out_block(self) -> RefinedBlock:
        """The equations at points that are not collocated: Gauss points of a rule with one point more."""
        points = gauss_points(self.grid, self.gauss + 1)
        terms = self.interior.terms
        return self._block(terms, points, np.sqrt(points.weights), [1.0] * len(terms), self._added)
