"""Waves in a plane that is twice as stiff along one axis, over a long time.

    u_tt = u_xx + 2 u_yy,        (x, y) in [0, 1]^2,  t in [0, T],        u given on the boundary,  u_t = 0 at t = 0,
    u = (sin(3 pi x) sinh(2 pi y) + sinh(pi x) sin(pi y)) cos(pi t).

Source: PINNacle (arXiv 2306.08827), case Wave2d-MS: T = 100.  The reference coded there has sin(pi x) sinh(pi y) and
sinh(3 pi x) sin(2 pi y), which does not satisfy the equation; with the numbers exchanged as above it does.

Number to beat: 0.98, the best of PINNacle's methods (with the faulty reference).
"""

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp

from .base import positive_number, settings

__all__ = ["wave_anisotropic"]


@settings(time=positive_number)
def wave_anisotropic(time: float = 100.0) -> hp.Problem:
    """Two space axes and time.

    Parameters
    ----------
    time
        Extent of time.

    Examples
    --------
    >>> round(wave_anisotropic().exact["u"](0.5, 0.0, 0.0), 12)
    0.0
    """

    def solution(x: Any, y: Any, t: Any) -> Any:
        first = hp.sin(3 * math.pi * x) * hp.sinh(2 * math.pi * y)
        second = hp.sinh(math.pi * x) * hp.sin(math.pi * y)
        return (first + second) * hp.cos(math.pi * t)

    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1), t=(0, time)),
        fields=["u"],
        residual=lambda u: u.tt - u.xx - 2 * u.yy,
        conditions=[hp.Dirichlet(u=solution), hp.Initial(u=lambda x, y: solution(x, y, 0.0), u_t=0.0)],
        exact={"u": solution},
        name=f"wave_anisotropic T={time:g}",
    )
