"""Fields that the equations determine up to a constant or a function of time: their mean over space is set to zero."""

from __future__ import annotations

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.problem.problem import Problem

from .broken_axes import axes_of

__all__ = ["remove_means"]


def remove_means(problem: Problem, basis: str, resolution: tuple[int, ...], finest: torch.Tensor) -> torch.Tensor:
    """Subtract from every field with a gauge its mean over space, at each time, in place.

    Parameters
    ----------
    finest
        Coefficients (fields, m N_1, ..., m N_d) on the finest level.
    """
    m, domain = BASES[basis].coefficients, problem.domain
    rules = domain.interior.gauss(resolution, m).axes
    assert rules is not None
    for name in problem.gauges:
        field = finest[problem.fields.index(name)]
        mean, values = field, field
        for axis in domain.space_axes:
            points, weights = rules[axis]
            matrix = axes_of(problem)[axis].evaluation(basis, resolution[axis], points, (0,))
            functional = torch.as_tensor(matrix.matrices[0].T @ weights / domain.lengths[axis]).to(finest)
            mean = torch.tensordot(mean, functional[:, None], ([axis], [0])).movedim(-1, axis)
            values = values[(slice(None),) * axis + (slice(0, None, m),)]
        values -= mean
    return finest
