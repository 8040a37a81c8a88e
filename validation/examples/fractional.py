"""DeepXDE's example of a fractional Laplacian along one axis, from its mathematical statement.

The unknown is the factor v of ``u = (x (1 - x))^(alpha / 2) v``, and ``u = x^3 (1 - x)^3``.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp

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


FRACTIONAL = [
    Example(
        "fractional Poisson 1-D",
        "fractional_Poisson_1d.py",
        fractional_line,
        about="the unknown is u / (x (1 - x))^0.75, and its error is told",
    ),
]
