"""Lid-driven cavity: the steady Navier-Stokes equations in a square whose upper side moves.

    u u_x + v u_y + p_x = (u_xx + u_yy) / Re,        u v_x + v v_y + p_y = (v_xx + v_yy) / Re,        u_x + v_y = 0

on [0, 1]^2, u = v = 0 on the boundary save u = lid(x) at y = 1; the equations hold p up to a constant, and its mean is
set to zero.

``lid="classical"``: lid = 1.  Velocity jumps and pressure is infinite at the upper corners, which the solver takes as a
known part of the solution; the problem is compared with the centre lines of Ghia, Ghia and Shin (table in
:mod:`hermite_pinn.validation.references`).

``lid="regularised"``: lid = 16 x^2 (1 - x)^2, with a smooth solution; u and v are known from a spectral method
(:mod:`hermite_pinn.problems.references`), p is not.

``lid="parabolic"``: lid = 4 x (1 - x), PINNacle's case NS2d-C (arXiv 2306.08827), whose best method is 3.6e-2 off.  The
velocity is continuous, its derivatives are not at the upper corners, where the pressure is infinite like a logarithm.

Source: U. Ghia, K. N. Ghia and C. T. Shin, J. Comput. Phys. 48, 387 (1982), Re = 100; J. Shen, J. Comput. Phys. 95, 228
(1991) for the regularised lid.

Numbers to beat: sketched Levenberg-Marquardt 1.1e-4 in 403 s on an H100 at Re = 100 (arXiv 2607.02194); jaxpi 1.34e-1
(relative L2 of the speed) at Re = 1000; as reported there.
"""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .base import choice, positive_number, settings
from .references import regularised_cavity

__all__ = ["cavity"]


@settings(reynolds=positive_number)
def cavity(reynolds: float = 100.0, lid: str = "classical") -> hp.Problem:
    """Two space axes; fields u, v and the pressure p.

    Parameters
    ----------
    reynolds
        Reynolds number by the edge and the lid's largest speed.
    lid
        ``"classical"`` (constant speed), ``"parabolic"`` (zero at its ends) or ``"regularised"`` (zero there with its
        slope).

    Examples
    --------
    >>> sorted(cavity(lid="regularised").exact)
    ['u', 'v']
    """
    choice("lid", lid, ["classical", "parabolic", "regularised"])
    speeds: dict[str, Any] = {
        "classical": 1.0,
        "parabolic": lambda x: 4 * x * (1 - x),
        "regularised": lambda x: 16 * x * x * (1 - x) ** 2,
    }

    def residual(u: Any, v: Any, p: Any) -> dict[str, Any]:
        return {
            "momentum x": u * u.x + v * u.y + p.x - u.laplacian / reynolds,
            "momentum y": u * v.x + v * v.y + p.y - v.laplacian / reynolds,
            "continuity": u.x + v.y,
        }

    def reference(field: str) -> Any:
        return hp.tabulated(lambda x, y: regularised_cavity(x, y, reynolds, field), "cavity")

    smooth = lid == "regularised"
    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u", "v", "p"],
        residual=residual,
        conditions=[
            hp.Dirichlet(u=speeds[lid], on="y+"),
            hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"]),
            hp.Dirichlet(v=0.0),
            hp.Gauge("p"),
        ],
        exact={"u": lambda x, y: reference("u")(x, y), "v": lambda x, y: reference("v")(x, y)} if smooth else None,
        name=f"cavity Re={reynolds:g}, {lid}",
    )
