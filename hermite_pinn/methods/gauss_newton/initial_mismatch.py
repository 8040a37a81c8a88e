"""Whether an initial state contradicts conditions on the boundary of a cut domain."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.cut_block import CutBlock
from hermite_pinn.methods.systems.cut_system import CutSystem
from hermite_pinn.methods.systems.grid_system import GridSystem

__all__ = ["incompatible"]

MISMATCH = 0.3  # of conditions and an initial state, relative to what they are on the first slab


def incompatible(system: GridSystem) -> bool:
    """Whether the initial state violates conditions on the boundary by much of what they are in the first slab.

    Only on domains that shapes cut out of a box, for conditions without derivatives in time.

    Parameters
    ----------
    system
        Of the first slab.
    """
    axis = system.problem.domain.time_axis
    assert axis is not None
    if system.tensor or len(system.corners):
        return False
    cut = cast("CutSystem", system)
    vector = torch.zeros(cut.size, dtype=cut.dtype, device=cut.device)
    parameters = cut.parameters(vector)
    zero = cut.pyramid.accumulate(cut.split(vector)[0].clone()).clone()
    state = cut.pyramid.accumulate(cut.split(cut.impose(vector))[0].clone()).clone()
    state[:, :, :: BASES[cut.basis].coefficients] = state[:, :, :1].clone()
    violated, parts = 0.0, 0.0
    for block in cast("list[CutBlock]", cut.blocks):
        conditions = all(not t.term.region.everywhere for t in block.terms)
        if not conditions or block.rule is None or any(o[axis] for t in block.terms for _, o in t.jets):
            continue
        given, found = (_by_time(block.linearize(at, parameters), block) for at in (zero, state))
        violated += float(found[:, 0].square().sum())
        sizes = given.square().sum(0) + (found - given).square().sum(0)
        parts += float(sizes.max())
    return violated > MISMATCH**2 * parts


def _by_time(rows: list[torch.Tensor], block: CutBlock) -> torch.Tensor:
    """Rows (n, times) without the weights of the points in time."""
    assert block.rule is not None
    return torch.cat(rows) / torch.as_tensor(np.sqrt(block.rule.weights)).to(rows[0])
