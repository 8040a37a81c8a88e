"""What a finished stage changed, and what it says of its error."""

from __future__ import annotations

import math

from hermite_pinn.residuals.sizes import prescribed_sizes

from .balance import ZERO
from .indicators import indicators
from .stage import Discretization, Stage, relative
from .term_sizes import floored, implied_sizes, strengths
from .watch_points import WatchPoints

__all__ = ["measure_stage"]

Resolution = tuple[int, ...]


def measure_stage(
    grid: Discretization, stage: Stage, before: Resolution | None, watch: WatchPoints, tol: float | None
) -> None:
    """Set the sizes, the change and the indicators of a stage.

    Parameters
    ----------
    grid
        What the stages share.
    stage
        The one that is finished.
    before
        Resolution of the level before, if there is one.
    watch
        Points between those where the equations are solved.
    tol
        That was asked for.
    """
    problem, finest = grid.problem, stage.resolutions[-1]
    root = math.sqrt(problem.domain.interior.measure)
    stage.norms = grid.sizes(stage)
    strong = strengths(stage.sensitivities, problem.fields, problem.domain.lengths)
    implied = implied_sizes(strong, grid.scales, stage.norms)
    told = prescribed_sizes(problem)
    prescribed = [root * told.get(name, 0.0) for name in problem.fields]
    stage.sizes = floored(stage.norms, stage.moved, implied, tol or ZERO, prescribed)
    stage.change = relative(stage.moved, stage.sizes)
    if watch.start_rate:
        _forget_start(grid, stage, watch)
    stage.indicators = indicators(
        problem,
        grid.basis,
        finest,
        before,
        stage.finest,
        stage.parameters,
        stage.sensitivities,
        stage.residuals,
        [size / root for size in stage.sizes],
        watch,
        stage.fitted,
        grid.inner(finest),
    )


def _forget_start(grid: Discretization, stage: Stage, watch: WatchPoints) -> None:
    """Judge residuals by those at later times; see :attr:`.WatchPoints.start_rate`."""
    later = watch.residual_norms(grid.basis, stage.resolutions[-1], stage.finest, stage.parameters)
    stage.residuals |= later
    stage.held_out = max(later.values())
    stage.persisting = sum((r / s) ** 2 for r, s in zip(later.values(), grid.scales, strict=True))
