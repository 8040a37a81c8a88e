"""Parts of a cut domain, and gaps between them, that are too thin for a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .carving import BESIDE, Carving
from .shape import Surface

__all__ = ["Thin", "thin_places"]

CELLS = 2.0  # that a part or a gap must have across
STEPS = 24  # of a walk across
HALVINGS = 20  # of the last step
FACING = -0.8  # cosine of the angle between the normals of two boundaries that face each other
ROUND = 0.9  # part of a ball that fits at a flat boundary
MOST = 4000  # points of a surface that are looked at


@dataclass(frozen=True)
class Thin:
    """The thinnest of several places.

    Attributes
    ----------
    thickness
        There.
    place
        Where, in space.
    share
        Part of the points that were looked at where it is too thin.
    """

    thickness: float
    place: np.ndarray
    share: float


def thin_places(carving: Carving, surfaces: Sequence[Surface], sizes: np.ndarray) -> tuple[Thin | None, Thin | None]:
    """Where a domain, and where what was cut away, is thinner than two cells.

    From points of the boundary walks go along both normals until they meet a boundary that faces them.

    Parameters
    ----------
    carving
        The domain.
    surfaces
        Points of its boundary with outward normals.
    sizes
        Of a cell (dim,).

    Returns
    -------
    tuple
        The thinnest part of the domain, and the thinnest gap; None where there is none.
    """
    spread = [s.take(np.unique(np.linspace(0, s.count - 1, MOST).astype(np.int64))) for s in surfaces if s.count]
    if not spread:
        return None, None
    x = np.concatenate([s.x for s in spread], axis=1)
    normals = np.concatenate([s.normals for s in spread], axis=1)
    reach = CELLS / np.sqrt(((normals / sizes[:, None]) ** 2).sum(0))
    found = (_walked(carving, x, -normals, reach, inside=True), _walked(carving, x, normals, reach, inside=False))
    return found[0], found[1]


def _walked(carving: Carving, x: np.ndarray, ways: np.ndarray, reach: np.ndarray, inside: bool) -> Thin | None:
    """The shortest walk from points (dim, n) across the domain, or outside, of those shorter than ``reach``."""

    def left(y: np.ndarray) -> np.ndarray:
        """Whether points have left what is walked through."""
        there = carving.in_box(y)
        there[there] = carving.kept(y[:, there], 0.0)
        return ~there if inside else there

    # a ball that touches the boundary at a point fits where there is room
    middle = x + 0.5 * reach * ways
    room = -carving.whole_level(middle) if inside else carving.whole_level(middle)
    near = np.flatnonzero(room < 0.5 * ROUND * reach)
    if not near.size:
        return None
    start, way, most = x[:, near], ways[:, near], reach[near]
    first = np.full(near.size, -1)
    for step in range(1, STEPS + 1):
        walking = np.flatnonzero(first < 0)
        gone = left(start[:, walking] + (step / STEPS) * most[walking] * way[:, walking])
        first[walking[gone]] = step
    met = np.flatnonzero(first > 0)
    low, high = (first[met] - 1) / STEPS * most[met], first[met] / STEPS * most[met]
    low = np.maximum(low, BESIDE * carving.size)
    clear = ~left(start[:, met] + low * way[:, met]) & (low < high)
    met, low, high = met[clear], low[clear], high[clear]
    start, way = start[:, met], way[:, met]
    for _ in range(HALVINGS):
        half = 0.5 * (low + high)
        gone = left(start + half * way)
        low, high = np.where(gone, low, half), np.where(gone, half, high)
    facing = (_outward(carving, start + high * way) * way).sum(0) * (1.0 if inside else -1.0) > -FACING
    if not facing.any():
        return None
    high, start, way = high[facing], start[:, facing], way[:, facing]
    k = int(high.argmin())
    return Thin(float(high[k]), start[:, k] + 0.5 * high[k] * way[:, k], float(facing.sum()) / x.shape[1])


def _outward(carving: Carving, x: np.ndarray) -> np.ndarray:
    """Normals (dim, n) that point out of the domain, at points near its boundary."""
    step = 1e-6 * carving.size
    rows = []
    for axis in range(carving.dim):
        shift = np.zeros((carving.dim, 1))
        shift[axis] = step
        rows.append(carving.whole_level(x + shift) - carving.whole_level(x - shift))
    slope = np.stack(rows)
    return slope / np.maximum(np.linalg.norm(slope, axis=0), 1e-300)
