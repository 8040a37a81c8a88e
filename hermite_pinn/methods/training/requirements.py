"""What training needs of a problem, a field and a machine, looked at before the first step."""

from __future__ import annotations

import torch

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import Field
from hermite_pinn.field.outline import Outline
from hermite_pinn.memory import check_fits
from hermite_pinn.methods.base import Task

from .batches import RAD

__all__ = ["check_half", "check_points", "check_problem"]


def check_problem(task: Task, method: str) -> None:
    """Raise an error for a tolerance, which training cannot estimate, and for derivatives of an order above 2."""
    if task.tol is not None:
        raise InvalidArgumentError(
            f"{method} has no estimate of the error, so tol means nothing to it; use steps, max_time or a callback"
        )
    if task.problem.order > 2:
        raise InvalidArgumentError(
            f"{method} takes derivatives up to order 2, the problem has order {task.problem.order}; write it with auxiliary "
            "fields for lower derivatives, or use method='gauss_newton'"
        )


def check_half(task: Task) -> None:
    """Raise an error where tables in half precision cannot be trained."""
    if task.problem.order > 0:
        raise InvalidArgumentError(
            f"tables in half precision give values only, and this problem takes derivatives of order {task.problem.order}; use "
            "Field(half=False)"
        )
    if task.dtype == torch.float64:
        raise InvalidArgumentError("tables in half precision are read with float32 arithmetic; leave dtype out")


def check_points(task: Task, outline: Outline, field: Field, count: int | None, adaptive: RAD | None = None) -> None:
    """Raise :class:`.OutOfMemoryError` if points, or what a network keeps at them, can never fit.

    Parameters
    ----------
    count
        Points of a step, or None for the method's own number.
    adaptive
        Whose pool of points is drawn, too.
    """
    if count is None:
        return
    dim, size = task.problem.domain.dim, (task.dtype or torch.float32).itemsize
    units = 0 if outline.linear else field.width * field.depth
    check_fits(
        count * size * (dim + units), f"a step with {count:,} points", "lower points or face_points", task.device
    )
    pool = 0 if adaptive is None else adaptive.pool_size(count)
    check_fits(pool * 8 * (dim + 1), f"a pool of {pool:,} points", "lower the pool of RAD", task.device)
