"""Poisson's equation in one to many axes, with a solution that is a sum of functions of one axis each.

    u_xx + u_yy + ... + (pi^2 / 4) sum_i sin(pi x_i / 2) = 0        on [0, 1]^d,        u given on the boundary,
    u = sum_i sin(pi x_i / 2).

Source: PINNacle (arXiv 2306.08827), case PNd: d = 5.

Number to beat: 4.7e-4, the best of PINNacle's methods.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import hermite_pinn as hp
from hermite_pinn import checks

from .base import named, settings

__all__ = ["poisson_sines"]


@settings(dim=functools.partial(checks.integer, least=1, most=16))
def poisson_sines(dim: int = 3) -> hp.Problem:
    """Space axes called ``x1``, ``x2``, ...

    Parameters
    ----------
    dim
        Number of axes d.

    Raises
    ------
    InvalidProblemError
        If a box cannot have so many axes.

    Examples
    --------
    >>> poisson_sines(dim=2).domain.names
    ('x1', 'x2')
    """
    names = [f"x{i + 1}" for i in range(dim)]

    def total(*x: Any) -> Any:
        found: Any = 0.0
        for s in x:
            found = found + hp.sin(math.pi / 2 * s)
        return found

    exact = named(total, names)
    return hp.Problem(
        domain=hp.Box(**dict.fromkeys(names, (0.0, 1.0))),  # type: ignore[arg-type]
        fields=["u"],
        residual=named(lambda u, *x: u.laplacian + math.pi**2 / 4 * total(*x), ["u", *names]),
        conditions=[hp.Dirichlet(u=exact)],
        exact={"u": exact},
        name=f"poisson_sines {dim}-D",
    )
