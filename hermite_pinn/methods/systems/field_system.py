"""The weighted least-squares system of a problem on any field: hashed or dense levels, linear or network head."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.encoder.morton import morton_order
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.product_rule import Factor
from hermite_pinn.field.tree import HEAD, flatten, restore, within
from hermite_pinn.geometry import Samples
from hermite_pinn.methods.least_squares.scaling import BlockScaling, least_squares
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.evaluation import restricted
from hermite_pinn.residuals.scales import first_sizes, source_norms, source_scales
from hermite_pinn.residuals.sizes import relative_sizes
from hermite_pinn.run.distributed import ALONE, Ranks

from .block_system import BlockSystem
from .exact_faces import vanishing_faces
from .field_block import FieldBlock, Tensors

__all__ = ["FieldSystem", "Points", "collocate", "held_out_blocks"]

CHUNK = 1 << 14
DENSE_CHUNK = 1 << 10


@dataclass(frozen=True)
class Points:
    """Where the residuals are taken: Gauss points of ``cells`` equal cells per axis.

    Parameters
    ----------
    cells
        Cells per axis, one number or one per axis.
    gauss
        Gauss points per cell and axis.
    face_weight
        Factor of the weight of conditions.  At 1 a condition weighs as much as the interior residual of a function of
        the size of its violation that varies over a cell.
    """

    cells: int | tuple[int, ...] = 48
    gauss: int = 3
    face_weight: float = 1.0

    def per_axis(self, dim: int) -> tuple[int, ...]:
        """Cells along every axis."""
        cells = (self.cells,) * dim if isinstance(self.cells, int) else self.cells
        if len(cells) != dim or min(cells) < 1:
            raise InvalidArgumentError(f"cells takes one positive number, or one per axis ({dim}), got {self.cells!r}")
        return cells


def collocate(
    problem: Problem,
    points: Points,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    boundary: Factor | None = None,
    smoothness: dict[str, float] | None = None,
    ranks: Ranks = ALONE,
) -> list[FieldBlock]:
    """Blocks with all terms of a problem at Gauss points, but for those that the boundary factor satisfies.

    Interior rows are divided by the RMS of their source, so that the loss is a relative residual.  Rows of conditions
    get the weight ``face_weight * |S| h**-m / |S_b| h**-m_b`` relative to it, with the cell size ``h`` of the points,
    which is the ratio of both residuals for a function that varies over a cell.  Data and penalties are weighted by
    :class:`Misfit`; ``smoothness`` has the weights chosen for penalties, by field.  Each of several ``ranks`` gets a
    part of the points.
    """
    misfit = Misfit(problem)
    cells = points.per_axis(problem.domain.dim)
    interior = [t for t in problem.terms if t.region.is_interior]
    inside = problem.domain.interior.gauss(cells, points.gauss)
    norms = source_norms(problem)
    blocks = _chunked(interior, problem, inside, source_scales(problem), dtype, device, ranks)
    satisfied = [] if boundary is None else [problem.terms[k] for k in vanishing_faces(problem).values()]
    for t in problem.terms:
        region = t.region
        if region.is_interior or any(t is s for s in satisfied):
            continue
        if region.measured is not None:
            weights = torch.as_tensor(misfit.point_weights(t))
            if not misfit.is_noisy(t):
                weights = weights * points.face_weight
            samples = Samples(region.measured.x, weights, columns=region.measured.columns)
            blocks += _chunked([t], problem, samples, [1.0], dtype, device, ranks)
            continue
        if region.penalty is not None:
            scale = math.sqrt(region.measure / misfit.penalty(region.penalty, smoothness or {}))
            blocks += _chunked([t], problem, inside, [scale], dtype, device, ranks)
            continue
        factor = math.sqrt((t.weight or 1.0) * points.face_weight)
        samples = restricted(t, problem, region.gauss(cells, points.gauss))
        ratio = _relative_size(problem, compile_term(problem, t), interior, norms, cells)
        scale = ratio * math.sqrt(region.measure) / factor
        blocks += _chunked([t], problem, samples, [scale], dtype, device, ranks)
    return blocks


def held_out_blocks(
    blocks: Sequence[FieldBlock], problem: Problem, count: int, seed: int, ranks: Ranks = ALONE
) -> list[FieldBlock]:
    """The same rows at scrambled Sobol points that no method trained on, with the scales of ``blocks``.

    Measured data are not divided: their rows are those trained on.
    """
    scales = {id(t.term): s for b in blocks for t, s in zip(b.terms, b.scales, strict=True)}
    like = blocks[0].x
    held_out = [b for b in blocks if any(t.term.region.measured is not None for t in b.terms)]
    terms: dict[object, list[Term]] = {}
    for t in problem.terms:
        if t.region.measured is None and id(t) in scales:
            terms.setdefault(None if t.region.is_interior else id(t), []).append(t)
    for members in terms.values():
        region = members[0].region
        n = count if region.everywhere else max(64, count // 16)
        samples = restricted(members[0], problem, region.quasi_random(n, seed)).to(like.device, like.dtype)
        if ranks.divides(samples.count):
            samples, share = samples.take(ranks.part(samples.count)), 1
        else:
            share = ranks.size
        held_out.append(
            FieldBlock(
                members,
                problem,
                samples.x,
                samples.weights / share,
                [scales[id(t)] for t in members],
                {},
                samples.normals,
            )
        )
    return held_out


def _chunked(
    terms: Sequence[Term],
    problem: Problem,
    samples: Samples,
    scales: Sequence[float],
    dtype: torch.dtype,
    device: torch.device | str,
    ranks: Ranks = ALONE,
) -> list[FieldBlock]:
    samples = samples.take(morton_order(samples.x, problem.domain.lower, problem.domain.upper))
    own, share = (ranks.part(samples.count), 1) if ranks.divides(samples.count) else (slice(None), ranks.size)
    samples = samples.take(own)
    parts = [samples.take(slice(i, i + CHUNK)).to(device, dtype) for i in range(0, max(1, samples.count), CHUNK)]
    return [FieldBlock(terms, problem, p.x, p.weights / share, scales, p.columns, p.normals) for p in parts]


def _relative_size(
    problem: Problem,
    term: CompiledTerm,
    interior: Sequence[Term],
    scales: Sequence[float],
    cells: Sequence[int],
) -> float:
    """Residual of a condition over the relative interior residual, both for a function that varies over a cell."""
    weights = relative_sizes(problem, {f for f, _ in term.jets})
    cell = [a / n for a, n in zip(problem.domain.lengths, cells, strict=True)]

    def size(t: CompiledTerm) -> float:
        return max(
            (
                weights[f] * s / math.prod(a**m for a, m in zip(cell, o, strict=True))
                for (f, o), s in first_sizes(problem, t).items()
                if f in weights
            ),
            default=0.0,
        )

    own = size(term)
    inside = max((size(compile_term(problem, t)) / s for t, s in zip(interior, scales, strict=True)), default=0.0)
    return own / inside if own > 0 and inside > 0 else 1.0


class FieldSystem(BlockSystem[FieldBlock]):
    """Residuals, products and column norms of a problem on a field, matrix-free.

    Unknowns are the chosen tensors of the field, in their order, then the problem's parameters.

    Parameters
    ----------
    problem
        What to solve.
    field
        The start; tensors that are not trained keep its values.  Its gate is taken into the last layer.
    blocks
        Rows; see :func:`collocate`.
    train
        Names of the tensors to solve for (see :meth:`GridField.tensors`); ``None``: all but the gate.
    dense_limit
        Most unknowns of the network for which its block of J^T J is formed and factored, as a preconditioner.
    ranks
        Processes that share the rows; products with the transpose, norms and inner products are sums over all.
    """

    def __init__(
        self,
        problem: Problem,
        field: GridField,
        blocks: Sequence[FieldBlock],
        train: Sequence[str] | None = None,
        dense_limit: int = 6000,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.problem, self.field, self.blocks = problem, field.folded(), list(blocks)
        known = self.field.unknowns
        unknown = set(train or ()) - set(known)
        if unknown:
            raise InvalidArgumentError(f"cannot train {sorted(unknown)}; the field has {', '.join(known)}")
        self.names = [k for k in known if train is None or k in train]
        self.sizes = [self.field.tensors()[k].numel() for k in self.names]
        self.parameter_names = tuple(p.name for p in problem.parameters)
        self.dense_limit = dense_limit
        self.dtype, self.device = self.field.dtype, self.field.device
        self.affine = self.field.affine_in(self.names) and all(t.affine for b in self.blocks for t in b.terms)

    @property
    def size(self) -> int:
        """Number of unknowns: those of the trained tensors, then parameters."""
        return sum(self.sizes) + len(self.parameter_names)

    @property
    def location(self) -> str:
        """For messages."""
        return f"{self.field.encoder.levels} levels, {self.size:,} unknowns"

    # -- vectors ---
    def split(self, vector: torch.Tensor) -> tuple[Tensors, torch.Tensor]:
        """Views of the tensors in a vector, by name, and of the parameters."""
        inner, parameters = vector.split([sum(self.sizes), len(self.parameter_names)])
        tensors = self.field.tensors()
        return restore(inner, {k: tensors[k] for k in self.names}), parameters

    def vector(self, field: GridField | None = None, parameters: dict[str, float] | None = None) -> torch.Tensor:
        """Unknowns of a field (default: the start) and of parameters (default: their first values)."""
        tensors = (self.field if field is None else field.folded()).tensors()
        values = {p.name: p.init for p in self.problem.parameters} | (parameters or {})
        tail = torch.tensor([values[n] for n in self.parameter_names], dtype=self.dtype, device=self.device)
        return torch.cat([flatten({k: tensors[k] for k in self.names}), tail])

    def field_of(self, vector: torch.Tensor) -> GridField:
        """The field at a vector."""
        return self.field.with_tensors(self.field.tensors() | self.split(vector)[0])

    def residuals(self, vector: torch.Tensor, blocks: Sequence[FieldBlock] | None = None) -> list[torch.Tensor]:
        """Rows of the blocks, or of others, without derivatives."""
        field, parameters = self.field_of(vector), self.parameters(vector)
        return [row for b in (self.blocks if blocks is None else blocks) for row in b.residuals(field, parameters)]

    def linearize(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Rows of all blocks; the products below are those at ``vector``."""
        field, parameters = self.field_of(vector), self.parameters(vector)
        return [row for block in self.blocks for row in block.linearize(field, parameters)]

    def at(self, vector: torch.Tensor) -> GridField:
        """The fields that a vector stands for."""
        return self.field_of(vector)

    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Size of a step relative to the vector."""
        size = float(vector.norm())
        return float(step.norm()) / size if size > 0 else 1.0

    # -- linear algebra ---
    def forward(self, direction: torch.Tensor) -> list[torch.Tensor]:
        """Product with the Jacobian."""
        tensors, parameters = self.split(direction.clone() if self.held_parameters else direction)
        self.hold(parameters)
        return [row for block in self.blocks for row in block.forward(tensors, parameters)]

    def adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """Product with the transposed Jacobian: the sum of all ranks' parts."""
        product = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        tensors, parameters = self.split(product)
        for block, own in self.parts(rows):
            block.adjoint(own, tensors, parameters)
        self.hold(parameters)
        return self.ranks.add(product)

    def column_scale(self) -> torch.Tensor:
        """``1 / sqrt(diag(J^T J))`` at the last linearisation; 0 for unknowns that have no effect."""
        squares = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        tensors, parameters = self.split(squares)
        for block in self.blocks:
            block.squares(tensors, parameters)
        self.hold(parameters)
        self.ranks.add(squares)
        return self.inverse_norms(squares, self.effective(squares))

    @property
    def preconditioned(self) -> bool:
        """Whether there is a network, with not too many unknowns for a factor of its block of J^T J."""
        return self._network() is not None

    def iteration_cost(self) -> tuple[float, float] | None:
        """None: what steps mostly take."""
        return None

    def settling(self) -> None:
        """None: iterations end by the gradient."""
        return

    def preconditioner(self, columns: torch.Tensor, damping: float) -> BlockScaling:
        """A factor of the network's block of J^T J."""
        place = self._network()
        assert place is not None
        count = place.stop - place.start
        normal = torch.zeros(count, count, dtype=self.dtype, device=self.device)
        for m, _ in self._dense():
            normal.addmm_(m.T, m)
        self.ranks.add(normal)
        return BlockScaling.from_normal(columns, place, normal, damping)

    @property
    def dense(self) -> bool:
        """Whether the problem is affine and in the network alone: then its last layer is found by QR."""
        place = self._network()
        return self.affine and place is not None and place.stop - place.start == self.size

    def direct(self, rows: Sequence[torch.Tensor], columns: torch.Tensor) -> torch.Tensor:
        """The solution by QR."""
        return least_squares(((m, -b) for m, b in self._dense(rows)), columns, self.ranks)

    def _network(self) -> slice | None:
        """Place of the network's unknowns, if there are any and not too many."""
        start = sum(n for k, n in zip(self.names, self.sizes, strict=True) if not within(k, HEAD))
        count = self.size - len(self.parameter_names) - start
        return slice(start, start + count) if 0 < count <= self.dense_limit else None

    def _dense(self, rows: Sequence[torch.Tensor] = ()) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The network's part of the Jacobian, some rows at a time, with the same part of ``rows``."""
        names, at = [k for k in self.names if within(k, HEAD)], 0
        for block in self.blocks:
            for i in range(0, block.x.shape[1], DENSE_CHUNK):
                chunk = slice(i, i + DENSE_CHUNK)
                for t, matrix in enumerate(block.dense(names, chunk)):
                    yield matrix, rows[at + t][chunk] if rows else matrix
            at += len(block.terms)
