"""What a locally refined stage misses at the watch points: peaks of what the problem prescribes, between its points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.field.field import GridField
from hermite_pinn.methods.systems.refined_system import RefinedSystem
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.residuals.evaluation import TermEvaluator
from hermite_pinn.residuals.scales import first_sizes

from .indicators import SEEN
from .watch_points import WatchPoints

__all__ = ["Missed", "missed"]


@dataclass(frozen=True)
class Missed:
    """Residuals at watch points, as changes of the fields over the cells in which these lie.

    Attributes
    ----------
    levels, cells
        Numbers of the levels and cells of the points, (n,).
    asked
        The changes, relative to the sizes of the fields, (n,).
    unseen
        Which points have most of what is prescribed there as residual, (n,).
    worst, place
        The largest change at an unseen point, and where that is.
    """

    levels: np.ndarray
    cells: np.ndarray
    asked: np.ndarray
    unseen: np.ndarray
    worst: float
    place: str


def missed(
    system: RefinedSystem,
    field: GridField,
    watch: WatchPoints,
    sizes: list[float],
    parameters: dict[str, float],
    foreign: bool = False,
) -> Missed:
    """What a state misses.

    Parameters
    ----------
    field
        The state.
    sizes
        Root mean squares of the fields.
    parameters
        Values of the unknown parameters.
    foreign
        Whether the state solves other equations, and only conditions are looked at.
    """
    problem, grid = system.problem, system.grid
    parts = []
    worst, place = 0.0, ""
    for group in watch.peaks:
        if foreign and group.term.region.is_interior:
            continue
        x = group.samples.x.to(torch.float64)
        residual = TermEvaluator([group.term], problem).residuals(field, x, parameters, normals=group.samples.normals)[
            0
        ]
        residual = torch.where(torch.isfinite(residual), residual.abs(), math.inf)
        inside = (x.numpy() - grid.lower[:, None]) / (grid.upper - grid.lower)[:, None]
        levels, cells = grid.mesh.locate(inside)
        widths = np.stack([grid.widths(k) for k in range(grid.mesh.depth)])[levels]
        slopes = first_sizes(problem, compile_term(problem, group.term))
        strength = np.full(len(levels), 1e-300)
        for (name, orders), s in slopes.items():
            over = sizes[problem.fields.index(name)] * s / np.prod(widths ** np.array(orders), 1)
            strength = np.maximum(strength, over)
        asked = residual.numpy() / strength
        if group.term.region.is_interior:
            asked = asked * watch.nearness(x, widths)
        assert group.sizes is not None
        unseen = residual.numpy() > SEEN * group.sizes.numpy()
        parts.append((levels, cells, asked, unseen))
        if unseen.any() and asked[unseen].max() > worst:
            at = np.flatnonzero(unseen)[int(asked[unseen].argmax())]
            worst = float(asked[at])
            named = zip(problem.domain.names, x[:, at].tolist(), strict=True)
            place = ", ".join(f"{name}={value:.4g}" for name, value in named)
            place += "" if group.term.region.is_interior else f" ({group.term.name})"
    if not parts:
        none = np.zeros(0)
        return Missed(none.astype(np.int64), none.astype(np.int64), none, none.astype(bool), 0.0, "")
    levels, cells, asked, unseen = (np.concatenate(p) for p in zip(*parts, strict=True))
    return Missed(levels, cells, asked, unseen, worst, place)
