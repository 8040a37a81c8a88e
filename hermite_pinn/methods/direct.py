"""A banded Cholesky factor of the normal matrix of the finest level, as preconditioner where the levels are none.

For equations that are not elliptic (transport, waves, long parabolic runs) the multilevel frame does not bound the
condition, and the steps of conjugate gradients grow with the resolution.  On one or two axes the normal matrix of the
finest level is banded once its coefficients are ordered along the axis with most of them; its Cholesky factor
preconditions the least-squares problem, so that a handful of steps remain, and rounding in the squared matrix costs
steps, not digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.sparse as sparse
import torch
from scipy.linalg import lapack

from hermite_pinn.cuda.layout import BASES

from .krylov import LeastSquaresResult, cgls
from .system import GridSystem

__all__ = ["BandedNormal", "banded_cost"]


def _order(shape: Sequence[int], periodic: Sequence[bool], orders: int) -> tuple[int, int] | None:
    """The axis to order along, and the half bandwidth; None where the matrix is not banded."""
    fields, *axes = shape
    if len(axes) > 2:
        return None
    candidates = [i for i, p in enumerate(periodic) if not p]
    if not candidates:
        return None
    long = max(candidates, key=lambda i: axes[i])
    others = math.prod(a for i, a in enumerate(axes) if i != long)
    return long, 2 * orders * others * fields - 1


def banded_cost(shape: Sequence[int], periodic: Sequence[bool], basis: str) -> tuple[float, float] | None:
    """Estimated seconds and bytes of a factorisation on two CPU cores, or None where there is no banded form."""
    found = _order(shape, periodic, BASES[basis])
    if found is None:
        return None
    n, band = math.prod(shape), found[1]
    return 1e-10 * n * band**2 + 2e-5 * n, 8.0 * n * (band + 1)


class BandedNormal:
    """Solve the linearised least-squares problem of a system for a correction on its finest level.

    Parameters
    ----------
    system
        Linearised at the current iterate; one or two axes, one of them not periodic.
    columns
        Column scale of all levels (see :meth:`GridSystem.column_scale`).
    damping
        Levenberg-Marquardt parameter.
    """

    def __init__(self, system: GridSystem, columns: torch.Tensor, damping: float) -> None:
        self.system = system
        shape = system.pyramid.shapes[-1]
        chosen = _order(shape, system.problem.periodic, BASES[system.basis])
        assert chosen is not None
        long, self.band = chosen
        grid, parameters = system.split(columns)
        self.parameter_scale = parameters
        scale = system.pyramid.views(grid)[-1].cpu().numpy().astype(float)
        index = np.arange(scale.size).reshape(shape)
        order = np.moveaxis(index, long + 1, 0).reshape(-1)  # the long axis slowest
        self.order = order[scale.ravel()[order] > 0]
        self.scale = scale.ravel()[self.order]
        matrix = self._jacobian()[:, self.order] @ sparse.diags(self.scale)
        self.factor = self._factorized((matrix.T @ matrix).tocoo(), damping)
        self.damping = damping

    def _jacobian(self) -> sparse.csr_matrix:
        fields = self.system.problem.fields
        rows = [
            sparse.hstack([block.sparse_rows(k, f) for f in fields], format="csr")
            for block in self.system.blocks
            for k in range(len(block.terms))
        ]
        return sparse.vstack(rows, format="csr")

    def _factorized(self, normal: sparse.coo_matrix, damping: float) -> np.ndarray:
        lower = normal.row >= normal.col
        distance = (normal.row - normal.col)[lower]
        if distance.max(initial=0) > self.band:
            raise AssertionError("the ordering does not give the promised band")
        shift = max(damping, 1e-15)
        while True:
            banded = np.zeros((self.band + 1, len(self.order)), order="F")
            banded[distance, normal.col[lower]] = normal.data[lower]
            banded[0] += shift
            try:
                return scipy.linalg.cholesky_banded(banded, overwrite_ab=True, lower=True, check_finite=False)
            except np.linalg.LinAlgError:
                shift *= 100.0

    def _solve(self, right: np.ndarray, transposed: bool) -> np.ndarray:
        found, info = lapack.dtbtrs(self.factor, right[:, None], uplo="L", trans="T" if transposed else "N")
        if info != 0:
            raise AssertionError(f"dtbtrs returned {info}")
        return found[:, 0]

    def _expand(self, y: torch.Tensor) -> torch.Tensor:
        """Coefficients of all levels and parameters for preconditioned unknowns."""
        system, count = self.system, len(self.order)
        vector = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        grid, parameters = system.split(vector)
        finest = np.zeros(math.prod(system.pyramid.shapes[-1]))
        finest[self.order] = self._solve(y[:count].cpu().numpy(), True) * self.scale
        grid[system.pyramid.slices[-1]] = torch.as_tensor(finest).to(system.device, system.dtype)
        parameters[:] = y[count:] * self.parameter_scale
        return vector

    def solve(
        self, rows: Sequence[torch.Tensor], tol: float, max_steps: int, stop: object
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """The correction (all levels; only the finest is not zero) and how it was found."""
        system, count = self.system, len(self.order)

        def forward(y: torch.Tensor) -> list[torch.Tensor]:
            return system.forward(self._expand(y))

        def adjoint(r: Sequence[torch.Tensor]) -> torch.Tensor:
            found = system.adjoint(r)
            grid, parameters = system.split(found)
            finest = grid[system.pyramid.slices[-1]].cpu().numpy()
            y = np.empty(count + len(system.names))
            y[:count] = self._solve(finest[self.order] * self.scale, False)
            y[count:] = (parameters * self.parameter_scale).cpu().numpy()
            return torch.as_tensor(y).to(system.device, system.dtype)

        # with damping the factor holds N + damping: one application is the damped step, so a single exact step is taken
        if self.damping > 0:
            right = adjoint([-r for r in rows])
            image = forward(right.clone())
            square = sum(float((q * q).sum()) for q in image)
            decrease = 2.0 * float(torch.vdot(right, right)) - square
            result = LeastSquaresResult(right, 1, 0.0, True, "tolerance", decrease)
        else:
            result = cgls(forward, adjoint, [-r for r in rows], tol=tol, max_steps=max_steps, on_step=stop)  # type: ignore[arg-type]
        return self._expand(result.y), result
