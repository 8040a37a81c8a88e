"""Kuramoto-Sivashinsky equation, before chaos sets in.

    u_t + alpha u u_x + beta u_xx + gamma u_xxxx = 0,        x in [0, 2 pi] periodic,  t in [0, T],

with u(x, 0) = cos x (1 + sin x); ``form="auxiliary"`` writes w for u_xx and adds the equation w - u_xx = 0.  The
reference is a Fourier series with exponential Runge-Kutta steps
(:mod:`hermite_pinn.problems.references`).

Source: jaxpi and PirateNet (arXiv 2402.00326) with alpha = 100 / 16, beta = 100 / 16^2, gamma = 100 / 16^4; the whole
time span there is [0, 1], of which T = 0.1 is the first tenth.

Numbers to beat (relative L2): PirateNet 1.42e-4 over the first tenth; jaxpi 1.61e-1 over ten windows; sketched
Levenberg-Marquardt 5.1e-7 in 5,227 s on an H100 (arXiv 2607.02194); all as reported there.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError

from .base import choice, number, positive_number, settings
from .references import FourierHistory, spectral_history

__all__ = ["kuramoto_sivashinsky"]

LONGEST = 38.0  # times over which the fastest mode may grow by e until rounding errors have grown beyond 1e-6


@settings(alpha=number, beta=number, gamma=positive_number, time=positive_number)
def kuramoto_sivashinsky(
    alpha: float = 100 / 16,
    beta: float = 100 / 16**2,
    gamma: float = 100 / 16**4,
    time: float = 0.1,
    form: str = "direct",
) -> hp.Problem:
    """One space axis and time; field u, and its second derivative w in the auxiliary form.

    Parameters
    ----------
    alpha, beta, gamma
        Coefficients of transport, growth and damping.
    time
        Extent of time; once the solution is chaotic (from about ``152 gamma / beta**2`` on, 1.52 with the default
        coefficients) rounding decides what it becomes, and there is no reference.
    form
        ``"direct"``, fourth derivatives of u, for ``gauss_newton``; or ``"auxiliary"``, for every method.

    Examples
    --------
    >>> kuramoto_sivashinsky().order, kuramoto_sivashinsky(form="auxiliary").order
    (4, 2)
    """
    choice("form", form, ["direct", "auxiliary"])
    longest = LONGEST * 4 * gamma / beta**2 if beta > 0 else math.inf
    if time > longest:
        raise InvalidArgumentError(
            f"the solution is chaotic at t={time:g}: a computed reference means something up to time={longest:.3g} with these "
            "coefficients; choose a shorter time, or state the equation as a Problem of your own"
        )

    def reference(order: int) -> Any:
        return hp.tabulated(lambda x, t: history(alpha, beta, gamma, time)(x, t, order), "kuramoto_sivashinsky")

    domain = hp.Box(x=(0, 2 * np.pi), t=(0, time))
    conditions: list[Any] = [hp.Periodic("x"), hp.Initial(u=lambda x: hp.cos(x) * (1 + hp.sin(x)))]
    name = f"kuramoto_sivashinsky T={time:g}"
    if form == "auxiliary":
        return hp.Problem(
            domain=domain,
            fields=["u", "w"],
            residual=lambda u, w: {"balance": u.t + alpha * u * u.x + beta * w + gamma * w.xx, "curvature": w - u.xx},
            conditions=conditions,
            exact={"u": lambda x, t: reference(0)(x, t), "w": lambda x, t: reference(2)(x, t)},
            name=f"{name}, auxiliary",
        )
    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=lambda u: u.t + alpha * u * u.x + beta * u.xx + gamma * u.xxxx,
        conditions=conditions,
        exact={"u": lambda x, t: reference(0)(x, t)},
        name=name,
        max_order=4,
    )


@functools.cache
def history(
    alpha: float, beta: float, gamma: float, time: float, modes: int = 192, tol: float = 1e-11
) -> FourierHistory:
    """The spectral solution; over times in which disturbances grow, in more parts."""
    growth = max(beta, 0.0) ** 2 / (4 * gamma) * time
    parts = 8 * max(1, math.ceil(growth / 2.5 - 1e-9))
    tol = tol if parts == 8 else 10 * tol
    return spectral_history(
        lower=0.0,
        length=2 * np.pi,
        linear=lambda ik: -beta * ik**2 - gamma * ik**4,
        nonlinear=lambda u: -0.5 * alpha * u(0) ** 2,
        degree=2,
        outer=1,
        start=lambda x: np.cos(x) * (1 + np.sin(x)),
        segments=[time * j / parts for j in range(parts + 1)],
        modes=modes,
        tol=tol,
    )
