"""Collocation at Radau points of one cell: polynomials fixed by their start and an equation at each point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre
from scipy.special import roots_jacobi

from hermite_pinn.immutable import read_only

__all__ = ["RadauPoints", "radau_points"]

LOOKED = 2  # points between the collocation points at which an equation is looked at
HALVED = 40  # of the first collocation point: the same, near the start


class RadauPoints:
    """Polynomials of degree ``count`` on the cell from 0 to 1, by their changes from the start at the Radau points.

    The last point is the end of the cell, so that fast decay is damped however long the cell is (Radau IIA: Hairer
    and Wanner, *Solving Ordinary Differential Equations II*, section IV.5).

    Parameters
    ----------
    count
        Number of points, one at least.
    near
        Whether equations are looked at near the start of the cell as well, where no collocation point sees that they
        jump.

    Attributes
    ----------
    points
        Ascending, (count,); the last one is 1.
    slopes
        From changes at the points to first derivatives there, (count, count).
    looked
        Points at which an equation is looked at, (n,); the last two are where the defect of a smooth solution is
        largest.
    looked_parts
        Parts of the cell for which the defects there stand, (n,).
    looked_values, looked_slopes
        From changes at the points to changes and first derivatives there, (n, count).
    coefficients
        From changes at the points to coefficients of Legendre polynomials on the cell, (count + 1, count).
    rule
        Weights of the points for an integral over the cell, (count,).

    Examples
    --------
    >>> radau_points(2).points.round(6).tolist()
    [0.333333, 1.0]
    """

    def __init__(self, count: int, near: bool = False) -> None:
        inner = roots_jacobi(count - 1, 1.0, 0.0)[0] if count > 1 else np.zeros(0)
        self.count = count
        self.points = read_only(np.append(0.5 * (inner + 1.0), 1.0))
        nodes = np.append(0.0, self.points)
        whole = np.linalg.inv(legendre.legvander(2.0 * nodes - 1.0, count))  # from values at the start and the points
        self.coefficients = read_only(whole[:, 1:])
        self.slopes = read_only(self.derivatives(self.points, 1))
        close = self.points[0] * 0.5 ** np.arange(HALVED, 0, -1) if near else np.zeros(0)
        self.looked = read_only(np.append(close, self._extremes(nodes)))
        self.looked_parts = read_only(np.append(np.minimum(2.0 * close, 1.0 / count), np.full(LOOKED, 1.0 / count)))
        self.looked_values = read_only(self.derivatives(self.looked, 0))
        self.looked_slopes = read_only(self.derivatives(self.looked, 1))
        ends = legendre.legvander(2.0 * self.points - 1.0, count - 1)
        exact = np.zeros(count)
        exact[0] = 1.0
        self.rule = read_only(np.linalg.solve(ends.T, exact))

    def derivatives(self, at: np.ndarray, order: int) -> np.ndarray:
        """From changes at the points to derivatives of an order at others, by the length of the cell, (n, count)."""
        rows = legendre.legder(self.coefficients, order, scl=2.0) if order else self.coefficients
        return np.asarray(legendre.legvander(2.0 * np.asarray(at) - 1.0, len(rows) - 1) @ rows)

    def end_derivatives(self, orders: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """From changes at the points to derivatives at both ends of the cell, each (orders, count)."""
        rows = [self.derivatives(np.array([0.0, 1.0]), k) for k in orders]
        return np.stack([r[0] for r in rows]), np.stack([r[1] for r in rows])

    def _extremes(self, nodes: np.ndarray) -> np.ndarray:
        """Where the polynomial that vanishes at the points is largest: near the start and in the middle."""
        fine = np.linspace(0.0, 1.0, 2001)
        sizes = np.abs(np.prod(fine[:, None] - nodes[None, 1:], 1))
        edges = [0.5 * nodes[1], nodes[1], *nodes[2:]]
        found = [
            fine[(fine >= a) & (fine <= b)][np.argmax(sizes[(fine >= a) & (fine <= b)])]
            for a, b in itertools.pairwise(edges)
        ]
        return np.array([found[0], found[len(found) // 2]])


@lru_cache(maxsize=8)
def radau_points(count: int, near: bool = False) -> RadauPoints:
    """The one of a number of points, made once."""
    return RadauPoints(count, near)
