"""A banded Cholesky factor of the normal matrix of the finest level, as preconditioner where the levels are none.

For equations that are not elliptic (transport, waves, long parabolic runs) the multilevel frame does not bound the
condition, and the steps of conjugate gradients grow with the resolution.  On one or two axes the normal matrix of the
finest level is banded once its coefficients are ordered along one axis, that with the narrowest band; its Cholesky
factor preconditions the least-squares problem, so that a handful of steps remain, and rounding in the squared matrix
costs steps, not digits.  A periodic axis is folded: the vertices 0, N-1, 1, N-2, ... keep neighbours two apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np
import scipy.linalg
import torch
from scipy.linalg import lapack

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.libraries import loading
from hermite_pinn.memory import available_memory
from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult, cgls
from hermite_pinn.methods.least_squares.linear_solver import Limits, LinearSolver
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.grid_system import GridSystem

__all__ = ["BandedCholesky", "BandedNormal", "banded_cost", "folded_axes", "load_blas"]


@dataclass(frozen=True)
class _Ordering:
    """Positions of the coefficients in the order along one axis, and the half bandwidth."""

    along: int
    band: int


@lru_cache(maxsize=64)
def _ordering(shape: tuple[int, ...], periodic: tuple[bool, ...], orders: int) -> _Ordering | None:
    """The axis to order along, or None where there are more than two axes."""
    fields, *axes = shape
    if len(axes) > 2:
        return None
    bands = []
    for i, wraps in enumerate(periodic):
        slab = orders * fields * math.prod(a for j, a in enumerate(axes) if j != i)
        apart = min(2, axes[i] // orders - 1) if wraps else 1
        bands.append((apart + 1) * slab - 1)
    along = int(np.argmin(bands))
    return _Ordering(along, min(bands[along], math.prod(shape) - 1))


def _positions(shape: tuple[int, ...], along: int, wraps: bool, orders: int) -> np.ndarray:
    """Place of every coefficient of a flattened (fields, ...) array in the banded order."""
    vertices = shape[along + 1] // orders
    order = np.arange(vertices)
    if wraps:
        order = np.stack([order, order[::-1]], 1).ravel()[:vertices]  # 0, N-1, 1, N-2, ...
    place = np.empty(vertices, dtype=np.int64)
    place[order] = np.arange(vertices)
    slow = (place[:, None] * orders + np.arange(orders)).ravel()
    others = tuple(n for i, n in enumerate(shape) if i != along + 1)
    fast = np.arange(math.prod(others)).reshape(others)
    return (np.expand_dims(fast, along + 1) + _spread(slow, along + 1, len(shape)) * math.prod(others)).ravel()


@cache
def load_blas() -> Any:
    """What limits the threads of BLAS, imported before the first run: it reads files.  None where it is missing.

    Raises
    ------
    BackendUnavailableError
        If that is impossible.
    """
    with loading("the package threadpoolctl", "KMP_DUPLICATE_LIB_OK"):
        try:
            from threadpoolctl import ThreadpoolController  # needed by a factorisation on a CPU only
        except ModuleNotFoundError:  # it makes factorisations faster, not right
            return None
        return ThreadpoolController()


def _one_thread() -> AbstractContextManager[Any]:
    blas = load_blas()
    return nullcontext() if blas is None else cast("AbstractContextManager[Any]", blas.limit(limits=1, user_api="blas"))


def _spread(values: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


def folded_axes(system: GridSystem) -> tuple[bool, ...]:
    """Along which axes vertices that are two apart share cells: periodic ones once folded, and those with breaks."""
    return tuple(a.periodic or a.pieces is not None for a in system.axes)


def banded_cost(shape: Sequence[int], periodic: Sequence[bool], basis: str) -> tuple[float, float] | None:
    """Estimated seconds and bytes of a factorisation on two CPU cores, or None where there is no banded form."""
    ordering = _ordering(tuple(shape), tuple(periodic), BASES[basis].coefficients)
    if ordering is None:
        return None
    n = math.prod(shape)
    return 1e-10 * n * ordering.band**2 + 4e-6 * n, 8.0 * n * (ordering.band + 1)


class BandedNormal:
    """Solve the linearised least-squares problem of a system for a correction on its finest level.

    Parameters
    ----------
    system
        Linearised at the current iterate; one or two axes.
    columns
        Column scale of all levels (see :meth:`GridSystem.column_scale`).
    damping
        Levenberg-Marquardt parameter.
    """

    def __init__(self, system: GridSystem, columns: torch.Tensor, damping: float) -> None:
        self.system, self.damping = system, damping
        shape, orders = system.pyramid.shapes[-1], BASES[system.basis].coefficients
        periodic = system.problem.periodic
        chosen = _ordering(tuple(shape), folded_axes(system), orders)
        assert chosen is not None
        self.band = chosen.band
        grid, self.parameter_scale = system.split(columns)
        position = _positions(tuple(shape), chosen.along, periodic[chosen.along], orders)
        self.order = np.empty_like(position)
        self.order[position] = np.arange(len(position))
        scale = system.pyramid.views(grid)[-1].to("cpu", torch.float64).reshape(-1)
        self.scale = scale.numpy()[self.order]
        self.factor = self._factorized(self._normal(torch.as_tensor(position), scale), damping)

    def _normal(self, position: torch.Tensor, scale: torch.Tensor) -> np.ndarray:
        """The lower band of the scaled normal matrix, with ones for coefficients that are fixed."""
        size, width = len(position), self.band + 1
        flat = torch.zeros(size * width, dtype=torch.float64)
        for block in self.system.blocks:
            for columns, rows in block.elements():
                place = position[columns]
                rows = rows * scale[columns][:, None, :]
                row, column = place[:, :, None], place[:, None, :]
                lower = row >= column
                at = column * width + (row - column)
                flat.index_add_(0, at[lower], torch.bmm(rows.mT, rows)[lower])
        flat = self.system.ranks.add(flat.to(self.system.device)).cpu()
        banded = flat.numpy().reshape(size, width).T
        banded[0] += self.scale == 0.0
        return banded

    def _factorized(self, normal: np.ndarray, damping: float) -> np.ndarray:
        shift = max(damping, 1e-15)
        while True:
            banded = normal.copy(order="F")
            banded[0] += shift
            try:
                with _one_thread():  # its small blocks do not pay for threads
                    return scipy.linalg.cholesky_banded(banded, overwrite_ab=True, lower=True, check_finite=False)
            except np.linalg.LinAlgError:
                shift *= 100.0

    def _solve(self, right: np.ndarray, transposed: bool) -> np.ndarray:
        solution, info = lapack.dtbtrs(self.factor, right[:, None], uplo="L", trans="T" if transposed else "N")
        if info != 0:
            raise AssertionError(f"dtbtrs returned {info}")
        return solution[:, 0]

    def _expand(self, y: torch.Tensor) -> torch.Tensor:
        """Coefficients of all levels and parameters for preconditioned unknowns."""
        system, count = self.system, len(self.order)
        vector = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        grid, parameters = system.split(vector)
        finest = np.empty(count)
        finest[self.order] = self._solve(y[:count].cpu().numpy(), True) * self.scale
        grid[system.pyramid.slices[-1]] = torch.as_tensor(finest).to(system.device, system.dtype)
        parameters[:] = y[count:] * self.parameter_scale
        return vector

    def solve(
        self,
        rows: Sequence[torch.Tensor],
        tol: float,
        max_steps: int,
        stop: Callable[[int, float], bool] | None = None,
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """The correction (all levels; only the finest is not zero) and how it was found."""
        system, count = self.system, len(self.order)

        def forward(y: torch.Tensor) -> list[torch.Tensor]:
            return system.forward(self._expand(y))

        def adjoint(r: Sequence[torch.Tensor]) -> torch.Tensor:
            gradient = system.adjoint(r)
            grid, parameters = system.split(gradient)
            finest = grid[system.pyramid.slices[-1]].cpu().numpy()
            y = np.empty(count + len(system.parameter_names))
            y[:count] = self._solve(finest[self.order] * self.scale, False)
            y[count:] = (parameters * self.parameter_scale).cpu().numpy()
            return torch.as_tensor(y).to(system.device, system.dtype)

        b = [-r for r in rows]
        if self.damping <= 1e-8:
            result = cgls(forward, adjoint, b, tol=tol, max_steps=max_steps, on_step=stop, inner=system.inner)
            return self._expand(result.y), result
        # the factor holds the damped normal matrix of the coefficients: one application solves for them, and the
        # parameters follow from their Schur complement
        y = adjoint(b)
        if system.parameter_names:
            y = self._with_parameters(y, forward, adjoint)
        image = forward(y.clone())
        square, product = float(system.inner(image, image)), float(system.inner(image, b))
        unit = self._solve(y[:count].cpu().numpy(), True)
        penalty = self.damping * (float(unit @ unit) + float(y[count:].square().sum()))
        return self._expand(y), LeastSquaresResult(y, 1, 0.0, True, "tolerance", 2.0 * product - square - penalty)

    def _with_parameters(
        self,
        right: torch.Tensor,
        forward: Callable[[torch.Tensor], list[torch.Tensor]],
        adjoint: Callable[[Sequence[torch.Tensor]], torch.Tensor],
    ) -> torch.Tensor:
        """Solve ``[I B; B^T M + damping] y = right``, with the coefficients eliminated by the factor."""
        count, names = len(self.order), self.system.parameter_names
        unit = torch.eye(len(names), dtype=right.dtype)
        coupled = []
        for column in unit:
            direction = torch.cat([torch.zeros(count, dtype=right.dtype), column]).to(right.device)
            coupled.append(adjoint([r.clone() for r in forward(direction)]))
        both = torch.stack(coupled, 1)
        b, m = both[:count], both[count:] + self.damping * unit.to(right.device)
        parameters = torch.linalg.lstsq(m - b.T @ b, (right[count:] - b.T @ right[:count])[:, None]).solution[:, 0]
        return torch.cat([right[:count] - b @ parameters, parameters])


class BandedCholesky(LinearSolver[GridSystem]):
    """Conjugate gradients preconditioned by the factor of :class:`BandedNormal`, for one or two axes."""

    name = "a banded factor on the CPU"

    def seconds(self, system: GridSystem, steps: float | None) -> float:
        """See :func:`banded_cost`; infinity where the factor is too large.

        Factors are made on the CPU in runs on a GPU, too.
        """
        if not system.tensor:
            return math.inf
        if any(a.periodic and a.pieces is not None for a in system.axes):
            return math.inf  # its vertices may be three apart once it is folded
        cost = banded_cost(system.pyramid.shapes[-1], folded_axes(system), system.basis)
        if cost is None:
            return math.inf
        free = system.ranks.least(available_memory(torch.device("cpu")) or math.inf)
        return cost[0] if cost[1] < min(2**31, free / 4) else math.inf

    def solve(
        self, system: GridSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`."""
        factor = BandedNormal(system, system.column_scale(), damping)
        return factor.solve(rows, limits.tol, limits.max_steps, limits.stop)
