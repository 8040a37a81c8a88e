"""Nonlinear Klein-Gordon equation in two space dimensions.

    u_tt - Delta u + u^2 = f,        (x, y) in [-1, 1]^2,  t in [0, T],
    u = (x + y) cos kt + x y sin kt,        f = u^2 - k^2 u,

with u(0) = x + y, u_t(0) = k x y, and Dirichlet values from u.

Source: SPINN (arXiv 2306.15969) and PIG (arXiv 2412.05994) with k = 2, T = 10.  Their codes do not impose u_t(0), so
that their solution is not unique; it is imposed here.

Numbers to beat (relative L2): PIG 2.76e-3, SPINN 1.93e-2, plain PINN 3.43e-2.
"""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .base import Bounds, bounds, number, positive_number, settings

__all__ = ["klein_gordon"]


@settings(k=number, time=positive_number, x=bounds, y=bounds)
def klein_gordon(k: float = 2.0, time: float = 10.0, x: Bounds = (-1, 1), y: Bounds = (-1, 1)) -> hp.Problem:
    """Two space axes and time.

    Parameters
    ----------
    k
        Frequency in time.
    time
        Extent of time.
    x, y
        Bounds of the space axes.

    Examples
    --------
    >>> klein_gordon(k=1.0, time=1.0).order
    2
    """

    def exact(x: Any, y: Any, t: Any) -> Any:
        return (x + y) * hp.cos(k * t) + x * y * hp.sin(k * t)

    def source(x: Any, y: Any, t: Any) -> Any:
        u = exact(x, y, t)
        return u * u - k**2 * u

    return hp.Problem(
        domain=hp.Box(x=x, y=y, t=(0, time)),
        fields=["u"],
        residual=lambda u, x, y, t: u.tt - u.laplacian + u * u - source(x, y, t),
        conditions=[
            hp.Dirichlet(u=exact),
            hp.Initial(u=lambda x, y: x + y, u_t=lambda x, y: k * x * y),
        ],
        exact={"u": exact},
        name=f"klein_gordon k={k:g}, T={time:g}",
    )
