"""Stokes flow: slow viscous flow, velocities and pressure together.

    -nu laplacian u + p_x = f,        -nu laplacian v + p_y = g,        u_x + v_y = 0,

    u = sin^2(pi x) sin(2 pi y),        v = -sin(2 pi x) sin^2(pi y),        p = cos(pi x) cos(pi y),

with u = v = 0 on the boundary of the unit square; the equations hold p up to a constant, and its mean is set to zero.

Source: a solution made for this test, divergence-free with zero velocity on the boundary; no number of others is
quoted.
"""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .base import positive_number, settings

__all__ = ["stokes"]


@settings(nu=positive_number)
def stokes(nu: float = 1.0) -> hp.Problem:
    """Two space axes; fields u, v and the pressure p.

    Parameters
    ----------
    nu
        Viscosity.

    Examples
    --------
    >>> stokes().fields
    ('u', 'v', 'p')
    """
    q = 2 * hp.pi

    def u_exact(x: Any, y: Any) -> Any:
        return (1 - hp.cos(q * x)) / 2 * hp.sin(q * y)

    def v_exact(x: Any, y: Any) -> Any:
        return -hp.sin(q * x) * (1 - hp.cos(q * y)) / 2

    def p_exact(x: Any, y: Any) -> Any:
        return hp.cos(hp.pi * x) * hp.cos(hp.pi * y)

    def force(x: Any, y: Any) -> Any:
        """Minus the Laplacian of u; with x and y exchanged, the Laplacian of v."""
        return q**2 * (0.5 - hp.cos(q * x)) * hp.sin(q * y)

    def residual(u: Any, v: Any, p: Any, x: Any, y: Any) -> dict[str, Any]:
        return {
            "momentum x": p.x - nu * u.laplacian - nu * force(x, y) + hp.pi * hp.sin(hp.pi * x) * hp.cos(hp.pi * y),
            "momentum y": p.y - nu * v.laplacian + nu * force(y, x) + hp.pi * hp.cos(hp.pi * x) * hp.sin(hp.pi * y),
            "continuity": u.x + v.y,
        }

    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u", "v", "p"],
        residual=residual,
        conditions=[hp.Dirichlet(u=0.0, v=0.0), hp.Gauge("p")],
        exact={"u": u_exact, "v": v_exact, "p": p_exact},
        name=f"stokes nu={nu:g}",
    )
