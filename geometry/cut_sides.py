"""What shapes leave of the sides of a box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .carving import BATCH, BESIDE, Carving
from .cell_kinds import centres
from .filling import filled
from .quadrature import gauss_axis
from .touched import near_cells

__all__ = ["side_points", "side_state"]

FEW = 8  # places of a side that a tangent boundary can seem to cut away
SIDE = 64, 512  # cells of a side along an axis: of all of it, and where boundaries pass


def side_points(
    carving: Carving, axis: int, end: int, counts: Sequence[int], points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points (dim, n) of a side that are left, with the areas (n,) of what is left around them.

    Parameters
    ----------
    axis, end
        The axis across the side, and 0 or 1.
    counts
        Cells along all axes of space.
    points
        Per cell and axis.
    """
    across = [i for i in range(carving.dim) if i != axis]
    rules = [gauss_axis(carving.lower[i], carving.upper[i], counts[i] * points, 1) for i in across]
    mesh = np.meshgrid(*(r[0] for r in rules), indexing="ij")
    x = np.empty((carving.dim, mesh[0].size))
    for i, g in zip(across, mesh, strict=True):
        x[i] = g.ravel()
    x[axis] = (carving.lower, carving.upper)[end][axis]
    widths = np.array([r[1][0] for r in rules])
    return _cut_patches(carving, x, axis, end, across, widths)


def _cut_patches(
    carving: Carving, x: np.ndarray, axis: int, end: int, across: Sequence[int], widths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Patches of a side around points (dim, n), cut by the shapes."""
    inward = np.zeros((carving.dim, 1))
    inward[axis] = (1.0, -1.0)[end] * BESIDE * carving.size
    level = carving.level(x + inward)
    reach = 0.5 * float(np.linalg.norm(widths))
    area = float(np.prod(widths))
    whole, cut = np.flatnonzero(level <= -reach), np.flatnonzero(np.abs(level) < reach)
    m = 8
    offsets = [((np.arange(m) + 0.5) / m - 0.5) * w for w in widths]
    fine = np.stack([g.ravel() for g in np.meshgrid(*offsets, indexing="ij")])
    parts, weights = [x[:, whole]], [np.full(whole.size, area)]
    batch = max(1, BATCH // fine.shape[1])
    for start in range(0, cut.size, batch):
        chosen = cut[start : start + batch]
        y = np.repeat(x[:, chosen, None], fine.shape[1], axis=2)
        for i, o in zip(across, fine, strict=True):
            y[i] += o
        shape = (chosen.size, *[m] * len(across))
        value = carving.level((y + inward[..., None]).reshape(carving.dim, -1)).reshape(shape)
        share = filled(value).reshape(chosen.size, -1)
        total = share.sum(1)
        left = _left_beside(carving, y, inward)
        some = (total > 1e-6) & left.any(1)
        y, share, total, left = y[:, some], share[some], total[some], left[some]
        mean = (y * share).sum(2) / total
        good = _left_beside(carving, mean[..., None], inward)[:, 0]
        # where the middle is not left, of a curved patch, the nearest part that is
        away = np.where(left, ((y - mean[..., None]) ** 2).sum(0), np.inf).argmin(1)
        mean = np.where(good, mean, y[:, np.arange(total.size), away])
        parts.append(mean)
        weights.append(total / fine.shape[1] * area)
    return np.concatenate(parts, 1), np.concatenate(weights)


def _left_beside(carving: Carving, x: np.ndarray, inward: np.ndarray) -> np.ndarray:
    """Which points (dim, n, m) of a side are left, and so are those beside them in the box, (n, m)."""
    flat = x.reshape(carving.dim, -1)
    left = carving.kept(flat)
    left[left] = carving.kept(flat[:, left] + inward, 0.0)
    return left.reshape(x.shape[1:])


def side_state(carving: Carving, axis: int, end: int) -> str:
    """Whether a side is left ``"whole"``, ``"cut"``, or ``"gone"``."""
    states: dict[tuple[int, int], str] = carving.memo.setdefault("sides", {})
    if (axis, end) not in states:
        states[axis, end] = _looked_at(carving, axis, end)
    return states[axis, end]


def _looked_at(carving: Carving, axis: int, end: int) -> str:
    across = [i for i in range(carving.dim) if i != axis]
    lower, upper = carving.lower[across], carving.upper[across]
    place = (carving.lower, carving.upper)[end][axis] + (1.0, -1.0)[end] * BESIDE * carving.size

    def raised(flat: np.ndarray) -> np.ndarray:
        x = np.empty((carving.dim, flat.shape[1]))
        x[across], x[axis] = flat, place
        return x

    none = np.zeros((len(across), 0))

    def near(count: int) -> np.ndarray:
        return near_cells(lambda x: carving.level(raised(x)), none, lower, upper, [count] * len(across))

    coarse, fine = SIDE
    if np.mean(near(coarse)) > 0.5:  # a boundary that lies in the side
        fine = 2 * coarse
    grids = [np.stack(np.nonzero(near(fine))), np.indices([coarse] * len(across)).reshape(len(across), -1)]
    flat = [centres(lower, upper, [n] * len(across), g) for n, g in zip((fine, coarse), grids, strict=True)]
    x = raised(np.concatenate(flat, axis=1))
    kept = carving.kept(x, 0.0)
    lost = np.flatnonzero(~kept)
    if lost.size <= FEW:  # where a boundary is tangent to the side, perhaps
        x[axis] += (place - x[axis]) + (-1.0, 1.0)[end] * 0.99 * BESIDE * carving.size
        kept[lost] = carving.kept(x[:, lost], 0.0)
    if not kept.any():
        return "gone"
    return "whole" if kept.all() else "cut"
