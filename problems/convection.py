"""Convection of a wave through a periodic domain.

    u_t + c u_x = 0,        x in [0, L] periodic,  t in [0, T],        u(x, 0) = sin(n 2 pi x / L),        u = sin(n 2
    pi (x - c t) / L)

Source: arXiv 2605.24774 (Hermite-NGP) with c = 30, L = 2 pi, T = 1, n = 1; the failure case of Krishnapriyan et al.
(2021).

Number to beat: 8.49e-5 (relative L2, the paper, 100,000 Adam epochs).
"""

from __future__ import annotations

import math

import hermite_pinn as hp

from .base import count, number, positive_number, settings

__all__ = ["convection"]


@settings(c=number, length=positive_number, time=positive_number, waves=count)
def convection(c: float = 30.0, length: float = 2 * math.pi, time: float = 1.0, waves: int = 1) -> hp.Problem:
    """One space axis and time.

    Parameters
    ----------
    c
        Speed.
    length, time
        Extent of the space axis and of time.
    waves
        Waves on the space axis.

    Examples
    --------
    >>> hp.solve(convection(c=3), tol=1e-4).error()["u"]["relative_l2"] < 1e-4
    True
    """
    q = 2 * math.pi * waves / length
    return hp.Problem(
        domain=hp.Box(x=(0, length), t=(0, time)),
        fields=["u"],
        residual=lambda u: u.t + c * u.x,
        conditions=[hp.Periodic("x"), hp.Initial(u=lambda x: hp.sin(q * x))],
        exact={"u": lambda x, t: hp.sin(q * (x - c * t))},
        name=f"convection c={c:g}",
    )
