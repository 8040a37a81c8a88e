"""Flow around a cylinder in a channel: drag and lift.

    u u_x + v u_y + p_x = nu (u_xx + u_yy),        u v_x + v v_y + p_y = nu (v_xx + v_yy),        u_x + v_y = 0

on [0, 2.2] x [0, 0.41] minus the disc of radius 0.05 at (0.2, 0.2).  At x = 0 flows in u = 4 U y (H - y) / H^2, v = 0,
with U = 0.3 and H = 0.41; at x = 2.2 nu u_x = p and v_x = 0; u = v = 0 elsewhere.  The Reynolds number by the mean
speed 2 U / 3 and the diameter is 20 for nu = 1/1000.  With the traction T that acts on the cylinder

    (drag, lift) = 2 / (speed^2 diameter) integral of T,        T = (nu (grad u + grad u^T) - p) n.

Source: M. Schaefer and S. Turek, Benchmark computations of laminar flow around a cylinder, Notes on Numerical Fluid
Mechanics 52, 547 (1996), case 2D-1; drag 5.57953523384, lift 0.010618948146 and pressure difference 0.11752016697
between (0.15, 0.2) and (0.25, 0.2) by G. Nabh, On higher order methods for the stationary incompressible Navier-Stokes
equations, thesis, Heidelberg (1998).  There is no number of a network to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import hermite_pinn as hp

from .base import positive_number, settings

__all__ = ["COEFFICIENTS", "cylinder", "forces"]

CENTRE, RADIUS, LENGTH, HEIGHT = (0.2, 0.2), 0.05, 2.2, 0.41
RING = 0.19  # outer radius of the ring in which forces are taken

#: Drag and lift coefficients and pressure difference of the benchmark.
COEFFICIENTS: Mapping[str, float] = {
    "drag": 5.57953523384,
    "lift": 0.010618948146,
    "pressure difference": 0.11752016697,
}


@settings(speed=positive_number, nu=positive_number)
def cylinder(speed: float = 0.3, nu: float = 1e-3) -> hp.Problem:
    """Two space axes; fields u, v and the pressure p; the cylinder is the face ``disk``.

    Parameters
    ----------
    speed
        Largest speed of the inflow, U.
    nu
        Viscosity.

    Examples
    --------
    >>> cylinder().domain.face("disk").name
    'disk'
    """

    def residual(u: Any, v: Any, p: Any) -> dict[str, Any]:
        return {
            "momentum x": u * u.x + v * u.y + p.x - nu * u.laplacian,
            "momentum y": u * v.x + v * v.y + p.y - nu * v.laplacian,
            "continuity": u.x + v.y,
        }

    return hp.Problem(
        domain=hp.Box(x=(0, LENGTH), y=(0, HEIGHT)) - hp.Disk(CENTRE, RADIUS),
        fields=["u", "v", "p"],
        residual=residual,
        conditions=[
            hp.Dirichlet(u=lambda y: 4 * speed * y * (HEIGHT - y) / HEIGHT**2, v=0.0, on="x-"),
            hp.Dirichlet(u=0.0, v=0.0, on=["y-", "y+", "disk"]),
            hp.Condition(lambda u, p: nu * u.x - p, on="x+"),
            hp.Condition(lambda v: nu * v.x, on="x+"),
        ],
        name=f"cylinder U={speed:g}, nu={nu:g}",
    )


def forces(solution: Any, speed: float = 0.3, nu: float = 1e-3, points: int = 96) -> dict[str, float]:
    """Drag and lift coefficients and the pressure difference, from the stress in a ring about the cylinder.

    With w = chi(r) e for a unit vector e, where chi falls from 1 on the cylinder to 0 at the edge of the ring,

        e . integral of T over the cylinder = -integral of (sigma : grad w + w . (u . grad) u) over the ring,

    since div sigma = (u . grad) u.  Errors of derivatives on the boundary alone, which are the largest, hardly matter.

    Parameters
    ----------
    solution
        Has the fields u, v and p as functions with the derivatives ``.x`` and ``.y``.
    speed, nu
        As in :func:`cylinder`.
    points
        Of a rule of Gauss across the ring, and twice as many of the trapezoidal rule around.

    Returns
    -------
    dict
        ``"drag"``, ``"lift"`` and ``"pressure difference"``, as in :data:`COEFFICIENTS`.
    """
    across, weights = np.polynomial.legendre.leggauss(points)
    radii = RADIUS + 0.5 * (RING - RADIUS) * (1 + across)
    angle = math.pi * (np.arange(2 * points) + 0.5) / points
    r, angle = (g.ravel() for g in np.meshgrid(radii, angle, indexing="ij"))
    area = np.repeat(0.5 * (RING - RADIUS) * weights * radii, 2 * points) * math.pi / points
    c, s = np.cos(angle), np.sin(angle)
    x, y = CENTRE[0] + r * c, CENTRE[1] + r * s
    u, v, p = (getattr(solution, name) for name in "uvp")
    values, shear = (u(x, y), v(x, y)), nu * (u.y(x, y) + v.x(x, y))
    t = (r - RADIUS) / (RING - RADIUS)
    chi, slope = (1 - t) ** 2 * (1 + 2 * t), -6 * t * (1 - t) / (RING - RADIUS)
    along = {}
    for name, own, stress in (
        ("drag", u, ((2 * nu * u.x(x, y) - p(x, y)) * c + shear * s)),
        ("lift", v, (shear * c + (2 * nu * v.y(x, y) - p(x, y)) * s)),
    ):
        carried = values[0] * own.x(x, y) + values[1] * own.y(x, y)
        along[name] = -float(np.sum(area * (slope * stress + chi * carried)))
    factor = 2 / ((2 * speed / 3) ** 2 * 2 * RADIUS)
    ends = p(np.array([CENTRE[0] - RADIUS, CENTRE[0] + RADIUS]), np.full(2, CENTRE[1]))
    return {name: factor * value for name, value in along.items()} | {"pressure difference": float(ends[0] - ends[1])}
