"""What a time slab starts from, and what two slabs agree on at the time between them."""

from __future__ import annotations

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.constraints import Carried
from hermite_pinn.methods.systems.grid_system import GridSystem

__all__ = ["average", "slab_start"]


def slab_start(
    system: GridSystem, before: torch.Tensor, carried: Carried | None, axis: int, guessed: bool
) -> torch.Tensor:
    """Where the iteration of a slab starts: the guess, or the state at its start for all times if that fits better."""
    candidates = []
    for constant in (True, False) if guessed and not system.affine else (not guessed,):
        vector = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        last = len(system.pyramid.shapes) - 1
        system.set_level(vector, last, before)
        system.impose(vector)
        level = system.pyramid.dense(last, system.pyramid.views(vector)[last])
        if constant:
            _continue(level, axis, BASES[system.basis].coefficients)
        elif carried is not None:
            _shift(level, before, carried)
        system.set_level(vector, last, level)
        system.impose(vector)
        candidates.append(vector)
    if len(candidates) == 1:
        return candidates[0]
    losses = [float(system.inner(rows, rows)) for rows in map(system.linearize, candidates)]
    return candidates[0] if losses[0] < losses[1] else candidates[1]


def _continue(level: torch.Tensor, axis: int, m: int) -> None:
    """Spread the state at the start over the slab."""
    count = level.shape[axis + 1]
    level.index_copy_(
        axis + 1,
        torch.arange(m, count, m, device=level.device),
        level.narrow(axis + 1, 0, 1).repeat_interleave(count // m - 1, axis + 1),
    )


def _shift(level: torch.Tensor, before: torch.Tensor, carried: Carried) -> None:
    """Add to a guess, at all times, what it lacks at the start."""
    axis, m = carried.axis, carried.coefficients.shape[carried.axis + 1]
    for f, order in enumerate(carried.orders.values()):
        if order:
            lack = carried.coefficients[f].narrow(axis, 0, 1) - before[f].narrow(axis, 0, 1)
            at = torch.arange(0, level.shape[axis + 1], m, device=level.device)
            level[f] = before[f].index_add(axis, at, lack.repeat_interleave(len(at), axis))


def average(finest: torch.Tensor, carried: Carried) -> None:
    """Between two slabs, the mean of the coefficients that both were free to choose."""
    axis, m = carried.axis, carried.coefficients.shape[carried.axis + 1]
    for f, order in enumerate(carried.orders.values()):
        for k in range(order, m):
            own = finest[f].select(axis, k)
            own.add_(carried.coefficients[f].select(axis, k)).mul_(0.5)
