"""Weights of penalties for methods that cannot choose them: a run of Gauss-Newton on coarse dense levels."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import torch

from hermite_pinn.field.field import basis_for
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.schema import Entry

from .grid_solver import grid_solver
from .penalty_weights import LARGEST, Choice
from .saved_state import restored_choice
from .stage import Discretization, Stage, solve_at_once

__all__ = ["chosen_before", "pilot_choice", "saved_choice"]

LEVELS = 3


def pilot_choice(problem: Problem, monitor: Monitor) -> Choice | None:
    """Weights of the automatic penalties of a problem, or None where there are none.

    They belong to the problem, not to the method: roughness and misfit are means over the box and the data.  Up to
    three levels, from four cells per axis, while these have at most 40,000 coefficients.

    Raises
    ------
    StopRun
        If the time is over.
    """
    if not Misfit(problem).automatic:
        return None
    grid = Discretization(
        problem, basis_for(problem.order), None, torch.float64, torch.device("cpu"), source_scales(problem)
    )
    solver = LevenbergMarquardt(
        grid_solver(), inner_tol=1e-8, near_tol=1e-6, inner_steps=3000, outer_steps=40, damping=1e-3, change=1e-4, monitor=monitor,
        corrected=True,
    )  # fmt: skip
    resolutions: list[tuple[int, ...]] = []
    stage: Stage | None = None
    parameters = {p.name: p.init for p in problem.parameters}
    for level in range(LEVELS):
        resolutions.append((4 << level,) * problem.domain.dim)
        if level and math.prod(grid.pyramid(resolutions[-1:]).shapes[-1]) > LARGEST:
            break
        stage = solve_at_once(
            grid, list(resolutions), stage, parameters, solver, lambda _: None, lambda _: monitor.check_time()
        )
    return None if stage is None else stage.choice


def saved_choice(choice: Choice | None) -> dict[str, Any] | None:
    """What a checkpoint keeps of a choice."""
    return None if choice is None else asdict(choice)


def chosen_before(task: Task) -> Choice | None:
    """The choice of a checkpoint, or that of a pilot run."""
    if task.saved is not None:
        saved = Entry.of(task.saved, "the checkpoint").get("choice")
        if saved is None and Misfit(task.problem).automatic:
            raise Entry.of(task.saved, "the checkpoint").at("choice").refuse("the weights of the penalties")
        return None if saved is None else restored_choice(saved, task.problem)
    return pilot_choice(task.problem, task.monitor)
