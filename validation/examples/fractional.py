"""DeepXDE's examples of fractional Laplacians along one axis, from their mathematical statements.

The unknown is the factor v of ``u = (x (1 - x))^(alpha / 2) v``; u is ``x^3 (1 - x)^3``, or begins there.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi

from .example import Example

__all__ = ["FRACTIONAL", "both_sides"]


def both_sides(x: Any, alpha: float) -> Any:
    """Derivatives of order alpha of ``x^3 (1 - x)^3`` from the left and from the right, after Riemann and Liouville."""
    total: Any = 0.0
    for power, share in ((3, 1.0), (4, -3.0), (5, 3.0), (6, -1.0)):
        factor = share * math.gamma(power + 1) / math.gamma(power + 1 - alpha)
        total = total + factor * (x ** (power - alpha) + (1 - x) ** (power - alpha))
    return total


def fractional_line() -> hp.Problem:
    """The sum of both derivatives of order 1.5 is given."""
    exact, factor = lambda x: (x * (1 - x)) ** 2.25, 2 * math.cos(0.75 * math.pi)
    residual = lambda v, x: factor * hp.FractionalLaplacian(v, 1.5, over="x") - both_sides(x, 1.5)
    return hp.Problem(hp.Box(x=(0, 1)), "v", residual, exact={"v": exact})


def fractional_diffusion() -> hp.Problem:
    """Diffusion of order 1.8 with a source, so that u decays like exp(-t)."""
    alpha, shape = 1.8, lambda x: (x * (1 - x)) ** 2.1
    source = lambda x: (x * (1 - x)) ** 3 + both_sides(x, alpha)
    jumps = lambda v: 2 * cos(alpha * pi / 2) * hp.FractionalLaplacian(v, alpha, over="x")
    residual = lambda v, x, t: (x * (1 - x)) ** 0.9 * v.t - jumps(v) + exp(-t) * source(x)
    start, exact = [hp.Initial(v=shape)], {"v": lambda x, t: exp(-t) * shape(x)}
    return hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), "v", residual, start, exact=exact)


FRACTIONAL = [
    Example(
        "fractional Poisson 1-D",
        "fractional_Poisson_1d.py",
        fractional_line,
        about="the unknown is u / (x (1 - x))^0.75, and its error is told",
    ),
    Example(
        "fractional diffusion 1-D",
        "fractional_diffusion_1d.py",
        fractional_diffusion,
        options={"tol": 1e-3},
        about="the unknown is u / (x (1 - x))^0.9, and its error is told",
    ),
]
