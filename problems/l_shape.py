"""Laplace's equation in an L, whose re-entrant corner makes the solution singular.

    u_xx + u_yy = 0        on [-1, 1]^2 minus [0, 1] x [-1, 0],        u = r^(2/3) sin(2 phi / 3),

in polar coordinates about the corner at the origin, phi from the side along the positive x axis, which is zero on both
sides of the corner; Dirichlet values from u.  u has no square integrable second derivatives: least squares on smooth
functions converge to something else, and refinement does not help.

Source: the standard test of adaptive finite elements, for example P. Grisvard, Elliptic Problems in Nonsmooth Domains
(1985).  Peers use other data on it, so that no number can be compared.
"""

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp

from .base import positive_number, settings

__all__ = ["l_shape"]


@settings(scale=positive_number)
def l_shape(scale: float = 1.0) -> hp.Problem:
    """Two space axes; the sides of the corner belong to the face ``rectangle``.

    Parameters
    ----------
    scale
        Half the edge of the square.

    Examples
    --------
    >>> round(float(l_shape().exact["u"](-0.5, 0.5)), 6)
    0.793701
    """
    s = math.sqrt(0.5)

    def exact(x: Any, y: Any) -> Any:
        angle = 3 * math.pi / 4 + hp.arctan2(-s * (x + y), s * (y - x))  # jumps in the missing quarter only
        return ((x * x + y * y) / scale**2) ** (1 / 3) * hp.sin(2 / 3 * angle)

    domain = hp.Box(x=(-scale, scale), y=(-scale, scale)) - hp.Rectangle((0, -2 * scale), (2 * scale, 0))
    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=lambda u: u.laplacian,
        conditions=[hp.Dirichlet(u=0.0, on="rectangle"), hp.Dirichlet(u=exact, on=["x-", "x+", "y-", "y+"])],
        exact={"u": exact},
        name="l_shape" if scale == 1 else f"l_shape scale={scale:g}",
    )
