"""Heat in a rectangular plate with seventeen round holes that warm it.

    u_t = u_xx + u_yy        on [-8, 8] x [-12, 12] minus discs, for t in [0, 3],        u = 0 at t = 0,
    u.n = 5 - u on eleven circles of radius 1,    u.n = 1 - u on six of radius 0.4,    u.n = 0.1 - u on the rectangle;

the large discs are centred at (+-4, +-3), (+-4, +-9), (0, 0) and (0, +-6), the small ones at (+-3.2, +-6) and
(+-3.2, 0).  The initial value does not satisfy the conditions: the slope at the circles jumps at t = 0.

Source: PINNacle (arXiv 2306.08827), case Heat2d-CG.

Number to beat: 2.4e-2, the best of PINNacle's methods.
"""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .base import positive_number, settings

__all__ = ["heat2d_cg"]

LARGE = (
    *((sx * 4.0, sy * y) for sx in (-1, 1) for y in (3.0, 9.0) for sy in (-1, 1)),
    (0.0, 0.0),
    (0.0, 6.0),
    (0.0, -6.0),
)
SMALL = (*((sx * 3.2, sy * 6.0) for sx in (-1, 1) for sy in (-1, 1)), (-3.2, 0.0), (3.2, 0.0))


@settings(time=positive_number)
def heat2d_cg(time: float = 3.0) -> hp.Problem:
    """Two space axes and time; the holes are the faces ``large1`` to ``large11`` and ``small1`` to ``small6``.

    Parameters
    ----------
    time
        Extent of time.

    Examples
    --------
    >>> heat2d_cg().domain.face("small6").name
    'small6'
    """
    domain: Any = hp.Box(x=(-8, 8), y=(-12, 12), t=(0, time))
    for k, centre in enumerate(LARGE, 1):
        domain = domain - hp.Disk(centre, 1.0, name=f"large{k}")
    for k, centre in enumerate(SMALL, 1):
        domain = domain - hp.Disk(centre, 0.4, name=f"small{k}")
    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=lambda u: u.t - u.laplacian,
        conditions=[
            hp.Initial(u=0.0),
            hp.Robin(u=(1.0, 1.0, 5.0), on=[f"large{k}" for k in range(1, len(LARGE) + 1)]),
            hp.Robin(u=(1.0, 1.0, 1.0), on=[f"small{k}" for k in range(1, len(SMALL) + 1)]),
            hp.Robin(u=(1.0, 1.0, 0.1), on=["x-", "x+", "y-", "y+"]),
        ],
        name=f"heat2d_cg to t={time:g}",
    )
