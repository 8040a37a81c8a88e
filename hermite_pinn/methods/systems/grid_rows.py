"""Rows of a problem on nested dense levels: where the points are, how much every row weighs, and who has it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import ClassVar

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import Leaf, Value, depends_on
from hermite_pinn.geometry import Samples
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.adn_weights import derived_rows
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.evaluation import restricted
from hermite_pinn.residuals.reference_state import reference_state
from hermite_pinn.residuals.sizes import relative_sizes, rms, sobol_points
from hermite_pinn.run.distributed import Ranks

from .block import Axis
from .constraints import Constraints
from .dense_block import DenseBlock
from .flux_rows import crossings, jump_blocks
from .piece_weights import balanced_terms
from .point_block import PointBlock
from .rough_terms import averaged_terms, divided_terms
from .smoothed_fluxes import smoothed_terms
from .tensor_block import TensorBlock

__all__ = ["GridRows", "gauss_points_per_axis"]


def gauss_points_per_axis(problem: Problem, basis: str, constraints: Constraints, elliptic: bool) -> tuple[int, ...]:
    """Gauss points per cell and axis: the collocation points if they determine the coefficients, else one more.

    Along an axis a field has ``m N - (fixed)`` coefficients; ``m`` points per cell give ``m n`` equations (orthogonal
    spline collocation), which is enough for an elliptic problem with exact conditions on all sides.  Elsewhere ``m +
    1`` weighted points make a least-squares fit: collocation of evolution equations in space-time can be unstable
    even where it is square.  So do periodic axes where m is odd: on an even number of cells a function that alternates
    from cell to cell vanishes at all collocation points.
    """
    m = BASES[basis].coefficients
    counts = []
    for axis, periodic in enumerate(problem.periodic):
        beyond = max(m % 2 if periodic else m - constraints.count(f, axis) for f in problem.fields)
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
        Gauss points per cell, for all axes or by axis; ``None`` chooses.
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

    _block_of: ClassVar[type[TensorBlock]] = TensorBlock

    def __init__(
        self,
        problem: Problem,
        basis: str,
        resolution: tuple[int, ...],
        axes: tuple[Axis, ...],
        constraints: Constraints,
        terms: Sequence[Term],
        misfit: Misfit,
        gauss: int | tuple[int, ...] | None,
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
        hard = set(constraints.terms)
        soft = [t for t in terms if not (t.region.everywhere or t in hard)]
        interior = [compile_term(problem, t) for t in terms if t.region.is_interior]
        if isinstance(gauss, int):
            gauss = (gauss,) * problem.domain.dim
        interior = smoothed_terms(problem, interior, resolution)
        self.gauss = gauss or self._points_per_axis(soft, divided_terms(problem, interior))
        averaged = averaged_terms(problem, interior, self._edges(), self.gauss)
        self.interior = self._interior_block(balanced_terms(problem, averaged, resolution))
        self.derived = self._derived_block()
        self.penalties = {f: self._penalty_block(f, terms) for f in misfit.penalties}
        self.soft = [self._soft_block(t) for t in soft] + self._jump_blocks()

    @property
    def blocks(self) -> list[DenseBlock]:
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
        points, weights = self._own(self.problem.domain.interior.between(self.resolution), [1] * len(self.axes), 0)
        return self._tensor_block(self.interior.terms, points, weights, None)

    def _points_per_axis(self, soft: Sequence[Term], interior: list[CompiledTerm]) -> tuple[int, ...]:
        """Gauss points per cell and axis where they are not given."""
        elliptic = not soft and not crossings(self.problem) and self._elliptic(interior)
        counts = gauss_points_per_axis(self.problem, self.basis, self.constraints, elliptic)
        return self._enough_for_unknown_fields(counts) if self.misfit.penalties else counts

    def _enough_for_unknown_fields(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        """Points per cell and axis that are more on the whole axis than a field has coefficients there.

        Fields with penalties lack conditions, so that on few cells they have far more coefficients than equations at
        the usual points: what satisfies the equations there may be no solution between them.
        """
        m, enough = BASES[self.basis].coefficients, []
        for axis, (count, cells, periodic) in enumerate(
            zip(counts, self.resolution, self.problem.periodic, strict=True)
        ):
            beyond = max(0 if periodic else m - self.constraints.count(f, axis) for f in self.problem.fields)
            enough.append(max(count, m + beyond // cells + 1))
        return tuple(enough)

    def _edges(self) -> list[np.ndarray]:
        """By axis the ends of the cells."""
        return [
            np.linspace(*a.bounds, n + 1) if a.pieces is None else a.pieces.vertices(n)
            for a, n in zip(self.axes, self.resolution, strict=True)
        ]

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
        return self._block_of(
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
        per = (BASES[self.basis].coefficients,) * len(self.axes)
        samples = members[0].term.region.gauss(self.resolution, per)
        points, weights = self._own(samples, per, len(members))
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

    def _soft_block(self, term: Term) -> DenseBlock:
        compiled = compile_term(self.problem, term)
        if term.region.measured is not None:
            return self._point_block(compiled, self._measured(term.region.measured, term), 1.0)
        scale = self._face_scale(compiled) / math.sqrt(term.weight or 1.0)
        samples = restricted(term, self.problem, term.region.gauss(self.resolution, self.gauss))
        if samples.axes is not None:
            per = [min(k, n) for k, n in zip(self.gauss, samples.shape, strict=True)]
            points, weights = self._own(samples, per, 1)
            return self._tensor_block([compiled], points, weights, [scale])
        return self._point_block(compiled, samples, scale)

    def _jump_blocks(self) -> list[DenseBlock]:
        """Fluxes across breaks, which do not jump."""

        def make(terms: Sequence[CompiledTerm], samples: Samples, scales: Sequence[float]) -> TensorBlock:
            per = [min(k, n) for k, n in zip(self.gauss, samples.shape, strict=True)]
            points, weights = self._own(samples, per, 1)
            return self._tensor_block(terms, points, weights, scales)

        def interior(name: str) -> float:
            both = zip(self.interior.terms, self.interior.scales, strict=True)
            return max(self._size(t) / s for t, s in both if t.name == name)

        return [*jump_blocks(self.problem, self.resolution, self.gauss, interior, make)]

    def _measured(self, points: Samples, term: Term) -> Samples:
        """Measured points with the weights of the data there."""
        return Samples(points.x, torch.as_tensor(self.misfit.point_weights(term)), columns=points.columns)

    def _point_block(self, term: CompiledTerm, samples: Samples, scale: float) -> PointBlock:
        """A term at scattered points, of which every rank has a part."""
        return PointBlock(
            [term], self.problem.fields, self.names, self.basis, self.resolution, self.axes, self._own_points(samples),
            [scale], self.dtype, self.device,
        )  # fmt: skip

    def _face_scale(self, term: CompiledTerm) -> float:
        """Divisor that makes a boundary row as large as the interior rows at the size of a cell.

        A function of the size of its field that varies over a cell has an interior residual of about ``|S| h**-m``,
        with the highest derivative m of the field and the size of the cell along each axis, and a boundary residual of
        about ``|S_b| h**-m_b``.  A trace is half an order rougher than the function, so the boundary residual is
        weighted by ``h**(1/2)`` less than their ratio, as the fractional norm that balances the L2 norm of the interior
        residual asks.
        """
        h = term.term.region.spacing(self.resolution)
        fields = {f for f, _ in term.jets}
        interior = max(
            (self._size(t, fields) / s for t, s in zip(self.interior.terms, self.interior.scales, strict=True)),
            default=0.0,
        )
        own = self._size(term, fields)
        return own / interior / math.sqrt(h) if interior > 0 and own > 0 else 1.0

    def _size(self, term: CompiledTerm, fields: Collection[str] | None = None) -> float:
        """The largest part of a term for fields of their relative sizes, all or some, that vary over a cell."""
        cell = [a / n for a, n in zip(self.problem.domain.lengths, self.resolution, strict=True)]
        weights = relative_sizes(self.problem, {f for f, _ in term.jets} if fields is None else fields)
        env = self._env_of(term)
        _, sensitivity, _ = term.evaluate(env, reference_state(self.problem).jets(self.problem, env))
        return max(
            (
                weights[f] * rms(s) / math.prod(a**m for a, m in zip(cell, o, strict=True))
                for (f, o), s in (term.constant | sensitivity).items()
                if f in weights
            ),
            default=0.0,
        )

    def _env_of(self, term: CompiledTerm) -> dict[Leaf, Value]:
        """Points at which the size of a term is taken: those of the equations unless it depends on its normal."""
        if depends_on(term.term.residual, ["normal"]):
            return sobol_points(self.problem, term)
        return self.interior._env | {("parameter", p.name): p.init for p in self.problem.parameters}
