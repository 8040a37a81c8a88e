"""Heat in a medium whose diffusivity is random: from pixel to pixel of an image, a log-normal field.

    u_t = a(x, y) (u_xx + u_yy) + 200 sin(pi x) sin(5 pi y) sin(pi t),        (x, y) in [0, 1]^2,  t in [0, T],

u = 0 at t = 0 and on the boundary.  a = exp(g) at the points of a lattice of n x n, ends included, with g a Gaussian
random field of spectral density |k|^-4, and elsewhere as at the nearest of these points: a jumps between them, and with
it the second derivatives of u.  The first index of the lattice runs along y.

Source: PINNacle (arXiv 2306.08827), case Heat2d-VC: n = 256, T = 5; a is between 0.060 and 14.2.  The equation is that
of its code, a times the Laplacian.  Its table of a is another one than that of its reference values.

Number to beat: 0.21, the best of PINNacle's methods.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import checks

from .base import positive_number, seed_number, settings
from .random_field import gaussian_field

__all__ = ["diffusivity", "heat_random"]


@settings(time=positive_number, size=functools.partial(checks.integer, least=2, most=4096), seed=seed_number)
def heat_random(time: float = 5.0, size: int = 256, seed: int = 20220722) -> hp.Problem:
    """Two space axes and time.

    Parameters
    ----------
    time
        Extent of time.
    size
        n.
    seed
        Of the random field.

    Examples
    --------
    >>> heat_random(size=8).order
    2
    """
    table = diffusivity(size, seed)
    last = size - 1

    def nearest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        i, j = (np.clip(np.rint(s * last), 0, last).astype(int) for s in (x, y))
        found: np.ndarray = table[j, i]
        return found

    a = hp.tabulated(nearest, "diffusivity")

    def source(x: Any, y: Any, t: Any) -> Any:
        return 200 * hp.sin(math.pi * x) * hp.sin(5 * math.pi * y) * hp.sin(math.pi * t)

    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1), t=(0, time)),
        fields=["u"],
        residual=lambda u, x, y, t: u.t - a(x, y) * u.laplacian - source(x, y, t),
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=0.0)],
        name=f"heat_random {size}x{size}, seed {seed}",
    )


def diffusivity(size: int = 256, seed: int = 20220722) -> np.ndarray:
    """Values of a at the lattice, (size, size), the first index along y.

    Examples
    --------
    >>> a = diffusivity()
    >>> round(float(a.min()), 3), round(float(a.max()), 2)
    (0.06, 14.24)
    """
    return np.exp(gaussian_field(size, 4.0, seed))
