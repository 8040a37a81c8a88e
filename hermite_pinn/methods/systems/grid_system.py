"""The weighted least-squares system of a problem on a nested dense grid, matrix-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import BASES
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix, evaluation_matrix
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.cuda.tensor_grid.sum_factorization import SumFactorization
from hermite_pinn.expressions.program import Leaf, Value, depends_on
from hermite_pinn.geometry import Samples
from hermite_pinn.methods.least_squares.cgls import Rows, dot
from hermite_pinn.problem.conditions import Term
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.adn_weights import derived_rows
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.evaluation import restricted
from hermite_pinn.residuals.scales import rms, sobol_points, source_scales
from hermite_pinn.run.distributed import ALONE, Ranks

from .block import Axis, Block
from .constraints import Carried, Constraints, is_hard
from .point_block import PointBlock
from .tensor_block import TensorBlock
from .vertex_basis import VertexBases, VertexScaling

__all__ = ["GridSystem", "gauss_points_per_axis"]


def gauss_points_per_axis(problem: Problem, basis: str, constraints: Constraints, elliptic: bool) -> tuple[int, ...]:
    """Gauss points per cell and axis: the collocation points if they determine the coefficients, else one more.

    Along an axis a field has ``m N - (fixed)`` coefficients; ``m`` points per cell give ``m n`` equations (orthogonal
    spline collocation), which is enough for an elliptic problem with exact conditions on all sides.  Elsewhere ``m +
    1`` weighted points make a least-squares fit: collocation of evolution equations in space-time can be unstable
    even where it is square.
    """
    m = BASES[basis]
    found = []
    for axis, periodic in enumerate(problem.periodic):
        beyond = max(0 if periodic else m - constraints.count(f, axis) for f in problem.fields)
        found.append(m if elliptic and beyond <= 0 else m + 1)
    return tuple(found)


class GridSystem:
    """Residuals, products and column norms of a problem on levels ``resolutions[0] ... resolutions[-1]``.

    Parameters
    ----------
    problem
        What to solve.
    basis
        One of :data:`hermite_pinn.cuda.encoder.layout.REFINABLE`.
    resolutions
        Cells per axis of every level, nested.
    gauss
        Gauss points per cell and axis; ``None`` chooses.
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
        gauss: int | None = None,
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
        self.pyramid = Pyramid(basis, resolutions, problem.periodic, len(problem.fields), dtype, device)
        self.resolution = self.pyramid.resolutions[-1]
        self.names = tuple(p.name for p in problem.parameters)
        domain = problem.domain
        self.axes = tuple(
            Axis(n, (a, b), p)
            for n, a, b, p in zip(domain.names, domain.lower, domain.upper, problem.periodic, strict=True)
        )
        terms = problem.terms if carried is None else [t for t in problem.terms if carried.keeps(t)]
        hard = tuple(t for t in terms if is_hard(t, basis))
        self.constraints = Constraints(hard, problem.fields, basis, self.axes, carried)
        self.misfit = Misfit(problem)
        self.soft = [t for t in terms if not (t.region.everywhere or is_hard(t, basis))]
        interior = [compile_term(problem, t) for t in terms if t.region.is_interior]
        self._elsewhere = 0  # rows of other ranks
        self._scales = source_scales(problem) if scales is None else list(scales)
        self.gauss = (
            (gauss,) * domain.dim
            if gauss
            else gauss_points_per_axis(problem, basis, self.constraints, not self.soft and self._elliptic(interior))
        )
        self.interior = self._interior_block(interior)
        self.derived = self._derived_block()
        self.penalties = {f: self._penalty_block(f, terms) for f in self.misfit.penalties}
        self.blocks: list[Block] = [
            self.interior,
            *([self.derived] if self.derived else []),
            *(self._soft_block(t) for t in self.soft),
            *self.penalties.values(),
        ]
        self.noisy = [b for b in self.blocks if any(self.misfit.is_noisy(t.term) for t in b.terms)]
        self._roots = [b.root for b in self.noisy]
        self.smooth(smoothness or {})
        self.affine = all(t.affine for b in self.blocks for t in b.terms)

    @property
    def grid_size(self) -> int:
        """Number of grid coefficients of all levels."""
        return self.pyramid.size

    @property
    def size(self) -> int:
        """Number of unknowns: grid coefficients of all levels, then parameters."""
        return self.pyramid.size + len(self.names)

    @property
    def rows(self) -> int:
        """Number of residual rows, of all ranks."""
        return sum(math.prod(b.shape) * len(b.terms) for b in self.blocks) + self._elsewhere

    # -- blocks ---
    def _interior_block(self, terms: list[CompiledTerm]) -> TensorBlock:
        samples = self.problem.domain.interior.gauss(self.resolution, self.gauss)
        points, weights = self._own(samples, self.gauss, len(terms))
        return self._tensor_block(terms, points, weights, self._scales)

    def _tensor_block(
        self,
        terms: Sequence[CompiledTerm],
        points: Sequence[np.ndarray],
        weights: Sequence[np.ndarray],
        scales: Sequence[float] | None,
    ) -> TensorBlock:
        return TensorBlock(
            terms, self.problem.fields, self.names, self.basis, self.resolution, self.axes, points, weights, scales,
            self.dtype, self.device,
        )  # fmt: skip

    def _derived_block(self) -> TensorBlock | None:
        """Derivatives of equations whose order is too low for the L2 norm (see :mod:`.orders`), at the same points."""
        own = self.interior
        terms, scales = derived_rows(self.problem, own.terms, own.scales, self.resolution)
        if not terms:
            return None
        whole = math.prod(n * k for n, k in zip(self.resolution, self.gauss, strict=True))
        self._elsewhere += len(terms) * (whole - math.prod(own.shape))
        return self._tensor_block(terms, own.points, own.weights, scales)

    def _own(self, samples: Samples, per: Sequence[int], terms: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The rank's points of a tensor product with ``per`` points in a cell along each axis.

        Where there are too few cells every rank has all points, with the weights divided by the number of ranks.
        """
        assert samples.axes is not None
        points, weights = [r.points for r in samples.axes], [r.weights for r in samples.axes]
        if self.ranks.size == 1:
            return points, weights
        cells = [len(p) // k for p, k in zip(points, per, strict=True)]
        axis = int(np.argmax(cells))
        if self.ranks.divides(cells[axis]):
            whole = math.prod(map(len, points))
            part = self.ranks.part(cells[axis])
            own = slice(part.start * per[axis], part.stop * per[axis])
            points[axis], weights[axis] = points[axis][own], weights[axis][own]
            self._elsewhere += terms * (whole - math.prod(map(len, points)))
        else:
            weights[axis] = weights[axis] / self.ranks.size
        return points, weights

    def _own_points(self, samples: Samples) -> Samples:
        """The rank's part of scattered points; all of them with smaller weights where they are too few."""
        if not self.ranks.divides(samples.count):
            return Samples(samples.x, samples.weights / self.ranks.size, samples.normals, columns=samples.columns)
        part = self.ranks.part(samples.count)
        self._elsewhere += samples.count - (part.stop - part.start)
        return samples.take(part)

    def _penalty_block(self, field: str, terms: Sequence[Term]) -> TensorBlock:
        """The derivatives of a field that are to be small, at as many Gauss points per cell as it has coefficients."""
        members = [compile_term(self.problem, t) for t in terms if t.region.penalty == field]
        per = (BASES[self.basis],) * len(self.axes)
        samples = members[0].term.region.gauss(self.resolution, per)
        points, weights = self._own(samples, per, len(members))
        return self._tensor_block(members, points, weights, [1.0] * len(members))

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

    def _elliptic(self, terms: list[CompiledTerm]) -> bool:
        """Whether every residual has a definite second-order part in a field of its own, along all axes."""
        dim = self.problem.domain.dim
        taken: list[str] = []
        for t in terms:
            for name in self.problem.fields:
                signs = set()
                for axis in range(dim):
                    s = t.constant.get((name, tuple(2 * (i == axis) for i in range(dim))))
                    signs.add(0.0 if s is None else math.copysign(1.0, s))
                if len(signs) == 1 and 0.0 not in signs:
                    taken.append(name)
        return sorted(taken) == sorted(self.problem.fields) and len(taken) == len(terms)

    def _soft_block(self, term: Term) -> Block:
        compiled = compile_term(self.problem, term)
        shared = ([compiled], self.problem.fields, self.names, self.basis, self.resolution, self.axes)
        measured = term.region.measured
        if measured is not None:
            there = torch.as_tensor(self.misfit.point_weights(term))
            own = self._own_points(Samples(measured.x, there, columns=measured.columns))
            return PointBlock(*shared, own, [1.0], self.dtype, self.device)
        scale = self._face_scale(compiled) / math.sqrt(term.weight or 1.0)
        samples = restricted(term, self.problem, term.region.gauss(self.resolution, self.gauss))
        if samples.axes is not None:
            per = [min(k, n) for k, n in zip(self.gauss, samples.shape, strict=True)]
            points, weights = self._own(samples, per, 1)
            return self._tensor_block([compiled], points, weights, [scale])
        return PointBlock(*shared, self._own_points(samples), [scale], self.dtype, self.device)

    def _face_scale(self, term: CompiledTerm) -> float:
        """Divisor that makes a boundary row as large as the interior rows at the size of a cell.

        A function of unit size that varies over a cell has an interior residual of about ``|S| h**-m``, with the
        highest derivative m of the field, and a boundary residual of about ``|S_b| h**-m_b``.  A trace is half an order
        rougher than the function, so the boundary residual is weighted by ``h**(1/2)`` less than their ratio, as the
        fractional norm that balances the L2 norm of the interior residual asks.
        """
        h = term.term.region.spacing(self.resolution)
        names = {f for f, _ in term.jets}

        def size(t: CompiledTerm) -> float:
            _, sensitivity, _ = t.evaluate(self._env_of(t), {})
            return max(
                (rms(s) * h ** -sum(o) for (f, o), s in (t.constant | sensitivity).items() if f in names), default=0.0
            )

        interior = max(
            (size(t) / s for t, s in zip(self.interior.terms, self.interior.scales, strict=True)),
            default=0.0,
        )
        own = size(term)
        return own / interior / math.sqrt(h) if interior > 0 and own > 0 else 1.0

    def _env_of(self, term: CompiledTerm) -> dict[Leaf, Value]:
        """Points at which the size of a term is taken: those of the equations unless it depends on its normal."""
        if depends_on(term.term.residual, ["normal"]):
            return sobol_points(self.problem, term)
        return self.interior._env | {("parameter", p.name): p.init for p in self.problem.parameters}

    # -- vectors ---
    def split(self, vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Grid part and parameter part of a vector."""
        return vector[: self.grid_size], vector[self.grid_size :]

    def finest(self, vector: torch.Tensor) -> torch.Tensor:
        """Finest-level coefficients of the grid part of a vector, which is not changed."""
        return self.pyramid.accumulate(self.split(vector)[0].clone())

    def parameters(self, vector: torch.Tensor) -> dict[str, float]:
        """Values of the parameters in a vector."""
        return dict(zip(self.names, self.split(vector)[1].tolist(), strict=True))

    def within_bounds(self, vector: torch.Tensor) -> torch.Tensor:
        """Move the parameters in ``vector`` to their bounds where they left them, in place."""
        values = self.split(vector)[1]
        for i, p in enumerate(self.problem.parameters):
            values[i] = values[i].clamp(*p.bounds)
        return vector

    def impose(self, vector: torch.Tensor) -> torch.Tensor:
        """Satisfy the exact conditions: change the finest level of ``vector`` in place where coefficients are fixed."""
        if self.constraints.terms:
            accumulated = self.finest(vector)
            lifted = self.constraints.lift(self.resolution, accumulated)
            self.pyramid.views(self.split(vector)[0])[-1].add_(lifted - accumulated)
        return vector

    def linearize(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Residual rows of all blocks."""
        finest, parameters = self.finest(vector), self.parameters(vector)
        return [row for block in self.blocks for row in block.linearize(finest, parameters)]

    def residual_rms(self, rows: Sequence[torch.Tensor]) -> dict[str, float]:
        """Root mean square of the residuals in the user's units, by the name of the term."""
        found: dict[str, tuple[float, float]] = {}
        at = 0
        for block in self.blocks:
            if block is self.derived:
                at += len(block.terms)
                continue
            volume = float(block.root.square().expand(block.shape).sum())
            for k, t in enumerate(block.terms):
                square, area = found.get(t.name, (0.0, 0.0))
                found[t.name] = (square + float((rows[at] ** 2).sum()) * block.scales[k] ** 2, area + volume)
                at += 1
        totals = self.ranks.add_all(*(v for pair in found.values() for v in pair))
        pairs = zip(totals[::2], totals[1::2], strict=True)
        return {name: math.sqrt(square / area) for name, (square, area) in zip(found, pairs, strict=True)}

    def norms(self, finest: torch.Tensor) -> list[float]:
        """L2 norm over the box of every field, from finest-level coefficients."""
        return [
            math.sqrt(s) for s in self.ranks.add_all(*(float(self._value.forward(c)[0].norm()) ** 2 for c in finest))
        ]

    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Size of a step: the largest of the L2 norms of the fields and the parameters, relative to ``vector``."""
        sizes = [*self.norms(self.finest(vector)), *self.split(vector)[1].abs().tolist()]
        moved = [*self.norms(self.finest(step)), *self.split(step)[1].abs().tolist()]
        return max((m / n for m, n in zip(moved, sizes, strict=True) if n > 0), default=0.0)

    @cached_property
    def _value(self) -> SumFactorization:
        block = self.interior
        matrices = []
        for i, (a, n) in enumerate(zip(self.axes, self.resolution, strict=True)):
            root = np.sqrt(block.weights[i])
            found = evaluation_matrix(self.basis, n, a.bounds, a.periodic, block.points[i], (0,), root)
            matrices.append(AxisMatrix(found.matrices, self.dtype, self.device))
        return SumFactorization(matrices, Channels.value(len(self.axes)))

    def held_out(self, finest: torch.Tensor, parameters: dict[str, float]) -> dict[str, float]:
        """RMS of the interior residuals at points that are not collocated, in the user's units.

        One point per cell, at positions in the cells that follow the golden ratio; at the Gauss points themselves a
        square system leaves nothing to see.
        """
        points, weights = self._own(self.problem.domain.interior.between(self.resolution), [1] * len(self.axes), 0)
        block = self._tensor_block(self.interior.terms, points, weights, None)
        volume = self.problem.domain.interior.measure
        rows = block.linearize(finest, parameters)
        squares = self.ranks.add_all(*(float(r.norm()) ** 2 for r in rows))
        return {t.name: math.sqrt(s / volume) for t, s in zip(block.terms, squares, strict=True)}

    def speeds(self) -> tuple[float, ...]:
        """Per axis the largest speed of transport or waves at the last linearisation, from the coefficients.

        The ratio of the coefficients of ``u.x`` and ``u.t``, or the root of that of ``u.xx`` and ``u.tt``; zero along
        time and where there is no time.
        """
        dim, time = self.problem.domain.dim, self.problem.domain.time_axis
        found = [0.0] * dim
        if time is None:
            return tuple(found)
        for k, t in enumerate(self.interior.terms):
            members = t.constant | self.interior.sensitivity(k)
            for (name, orders), s in members.items():
                power = orders[time]
                if power not in (1, 2) or sum(orders) != power or rms(s) == 0.0:
                    continue
                for axis in self.problem.domain.space_axes:
                    along = members.get((name, tuple(power * (i == axis) for i in range(dim))))
                    if along is not None:
                        ratio = float(torch.as_tensor(along).abs().max()) / rms(s)
                        found[axis] = max(found[axis], ratio ** (1.0 / power))
        return tuple(self.ranks.largest(v) for v in found)

    @property
    def location(self) -> str:
        """For messages."""
        return f"level {len(self.pyramid.resolutions)}, {self.resolution} cells"

    # -- linear algebra ---
    @cached_property
    def _single(self) -> GridSystem:
        gauss, scales, carried = self._options
        return GridSystem(
            self.problem, self.basis, self.pyramid.resolutions, gauss, torch.float32, self.device,
            scales=self._scales if scales is None else scales, carried=carried, ranks=self.ranks,
        )  # fmt: skip

    def in_single(self) -> GridSystem:
        """The same system in float32, for products at the last linearisation."""
        for own, block in zip(self._single.blocks, self.blocks, strict=True):
            own.take_over(block)
        return self._single

    def preconditioner(self, columns: torch.Tensor, damping: float) -> VertexScaling | None:
        """Vertex bases for quintics and beyond; None for cubics, where with the levels the column scaling is enough."""
        if BASES[self.basis] < 3:
            return None
        return VertexScaling(self._vertex_bases, self.column_scale(self._vertex_bases.changes), damping)

    @cached_property
    def _vertex_bases(self) -> VertexBases:
        jets = {o for block in self.blocks for t in block.terms for _, o in t.jets}
        orders = [range(max(o[axis] for o in jets) + 1) for axis in range(len(self.axes))]
        return VertexBases(self.pyramid, orders, self._masks)

    def direct(self, rows: Sequence[torch.Tensor], columns: torch.Tensor) -> None:
        """None: nothing is solved by dense factors."""
        return

    @cached_property
    def _masks(self) -> list[torch.Tensor]:
        return [self.constraints.mask(shape, self.device) for shape in self.pyramid.shapes]

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
        parameters.zero_()
        for block in self.blocks:
            parameters += block.parameter_diagonal()
        self.ranks.add(squares)
        free = squares > 1e-20 * squares.max()
        for view, mask in zip(self.pyramid.views(self.split(free)[0]), self._masks, strict=True):
            view &= ~mask
        return torch.where(free, torch.where(free, squares, 1.0).rsqrt(), 0.0)

    def forward(self, direction: torch.Tensor) -> list[torch.Tensor]:
        """Product with the Jacobian; ``direction`` is overwritten."""
        grid, parameters = self.split(direction)
        finest = self.pyramid.accumulate(grid)
        return [row for block in self.blocks for row in block.forward(finest, parameters)]

    def adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """Product with the transposed Jacobian: the sum of all ranks' parts."""
        found = torch.empty(self.size, dtype=self.dtype, device=self.device)
        grid, parameters = self.split(found)
        finest = self.pyramid.views(grid)[-1].zero_()
        parameters.zero_()
        at = 0
        for block in self.blocks:
            parameters += block.adjoint(rows[at : at + len(block.terms)], finest)
            at += len(block.terms)
        if self.ranks.size > 1:
            self.ranks.add(
                found[self.pyramid.slices[-1].start :]
            )  # the finest level and the parameters, which follow it
        self.pyramid.accumulate_transposed(finest, grid)
        return found

    def inner(self, a: Rows, b: Rows) -> torch.Tensor:
        """Inner product of rows over all ranks."""
        return self.ranks.add(dot(a, b))
