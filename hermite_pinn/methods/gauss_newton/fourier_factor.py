"""The factor of the normal matrix of a step with mean coefficients in a periodic box: one small matrix for every wave.

Equal cells along periodic axes make the matrix of an equation with constant coefficients one of blocks that depend on
the distance of two vertices alone.  A discrete Fourier transform over the vertices divides it into one matrix for
every wave, of the unknowns of a vertex.  The factors of these precondition conjugate gradients; with coefficients that
vary, as those of a flow, some tens of steps remain, however fine the cells are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import Value
from hermite_pinn.memory import available_memory
from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult
from hermite_pinn.methods.least_squares.linear_solver import Limits, LinearSolver, preconditioned_steps
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.dense_block import DenseBlock
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.tensor_block import TensorBlock

__all__ = ["FourierFactor"]

SHIFT = 1e-10  # of the diagonal: some fields are determined up to a constant
FAINT = 1e-24  # of the squared norms of columns: those of unknowns without effect
CHUNK = 2.0**26  # bytes of matrices that are made at a time
SHARE = 0.3  # of the free memory
OPERATION = 2e-10  # seconds of an operation with complex numbers
SLACK = 1e-9  # of the length of a step: those closer than that are the same
WORN = 1.5  # times the steps that a new factor took, beyond which it is made anew
FEW = 5  # steps that are never too many
RESTART = 50  # steps after which the residual is computed anew


class FourierFactor(LinearSolver[GridSystem]):
    """Conjugate gradients preconditioned by the factors of all waves, which serve steps of the same length."""

    name = "a factor for every wave"

    def __init__(self) -> None:
        self._kept: _Waves | None = None
        self._fresh = self._last = 0  # steps of the first and of the last solution with it

    def seconds(self, system: GridSystem, steps: float | None) -> float:
        """By the count of operations; infinity where the factors do not fit into the memory."""
        waves, width = _count(system)
        free = available_memory(torch.device("cpu")) or math.inf
        if 16.0 * 2.0 * waves * width**2 > SHARE * free:
            return math.inf
        return OPERATION * waves * width**3

    def solve(
        self, system: GridSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`; without damping."""
        kept = self._kept
        worn = self._last > WORN * self._fresh + FEW
        fresh = kept is None or not kept.fits(system) or worn
        if fresh:
            self._kept = None  # before there are two
            self._kept = kept = _Waves(system)
        assert kept is not None
        ones = torch.ones(system.size, dtype=system.dtype, device=system.device)
        step, result = preconditioned_steps(system, rows, ones, kept, 0.0, limits, restart=RESTART)
        self._last = result.steps
        if fresh:
            self._fresh = result.steps
        return step, result


