"""Burgers' equation: a sine that steepens into an inner layer.

    u_t + u u_x = nu u_xx,        x in [-1, 1],  t in [0, T],        u(x, 0) = -sin pi x,        u(-1, t) = u(1, t) = 0.

The exact solution is an integral (Cole and Hopf), evaluated by quadrature: :mod:`hermite_pinn.problems.references`.

Source: Raissi, Perdikaris and Karniadakis, J. Comput. Phys. 378, 686 (2019), with nu = 0.01 / pi, T = 1.

Numbers to beat (relative L2): 1.43e-2, the best of PINNacle's methods; self-scaled Broyden 1.62e-8 (arXiv 2501.16371);
sketched Levenberg-Marquardt 4.75e-7 in 9.8 s (float32) and 7.97e-14 in 346 s on an H100 (arXiv 2607.02194); all as
reported there.
"""

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp

from .base import positive_number, settings
from .references import cole_hopf

__all__ = ["burgers"]


@settings(nu=positive_number, time=positive_number)
def burgers(nu: float = 0.01 / math.pi, time: float = 1.0) -> hp.Problem:
    """One space axis and time.

    Parameters
    ----------
    nu
        Viscosity.
    time
        Extent of time.

    Examples
    --------
    >>> round(float(burgers(nu=0.1).exact["u"](0.5, 0.0)), 12)
    -1.0
    """

    def initial(x: Any) -> Any:
        return -hp.sin(math.pi * x)

    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, time)),
        fields=["u"],
        residual=lambda u: u.t + u * u.x - nu * u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=initial)],
        exact={"u": lambda x, t: hp.tabulated(lambda a, b: cole_hopf(a, b, nu), "cole_hopf")(x, t)},
        name=f"burgers nu={nu:g}",
    )
