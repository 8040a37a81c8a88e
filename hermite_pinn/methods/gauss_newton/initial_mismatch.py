"""Whether an initial state contradicts conditions on the boundary of a cut domain."""

from __future__ import annotations

import math
from typing import cast

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.cut_block import CutBlock
from hermite_pinn.methods.systems.cut_system import CutSystem
from hermite_pinn.methods.systems.grid_system import GridSystem

__all__ = ["incompatible"]

MISMATCH = 0.1  # relative, of conditions and an initial state, that no interpolation explains


def incompatible(system: GridSystem) -> bool:
    """Whether the initial state violates conditions on the boundary by more than a tenth of their parts.

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
        given, found = (_first(block.linearize(at, parameters), block) for at in (zero, state))
        violated += sum(float(r.square().sum()) for r in found)
        parts += sum(float(a.square().sum() + (r - a).square().sum()) for a, r in zip(given, found, strict=True))
    return violated > MISMATCH**2 * parts


def _first(rows: list[torch.Tensor], block: CutBlock) -> list[torch.Tensor]:
    """Rows at the first of the points in time, without its weight."""
    assert block.rule is not None
    return [row[:, 0] / math.sqrt(float(block.rule.weights[0])) for row in rows]
