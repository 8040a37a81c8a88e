"""Heat that diffuses with very different speeds along the two axes.

    u_t = u_xx / (m pi)^2 + u_yy / pi^2,        (x, y) in [0, 1]^2,  t in [0, T],        u = 0 on the boundary,
    u = sin(n pi x) sin(pi y) exp(-((n / m)^2 + 1) t).

Source: PINNacle (arXiv 2306.08827), case Heat2d-MS: m = 500, n = 20, T = 5.

Number to beat: 6.2e-2, the best of PINNacle's methods.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import hermite_pinn as hp
from hermite_pinn import checks

from .base import positive_number, settings

__all__ = ["heat_multiscale"]


@settings(scale=positive_number, waves=functools.partial(checks.integer, least=1), time=positive_number)
def heat_multiscale(scale: float = 500.0, waves: int = 20, time: float = 5.0) -> hp.Problem:
    """Two space axes and time.

    Parameters
    ----------
    scale
        m.
    waves
        n.
    time
        Extent of time.

    Examples
    --------
    >>> round(heat_multiscale().exact["u"](0.025, 0.5, 0.0), 12)
    1.0
    """
    rate = (waves / scale) ** 2 + 1

    def solution(x: Any, y: Any, t: Any) -> Any:
        return hp.sin(waves * math.pi * x) * hp.sin(math.pi * y) * hp.exp(-rate * t)

    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1), t=(0, time)),
        fields=["u"],
        residual=lambda u: u.t - u.xx / (scale * math.pi) ** 2 - u.yy / math.pi**2,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: solution(x, y, 0.0))],
        exact={"u": solution},
        name=f"heat_multiscale m={scale:g}, n={waves}",
    )
