"""Area or volume of what shapes leave of a box."""

from __future__ import annotations

import numpy as np

from .carving import BATCH, Carving
from .cells import FULL, TOUCHED
from .cut_sides import side_state
from .filling import filled

__all__ = ["measure_left"]

PARTS = {2: (3, 96), 3: (2, 8)}  # of a touched cell along an axis, to measure it: at first, and at most
SETTLED = 1e-4  # change of a measure from which on its error is taken to fall as it should


def measure_left(carving: Carving) -> float:
    """Area or volume of what is left."""
    if "measure" not in carving.memo:
        carving.memo["measure"] = _measure(carving)
    return float(carving.memo["measure"])


def _measure(carving: Carving) -> float:
    known = _sum_of_measures(carving)
    if known is not None:
        return known
    lower, upper = carving.extent
    counts = carving.resolution(lower, upper)
    cells = carving.kinds(lower, upper, counts)
    size = (upper - lower) / np.array(counts)
    full = float(np.count_nonzero(cells == FULL))
    touched = np.stack(np.nonzero(cells == TOUCHED))
    parts, most = PARTS[carving.dim]
    coarse = float(_share(carving, lower, size, touched, parts).sum())
    while True:
        parts *= 2
        fine = float(_share(carving, lower, size, touched, parts).sum())
        if abs(fine - coarse) <= SETTLED * (full + fine) or 2 * parts > most:
            break
        coarse = fine
    # the error of flat parts falls with the square of their size
    return float(np.prod(size)) * max(full + (4.0 * fine - coarse) / 3.0, 0.5 * fine)


def _sum_of_measures(carving: Carving) -> float | None:
    """The measure where all boundaries are whole and those of the shapes are known."""
    known = [cutter.shape.measure for cutter in carving.cutters]
    if None in known or not all(carving.trimmed(k, c.coarse).all() for k, c in enumerate(carving.cutters)):
        return None
    states = {side_state(carving, axis, end) for axis in range(carving.dim) for end in (0, 1)}
    if len(states) > 1 or "cut" in states:
        return None
    total = float(np.prod(carving.upper - carving.lower)) if states == {"whole"} else 0.0
    return total + sum(v if c.keep else -v for c, v in zip(carving.cutters, known, strict=True) if v is not None)


def _share(carving: Carving, lower: np.ndarray, size: np.ndarray, cells: np.ndarray, m: int) -> np.ndarray:
    """Parts (n,) of the volume of cells (dim, n) that are left, by ``m`` parts along every axis."""
    dim = carving.dim
    offsets = np.stack([g.ravel() for g in np.meshgrid(*[(np.arange(m) + 0.5) / m] * dim, indexing="ij")])
    shares = np.zeros(cells.shape[1])
    batch = max(1, BATCH // m**dim)
    for start in range(0, shares.size, batch):
        part = cells[:, start : start + batch]
        x = lower[:, None, None] + (part[:, :, None] + offsets[:, None, :]) * size[:, None, None]
        level = carving.level(x.reshape(dim, -1)).reshape(-1, *[m] * dim)
        shares[start : start + batch] = filled(level).reshape(part.shape[1], -1).mean(1)
    return shares
