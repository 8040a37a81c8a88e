"""Allen-Cahn equation: sharpening fronts on a periodic line.

    u_t = kappa u_xx + rho (u - u^3),        x in [-1, 1] periodic,  t in [0, T],        u(x, 0) = x^2 cos pi x.

The initial value is continuous but has a corner at x = 1, where the line closes: its slope jumps from -2 to 2.  The
solution is smooth for t > 0; near the corner it has a layer of width and height of order sqrt(kappa t), which any
method must resolve, or be content with the error that it leaves at early times.  The reference is a
Fourier series with exact initial coefficients and exponential Runge-Kutta steps, in segments of time that halve
towards t = 0: :mod:`hermite_pinn.problems.references`.

Source: Raissi, Perdikaris and Karniadakis, J. Comput. Phys. 378, 686 (2019), with kappa = 1e-4, rho = 5, T = 1.

Numbers to beat (relative L2): PirateNet 2.24e-5 with Adam and 3.48e-6 with SOAP; self-scaled Broyden 1.88e-6 to
2.20e-6; PIG 1.04e-4; all as reported, against a reference of 512 points.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import hermite_pinn as hp

from .base import number, positive_number, settings
from .references import FourierHistory, spectral_history

__all__ = ["allen_cahn"]


@settings(diffusivity=positive_number, reaction=number, time=positive_number)
def allen_cahn(diffusivity: float = 1e-4, reaction: float = 5.0, time: float = 1.0) -> hp.Problem:
    """One space axis and time.

    Parameters
    ----------
    diffusivity, reaction
        kappa and rho.
    time
        Extent of time.

    Examples
    --------
    >>> allen_cahn().periodic
    (True, False)
    """

    def reference(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.where(t > 0, history(diffusivity, reaction, time)(x, t), x**2 * np.cos(np.pi * x))

    def initial(x: Any) -> Any:
        return x * x * hp.cos(math.pi * x)

    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, time)),
        fields=["u"],
        residual=lambda u: u.t - diffusivity * u.xx - reaction * (u - u**3),
        conditions=[hp.Periodic("x"), hp.Initial(u=initial)],
        exact={"u": lambda x, t: hp.tabulated(reference, "allen_cahn")(x, t)},
        name=f"allen_cahn kappa={diffusivity:g}, rho={reaction:g}",
    )


@functools.cache
def history(diffusivity: float, reaction: float, time: float, modes: int = 1024, tol: float = 1e-10) -> FourierHistory:
    """The spectral solution."""
    return spectral_history(
        lower=-1.0,
        length=2.0,
        linear=lambda ik: diffusivity * ik**2 + reaction,
        nonlinear=lambda u: -reaction * u(0) ** 3,
        degree=3,
        start=_initial_coefficients(modes),
        segments=[0.0, *(time * 2.0**-j for j in range(12, -1, -1))],
        modes=modes,
        tol=tol,
    )


def _initial_coefficients(modes: int) -> np.ndarray:
    """Fourier coefficients of ``x^2 cos(pi x)`` on [-1, 1] by exact integration.

    ``x^2`` has the cosine coefficients ``4 (-1)^n / (n pi)^2`` (mean 1/3), and the product with ``cos(pi x)`` averages
    neighbours; ``cos(k pi x) = (-1)^k cos(k pi (x + 1))``.
    """
    n = np.arange(modes + 1)
    with np.errstate(divide="ignore"):
        square = np.where(n > 0, 4.0 * (-1.0) ** n / (n * math.pi) ** 2, 2.0 / 3.0)
    coefficients = np.empty(modes)
    coefficients[0] = square[1] / 2
    coefficients[1:] = (square[:-2] + square[2:])[: modes - 1] / 2
    return coefficients * (-1.0) ** np.arange(modes)
