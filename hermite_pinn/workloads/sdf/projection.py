"""Points moved onto the zero set of a field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .marching import Crossings
from .signed_field import SignedField

__all__ = ["Projected", "project"]

STEPS = 12
HALVINGS = 48
#: Distance from the zero set, in cells, that is good enough.
ENOUGH = 1e-9
#: Distance, in cells, from which on a vertex counts as not on the zero set.
FAR = 1e-3


@dataclass(frozen=True)
class Projected:
    """Points on a zero set.

    Attributes
    ----------
    points
        (n, 3).
    distance
        How far they are from it, to first order: value over length of the gradient, (n,).
    """

    points: np.ndarray
    distance: np.ndarray


def project(field: SignedField, crossings: Crossings, cell: float, level: float = 0.0) -> Projected:
    """Move vertices along the gradient onto the zero set by Newton's method, by a cell at most.

    Where that does not succeed (at creases, between sheets that are close), the crossing is bisected on its edge, whose
    ends have values of different signs.

    Parameters
    ----------
    field
        Whose zero set it is.
    crossings
        Vertices to start from.
    cell
        Longest step from there.
    level
        The value that takes the place of zero.
    """
    start = crossings.vertices
    points, distance = start.copy(), np.full(len(start), np.inf)
    trial, active = start.copy(), np.arange(len(start))
    for _ in range(STEPS):
        jets = field.in_pieces(trial, 1)
        value, gradient = jets[0] - level, jets[1:].T
        square = np.maximum((gradient**2).sum(1), np.finfo(np.float64).tiny)
        with np.errstate(over="ignore", invalid="ignore"):
            reached = np.abs(value) / np.sqrt(square)
            step = -(value / square)[:, None] * gradient
        closer = reached < distance[active]
        points[active[closer]], distance[active[closer]] = trial[closer], reached[closer]
        going = closer & (reached > ENOUGH * cell) & np.isfinite(step).all(1)
        active = active[going]
        if not active.size:
            break
        moved = trial[going] + step[going] - start[active]
        length = np.linalg.norm(moved, axis=1)
        moved *= np.minimum(1.0, cell / np.maximum(length, cell))[:, None]
        trial = np.clip(start[active] + moved, field.lower, field.upper)
    failed = np.flatnonzero((distance > 1e-6 * cell) & (crossings.start != crossings.end).any(1))
    if failed.size:
        _bisect(field, crossings, level, failed, points, distance)
    return Projected(points, distance)


def _bisect(
    field: SignedField,
    crossings: Crossings,
    level: float,
    chosen: np.ndarray,
    points: np.ndarray,
    distance: np.ndarray,
) -> None:
    """Put some vertices where the field changes its sign on their edges, if that is closer to the zero set."""
    a, b = crossings.start[chosen], crossings.end[chosen]
    positive = field.values(a) - level >= 0
    for _ in range(HALVINGS):
        middle = (a + b) / 2
        same = (field.values(middle) - level >= 0) == positive
        a, b = np.where(same[:, None], middle, a), np.where(same[:, None], b, middle)
    jets = field.in_pieces(a, 1)
    size = np.maximum(np.linalg.norm(jets[1:], axis=0), np.finfo(np.float64).tiny)
    with np.errstate(over="ignore"):
        reached = np.abs(jets[0] - level) / size
    closer = reached < distance[chosen]
    points[chosen[closer]], distance[chosen[closer]] = a[closer], reached[closer]
