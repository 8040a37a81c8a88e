"""Mixing of two fluids by a vortex: transport by a steady rotation whose speed depends on the radius.

    u_t - omega y u_x + omega x u_y = 0,        (x, y) in [-L, L]^2,  t in [0, T],

with omega = sech(r)^2 tanh(r) / (v_max r), which tends to 1 / v_max at the centre, and

    u = -tanh((y cos(omega t) - x sin(omega t)) / 2),

from which initial and boundary values are taken.

Source: arXiv 2605.24774 (Hermite-NGP) with L = 4, T = 4, v_max = 0.385, the largest value of sech(r)^2 tanh(r).

Number to beat: 2.35e-4 (mean of the relative L2 errors at t = 0, 1, 2, 3, 4 on 50 x 50 points, the paper, 200,000 Adam
epochs); PIG reports 4.51e-4 by its own metric.
"""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .base import positive_number, settings

__all__ = ["flow_mixing"]


@settings(time=positive_number, v_max=positive_number, half_width=positive_number)
def flow_mixing(time: float = 4.0, v_max: float = 0.385, half_width: float = 4.0) -> hp.Problem:
    """Two space axes and time.

    Parameters
    ----------
    time
        Extent of time; the spiral has about ``time / v_max / (2 pi)`` turns.
    v_max
        Divisor of the tangential speed.
    half_width
        Half the edge L of the square.

    Examples
    --------
    >>> round(flow_mixing().exact["u"](0.0, 1.0, 0.0), 6)
    -0.462117
    """

    def omega(x: Any, y: Any) -> Any:
        r = hp.sqrt(x * x + y * y + 1e-30)  # the quotient below is 1 in floating point at r = 1e-15
        return hp.sech(r) ** 2 * (hp.tanh(r) / r) / v_max

    def exact(x: Any, y: Any, t: Any) -> Any:
        angle = omega(x, y) * t
        return -hp.tanh((y * hp.cos(angle) - x * hp.sin(angle)) / 2)

    return hp.Problem(
        domain=hp.Box(x=(-half_width, half_width), y=(-half_width, half_width), t=(0, time)),
        fields=["u"],
        residual=lambda u, x, y: u.t - omega(x, y) * y * u.x + omega(x, y) * x * u.y,
        conditions=[hp.Initial(u=lambda x, y: -hp.tanh(y / 2)), hp.Dirichlet(u=exact)],
        exact={"u": exact},
        name=f"flow_mixing T={time:g}",
    )
