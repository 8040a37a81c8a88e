"""Inverse problem: the coefficient field of Poisson's equation from noisy values of its solution.

    -div(a grad u) = f,        (x, y) in [0, 1]^2,        u measured at scattered points, a given on the boundary,

    u = sin pi x sin pi y,        a = 1 / (1 + x^2 + y^2 + (x - 1)^2 + (y - 1)^2),
    f = 2 pi^2 a sin pi x sin pi y + 2 pi a^2 ((2x - 1) cos pi x sin pi y + (2y - 1) sin pi x cos pi y).

Source: PINNacle (arXiv 2306.08827), case PInv, with 50 x 50 points and noise of standard deviation 0.1.  The source
coded there has (2x + 1) and (2y + 1), for which the coefficient above is no solution; the right one is used here.

Numbers to beat (relative L2 of a): 1.96e-2 to 2.45e-2 (PINNacle, with the faulty source); 1.53e-2 in later work.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import hermite_pinn as hp

from .base import flag, not_negative, point_count, seed_number, settings

__all__ = ["inverse_poisson"]


@settings(points=point_count, noise=not_negative, scattered=flag, seed=seed_number, known=flag)
def inverse_poisson(
    points: int = 50, noise: float = 0.1, scattered: bool = True, seed: int = 0, known: bool = True
) -> hp.Problem:
    """Two space axes; fields u and the coefficient a.

    Parameters
    ----------
    points
        Measured values per axis, or the square root of their number if ``scattered``.
    noise
        Standard deviation of the measured values.
    scattered
        Random points; otherwise a regular lattice, ends included.
    seed
        Of noise and points.
    known
        Whether the noise is told to the method; PINNacle does not.

    Examples
    --------
    >>> inverse_poisson(points=10, noise=0.0).fields
    ('u', 'a')
    """
    random = np.random.default_rng(seed)

    def solution(x: Any, y: Any) -> Any:
        return hp.sin(math.pi * x) * hp.sin(math.pi * y)

    def coefficient(x: Any, y: Any) -> Any:
        return 1 / (1 + x * x + y * y + (x - 1) ** 2 + (y - 1) ** 2)

    def source(x: Any, y: Any) -> Any:
        a = coefficient(x, y)
        sx, sy, cx, cy = hp.sin(math.pi * x), hp.sin(math.pi * y), hp.cos(math.pi * x), hp.cos(math.pi * y)
        return 2 * math.pi**2 * a * sx * sy + 2 * math.pi * a * a * ((2 * x - 1) * cx * sy + (2 * y - 1) * sx * cy)

    lattice = np.linspace(0.0, 1.0, points)
    where = (
        random.random((points**2, 2))
        if scattered
        else np.stack([g.ravel() for g in np.meshgrid(lattice, lattice, indexing="ij")], 1)
    )
    values = solution(where[:, 0], where[:, 1]) + noise * random.standard_normal(points**2)
    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u", "a"],
        residual=lambda u, a, x, y: a * u.laplacian + a.x * u.x + a.y * u.y + source(x, y),
        conditions=[
            hp.Data(where, u=values, noise=noise if known and noise > 0 else None),
            hp.Dirichlet(a=coefficient),
            hp.Smoothness("u", "a"),
        ],
        exact={"u": solution, "a": coefficient},
        name=f"inverse_poisson {points**2} points, noise {noise:g}",
    )
