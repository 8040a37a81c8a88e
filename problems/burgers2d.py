"""Burgers' equations for a velocity in the plane, periodic, from random waves that steepen into shock lines.

    u_t + u u_x + v u_y = nu (u_xx + u_yy),        v_t + u v_x + v v_y = nu (v_xx + v_yy),

periodic on [0, L]^2, t in [0, T].  At t = 0 either component is 2 w / M + c with
w = sum_ij A_ij sin(2 pi (i x + j y)) + B_ij cos(2 pi (i x + j y)), i, j = 0 to 3, where A, B and c are normal random
numbers and M is the largest w of both components on a lattice of 512 x 512 points, so that the solution has period 1
along both axes.

Source: PINNacle (arXiv 2306.08827), case Burgers2d-C: nu = 0.001, L = 4, T = 1.  The shocks are as wide as 0.002.

Number to beat: 0.26, the best of PINNacle's methods.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import checks

from .base import positive_number, seed_number, settings

__all__ = ["burgers2d", "random_waves"]

WAVES = 4  # per axis, zero included


@settings(
    nu=positive_number, length=functools.partial(checks.integer, least=1, most=100), time=positive_number,
    seed=seed_number,
)  # fmt: skip
def burgers2d(nu: float = 0.001, length: int = 4, time: float = 1.0, seed: int = 20220722) -> hp.Problem:
    """Two space axes and time; fields u and v.

    Parameters
    ----------
    nu
        Viscosity.
    length
        Edge of the square, in periods of the initial values.
    time
        Extent of time.
    seed
        Of the initial values.

    Examples
    --------
    >>> burgers2d(nu=0.1, length=1).periodic
    (True, True, False)
    """
    sines, cosines, means = random_waves(seed)
    highest = largest_wave(seed)

    def component(k: int) -> Any:
        def initial(x: Any, y: Any) -> Any:
            total: Any = means[k]
            for i in range(WAVES):
                for j in range(WAVES):
                    angle = 2 * math.pi * (i * x + j * y)
                    total = total + (2 / highest) * (sines[k, i, j] * hp.sin(angle) + cosines[k, i, j] * hp.cos(angle))
            return total

        return initial

    return hp.Problem(
        domain=hp.Box(x=(0, length), y=(0, length), t=(0, time)),
        fields=["u", "v"],
        residual=lambda u, v: {
            "u": u.t + u * u.x + v * u.y - nu * u.laplacian,
            "v": v.t + u * v.x + v * v.y - nu * v.laplacian,
        },
        conditions=[hp.Periodic("x", "y"), hp.Initial(u=component(0), v=component(1))],
        name=f"burgers2d nu={nu:g}",
    )


def random_waves(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors of the sines and of the cosines, (2, 4, 4), and the means (2,), float64.

    Examples
    --------
    >>> random_waves(0)[0].shape
    (2, 4, 4)
    """
    random = np.random.RandomState(seed % 2**32)
    drawn = random.randn(4, WAVES, WAVES)
    return drawn[[0, 2]], drawn[[1, 3]], random.randn(2)


@functools.lru_cache(maxsize=8)
def largest_wave(seed: int) -> float:
    """M: the largest w of both components on 512 x 512 points of [0, 4]^2, ends included."""
    sines, cosines, _ = random_waves(seed)
    phase = 2j * math.pi * np.outer(np.linspace(0.0, 4.0, 512), np.arange(WAVES))
    along = np.exp(phase)
    waves = np.einsum("xi,kij,yj->kxy", along, cosines - 1j * sines, along).real
    return float(waves.max())
