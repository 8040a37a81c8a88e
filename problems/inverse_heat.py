"""Inverse problem: the conductivity in the heat equation from noisy values of the temperature.

    u_t = div(a grad u) + f,        (x, y) in [-1, 1]^2,  t in [0, 1],
    u measured at scattered points,        a given on the boundary,

    u = exp(-t) sin pi x sin pi y,        a = 2 + sin pi x sin pi y,
    f = (2 pi^2 a - 1) u - exp(-t) pi^2 (cos^2 pi x sin^2 pi y + sin^2 pi x cos^2 pi y).

Source: PINNacle (arXiv 2306.08827), case HInv, with 2500 points and noise of standard deviation 0.1.  As there, the
conductivity sought may depend on time.

Number to beat: 5.3e-2, the best of PINNacle's methods (u and a in one norm).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError

from .base import flag, not_negative, seed_number, settings

__all__ = ["inverse_heat"]

Places = np.ndarray | Sequence[Sequence[float]]


@settings(
    points=functools.partial(checks.integer, least=4, most=1_000_000), noise=not_negative, seed=seed_number, known=flag
)
def inverse_heat(
    points: int = 2500, noise: float = 0.1, seed: int = 0, known: bool = True, places: Places | None = None
) -> hp.Problem:
    """Two space axes and time; fields u and the conductivity a.

    Parameters
    ----------
    points
        Number of measured values.
    noise
        Standard deviation of the measured values.
    seed
        Of noise and points.
    known
        Whether the noise is told to the method; PINNacle does not.
    places
        Where the values are measured, (n, 3); None for random points.

    Raises
    ------
    InvalidArgumentError
        If the places have another shape.

    Examples
    --------
    >>> inverse_heat(points=10, noise=0.0).fields
    ('u', 'a')
    """
    random = np.random.default_rng(seed)
    where = random.uniform((-1, -1, 0), (1, 1, 1), (points, 3)) if places is None else _checked(places)

    def solution(x: Any, y: Any, t: Any) -> Any:
        return hp.exp(-t) * hp.sin(math.pi * x) * hp.sin(math.pi * y)

    def conductivity(x: Any, y: Any) -> Any:
        return 2 + hp.sin(math.pi * x) * hp.sin(math.pi * y)

    def source(x: Any, y: Any, t: Any) -> Any:
        sx, sy, cx, cy = hp.sin(math.pi * x), hp.sin(math.pi * y), hp.cos(math.pi * x), hp.cos(math.pi * y)
        slopes = cx * cx * sy * sy + sx * sx * cy * cy
        return hp.exp(-t) * ((2 * math.pi**2 * (2 + sx * sy) - 1) * sx * sy - math.pi**2 * slopes)

    values = solution(*where.T) + noise * random.standard_normal(len(where))
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), y=(-1, 1), t=(0, 1)),
        fields=["u", "a"],
        residual=lambda u, a, x, y, t: u.t - a * u.laplacian - a.x * u.x - a.y * u.y - source(x, y, t),
        conditions=[
            hp.Data(where, u=values, noise=noise if known and noise > 0 else None),
            hp.Dirichlet(a=lambda x, y, t: conductivity(x, y)),
            hp.Smoothness("u", "a"),
        ],
        exact={"u": solution, "a": lambda x, y, t: conductivity(x, y) + 0 * t},
        name=f"inverse_heat {len(where)} points, noise {noise:g}",
    )


def _checked(places: Places) -> np.ndarray:
    where = checks.real_array("places", places, shape="a table of numbers with columns x, y, t", columns=3)
    if not len(where):
        raise InvalidArgumentError("places must have at least one row, got none")
    return where
