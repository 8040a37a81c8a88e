"""Whether a solution carries something into the domain that no condition gives, where that depends on the solution."""

from __future__ import annotations

from dataclasses import replace

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.program import Leaf, leaves
from hermite_pinn.geometry import Region
from hermite_pinn.methods.base import Outcome
from hermite_pinn.methods.course import Ending
from hermite_pinn.problem.inflow import coordinates_of
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.status import Status

from .verdict import determined

__all__ = ["with_inflow"]


def with_inflow(problem: Problem, outcome: Outcome) -> Outcome:
    """An outcome whose status says whether something flows in along its solution that no condition gives.

    Parameters
    ----------
    problem
        What was solved.
    outcome
        Its solution on a grid.

    Examples
    --------
    >>> import warnings
    >>> import hermite_pinn as hp
    >>> warnings.simplefilter("ignore")
    >>> start = hp.Initial(u=lambda x: hp.sin(hp.pi * x))
    >>> problem = hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.t + u.x, [start])
    >>> hp.solve(problem, progress=False).status.label
    'undetermined'
    """
    if problem.unfed or not problem.transport.axes or outcome.error is None:
        return outcome
    field = outcome.field
    used = sorted({data for kind, data in leaves(*problem.residuals.values()) if kind == "jet"})
    orders = sorted({order for _, order in used})

    def values(region: Region | None, count: int) -> dict[Leaf, torch.Tensor]:
        place = problem.domain.interior if region is None else region
        at = coordinates_of(problem.domain, place, count)
        x = torch.stack([at["coordinate", name] for name in problem.domain.names])
        channels = Channels(problem.domain.dim, tuple(((1.0, o),) for o in orders))
        jets = field.evaluate(x.to(field.device, field.dtype), channels).to("cpu", torch.float64)
        return {**at, **{("jet", (n, o)): jets[field.names.index(n), orders.index(o)] for n, o in used}}

    sentences = problem.transport.during(values, outcome.error)
    if outcome.status is Status.MAX_TIME and sentences:
        return replace(outcome, message=f"{outcome.message}; but {'; '.join(sentences)}")
    ending = determined(Ending(outcome.status, outcome.message), 0, sentences)
    return replace(outcome, status=ending.status, message=ending.message)
