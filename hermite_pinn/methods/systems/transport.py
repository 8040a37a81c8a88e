"""How fast equations carry things through space."""

from __future__ import annotations

import torch

from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.scales import rms
from hermite_pinn.run.distributed import Ranks

from .tensor_block import TensorBlock

__all__ = ["transport_speeds"]


def transport_speeds(problem: Problem, interior: TensorBlock, ranks: Ranks) -> tuple[float, ...]:
    """Per axis the largest speed of transport or waves at the last linearisation, from the coefficients.

    The ratio of the coefficients of ``u.x`` and ``u.t``, or the root of that of ``u.xx`` and ``u.tt``; zero along
    time and where there is no time.

    Parameters
    ----------
    interior
        The rows of the equations.
    ranks
        The processes that share them; the speeds are the largest of all.
    """
    dim, time = problem.domain.dim, problem.domain.time_axis
    speeds = [0.0] * dim
    if time is None:
        return tuple(speeds)
    for k, t in enumerate(interior.terms):
        members = t.constant | interior.sensitivity(k)
        for (name, orders), s in members.items():
            power = orders[time]
            if power not in (1, 2) or sum(orders) != power or rms(s) == 0.0:
                continue
            for axis in problem.domain.space_axes:
                along = members.get((name, tuple(power * (i == axis) for i in range(dim))))
                if along is not None:
                    ratio = float(torch.as_tensor(along, dtype=torch.float64).abs().max()) / rms(s)
                    speeds[axis] = max(speeds[axis], ratio ** (1.0 / power))
    return tuple(ranks.largest(v) for v in speeds)
