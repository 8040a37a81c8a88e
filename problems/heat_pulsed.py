"""Heat over a long time, with a nonlinear source that pulses.

    u_t = k (u_xx + u_yy) + 5 sin(u^2) (1 + 2 sin(pi t / 4)) sin(4 pi x) sin(2 pi y),
    (x, y) in [0, 1]^2,  t in [0, T],        u = 0 on the boundary,        u = sin(4 pi x) sin(3 pi y) at t = 0.

Where the source is positive u soon reaches sqrt(pi), where it vanishes, with layers between as wide as sqrt(k); the
solution then follows the pulses with period 8.

Source: PINNacle (arXiv 2306.08827), case Heat2d-LT: k = 0.001, T = 100.

Number to beat: 1.0, the best of PINNacle's methods.
"""

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp

from .base import number, positive_number, settings

__all__ = ["heat_pulsed"]


@settings(diffusivity=positive_number, strength=number, time=positive_number)
def heat_pulsed(diffusivity: float = 0.001, strength: float = 5.0, time: float = 100.0) -> hp.Problem:
    """Two space axes and time.

    Parameters
    ----------
    diffusivity
        k.
    strength
        Factor of the source.
    time
        Extent of time.

    Examples
    --------
    >>> heat_pulsed(time=1.0).domain.bounds["t"]
    (0.0, 1.0)
    """

    def pulses(x: Any, y: Any, t: Any) -> Any:
        place = hp.sin(4 * math.pi * x) * hp.sin(2 * math.pi * y)
        return strength * (1 + 2 * hp.sin(math.pi / 4 * t)) * place

    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1), t=(0, time)),
        fields=["u"],
        residual=lambda u, x, y, t: u.t - diffusivity * u.laplacian - hp.sin(u * u) * pulses(x, y, t),
        conditions=[
            hp.Dirichlet(u=0.0),
            hp.Initial(u=lambda x, y: hp.sin(4 * math.pi * x) * hp.sin(3 * math.pi * y)),
        ],
        name=f"heat_pulsed T={time:g}",
    )
