"""The verb for eigenvalues."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from hermite_pinn.calls import options_named
from hermite_pinn.checks import choice, instance, integer, number
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.methods.gauss_newton.eigenpairs import FAINT, Level, levels_of
from hermite_pinn.problem.problem import Problem
from hermite_pinn.result.solution import Solution
from hermite_pinn.result.spectrum import Spectrum
from hermite_pinn.run.arguments import checked_seed, limit
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.torch_state import isolated

__all__ = ["eigen"]

UNTOLD = 1e-2  # residual beyond which a pair is not told to be one
REAL = 1e-8  # relative imaginary part that rounding leaves of real eigenvalues


@options_named
@isolated()
def eigen(
    problem: Problem,
    count: int = 4,
    *,
    near: float = 0.0,
    basis: str = "septic",
    tol: float = 1e-8,
    max_unknowns: int = 40_000,
    max_time: float | None = None,
    seed: int = 0,
) -> Spectrum:
    """Eigenvalues and eigenfunctions of a linear problem.

    Parameters
    ----------
    problem
        Its only parameter is the eigenvalue: residuals and conditions are linear and homogeneous in the fields, and
        affine in the parameter, whose start and bounds mean nothing.  No time axis and no data.
    count
        Number of eigenvalues.
    near
        The eigenvalues closest to this number are computed: with 0 the smallest ones of a positive operator.
    basis
        ``"cubic"``, ``"quintic"`` or ``"septic"``, at least as smooth as the orders of the derivatives require.
    tol
        Relative error of every eigenvalue, estimated from its changes, at which the refinement ends.
    max_unknowns
        Largest number of unknowns of a grid.
    max_time
        Time limit in seconds; the result of the last complete grid is then returned.
    seed
        Seed of the first vectors of the iteration.

    Returns
    -------
    Spectrum
        A sequence of :class:`Solution` with the value in ``parameters``, and the values as an array.

    Raises
    ------
    InvalidProblemError
        If the problem is no linear eigenvalue problem, or lacks conditions.

    Notes
    -----
    The residuals at Gauss points give rows ``A u`` and ``M u``; the operator that takes u to the least-squares solution
    of ``(A - near M) v = M u`` is restricted to block Krylov spaces.

    Examples
    --------
    The harmonic oscillator:

    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     domain=hp.Box(x=(-8, 8)),
    ...     fields=["psi"],
    ...     residual=lambda psi, x, E: -psi.xx / 2 + x**2 / 2 * psi - E * psi,
    ...     conditions=[hp.Dirichlet(psi=0.0)],
    ...     parameters=[hp.Parameter("E")],
    ... )
    >>> spectrum = hp.eigen(problem, count=3)
    >>> [round(float(value), 8) for value in spectrum.values]
    [0.5, 1.5, 2.5]
    >>> round(float(spectrum[0].psi(0.0)), 6)  # pi ** -0.25
    0.751126
    """
    instance("problem", problem, Problem, "a hermite_pinn.Problem")
    count, seed = integer("count", count, least=1, most=200), checked_seed(seed)
    near, tol = number("near", near), number("tol", tol, above=0)
    basis = choice("basis", basis, ("cubic", "quintic", "septic"))
    most, max_time = integer("max_unknowns", max_unknowns, least=1), limit("max_time", max_time, infinite=True)
    _check(problem)
    began = time.perf_counter()
    late = _Clock(began, max_time)
    done: list[Level] = []
    status = Status.MAX_SIZE
    for level in levels_of(problem, basis, count, near, seed, most, lambda: bool(done) and late()):
        if late.struck and done:
            status = Status.MAX_TIME
            break
        done.append(level)
        if late() or (len(level.errors) == count and _is_done(level, tol)):
            status = Status.CONVERGED if _is_done(level, tol) else Status.MAX_TIME
            break
    return _spectrum(problem, done, status, near, tol, time.perf_counter() - began, seed)


class _Clock:
    """Says whether the time is over, and remembers that it did."""

    def __init__(self, began: float, seconds: float | None) -> None:
        self.began, self.seconds, self.struck = began, seconds, False

    def __call__(self) -> bool:
        self.struck = self.struck or (self.seconds is not None and time.perf_counter() - self.began > self.seconds)
        return self.struck


def _check(problem: Problem) -> None:
    names = [p.name for p in problem.parameters]
    if len(names) != 1:
        told = f"{', '.join(names)} are" if names else "there are none"
        raise InvalidProblemError(
            f"an eigenvalue problem has one parameter, the eigenvalue, and {told}; give parameters=[hp.Parameter('E')] and "
            "write the others as numbers"
        )
    if problem.domain.time_axis is not None:
        raise InvalidProblemError(
            f"an eigenvalue problem has no time axis, and {problem.domain.names[problem.domain.time_axis]} is one; "
            "replace the time derivative by the eigenvalue times the field"
        )
    if problem.missing:
        raise InvalidProblemError(f"an eigenvalue problem needs all its conditions: {'; '.join(problem.missing)}")


def _is_done(level: Level, tol: float) -> bool:
    return level.pairs.settled and bool((level.errors <= tol).all() and (level.pairs.residuals <= UNTOLD).all())


def _spectrum(
    problem: Problem, done: list[Level], status: Status, near: float, tol: float, seconds: float, seed: int
) -> Spectrum:
    last, name = done[-1], problem.parameters[0].name
    values = last.pairs.values[: len(last.errors)]
    sizes = np.minimum(last.errors, 1.0) * np.maximum(np.abs(values), FAINT * np.abs(values).max())
    if np.abs(values.imag).max(initial=0.0) <= REAL * np.abs(values).max(initial=0.0):
        values = values.real.copy()
    worst = float(np.max(last.errors, initial=0.0))
    message = f"{len(values)} eigenvalues on {' x '.join(map(str, last.resolution))} cells, "
    message += f"to a relative {worst:.1e}" if np.isfinite(worst) else "on one grid alone"
    false = int((last.pairs.residuals > UNTOLD).sum())
    if false:
        message += f"; {false} of them do not satisfy the equations and may be none"
    if not last.pairs.settled:
        message += "; the iteration on the last grid had not settled"
    if np.iscomplexobj(values):
        message += "; some are complex: their functions are real parts"
    stats: dict[str, Any] = {
        "seconds": seconds,
        "unknowns": last.unknowns,
        "cells": list(last.resolution),
        "residuals": last.pairs.residuals.tolist(),
        "grids": [level.pairs.values[: len(level.errors)] for level in done],
        "seed": seed,
    }
    solutions = [
        Solution(
            domain=problem.domain,
            periodic=problem.periodic,
            field=field,
            status=status,
            message=message,
            history=History(),
            parameters={name: float(values[k].real)},
            stats={"seconds": seconds, "unknowns": last.unknowns, "method": "eigen", "dtype": "float64"},
            residuals={},
            estimated_error=float(distance) if np.isfinite(distance) else None,
            title=f"{problem.name or 'eigenfunction'} {k}",
            settings={"problem": problem.name or "", "near": near, "tol": tol},
            problem=problem,
        )
        for k, (field, distance) in enumerate(zip(last.fields, last.distances, strict=False))
    ]
    return Spectrum(values, sizes, solutions, status, message, stats)
