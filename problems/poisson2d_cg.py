"""The linear Poisson-Boltzmann equation in a square with four round holes of unequal size.

    -(u_xx + u_yy) + k^2 u = A (m^2 + n^2 + x^2 + y^2) sin(m pi x) sin(n pi y)        on [-1, 1]^2 minus discs,
    u = 0.2 on the square,        u = 1 on the circles,

with discs of radius 0.2, 0.4, 0.1 and 0.3 at (0.5, 0.5), (0.4, -0.4), (-0.2, -0.7) and (-0.6, 0.5), k = 8, A = 10,
m = 1 and n = 4.  At the corners of the square the solution behaves like r^2 log r.  A boundary fit by multipoles
(:mod:`hermite_pinn.validation.references.multipoles`) knows it to 2e-7 for these numbers.

Source: PINNacle (arXiv 2306.08827), case Poisson2d-CG.

Number to beat: 1.43e-2, the best of PINNacle's methods.
"""

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp

from .base import not_negative, number, settings

__all__ = ["poisson2d_cg"]

DISCS = ((0.5, 0.5, 0.2), (0.4, -0.4, 0.4), (-0.2, -0.7, 0.1), (-0.6, 0.5, 0.3))


@settings(k=not_negative, amplitude=number)
def poisson2d_cg(k: float = 8.0, amplitude: float = 10.0) -> hp.Problem:
    """Two space axes; the faces of the holes are called ``disk``, ``disk2``, ``disk3`` and ``disk4``.

    Parameters
    ----------
    k
        Inverse screening length.
    amplitude
        A.

    Examples
    --------
    >>> poisson2d_cg().domain.face("disk2").name
    'disk2'
    """
    domain: Any = hp.Box(x=(-1, 1), y=(-1, 1))
    for x, y, radius in DISCS:
        domain = domain - hp.Disk((x, y), radius)

    def source(x: Any, y: Any) -> Any:
        return amplitude * (17 + x * x + y * y) * hp.sin(math.pi * x) * hp.sin(4 * math.pi * y)

    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=lambda u, x, y: -u.laplacian + k**2 * u - source(x, y),
        conditions=[
            hp.Dirichlet(u=0.2, on=["x-", "x+", "y-", "y+"]),
            hp.Dirichlet(u=1.0, on=["disk", "disk2", "disk3", "disk4"]),
        ],
        name=f"poisson2d_cg k={k:g}",
    )