def _count(system: GridSystem) -> tuple[int, int]:
    """Waves, and unknowns of one of them."""
    time, m = system.problem.domain.time_axis, BASES[system.basis].coefficients
    space = [n for axis, n in enumerate(system.resolution) if axis != time]
    width = len(system.problem.fields) * m ** len(space) * (2 * m - 1)
    return math.prod(space[:-1]) * (space[-1] // 2 + 1), width


@dataclass(frozen=True, eq=False)
class _Sizes:
    """How the coefficients of a system are laid out, the axis of time as the last one."""

    fields: int
    cells: tuple[int, ...]
    m: int
    axis: int
    free: torch.Tensor  # numbers of the free coefficients in time

    @classmethod
    def of(cls, system: GridSystem) -> _Sizes:
        axis = system.problem.domain.time_axis
        assert axis is not None
        cells = tuple(n for a, n in enumerate(system.resolution) if a != axis)
        own = system.fixed.movedim(axis + 1, -1).flatten(0, -2)
        free = torch.nonzero(~own.any(0))[:, 0]
        return cls(len(system.problem.fields), cells, BASES[system.basis].coefficients, axis, free)

    def same(self, other: _Sizes) -> bool:
        own, its = (self.fields, self.cells, self.m, self.axis), (other.fields, other.cells, other.m, other.axis)
        return own == its and torch.equal(self.free, other.free)


class _Waves:
    """Variables in which the normal matrix with mean coefficients was one; a :class:`.Scaling`."""

    damping = 0.0

    def __init__(self, system: GridSystem) -> None:
        self.sizes, self.shape = _Sizes.of(system), system.pyramid.dense_shapes[-1]
        self.length = system.problem.domain.lengths[self.sizes.axis]
        self.factors = self._factors(system)

    def fits(self, system: GridSystem) -> bool:
        """Whether a system has the same unknowns, and its step the same length."""
        length = system.problem.domain.lengths[self.sizes.axis]
        return abs(length - self.length) <= SLACK * self.length and self.sizes.same(_Sizes.of(system))

    # -- making ---
    def _factors(self, system: GridSystem) -> torch.Tensor:
        """Upper triangles by wave (waves of the first axes ..., of the last one, w, w)."""
        cells = self.sizes.cells
        phases = [np.exp(2j * np.pi * np.arange(n) / n) for n in cells]
        phases[-1] = phases[-1][: cells[-1] // 2 + 1]
        made = []
        _, width = _count(system)
        few = max(1, int(CHUNK / (16.0 * width**2 * math.prod(len(p) for p in phases[1:]))))
        for begin in range(0, len(phases[0]), few):
            own = [phases[0][begin : begin + few], *phases[1:]]
            normal = sum(_normal(block, system.problem.fields, self.sizes, own) for block in system.blocks)
            assert isinstance(normal, torch.Tensor)
            squares = normal.diagonal(dim1=-2, dim2=-1).real
            dead = squares <= FAINT * squares.amax(-1, keepdim=True)  # as a pressure that is the same everywhere
            scale = torch.where(dead, torch.inf, squares.sqrt())
            normal = normal / (scale[..., :, None] * scale[..., None, :])
            normal.diagonal(dim1=-2, dim2=-1).add_(torch.where(dead, 1.0, SHIFT))
            scale = torch.where(dead, squares.amax(-1, keepdim=True).sqrt(), scale)
            made.append((torch.linalg.cholesky(normal).mH * scale[..., None, :]).contiguous())
        return torch.cat(made)

    # -- the change of variables ---
    def _to_waves(self, x: torch.Tensor) -> torch.Tensor:
        """From coefficients to waves (waves ..., w)."""
        s = self.sizes
        own = x.view(self.shape).movedim(s.axis + 1, -1).index_select(-1, s.free)
        split = own.reshape(s.fields, *(k for n in s.cells for k in (n, s.m)), len(s.free))
        vertices = [1 + 2 * i for i in range(len(s.cells))]
        waves = torch.fft.rfftn(split, dim=vertices, norm="ortho")
        inside = [0, *(2 + 2 * i for i in range(len(s.cells))), split.ndim - 1]
        return waves.permute(*vertices, *inside).flatten(len(s.cells))

    def _from_waves(self, waves: torch.Tensor) -> torch.Tensor:
        """The inverse, with zeros for what is fixed."""
        s, dim = self.sizes, len(self.sizes.cells)
        split = waves.reshape(*waves.shape[:dim], s.fields, *[s.m] * dim, len(s.free))
        order = [dim, *(k for i in range(dim) for k in (i, dim + 1 + i)), split.ndim - 1]
        vertices = [1 + 2 * i for i in range(dim)]
        own = torch.fft.irfftn(split.permute(*order), s=s.cells, dim=vertices, norm="ortho")
        own = own.reshape(s.fields, *(n * s.m for n in s.cells), len(s.free))
        whole = torch.zeros(self.shape, dtype=own.dtype).movedim(s.axis + 1, -1)
        whole[..., s.free] = own
        return whole.movedim(-1, s.axis + 1).reshape(-1)

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        return self._from_waves(
            torch.linalg.solve_triangular(self.factors, self._to_waves(y)[..., None], upper=True)[..., 0]
        )

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        waves = self._to_waves(gradient)[..., None]
        return self._from_waves(torch.linalg.solve_triangular(self.factors.mH, waves, upper=False)[..., 0])


def _normal(block: DenseBlock, fields: Sequence[str], sizes: _Sizes, phases: Sequence[np.ndarray]) -> torch.Tensor:
    """The normal matrices of a block of rows with mean coefficients, (waves ..., w, w)."""
    assert isinstance(block, TensorBlock)
    space = [a for a in range(block.dim) if a != sizes.axis]
    waves, width = [len(p) for p in phases], sizes.m ** len(space) * len(sizes.free)
    total = torch.zeros(*waves, len(fields) * width, len(fields) * width, dtype=torch.complex128)
    along = [
        _Along(block, axis, sizes.cells[i], p, i, len(space))
        for i, (axis, p) in enumerate(zip(space, phases, strict=True))
    ]
    times = len(block.points[sizes.axis])
    in_time = {o: m.toarray()[:, sizes.free] for o, m in block.evaluated(sizes.axis, 1, (0, 1, 2)).items()}
    for k, term in enumerate(block.terms):
        jets: Mapping[tuple[str, tuple[int, ...]], Value] = term.constant | block.sensitivity(k)
        members = [
            (fields.index(name) * width, orders, torch.as_tensor(in_time[orders[sizes.axis]]) * mean[:, None])
            for (name, orders), s in jets.items()
            for mean in [_mean(s, space, times) / block.scales[k]]
        ]
        for (i, own, a), (j, other, b) in itertools.product(members, members):
            product = (a.mT @ b).to(torch.complex128).reshape([1] * len(space) + [len(sizes.free)] * 2)
            for axis, one in reversed(list(zip(space, along, strict=True))):
                product = _kron(one.product(own[axis], other[axis]), product)
            total[..., i : i + width, j : j + width] += product
    return total


class _Along:
    """Products of derivatives of the functions of a vertex along an axis, by wave."""

    def __init__(self, block: TensorBlock, axis: int, cells: int, phases: np.ndarray, position: int, dim: int) -> None:
        count = len(block.points[axis]) // cells
        turns = phases[:, None] ** np.arange(cells)
        self._rows = {
            order: torch.as_tensor(np.einsum("pv,gvm->pgm", turns, matrix.toarray()[:count].reshape(count, cells, -1)))
            for order, matrix in block.evaluated(axis, cells, (0, 1, 2)).items()
        }
        self._shape = [-1 if i == position else 1 for i in range(dim)]
        self._made: dict[tuple[int, int], torch.Tensor] = {}

    def product(self, first: int, second: int) -> torch.Tensor:
        """Of two orders of differentiation, (1 ..., waves, 1 ..., m, m)."""
        if (first, second) not in self._made:
            own = self._rows[first].mH @ self._rows[second]
            self._made[first, second] = own.reshape(self._shape + list(own.shape[1:]))
        return self._made[first, second]


def _kron(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Kronecker products of the last two axes; the others broadcast."""
    product = a[..., :, None, :, None] * b[..., None, :, None, :]
    return product.flatten(-2).flatten(-3, -2)


def _mean(s: Value, space: Sequence[int], times: int) -> torch.Tensor:
    """The mean of a coefficient over space, by point in time."""
    if not isinstance(s, torch.Tensor):
        return torch.full((times,), float(s), dtype=torch.float64)
    own = s.mean(list(space)) if s.ndim > 1 else s
    return own.reshape(-1).to("cpu", torch.float64).expand(times)
