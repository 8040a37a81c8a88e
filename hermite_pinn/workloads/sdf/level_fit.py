"""One level of the field of a distance: what the levels below leave, fitted in the cells of its band."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout

from .band import Band
from .cell_system import CellSystem, Weights, gauss_points
from .target import Target

__all__ = ["LevelFit", "fit_level", "points_along"]

JET = Channels.jet(3, 1)
CELLS = 1 << 11  # cells looked at together, between two looks at the clock
TOLERANCE = 1e-2  # of the least squares problem of a level, relative to where it begins
UNIT = 0.1  # of a cell: a misfit of values that counts as much as one of 1 of gradients
STEPS = 60  # of conjugate gradients, at most


@dataclass(frozen=True)
class LevelFit:
    """The outcome of one level.

    Attributes
    ----------
    table
        Coefficients of all levels.
    value, normal
        RMS of the misfits that are left at the points of the level; of values, and of gradients.
    steps
        Of conjugate gradients.
    reduction
        Of the gradient of the least squares problem: what these left, relative to where they began.
    pace
        Seconds per point at which distances were computed.
    """

    table: torch.Tensor
    value: float
    normal: float
    steps: int
    reduction: float
    pace: float


def fit_level(
    target: Target, layout: GridLayout, table: torch.Tensor, band: Band, weights: Weights, check: Callable[[], None]
) -> LevelFit:
    """Fit the finest level of a layout to what the others leave.

    Parameters
    ----------
    target
        The surface.
    layout, table
        All levels; the coefficients of the last one are zero.
    band
        Cells of the last level.
    weights
        Of misfits; that of values counts in tenths of the cell.
    check
        Called again and again, may raise.
    """
    level, began = layout.levels - 1, time.perf_counter()
    count = points_along(layout, band)
    size = np.asarray(layout.lengths) / np.asarray(layout.resolutions[level])
    misfits, directions = _misfits(target, layout, table, band, count, check)
    pace = (time.perf_counter() - began) / (len(band.cells) * count**3)
    in_cells = replace(weights, value=weights.value / (UNIT * float(np.cbrt(np.prod(size)))) ** 2)
    system = CellSystem(layout, level, band.cells, count, in_cells, misfits.dtype, misfits.device)
    found, steps, reduction = _solved(system, misfits, directions, check)
    for part in system.pieces():
        misfits[part] -= system.jets(found, part)
    group = layout.groups[level][0]
    table = table.clone()
    table[group.offset : group.offset + group.slots * layout.record] = found[:-1].reshape(-1).to(table.dtype)
    known = (directions != 0).any(2)
    squares = misfits[..., 1:].double().square().sum(2)[known]
    normal = math.sqrt(float(squares.mean())) if len(squares) else 0.0
    return LevelFit(table, math.sqrt(float(misfits[..., 0].double().square().mean())), normal, steps, reduction, pace)


def points_along(layout: GridLayout, band: Band) -> int:
    """Points along each axis of a cell; a corner of the box has one cell only."""
    return max(2, layout.orders) + (band.listed is None)


def _misfits(
    target: Target, layout: GridLayout, table: torch.Tensor, band: Band, count: int, check: Callable[[], None]
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the table leaves of values and gradients (cells, points, 4), and true gradients (cells, points, 3)."""
    places, _ = gauss_points(count)
    lower, size = np.asarray(layout.lower), np.asarray(layout.lengths) / np.asarray(layout.resolutions[-1])
    cells, points = len(band.cells), len(places)
    misfits = torch.empty(cells, points, 4, dtype=torch.float32)
    directions = torch.empty(cells, points, 3, dtype=torch.float32)
    for start in range(0, cells, CELLS):
        check()
        part = slice(start, start + CELLS)
        x = np.ascontiguousarray((lower + size * (band.cells[part, None] + places)).reshape(-1, 3).T)
        near = target.nearest(x, np.repeat(band.side[part], points))
        present = ops.summed_jets(torch.from_numpy(x), table, layout, JET)[0]
        wanted = torch.from_numpy(np.concatenate([near.distance[None], near.gradient]))
        known = torch.from_numpy(near.known)
        misfits[part] = (wanted - present).T.reshape(-1, points, 4)
        directions[part] = torch.where(known, wanted[1:], 0.0).T.reshape(-1, points, 3)
    return misfits, directions


def _solved(
    system: CellSystem, misfits: torch.Tensor, directions: torch.Tensor, check: Callable[[], None]
) -> tuple[torch.Tensor, int, float]:
    """Coefficients (slots + 1, record) by conjugate gradients, their steps, and what is left of the gradient."""
    gradient = system.gradient(misfits, directions)
    found = torch.zeros_like(gradient)
    direction = step = system.preconditioned(gradient)
    first = square = _dot(gradient, step)
    if first <= 0.0:
        return found, 0, 0.0
    steps = 0
    while steps < STEPS:
        check()
        steps += 1
        image = system.product(direction, directions)
        curvature = _dot(direction, image)
        if curvature <= 0.0:
            break
        found += square / curvature * direction
        gradient -= square / curvature * image
        step = system.preconditioned(gradient)
        before, square = square, _dot(gradient, step)
        if square <= TOLERANCE**2 * first:
            break
        direction = step + square / before * direction
    return found, steps, math.sqrt(max(square, 0.0) / first)


def _dot(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a * b).sum(dtype=torch.float64))
