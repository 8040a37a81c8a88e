"""Does the problem determine its solution?  A check on the first, coarse level."""

from __future__ import annotations

import math

import torch

from hermite_pinn.methods.systems.grid_system import GridSystem

__all__ = ["free_combinations"]

_MOST = 1200


def free_combinations(system: GridSystem) -> int | None:
    """Number of independent changes of the coefficients that no equation and no condition sees, gauges apart.

    The dimension of the null space of the normal matrix of the finest level, at the last linearisation; unknown
    parameters are held.  None where the level is too large to look.
    """
    shape = system.pyramid.shapes[-1]
    size = math.prod(shape)
    if size > _MOST:
        return None
    normal = torch.zeros(size, size, dtype=torch.float64)
    for block in system.blocks:
        for columns, rows in block.elements():
            products = torch.bmm(rows.mT, rows)
            at = columns[:, :, None] * size + columns[:, None, :]
            normal.view(-1).index_add_(0, at.reshape(-1), products.reshape(-1))
    normal = system.ranks.add(normal.to(system.device)).cpu()
    fixed = system.constraints.mask(shape).reshape(-1)
    normal = normal[~fixed][:, ~fixed]
    scale = normal.diagonal().clamp(min=0.0).sqrt()
    scale = torch.where(scale > 0, scale, 1.0)
    values = torch.linalg.eigvalsh(normal / torch.outer(scale, scale))
    free = int((values < 1e-13 * values[-1]).sum())
    axis = system.problem.domain.time_axis
    instants = 1 if axis is None else shape[axis + 1]
    return max(0, free - len(system.problem.gauges) * instants)
