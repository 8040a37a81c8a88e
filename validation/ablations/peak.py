"""A manufactured problem with two lengths: a wave of the size of the box and a narrow peak."""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

__all__ = ["peak2d"]


def peak2d(width: float = 0.02) -> hp.Problem:
    """A wave of the size of the box and a narrow peak on top: a network of the coordinates cannot hold both cheaply.

    Laplacian u = f with u = sin(pi x) sin(pi y) (1 + exp(-((x - 0.3)^2 + (y - 0.6)^2) / (2 width^2))), zero on the
    boundary.
    """
    pi = hp.pi

    def exact(x: Any, y: Any) -> Any:
        square = (x - 0.3) ** 2 + (y - 0.6) ** 2
        return hp.sin(pi * x) * hp.sin(pi * y) * (1.0 + hp.exp(-square / (2 * width**2)))

    def source(x: Any, y: Any) -> Any:
        dx, dy = x - 0.3, y - 0.6
        square = dx**2 + dy**2
        peak = hp.exp(-square / (2 * width**2))
        wave = hp.sin(pi * x) * hp.sin(pi * y)
        slope = pi * (hp.cos(pi * x) * hp.sin(pi * y) * dx + hp.sin(pi * x) * hp.cos(pi * y) * dy)
        bend = square / width**4 - 2 / width**2
        return -2 * pi**2 * wave * (1.0 + peak) - 2 * slope * peak / width**2 + wave * peak * bend

    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=lambda u, x, y: u.laplacian - source(x, y),
        conditions=[hp.Dirichlet(u=0.0)],
        exact={"u": exact},
        name="peak2d",
    )
