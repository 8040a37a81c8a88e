"""The state with which a nested iteration begins that is told a start: on the first level that holds it.

On a box functions are projected axis by axis: the least-squares fit at Gauss points of tensor products is a product of
least-squares fits along the axes.  It is exact for what the grid can represent, so that the coefficients of a coarser
or an equal grid are taken over.  On a domain that shapes cut out of a box, the same points are those inside.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import lsmr, splu

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import GridField
from hermite_pinn.field.guess import Guess
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.systems.basis_change import changed_basis
from hermite_pinn.methods.systems.broken_axes import axes_of, is_broken
from hermite_pinn.problem.problem import Problem

from .resolutions import Resolutions
from .stage import Discretization, Stage

__all__ = ["FirstState", "first_state", "projected", "since_start"]

logger = logging.getLogger(__name__)

Resolution = tuple[int, ...]

HELD = 1e-3  # relative error of a start on the first level that holds it
NEARLY = 3e-2  # the same on the last level but one of those asked for: a change is what an estimate takes
MOST = 40_000  # coefficients of a level to which a start may be refined
POINTS = 4096  # at which functions are compared
FITTED, STEPS = 1e-10, 500  # reduction and steps of a fit on cut domains
RIDGE = 1e-6  # of the largest singular value, for functions of cut cells that few points see


@dataclass(frozen=True)
class FirstState:
    """Where a nested iteration begins.

    Attributes
    ----------
    stage
        On all levels up to the one that holds the start.
    error
        What that level leaves out of it, relative.
    """

    stage: Stage
    error: float


def first_state(
    grid: Discretization, resolutions: Resolutions, guess: Guess, parameters: dict[str, float]
) -> FirstState:
    """A start on the first level, of those asked for or of halved cells, that holds it.

    A coarse level on which a solution is badly represented may well have another one, or none: an iteration from there
    would leave the branch.
    """
    path = list(resolutions.first()[:1])
    planned = resolutions.planned
    while True:
        dense = projected(grid, path[-1], guess)
        error = _left_out(grid, path[-1], dense, guess)
        following = _following(path, planned, error)
        if following is None or grid.pyramid([*path, following]).size > MOST:
            break
        path.append(following)
    logger.info("the start is taken over on %s cells, which leave out %.1e of it", path[-1], error)
    return FirstState(_stage(grid, path, dense, parameters), error)


def _following(path: Sequence[Resolution], planned: Sequence[Resolution] | None, error: float) -> Resolution | None:
    """The next level on which a start is tried; None where the last one holds it, or is the last."""
    if error <= HELD:
        return None
    if planned is None:
        return tuple(2 * n for n in path[-1])
    if len(path) >= len(planned) or (len(path) == len(planned) - 1 and error <= NEARLY):
        return None
    return tuple(planned[len(path)])


def _stage(grid: Discretization, path: list[Resolution], dense: torch.Tensor, parameters: dict[str, float]) -> Stage:
    """The state whose finest level has all of the coefficients."""
    system = grid.system(path)
    vector = torch.zeros(system.size, dtype=grid.dtype, device=grid.device)
    last = len(path) - 1
    system.set_level(vector, last, dense)
    if last and not grid.cut and not is_broken(grid.problem):  # values on faces are mended by smooth functions
        missed = system.finest(system.impose(vector.clone())) - system.finest(vector)
        lift = changed_basis(missed, (grid.basis, path[-1]), (grid.basis, path[0]), grid.problem.periodic)
        system.set_level(vector, 0, lift)
    size = system.pyramid.size
    return Stage(list(path), vector[:size].clone(), system.finest(vector), dict(parameters))


def projected(grid: Discretization, resolution: Resolution, guess: Guess) -> torch.Tensor:
    """Coefficients (fields, m N_1, ..., m N_d) of all vertices of a level that fit a start best."""
    fit = _fitted_inside if grid.cut else _fitted_by_axes
    return fit(grid, resolution, guess).to(grid.device, grid.dtype)


def _values(grid: Discretization, guess: Guess, x: torch.Tensor) -> torch.Tensor:
    """The start, less what is known of the fields beside the grid."""
    values = guess.values(x)
    if grid.known is not None:
        channels = Channels.value(len(x))
        values = values - grid.known.to(x).jets(x, channels, grid.problem.fields)[:, 0]
    return values


def _fitted_by_axes(grid: Discretization, resolution: Resolution, guess: Guess) -> torch.Tensor:
    problem = grid.problem
    rule = problem.domain.interior.gauss(resolution, 2 * BASES[grid.basis].coefficients).axes
    assert rule is not None
    points = torch.stack([c.reshape(-1) for c in torch.meshgrid(*(torch.as_tensor(x) for x, _ in rule), indexing="ij")])
    rows = _values(grid, guess, points).numpy().reshape(len(problem.fields), *(len(x) for x, _ in rule))
    for i, (axis, cells, (x, weights)) in enumerate(zip(axes_of(problem), resolution, rule, strict=True), 1):
        matrix = axis.evaluation(grid.basis, cells, x, (0,)).matrices[0]
        normal = splu(sparse.csc_array(matrix.T @ sparse.diags_array(weights) @ matrix))
        moved = np.moveaxis(rows, i, 0)
        right = matrix.T @ (weights[:, None] * moved.reshape(len(x), -1))
        rows = np.moveaxis(normal.solve(right).reshape(-1, *moved.shape[1:]), 0, i)
    return torch.as_tensor(np.ascontiguousarray(rows))


def _fitted_inside(grid: Discretization, resolution: Resolution, guess: Guess) -> torch.Tensor:
    problem = grid.problem
    x = problem.domain.interior.gauss(resolution, BASES[grid.basis].coefficients + 1).x
    along = [
        sparse.csr_array(axis.evaluation(grid.basis, cells, row.numpy(), (0,)).matrices[0])
        for axis, cells, row in zip(axes_of(problem), resolution, x, strict=True)
    ]
    matrix = reduce(_rows_kron, along)
    used = np.flatnonzero(np.diff(sparse.csc_array(matrix).indptr))
    seen = sparse.csr_array(matrix)[:, used]
    ridge = RIDGE * float(np.sqrt(seen.power(2).sum(0).max()))
    whole = np.zeros((len(problem.fields), matrix.shape[1]))
    for own, values in zip(whole, _values(grid, guess, x).numpy(), strict=True):
        own[used] = lsmr(seen, values, damp=ridge, atol=FITTED, btol=FITTED, maxiter=STEPS)[0]
    return torch.as_tensor(whole.reshape(len(problem.fields), *(a.shape[1] for a in along)))


def _rows_kron(a: sparse.csr_array, b: sparse.csr_array) -> sparse.csr_array:
    """The Kronecker product of every row of a matrix with the same row of another."""
    counts_a, counts_b = np.diff(a.indptr), np.diff(b.indptr)
    counts = counts_a * counts_b
    row = np.repeat(np.arange(a.shape[0]), counts)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    left, right = np.divmod(place, counts_b[row])
    i, j = a.indptr[row] + left, b.indptr[row] + right
    columns = a.indices[i].astype(np.int64) * b.shape[1] + b.indices[j]
    shape = (a.shape[0], a.shape[1] * b.shape[1])
    return sparse.csr_array((a.data[i] * b.data[j], (row, columns)), shape=shape)


# -- how far apart ---
def _left_out(grid: Discretization, resolution: Resolution, dense: torch.Tensor, guess: Guess) -> float:
    system = grid.system([resolution])
    vector = torch.zeros(system.size, dtype=grid.dtype, device=grid.device)
    system.set_level(vector, 0, dense)
    field = grid.whole(Stage([resolution], vector, system.finest(vector), {}))
    return _distance(grid.problem, guess, field)


def since_start(task: Task, first: FirstState | None, field: GridField) -> dict[str, Any]:
    """How far a solution is from the start that was told, and from the solutions that were left out; for its stats."""
    told = dict[str, Any]()
    if task.guess is not None:
        told["start"] = {"moved": _distance(task.problem, task.guess, field)}
    if first is not None:
        told["start"] |= {"resolution": first.stage.resolutions[-1], "left_out": first.error}
    if task.deflated:
        told["deflated"] = [_distance(task.problem, known, field) for known in task.deflated]
    return told


def _distance(problem: Problem, guess: Guess, field: GridField) -> float:
    """The largest root mean square of a difference from a start, relative to the start, of all fields."""
    x = problem.domain.interior.quasi_random(POINTS, 0).x
    told = guess.values(x)
    own = field.evaluate(x.to(field.table), Channels.value(len(x)))[:, 0].to("cpu", torch.float64)
    sizes = told.square().mean(1).sqrt()
    apart = (told - own).square().mean(1).sqrt()
    relative = [a / s if s > 0 else float(a > 0) for a, s in zip(apart.tolist(), sizes.tolist(), strict=True)]
    return float(max(relative))
