"""The problems as they are written in this package, from the first line to the last."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import hermite_pinn as hp

__all__ = ["burgers", "coefficient", "diffusion", "heat", "hole"]


def diffusion() -> hp.Problem:
    """Diffusion with a source, on an interval and in time."""
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u, x, t: u.t - u.xx + (1 - math.pi**2) * hp.exp(-t) * hp.sin(math.pi * x),
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.sin(math.pi * x))],
    )


def heat() -> hp.Problem:
    """The heat equation without a source."""
    return hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t - 0.4 * u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.sin(math.pi * x))],
    )


def burgers() -> hp.Problem:
    """Burgers' equation with an inner layer."""
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t + u * u.x - 0.01 / math.pi * u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: -hp.sin(math.pi * x))],
    )


def hole() -> hp.Problem:
    """Helmholtz on a square with a round hole, where the normal derivative is given."""
    k = 2 * math.pi

    def exact(x: Any, y: Any) -> Any:
        return hp.sin(k * x) * hp.sin(k * y)

    def flux(x: Any, y: Any, n: Any) -> Any:
        return k * (n[0] * hp.cos(k * x) * hp.sin(k * y) + n[1] * hp.sin(k * x) * hp.cos(k * y))

    return hp.Problem(
        domain=hp.Box(x=(-0.5, 0.5), y=(-0.5, 0.5)) - hp.Disk((0, 0), 0.25),
        fields=["u"],
        residual=lambda u, x, y: -u.laplacian - k**2 * u - k**2 * exact(x, y),
        conditions=[hp.Dirichlet(u=exact, on=["x-", "x+", "y-", "y+"]), hp.Neumann(u=flux, on="disk")],
    )


def coefficient() -> hp.Problem:
    """The diffusion of the first problem with an unknown coefficient, from ten values at the end."""
    places = np.stack([np.linspace(-1, 1, 10), np.ones(10)], 1)
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u, c, x, t: u.t - c * u.xx + (1 - math.pi**2) * hp.exp(-t) * hp.sin(math.pi * x),
        conditions=[
            hp.Dirichlet(u=0.0),
            hp.Initial(u=lambda x: hp.sin(math.pi * x)),
            hp.Data(places, u=math.exp(-1) * np.sin(math.pi * places[:, 0])),
        ],
        parameters=[hp.Parameter("c", init=2.0)],
    )
