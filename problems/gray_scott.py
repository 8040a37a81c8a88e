"""The Gray-Scott equations: two substances that react and diffuse, and form pulses.

    u_t = e (u_xx + u_yy) + b (1 - u) - u v^2,        v_t = e/2 (v_xx + v_yy) - d v + u v^2,

periodic on [-1, 1]^2, t in [0, T], from
u = 1 - exp(-80 ((x + 0.05)^2 + (y + 0.02)^2)) and v = exp(-80 ((x - 0.05)^2 + (y - 0.02)^2)).

Source: PINNacle (arXiv 2306.08827), case GS: e = 1e-5, b = 0.04, d = 0.1, T = 200.  Its code gives no condition on the
boundary, where u = 1 and v = 0 for the initial values; periodic ones are chosen here.

Number to beat: 8.0e-2, the best of PINNacle's methods (u and v in one norm).
"""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .base import not_negative, positive_number, settings

__all__ = ["gray_scott"]


@settings(diffusivity=positive_number, feed=not_negative, decay=not_negative, time=positive_number)
def gray_scott(diffusivity: float = 1e-5, feed: float = 0.04, decay: float = 0.1, time: float = 200.0) -> hp.Problem:
    """Two space axes and time; fields u and v.

    Parameters
    ----------
    diffusivity
        e; that of v is half of it.
    feed, decay
        b and d.
    time
        Extent of time.

    Examples
    --------
    >>> gray_scott(time=20.0).fields
    ('u', 'v')
    """

    def spot(x: Any, y: Any, side: float) -> Any:
        return hp.exp(-80 * ((x - 0.05 * side) ** 2 + (y - 0.02 * side) ** 2))

    return hp.Problem(
        domain=hp.Box(x=(-1, 1), y=(-1, 1), t=(0, time)),
        fields=["u", "v"],
        residual=lambda u, v: {
            "u": u.t - diffusivity * u.laplacian - feed * (1 - u) + u * v * v,
            "v": v.t - diffusivity / 2 * v.laplacian + decay * v - u * v * v,
        },
        conditions=[
            hp.Periodic("x", "y"),
            hp.Initial(u=lambda x, y: 1 - spot(x, y, -1.0), v=lambda x, y: spot(x, y, 1.0)),
        ],
        name=f"gray_scott T={time:g}",
    )
