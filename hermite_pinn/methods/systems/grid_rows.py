"""Rows of a problem on nested dense levels: where the points are, how much every row weighs, and who has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Program
from hermite_pinn.geometry import Face, gauss_axis
from hermite_pinn.problem.conditions import PointSet, Roughness, Term
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.adn_weights import derived_rows
from hermite_pinn.residuals.compiled import CompiledTerm
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.scales import rms
from hermite_pinn.run.distributed import Ranks

from .block import Axis, Block
from .constraints import Constraints, is_hard
from .point_block import PointBlock
from .tensor_block import TensorBlock

__all__ = ["GridRows", "gauss_points_per_axis"]


def gauss_points_per_axis(problem: Problem, basis: str, constraints: Constraints, elliptic: bool) -> tuple[int, ...]:
    """Gauss points per cell and axis: the collocation points if they determine the coefficients, else one more.

    Along an axis a field has ``m N - (fixed)`` coefficients; ``m`` points per cell give ``m n`` equations (orthogonal
    spline collocation), which is enough for an elliptic problem with exact conditions on all sides.  Elsewhere ``m +
    1`` weighted points make a least-squares fit: collocation of evolution equations in space-time can be unstable
    even where it is square.
    """
    m = BASES[basis].coefficients
    counts = []
    for axis, periodic in enumerate(problem.periodic):
        beyond = max(0 if periodic else m - constraints.count(f, axis) for f in problem.fields)
        counts.append(m if elliptic and beyond <= 0 else m + 1)
    return tuple(counts)


class GridRows:
    """Makes the blocks of a :class:`GridSystem`.

    Parameters
    ----------
    problem, basis, resolution, axes
        What to solve, and the finest level.
    constraints
        What the grid satisfies exactly: no rows are made of that.
    terms
        The terms of the problem that hold.
    misfit
        Weights of data and penalties.
    gauss
        Gauss points per cell and axis; ``None`` chooses.
    scales
        Divisors of the interior residuals.
    ranks
        Processes that share the rows: each has the cells of a part of the axis with the most cells.

    Attributes
    ----------
    interior, derived, soft, penalties
        The blocks of the equations, of their derivatives (or None), of the conditions, and by field those of what is to
        be small.
    """

    def __init__(
        self,
        problem: Problem,
        basis: str,
        resolution: tuple[int, ...],
        axes: tuple[Axis, ...],
        constraints: Constraints,
        terms: Sequence[Term],
        misfit: Misfit,
        gauss: int | None,
        scales: Sequence[float],
        dtype: torch.dtype,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        self.problem, self.basis, self.resolution, self.axes = problem, basis, resolution, axes
        self.constraints, self.misfit, self.ranks = constraints, misfit, ranks
        self.dtype, self.device = dtype, device
        self.names = tuple(p.name for p in problem.parameters)
        self._scales = scales
        self._elsewhere = 0  # rows of other ranks
        soft = [t for t in terms if not (t.region is None or isinstance(t.region, Roughness) or is_hard(t, basis))]
        interior = [CompiledTerm(t) for t in terms if t.region is None]
        self.gauss = (
            (gauss,) * problem.domain.dim
            if gauss
            else gauss_points_per_axis(problem, basis, constraints, not soft and self._elliptic(interior))
        )
        self.interior = self._interior_block(interior)
        self.derived = self._derived_block()
        rough = [t for t in terms if isinstance(t.region, Roughness)]
        self.penalties = {f: self._penalty_block(f, rough) for f in misfit.penalties}
        self.soft = [self._soft_block(t) for t in soft]

    @property
    def blocks(self) -> list[Block]:
        """All blocks, in their order."""
        derived = [self.derived] if self.derived else []
        return [self.interior, *derived, *self.soft, *self.penalties.values()]

    @property
    def count(self) -> int:
        """Number of rows, of all ranks."""
        return sum(math.prod(b.shape) * len(b.terms) for b in self.blocks) + self._elsewhere

    def held_out_block(self) -> TensorBlock:
        """The equations at points that are not collocated.

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
        points, weights = self._own(points, weights, [1] * len(points), 0)
        return self._tensor_block(self.interior.terms, points, weights, None)

    # -- blocks ---
    def _interior_block(self, terms: list[CompiledTerm]) -> TensorBlock:
        found = [gauss_axis(*a.bounds, n, k) for a, n, k in zip(self.axes, self.resolution, self.gauss, strict=True)]
        points, weights = self._own([p for p, _ in found], [w for _, w in found], self.gauss, len(terms))
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
        """Derivatives of equations whose order is too low for the L2 norm, at the same points: :func:`derived_rows`."""
        own = self.interior
        terms, scales = derived_rows(self.problem, own.terms, own.scales, self.resolution)
        if not terms:
            return None
        whole = math.prod(n * k for n, k in zip(self.resolution, self.gauss, strict=True))
        self._elsewhere += len(terms) * (whole - math.prod(own.shape))
        return self._tensor_block(terms, own.points, own.weights, scales)

    def _own(
        self, points: list[np.ndarray], weights: list[np.ndarray], per: Sequence[int], terms: int
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The rank's points of a tensor product with ``per`` points in a cell along each axis.

        Where there are too few cells every rank has all points, with the weights divided by the number of ranks.
        """
        if self.ranks.size == 1:
            return points, weights
        cells = [len(p) // k for p, k in zip(points, per, strict=True)]
        axis = int(np.argmax(cells))
        points, weights = list(points), list(weights)
        if self.ranks.divides(cells[axis]):
            whole = math.prod(map(len, points))
            part = self.ranks.part(cells[axis])
            own = slice(part.start * per[axis], part.stop * per[axis])
            points[axis], weights[axis] = points[axis][own], weights[axis][own]
            self._elsewhere += terms * (whole - math.prod(map(len, points)))
        else:
            weights[axis] = weights[axis] / self.ranks.size
        return points, weights

    def _own_points(
        self, points: np.ndarray, weights: np.ndarray, columns: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]]:
        """The rank's part of scattered points; all of them with smaller weights where they are too few."""
        if not self.ranks.divides(len(points)):
            return points, weights / self.ranks.size, columns
        part = self.ranks.part(len(points))
        self._elsewhere += len(points) - (part.stop - part.start)
        return points[part], weights[part], {k: v[part] for k, v in columns.items()}

    def _penalty_block(self, field: str, terms: Sequence[Term]) -> TensorBlock:
        """The derivatives of a field that are to be small, at as many Gauss points per cell as it has coefficients."""
        members = [CompiledTerm(t) for t in terms if t.region == Roughness(field)]
        per = (BASES[self.basis].coefficients,) * len(self.axes)
        grids = [gauss_axis(*a.bounds, n, k) for a, n, k in zip(self.axes, self.resolution, per, strict=True)]
        points, weights = self._own([p for p, _ in grids], [w for _, w in grids], per, len(members))
        return self._tensor_block(members, points, weights, [1.0] * len(members))

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
        compiled = CompiledTerm(term)
        shared = ([compiled], self.problem.fields, self.names, self.basis, self.resolution, self.axes)
        if isinstance(term.region, PointSet):
            there = self.misfit.point_weights(term)
            own = self._own_points(term.region.points, there, term.region.columns)
            return PointBlock(*shared, *own, [1.0], self.dtype, self.device)
        face = term.region
        assert isinstance(face, Face)
        scale = self._face_scale(compiled, face) / math.sqrt(term.weight or 1.0)
        points, weights = [], []
        for i, (a, n, k) in enumerate(zip(self.axes, self.resolution, self.gauss, strict=True)):
            p, w = (np.array([face.position]), np.ones(1)) if i == face.axis else gauss_axis(*a.bounds, n, k)
            points.append(p)
            weights.append(w)
        if term.where is None:
            per = [1 if i == face.axis else k for i, k in enumerate(self.gauss)]
            points, weights = self._own(points, weights, per, 1)
            return self._tensor_block([compiled], points, weights, [scale])
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
        own = self._own_points(grid[chosen], product[chosen], {})
        return PointBlock(*shared, *own, [scale], self.dtype, self.device)

    def _face_scale(self, term: CompiledTerm, face: Face) -> float:
        """Divisor that makes a boundary row as large as the interior rows at the size of a cell.

        A function of unit size that varies over a cell has an interior residual of about ``|S| h**-m``, with the
        highest derivative m of the field, and a boundary residual of about ``|S_b| h**-m_b``.  A trace is half an order
        rougher than the function, so the boundary residual is weighted by ``h**(1/2)`` less than their ratio, as the
        fractional norm that balances the L2 norm of the interior residual asks.
        """
        h = self.problem.domain.lengths[face.axis] / self.resolution[face.axis]
        names = {f for f, _ in term.jets}

        def size(t: CompiledTerm) -> float:
            start = {("parameter", p.name): p.init for p in self.problem.parameters}
            _, sensitivity, _ = t.evaluate(self.interior._env | start, {})
            return max(
                (rms(s) * h ** -sum(o) for (f, o), s in (t.constant | sensitivity).items() if f in names), default=0.0
            )

        interior = max(
            (size(t) / s for t, s in zip(self.interior.terms, self.interior.scales, strict=True)),
            default=0.0,
        )
        own = size(term)
        return own / interior / math.sqrt(h) if interior > 0 and own > 0 else 1.0
