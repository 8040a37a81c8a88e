"""A state close to another solution than the known ones: the best of several deflated iterations on a coarse grid.

Gauss-Newton steps point to the solution that is close, and multiples of them hardly leave the lines through it.  So
iterations begin at the usual start and at known solutions plus multiples of what answers a uniform load, in which the
directions in which the equations hold the fields least are large, and of its products with the coordinates: other
branches lie along these.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import DivergedError
from hermite_pinn.field.guess import Guess
from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit, LevenbergMarquardt
from hermite_pinn.methods.least_squares.linear_solver import Limits
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.residuals.sizes import field_sizes
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .deflated import LEAST, Deflated
from .first_state import MOST, projected
from .resolutions import Resolutions
from .stage import Discretization, Stage

__all__ = ["other_state"]

logger = logging.getLogger(__name__)

CELLS = 8  # least along every axis of the grid of a search
SIZES = tuple(2.0**k for k in range(11))  # of what is added, relative to the known solution
SOLVED, LARGE = 1e-8, 1e-2  # relative loss of a solution of the grid, and of what may be one of a finer grid


def other_state(
    grid: Discretization,
    resolutions: Resolutions,
    solver: LevenbergMarquardt[GridSystem],
    deflated: Deflated,
    parameters: dict[str, float],
) -> Stage:
    """A state on some coarse levels at which a deflated iteration ends.

    Raises
    ------
    StopRun
        If none of the iterations ends at a solution.
    """
    path = list(resolutions.first()[:1])
    planned = resolutions.planned
    while planned is None and min(path[-1]) < CELLS:
        finer = tuple(2 * n for n in path[-1])
        if grid.pyramid([*path, finer]).size > MOST:
            break
        path.append(finer)
    system = grid.system(path)
    best: Fit | None = None
    count = 0
    for vector in _states(grid, system, solver, deflated, parameters):
        solver.monitor.check_time()
        count += 1
        try:
            fit = solver.fit(system, system.impose(vector))
        except DivergedError:
            continue
        logger.info("start %d of a search ends with a loss of %.1e", count, fit.loss)
        if best is None or fit.loss < best.loss:
            best = fit
        if best.loss < SOLVED:
            break
    if best is None or best.loss > LARGE:
        raise StopRun(
            Status.STALLED,
            f"no other solution was found from {count} starts on {'x'.join(map(str, path[-1]))} cells; give one that is "
            "close to it: start={...}",
        )
    size = system.pyramid.size
    return Stage(list(path), best.vector[:size].clone(), system.finest(best.vector), system.parameters(best.vector))


def _states(
    grid: Discretization,
    system: GridSystem,
    solver: LevenbergMarquardt[GridSystem],
    deflated: Deflated,
    parameters: dict[str, float],
) -> Iterator[torch.Tensor]:
    """Where iterations begin."""
    start = torch.zeros(system.size, dtype=system.dtype, device=system.device)
    system.refer(start)
    for i, p in enumerate(system.problem.parameters):
        system.split(start)[1][i] = parameters.get(p.name, p.init)
    deflated.prepare(system)
    if all(square > LEAST for square in deflated.squares(system, start)):
        yield start.clone()
    for known in deflated.vectors:
        size = _size(system, known) or math.sqrt(system.problem.domain.interior.measure)
        for k, direction in enumerate(_directions(grid, system, _answer(system, solver, known))):
            own = _size(system, direction)
            for times in SIZES[:: 2 if k else 1] if own > 0 else ():
                for sign in (1.0, -1.0):
                    yield known + sign * times * size / own * direction


def _directions(grid: Discretization, system: GridSystem, answer: torch.Tensor) -> Iterator[torch.Tensor]:
    """An answer, and its products with the coordinates from the middle of the domain."""
    yield answer
    domain, finest = system.problem.domain, system.finest(answer)
    field = grid.field(Stage([system.resolution], finest.reshape(-1), finest, {}))
    for axis in domain.space_axes:
        middle = domain.lower[axis] + 0.5 * domain.lengths[axis]

        def values(x: torch.Tensor, axis: int = axis, middle: float = middle) -> torch.Tensor:
            own = field.evaluate(x.to(finest), Channels.value(len(x)))[:, 0]
            return (x[axis] - middle) * own.to(x)

        vector = torch.zeros_like(answer)
        last = len(system.pyramid.shapes) - 1
        system.set_level(vector, last, projected(grid, system.resolution, Guess(values, {})))
        yield vector


def _answer(system: GridSystem, solver: LevenbergMarquardt[GridSystem], known: torch.Tensor) -> torch.Tensor:
    """How a solution answers to the same load in all equations."""
    rows = system.linearize(known)
    equations = set(system.problem.residuals)
    load = [
        -torch.ones_like(row) if name in equations else torch.zeros_like(row)
        for name, row in zip(system.row_names, rows, strict=True)
    ]
    limits = Limits(solver.near_tol, solver.inner_steps, lambda steps, reduction: False, lambda seconds: None)
    return solver.linear.solve(system, load, 0.0, limits)[0]


def _size(system: GridSystem, vector: torch.Tensor) -> float:
    """L2 norm of all fields, each in units of its size."""
    units = field_sizes(system.problem)
    norms = system.norms(system.finest(vector))
    return math.sqrt(sum((n / units[f]) ** 2 for n, f in zip(norms, system.problem.fields, strict=True)))
