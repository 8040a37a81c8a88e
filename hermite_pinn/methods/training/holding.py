"""Which conditions a training holds exactly."""

from __future__ import annotations

from dataclasses import replace

import torch

from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.outline import Outline
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.systems.held_conditions import Held, held_conditions

__all__ = ["hard_choice", "holding", "outlined"]

NONE = Held(None)


def hard_choice(task: Task, hard: bool | None) -> bool | None:
    """Whether values are held: as asked for; where nothing is asked, not in a field that somebody chose."""
    return False if hard is None and (task.field is not None or task.start is not None) else hard


def outlined(
    outline: Outline, task: Task, hard: bool | None, before: Outline | None, dtype: torch.dtype = torch.float32
) -> Outline:
    """The outline of a field with whether a factor multiplies it; ``dtype`` is the method's own.

    Raises
    ------
    InvalidProblemError
        As :func:`holding`.
    """
    choice = hard_choice(task, hard)
    if before is not None or choice is False or (choice is None and outline.linear):
        return outline
    found = held_conditions(task.problem, task.dtype or dtype)
    if choice:
        found.demand()
    return replace(outline, factor=found.factor is not None)


def holding(task: Task, field: GridField, hard: bool | None) -> Held:
    """The conditions that hold exactly.

    Parameters
    ----------
    task
        The run.
    field
        At the start.  One that goes on holds what it held before, whatever is asked for.
    hard
        ``True`` for all values, ``False`` for none, ``None`` for those that can be held, where the method chooses the
        field and the field is a network.

    Raises
    ------
    InvalidProblemError
        If all values are asked for, and one cannot be held.
    """
    if task.start is not None:
        if field.boundary_factor is None:
            return NONE
        known = held_conditions(task.problem)
        told = field.boundary_factor.describe()
        same = known.factor is not None and known.factor.describe() | {"unit": told.get("unit")} == told
        return known if same else NONE
    if hard is False or (hard is None and field.linear):
        return NONE
    found = held_conditions(task.problem, field.dtype)
    if hard:
        found.demand()
    return found
