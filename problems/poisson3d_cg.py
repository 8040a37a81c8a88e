"""A screened Poisson equation in a cube with four balls cut out and a coefficient that jumps.

    -(u_xx + u_yy + u_zz) + k(z)^2 u = f        on [0, 1]^3 minus balls,        u.n = 0 on all of the boundary,
    f = 20 exp(sin pi x + sin 10 pi y + sin 5 pi z) (r^2 - 1) / (r^2 + 1) + 100 sin pi x sin 10 pi y sin 5 pi z,

with r^2 = x^2 + y^2 + z^2, k = 8 below z = 1/2 and 10 above, and balls of radius 0.2, 0.2, 0.1 and 0.1 at
(0.4, 0.3, 0.6), (0.6, 0.7, 0.6), (0.2, 0.8, 0.7) and (0.6, 0.2, 0.3).  The second derivative along z jumps at z = 1/2,
where cells of an even number per axis meet.

Source: PINNacle (arXiv 2306.08827), case Poisson3d-CG.

Number to beat: 9.5e-2, the best of PINNacle's methods.
"""

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp

from .base import not_negative, settings

__all__ = ["poisson3d_cg"]

BALLS = ((0.4, 0.3, 0.6, 0.2), (0.6, 0.7, 0.6, 0.2), (0.2, 0.8, 0.7, 0.1), (0.6, 0.2, 0.3, 0.1))


@settings(lower=not_negative, upper=not_negative)
def poisson3d_cg(lower: float = 8.0, upper: float = 10.0) -> hp.Problem:
    """Three space axes; the faces of the holes are called ``ball``, ``ball2``, ``ball3`` and ``ball4``.

    Parameters
    ----------
    lower, upper
        k below and above z = 1/2.

    Examples
    --------
    >>> poisson3d_cg().domain.face("ball4").name
    'ball4'
    """
    domain: Any = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))
    for x, y, z, radius in BALLS:
        domain = domain - hp.Ball((x, y, z), radius)

    def source(x: Any, y: Any, z: Any) -> Any:
        r2 = x * x + y * y + z * z
        sx, sy, sz = hp.sin(math.pi * x), hp.sin(10 * math.pi * y), hp.sin(5 * math.pi * z)
        return 20 * hp.exp(sx + sy + sz) * (r2 - 1) / (r2 + 1) + 100 * sx * sy * sz

    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=lambda u, x, y, z: -u.laplacian + hp.where(z < 0.5, lower**2, upper**2) * u - source(x, y, z),
        conditions=[hp.Neumann(u=0.0)],
        name=f"poisson3d_cg k={lower:g} and {upper:g}",
    )
