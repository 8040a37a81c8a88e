"""Whether a run is one on sums and products over the axes, and what these need."""

from __future__ import annotations

import torch

from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.field.outline import Outline
from hermite_pinn.field.products import ORDER, Products
from hermite_pinn.methods.base import Task
from hermite_pinn.problem.problem import Problem

from .options import GaussNewtonOptions

__all__ = ["check_separable", "is_separable"]

GRIDS = 4  # axes of a grid at most


def is_separable(task: Task) -> bool:
    """Whether sums and products are asked for, or nothing is and a grid cannot have so many axes."""
    if task.field is not None:
        return task.field.encoder == Products.name
    return task.problem.domain.dim > GRIDS


def check_separable(options: GaussNewtonOptions, task: Task) -> Outline:
    """Raise what sums and products over the axes cannot do; returns what they will be.

    Raises
    ------
    InvalidArgumentError, InvalidProblemError
        With the way out.
    """
    problem, why = task.problem, _lack(task.problem)
    if why is not None:
        raise InvalidProblemError(
            f"sums and products over the axes, which fields of more than {GRIDS} axes are, {why}; "
            "use a network without a grid: hp.solve(problem, field=hp.Field(encoder='coordinates', head='siren'), method='adam')"
        )
    if problem.order > ORDER:
        raise InvalidProblemError(
            f"the problem has derivatives of order {problem.order}, and sums and products over the axes have them up to order "
            f"{ORDER}; introduce an auxiliary field for a lower derivative"
        )
    if task.dtype not in (None, torch.float64):
        raise InvalidArgumentError("gauss_newton works in float64; leave dtype out")
    if task.ranks.size > 1:
        raise InvalidArgumentError(
            f"sums and products over the axes are solved for in one process, got {task.ranks.size}; start it without torchrun"
        )
    if task.levels is not None:
        raise InvalidArgumentError(
            f"sums and products over the axes choose their cells themselves, got levels={task.levels!r}; leave levels out, or "
            "give the number of products: field=hp.Field(encoder='products', rank=4)"
        )
    if task.guess is not None or task.deflated:
        raise InvalidArgumentError("sums and products over the axes take no start and no deflation; leave them out")
    chosen = {"slabs": options.slabs, "inner": options.inner, "refine": options.refine, "basis": options.basis}
    foreign = [f"{name}={value!r}" for name, value in chosen.items() if value != "auto"]
    if foreign:
        raise InvalidArgumentError(f"{', '.join(foreign)} is for grids of up to {GRIDS} axes; leave it out")
    return Outline(linear=False, basis="septic", order=ORDER, nestable=False)


def _lack(problem: Problem) -> str | None:
    """What of a problem is not for them."""
    domain = problem.domain
    if domain.is_cut:
        return "are for whole boxes, and shapes cut this one"
    if domain.given_breaks:
        return f"have no lines at breaks={dict(domain.given_breaks)}"
    if problem.parameters:
        return f"determine no unknown parameters, here {', '.join(p.name for p in problem.parameters)}"
    if problem.gauges:
        return "take no Gauge"
    if any(t.region.measured is not None or t.region.penalty is not None or t.noise is not None for t in problem.terms):
        return "take no data and no smoothness"
    return None
