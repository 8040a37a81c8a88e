"""Waves in a medium of two speeds in random patches.

    u_tt = c(x, y) (u_xx + u_yy),        (x, y) in [-1, 1]^2,  t in [0, T],        u.n = 0,
    u = exp(-((x + 1/2)^2 + y^2) / 0.18),        u_t = 0        at t = 0.

c is 12 where a Gaussian random field of spectral density |k|^-4 is positive on a lattice of n x n points, ends
included, 1 where it is not, and bilinear between the points; the first index of the lattice runs along x.  The initial
value does not satisfy u.n = 0, so that kinks travel from the boundary.

Source: PINNacle (arXiv 2306.08827), case Wave2d-CG: n = 256, T = 5.

Number to beat: 0.79, the best of PINNacle's methods.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import checks

from .base import positive_number, seed_number, settings
from .random_field import gaussian_field

__all__ = ["squared_speed", "wave_random"]


@settings(
    fast=positive_number,
    slow=positive_number,
    time=positive_number,
    size=functools.partial(checks.integer, least=2, most=4096),
    seed=seed_number,
)
def wave_random(
    fast: float = 12.0, slow: float = 1.0, time: float = 5.0, size: int = 256, seed: int = 20220722
) -> hp.Problem:
    """Two space axes and time.

    Parameters
    ----------
    fast, slow
        The two values of c, squares of speeds.
    time
        Extent of time.
    size
        n.
    seed
        Of the random field.

    Examples
    --------
    >>> wave_random(size=8, time=1.0).order
    2
    """
    table = squared_speed(fast, slow, size, seed)
    c = hp.tabulated(lambda x, y: bilinear(table, (x + 1) / 2, (y + 1) / 2), "squared speed")

    def initial(x: Any, y: Any) -> Any:
        return hp.exp(-((x + 0.5) ** 2 + y * y) / 0.18)

    return hp.Problem(
        domain=hp.Box(x=(-1, 1), y=(-1, 1), t=(0, time)),
        fields=["u"],
        residual=lambda u, x, y: u.tt / c(x, y) - u.laplacian,
        conditions=[hp.Neumann(u=0.0), hp.Initial(u=initial, u_t=0.0)],
        name=f"wave_random c={slow:g} and {fast:g}, seed {seed}",
    )


def squared_speed(fast: float = 12.0, slow: float = 1.0, size: int = 256, seed: int = 20220722) -> np.ndarray:
    """Values of c at the lattice, (size, size), the first index along x.

    Examples
    --------
    >>> sorted({float(c) for c in squared_speed(size=8).ravel()})
    [1.0, 12.0]
    """
    return np.where(gaussian_field(size, 4.0, seed) > 0, fast, slow)


def bilinear(table: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values between the points of a lattice on [0, 1]^2, ends included, at points of one shape.

    Examples
    --------
    >>> float(bilinear(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array(0.5), np.array(0.25)))
    1.25
    """
    weights, lower = [], []
    for s, n in zip((x, y), table.shape, strict=True):
        place = np.clip(s, 0.0, 1.0) * (n - 1)
        first = np.minimum(place.astype(int), n - 2)
        lower.append(first)
        weights.append(place - first)
    (p, q), (i, j) = weights, lower
    found: np.ndarray = (1 - p) * ((1 - q) * table[i, j] + q * table[i, j + 1]) + p * (
        (1 - q) * table[i + 1, j] + q * table[i + 1, j + 1]
    )
    return found
