"""The linear solvers of dense nested levels, in order of preference."""

from __future__ import annotations

from hermite_pinn.methods.least_squares.linear_solver import (
    BlockConjugateGradients,
    CheapestSolver,
    ConjugateGradients,
    LinearSolver,
)
from hermite_pinn.methods.systems.grid_system import GridSystem

from .banded_cholesky import BandedCholesky
from .coarse_factor import CoarseFactor, FineColumns, FineModes
from .fast_diagonalization import FastDiagonalization
from .mixed_precision import single_products
from .sparse_factor import SparseFactor
from .time_modes import TimeModes

__all__ = ["grid_solver"]


def grid_solver(inner: str = "auto", *, mixed: bool = False, scattered: bool = False) -> CheapestSolver[GridSystem]:
    """The solver of the linear problems of a run; see :class:`CheapestSolver` for the rule.

    Parameters
    ----------
    inner
        ``"cg"``, ``"banded"`` or ``"auto"`` (see :class:`GaussNewton`).
    mixed
        Whether conjugate gradients on scaled columns take their steps in float32, corrected in float64.
    scattered
        Whether noisy data at many points take part, of which a band would be assembled one by one.
    """
    iterations: list[LinearSolver[GridSystem]] = [
        BlockConjugateGradients(),
        ConjugateGradients(single_products if mixed else None),
    ]
    factors: list[LinearSolver[GridSystem]] = [SparseFactor(changing=scattered), TimeModes()]
    if inner == "banded" or not scattered:
        factors.insert(0, BandedCholesky())
    modes: list[LinearSolver[GridSystem]] = [FastDiagonalization()]
    coarse: list[LinearSolver[GridSystem]] = [CoarseFactor(FineModes()), CoarseFactor(FineColumns())]
    every = iterations + factors + modes + coarse
    return CheapestSolver({"cg": iterations, "banded": factors, "auto": every}[inner])
