"""The weighted least-squares system of a problem on a nested dense grid, matrix-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.conditions import PointSet, Term
from hermite_pinn.cuda.axis import AxisMatrix, evaluation_matrix
from hermite_pinn.cuda.channels import Channels
from hermite_pinn.cuda.layout import BASES
from hermite_pinn.cuda.pyramid import Pyramid
from hermite_pinn.cuda.sum_factorization import SumFactorization
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry import Face, gauss_axis
from hermite_pinn.problem import Problem
from hermite_pinn.program import Program, leaves
from hermite_pinn.residuals import CompiledTerm

from .collocation import Axis, Block
from .constraints import Constraints, is_hard
from .point_block import PointBlock
from .tensor_block import TensorBlock

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
        ``"linear"``, ``"cubic"`` or ``"quintic"``.
    resolutions
        Cells per axis of every level, nested.
    gauss
        Gauss points per cell and axis; ``None`` chooses.
    """

    def __init__(
        self,
        problem: Problem,
        basis: str,
        resolutions: Sequence[tuple[int, ...]],
        gauss: int | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.problem, self.basis = problem, basis
        self.dtype, self.device = dtype, torch.device(device)
        self.pyramid = Pyramid(basis, resolutions, problem.periodic, len(problem.fields), dtype, device)
        self.resolution = self.pyramid.resolutions[-1]
        self.names = tuple(p.name for p in problem.parameters)
        domain = problem.domain
        self.axes = tuple(
            Axis(n, (a, b), p)
            for n, a, b, p in zip(domain.names, domain.lower, domain.upper, problem.periodic, strict=True)
        )
        hard = tuple(t for t in problem.terms if is_hard(t, basis))
        self.constraints = Constraints(hard, problem.fields, basis, self.axes)
        self.soft = [t for t in problem.terms if t.region is not None and not is_hard(t, basis)]
        interior = [CompiledTerm(t) for t in problem.terms if t.region is None]
        self.gauss = (
            (gauss,) * domain.dim
            if gauss
            else gauss_points_per_axis(problem, basis, self.constraints, not self.soft and self._elliptic(interior))
        )
        self.interior = self._interior_block(interior)
        self.blocks: list[Block] = [self.interior, *(self._soft_block(t) for t in self.soft)]
        self.affine = all(t.affine for b in self.blocks for t in b.terms) and not any(
            any(k == "parameter" for k, _ in leaves(t.trace.value)) for t in hard if t.trace is not None
        )

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
        """Number of residual rows."""
        return sum(math.prod(b.shape) * len(b.terms) for b in self.blocks)

    # -- blocks ---
    def _interior_block(self, terms: list[CompiledTerm]) -> TensorBlock:
        points, weights = [], []
        for a, n, k in zip(self.axes, self.resolution, self.gauss, strict=True):
            p, w = gauss_axis(*a.bounds, n, k)
            points.append(p)
            weights.append(w)
        block = TensorBlock(
            terms, self.problem.fields, self.names, self.basis, self.resolution, self.axes, points, weights, None, self.dtype, self.device
        )  # fmt: skip
        block.scales = [self._source_norm(block, t) for t in terms]
        return block

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

    def _source_norm(self, block: TensorBlock, term: CompiledTerm) -> float:
        """RMS of the part of a residual without fields, or of its operator on functions that vary over the box."""
        start = {("parameter", p.name): p.init for p in self.problem.parameters}
        value, sensitivity, _ = term.evaluate(block._env | start, {})
        source = _rms(value)
        if source > 0 and math.isfinite(source):
            scale = source
        else:
            lengths = self.problem.domain.lengths
            total = sum(
                _rms(s) / math.prod(size**m for size, m in zip(lengths, o, strict=True))
                for (_, o), s in (term.constant | sensitivity).items()
            )
            scale = total if total > 0 and math.isfinite(total) else 1.0
        weight = term.term.weight or 1.0
        return scale * math.sqrt(math.prod(self.problem.domain.lengths)) / math.sqrt(weight)

    def _soft_block(self, term: Term) -> Block:
        compiled = CompiledTerm(term)
        weight = math.sqrt(term.weight or 1.0)
        shared = ([compiled], self.problem.fields, self.names, self.basis, self.resolution, self.axes)
        if isinstance(term.region, PointSet):
            n = len(term.region.points)
            columns = term.region.columns
            used = [columns[d] for k, d in Program([term.residual]).leaves if k == "data"]
            size = max((float(np.sqrt(np.mean(c**2))) for c in used), default=0.0) or 1.0
            return PointBlock(
                *shared, term.region.points, np.full(n, 1.0 / n), columns, [size / weight], self.dtype, self.device
            )
        face = term.region
        assert isinstance(face, Face)
        scale = self._face_scale(compiled, face) / weight
        points, weights = [], []
        for i, (a, n, k) in enumerate(zip(self.axes, self.resolution, self.gauss, strict=True)):
            p, w = (np.array([face.position]), np.ones(1)) if i == face.axis else gauss_axis(*a.bounds, n, k)
            points.append(p)
            weights.append(w)
        if term.where is None:
            return TensorBlock(*shared, points, weights, [scale], self.dtype, self.device)
        grid = np.stack([g.ravel() for g in np.meshgrid(*points, indexing="ij")], 1)
        product = np.array([1.0])
        for w in weights:
            product = (product[:, None] * w).ravel()
        env = {("coordinate", a.name): torch.as_tensor(grid[:, i].copy()) for i, a in enumerate(self.axes)}
        chosen = np.broadcast_to(np.asarray(Program([term.where]).run(env)[0]), len(grid)).astype(bool)
        if not chosen.any():
            raise InvalidProblemError(
                f"the condition {term.name!r} applies to no point of the face {face.name}: its `where` is false everywhere there"
            )
        return PointBlock(*shared, grid[chosen], product[chosen], {}, [scale], self.dtype, self.device)

    def _face_scale(self, term: CompiledTerm, face: Face) -> float:
        """Divisor that makes a boundary row as large as the interior rows at the size of a cell.

        A function of unit size that varies over a cell has an interior residual of about ``|S| h**-m``, with the
        highest derivative m of the field, and a boundary residual of about ``|S_b| h**-m_b``.  A trace is half an order
        smoother than the function, so the boundary residual is weighted by ``h**(1/2)`` less than their ratio, as the
        fractional norm that balances the L2 norm of the interior residual asks.
        """
        h = self.problem.domain.lengths[face.axis] / self.resolution[face.axis]
        names = {f for f, _ in term.jets}

        def size(t: CompiledTerm, block: TensorBlock | None) -> float:
            start = {("parameter", p.name): p.init for p in self.problem.parameters}
            env = block._env if block is not None else self.interior._env
            _, sensitivity, _ = t.evaluate(env | start, {})
            return max(
                (_rms(s) * h ** -sum(o) for (f, o), s in (t.constant | sensitivity).items() if f in names), default=0.0
            )

        interior = max(
            (size(t, self.interior) / s for t, s in zip(self.interior.terms, self.interior.scales, strict=True)),
            default=0.0,
        )
        own = size(term, None)
        return own / interior * math.sqrt(self.resolution[face.axis]) if interior > 0 and own > 0 else 1.0

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
            lifted = self.constraints.lift(self.resolution, accumulated, self.parameters(vector))
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
            volume = float(block.root.square().expand(block.shape).sum())
            for k, t in enumerate(block.terms):
                square, area = found.get(t.name, (0.0, 0.0))
                found[t.name] = (square + float((rows[at] ** 2).sum()) * block.scales[k] ** 2, area + volume)
                at += 1
        return {name: math.sqrt(square / area) for name, (square, area) in found.items()}

    def norms(self, finest: torch.Tensor) -> list[float]:
        """L2 norm over the box of every field, from finest-level coefficients."""
        return [float(self._value.forward(c)[0].norm()) for c in finest]

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
        points, weights = [], []
        for i, (a, n) in enumerate(zip(self.axes, self.resolution, strict=True)):
            cell = np.arange(n)
            inside = (0.31 + 0.17 * i + cell * 0.6180339887498949) % 1.0
            length = a.bounds[1] - a.bounds[0]
            points.append(a.bounds[0] + length * (cell + inside) / n)
            weights.append(np.full(n, length / n))
        block = TensorBlock(
            self.interior.terms, self.problem.fields, self.names, self.basis, self.resolution, self.axes, points, weights, None,
            self.dtype, self.device,
        )  # fmt: skip
        volume = math.prod(self.problem.domain.lengths)
        rows = block.linearize(finest, parameters)
        return {t.name: float(r.norm()) / math.sqrt(volume) for t, r in zip(block.terms, rows, strict=True)}

    @property
    def location(self) -> str:
        """For messages."""
        return f"level {len(self.pyramid.resolutions)}, {self.resolution} cells"

    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Largest relative L2 norm of a step over the fields."""
        sizes = zip(self.norms(self.finest(step)), self.norms(self.finest(vector)), strict=True)
        return max((moved / size for moved, size in sizes if size > 0), default=0.0)

    # -- linear algebra ---
    def preconditioner(self, columns: torch.Tensor, damping: float) -> None:
        """None: with the levels, the column scaling is enough."""
        return

    def direct(self, rows: Sequence[torch.Tensor], columns: torch.Tensor) -> None:
        """None: nothing is solved by dense factors."""
        return

    @cached_property
    def _masks(self) -> list[torch.Tensor]:
        return [self.constraints.mask(shape, self.device) for shape in self.pyramid.shapes]

    def column_scale(self) -> torch.Tensor:
        """``1 / sqrt(diag(J^T J))`` at the last linearisation; 0 for coefficients that are fixed or have no effect."""
        squares = torch.empty(self.size, dtype=self.dtype, device=self.device)
        grid, parameters = self.split(squares)
        for resolution, shape, view in zip(
            self.pyramid.resolutions, self.pyramid.shapes, self.pyramid.views(grid), strict=True
        ):
            view.zero_()
            for block in self.blocks:
                view += block.diagonal(resolution, shape)
        parameters.zero_()
        for block in self.blocks:
            parameters += block.parameter_diagonal()
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
        """Product with the transposed Jacobian."""
        found = torch.empty(self.size, dtype=self.dtype, device=self.device)
        grid, parameters = self.split(found)
        finest = self.pyramid.views(grid)[-1].zero_()
        parameters.zero_()
        at = 0
        for block in self.blocks:
            parameters += block.adjoint(rows[at : at + len(block.terms)], finest)
            at += len(block.terms)
        self.pyramid.accumulate_transposed(finest, grid)
        return found


def _rms(value: object) -> float:
    if isinstance(value, torch.Tensor):
        return float(value.to(torch.float64).square().mean().sqrt())
    return abs(float(value))  # type: ignore[arg-type]
