"""Heat in a disc or a ball, with a solution that grows.

    u_t = (u_xx + u_yy + ...) / d - (|x|^2 / d) exp(|x|^2 / 2 + t),        |x| < 1 in d axes,  t in [0, T],
    u.n = exp(|x|^2 / 2 + t) on the sphere,        u = exp(|x|^2 / 2 + t).

Source: PINNacle (arXiv 2306.08827), case HNd: d = 5, T = 1; there are discs and balls in two and three axes here.

Number to beat: 1.2e-4, the best of PINNacle's methods (d = 5).
"""

from __future__ import annotations

import functools
from typing import Any

import hermite_pinn as hp
from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError

from .base import named, positive_number, settings

__all__ = ["heat_ball"]


@settings(dim=functools.partial(checks.integer, least=1, most=100), time=positive_number)
def heat_ball(dim: int = 2, time: float = 1.0) -> hp.Problem:
    """Two or three space axes and time; the sphere is the face ``surface``.

    Parameters
    ----------
    dim
        Number of space axes d.
    time
        Extent of time.

    Raises
    ------
    InvalidArgumentError
        If there is no ball in so many axes.

    Examples
    --------
    >>> heat_ball().domain.face("surface").name
    'surface'
    """
    if dim not in (2, 3):
        raise InvalidArgumentError(
            f"heat_ball takes dim=2, a disc, or dim=3, a ball; got dim={dim}. Shapes have two or three space axes, a Box of its own up to sixteen"
        )
    names = ["x", "y", "z"][:dim]
    centre = (0.0,) * dim
    ball = hp.Disk(centre, 1.0, name="surface") if dim == 2 else hp.Ball(centre, 1.0, name="surface")
    space: dict[str, Any] = dict.fromkeys(names, (-1.1, 1.1))

    def squared(x: Any) -> Any:
        return sum(s * s for s in x[1:]) + x[0] * x[0]

    def growing(*c: Any) -> Any:
        return hp.exp(squared(c[:-1]) / 2 + c[-1])

    exact = named(growing, [*names, "t"])
    return hp.Problem(
        domain=hp.Box(**space, t=(0, time)) & ball,
        fields=["u"],
        residual=named(lambda u, *c: u.t - u.laplacian / dim + squared(c[:-1]) / dim * growing(*c), ["u", *names, "t"]),
        conditions=[
            hp.Neumann(u=exact, on="surface"),
            hp.Initial(u=named(lambda *x: growing(*x, 0.0), names)),
        ],
        exact={"u": exact},
        name=f"heat_ball {dim}-D",
    )
