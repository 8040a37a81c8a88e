"""Kovasznay flow: the steady Navier-Stokes equations behind a grid.

    u u_x + v u_y + p_x = (u_xx + u_yy) / Re,        u v_x + v v_y + p_y = (v_xx + v_yy) / Re,        u_x + v_y = 0,

    u = 1 - exp(l x) cos 2 pi y,        v = l / (2 pi) exp(l x) sin 2 pi y,        p = (1 - exp(2 l x)) / 2,
    l = Re / 2 - sqrt(Re^2 / 4 + 4 pi^2),

with u and v given on the boundary; the equations hold p up to a constant, and its mean is set to zero.

Source: L. I. G. Kovasznay, Proc. Cambridge Philos. Soc. 44, 58 (1948); Re = 40 on [-0.5, 1] x [-0.5, 1.5] in NSFnets
(Jin et al., J. Comput. Phys. 426, 109951, 2021).  Protocols differ in boundary points and in how p is compared, so
that no number is quoted.
"""

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp

from .base import Bounds, bounds, positive_number, settings

__all__ = ["kovasznay"]


@settings(reynolds=positive_number, x=bounds, y=bounds)
def kovasznay(reynolds: float = 40.0, x: Bounds = (-0.5, 1.0), y: Bounds = (-0.5, 1.5)) -> hp.Problem:
    """Two space axes; fields u, v and the pressure p.

    Parameters
    ----------
    reynolds
        Reynolds number of the grid's spacing.
    x, y
        Bounds.

    Examples
    --------
    >>> kovasznay(reynolds=20).fields
    ('u', 'v', 'p')
    """
    rate = -4 * math.pi**2 / (reynolds / 2 + math.hypot(reynolds / 2, 2 * math.pi))  # l without cancellation
    q = 2 * math.pi

    def u_exact(x: Any, y: Any) -> Any:
        return 1 - hp.exp(rate * x) * hp.cos(q * y)

    def v_exact(x: Any, y: Any) -> Any:
        return rate / q * hp.exp(rate * x) * hp.sin(q * y)

    def p_exact(x: Any, y: Any) -> Any:
        return (1 - hp.exp(2 * rate * x)) / 2

    def residual(u: Any, v: Any, p: Any) -> dict[str, Any]:
        return {
            "momentum x": u * u.x + v * u.y + p.x - u.laplacian / reynolds,
            "momentum y": u * v.x + v * v.y + p.y - v.laplacian / reynolds,
            "continuity": u.x + v.y,
        }

    return hp.Problem(
        domain=hp.Box(x=x, y=y),
        fields=["u", "v", "p"],
        residual=residual,
        conditions=[
            hp.Dirichlet(u=u_exact, v=v_exact),
            hp.Gauge("p"),
        ],
        exact={"u": u_exact, "v": v_exact, "p": lambda x, y: p_exact(x, y)},
        name=f"kovasznay Re={reynolds:g}",
    )
