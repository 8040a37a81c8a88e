"""Which cells of a locally refined grid are divided next, and along which axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.refined_mesh import RefinedMesh

from .indicators import LEAF
from .local_indicators import CellIndicators
from .local_stage import LocalStage

__all__ = ["bulk", "refined_mesh"]

BULK = 0.8  # of the sum of squares that the marked cells have
CONFIRMING = 0.5  # of that, where the tolerance is met and a stage more has only to confirm it
ENOUGH = (
    10.0  # times the tolerance: an error that is small enough while a coefficient is larger than that of the problem
)
NEAR = 0.2  # of the surplus of what is not resolved
RINGS = 1  # of neighbours that are divided with them


def bulk(parts: Sequence[np.ndarray], share: float = BULK) -> list[np.ndarray]:
    """The fewest entries whose squares make up a share of the sum of all squares (Doerfler's marking).

    Examples
    --------
    >>> bulk([np.array([1.0, 0.1]), np.array([3.0])])
    [array([False, False]), array([ True])]
    """
    whole = np.concatenate(parts) ** 2
    order = np.argsort(-whole, kind="stable")
    count = int(np.searchsorted(np.cumsum(whole[order]), share * whole.sum())) + 1
    marked = np.zeros(len(whole), dtype=bool)
    marked[order[:count]] = whole[order[:count]] > 0
    return np.split(marked, np.cumsum([len(p) for p in parts])[:-1])


def _errors(stage: LocalStage) -> list[np.ndarray]:
    """By level and leaf what is marked by: the residual between the points and the surplus, each relative to its norm.

    Both bound the error, and the estimate falls only where both do.  While a coefficient is larger than that of the
    problem and its layer is resolved, the residual is enough.
    """
    own = stage.indicators
    if own.steepness <= LEAF and not stage.original:
        return own.residual
    residual, surplus = CellIndicators.norm(own.residual), CellIndicators.norm(own.surplus)
    return [
        np.maximum(r / (residual or 1.0), np.where(np.isfinite(s), s, 0.0) / (surplus or 1.0))
        for r, s in zip(own.residual, own.surplus, strict=True)
    ]


def _steep(stage: LocalStage) -> list[np.ndarray]:
    """By level and leaf, where the surplus is not far below that of what is not resolved."""
    found = []
    for level, own in zip(stage.mesh.levels, stage.indicators.surplus, strict=True):
        found.append(np.isfinite(own) & (own * math.sqrt(level.cells_of_grid) > NEAR * LEAF))
    return found


def _forced(stage: LocalStage, least: float) -> list[np.ndarray]:
    """By level, the cells with peaks of what is prescribed that are not seen and matter."""
    forced = [np.zeros(level.count, dtype=bool) for level in stage.mesh.levels]
    missed = stage.missed
    chosen = np.flatnonzero(missed.unseen & (missed.asked > least))
    for level, cell in zip(missed.levels[chosen], missed.cells[chosen], strict=True):
        forced[level][cell] = True
    return forced


def refined_mesh(stage: LocalStage, least: float) -> RefinedMesh:
    """The cells of the next stage.

    Parameters
    ----------
    least
        The tolerance: change of the fields that an unseen peak must ask for to be followed.
    """
    mesh = stage.mesh
    marked = []
    settled = not stage.original and stage.indicators.steepness <= LEAF and stage.by_residual < ENOUGH * least
    met = stage.original and stage.error is not None and stage.error <= least
    wanted = _steep(stage) if settled else bulk(_errors(stage), CONFIRMING if met else BULK)
    for level, own in zip(mesh.levels, wanted, strict=True):
        cells = np.zeros(level.count, dtype=bool)
        cells[level.leaves[own]] = True
        marked.append(cells)
    forced = _forced(stage, least)
    return _divided(stage, marked, forced)


def _divided(stage: LocalStage, marked: list[np.ndarray], forced: list[np.ndarray]) -> RefinedMesh:
    """The mesh with marked and forced cells divided, or with all cells halved along an axis that lacks resolution.

    A new level doubles the axes along which the marked cells are about as rough as along the roughest.  Where an
    earlier level does not double the axis along which they are roughest, its halves would not help.
    """
    mesh, errors = stage.mesh, _errors(stage)
    most = 4.0 ** BASES[stage.system.basis].coefficients
    ratio: tuple[int, ...] = (2,) * mesh.dim
    lacking = np.zeros(mesh.dim)
    total = 0.0
    chosen = []
    for number, (level, own, peaks) in enumerate(zip(mesh.levels, marked, forced, strict=True)):
        weight = np.zeros(level.count)
        weight[level.leaves] = errors[number] ** 2
        rough = (stage.roughness[number][own] ** 2).sum(0)
        energy = float(weight[own].sum())
        total += energy
        if number + 1 == mesh.depth:
            if own.any() and not peaks.any() and rough.max() > 0:
                ratio = tuple(2 if r >= rough.max() / most**2 else 1 for r in rough)
            chosen.append(own | peaks)
            continue
        worst = int(rough.argmax()) if own.any() else 0
        if own.any() and mesh.ratio(number)[worst] == 1:
            lacking[worst] += energy
            chosen.append(peaks)
        else:
            chosen.append(own | peaks)
    axis = int(lacking.argmax())
    if lacking[axis] > 0.5 * total or (lacking[axis] > 0 and not any(c.any() for c in chosen)):
        return mesh.doubled(axis)
    return mesh.refined(chosen, ratio, RINGS)


def concentration(parts: Sequence[np.ndarray]) -> float:
    """The part of all entries that :func:`bulk` marks; one where there are none.

    Examples
    --------
    >>> concentration([np.array([1.0, 1e-3, 1e-3, 1e-3])])
    0.25
    """
    count = sum(len(p) for p in parts)
    marked = sum(int(m.sum()) for m in bulk(parts))
    return marked / count if count and math.isfinite(count) else 1.0
