"""Problems with sharp features and known solutions: narrow sources, a layer, coefficients that jump."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import hermite_pinn as hp

__all__ = ["BREAKS", "Source", "jumping_waves", "layer", "layered", "narrow_sources", "sine_series", "squared"]

Array = np.ndarray
Source = tuple[float, float, float, float]  # x, y, width and height of a Gaussian function

BREAKS, WAVES = (0.37, 0.71), (10.0, 30.0, 5.0)


# -- sources ---
def narrow_sources(*sources: Source) -> hp.Problem:
    """Poisson's equation in the unit square with Gaussian sources; its solution is :func:`sine_series`."""

    def source(x: Any, y: Any) -> Any:
        return sum(a * hp.exp(-((x - cx) ** 2 + (y - cy) ** 2) / w**2) for cx, cy, w, a in sources)

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), ["u"], lambda u, x, y: u.laplacian + source(x, y), [hp.Dirichlet(u=0.0)]
    )


def sine_series(points: Array, sources: Sequence[Source]) -> Array:
    """The solution of :func:`narrow_sources` at points (n, 2), where the sources are zero at the sides."""
    total = np.zeros(len(points))
    for cx, cy, w, a in sources:
        m = np.arange(1, int(14 / (math.pi * w)) + 8)
        decay = 2 * w * math.sqrt(math.pi) * np.exp(-((m * math.pi * w) ** 2) / 4)
        modes = a * np.outer(decay * np.sin(m * math.pi * cx), decay * np.sin(m * math.pi * cy))
        modes /= math.pi**2 * (m[:, None] ** 2 + m**2)
        x, y = (np.sin(math.pi * np.outer(points[:, k], m)) for k in range(2))
        total += ((x @ modes) * y).sum(1)
    return total


# -- a layer ---
def layer(eps: float) -> hp.Problem:
    """``-eps laplace u + u.x = f`` in the unit square, with a layer of width ``eps`` at x = 1."""

    def across(x: Any) -> Any:
        return x - (hp.exp((x - 1) / eps) - math.exp(-1 / eps)) / (1 - math.exp(-1 / eps))

    def exact(x: Any, y: Any) -> Any:
        return across(x) * hp.sin(math.pi * y)

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: -eps * u.laplacian + u.x - (1 + eps * math.pi**2 * across(x)) * hp.sin(math.pi * y),
        [hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )


# -- jumps ---
def squared(x: Any) -> Any:
    """The square of the wave number of :func:`jumping_waves`."""
    return hp.where(x < BREAKS[0], WAVES[0] ** 2, hp.where(x < BREAKS[1], WAVES[1] ** 2, WAVES[2] ** 2))


def jumping_waves() -> tuple[hp.Problem, Callable[[Array], Array]]:
    """Helmholtz's equation ``u.xx + k(x)^2 u = 1`` between 0 and 1, and its exact solution."""
    matrix, right = np.zeros((6, 6)), np.zeros(6)

    def value(i: int, x: float) -> Array:
        return np.array([np.cos(WAVES[i] * x), np.sin(WAVES[i] * x)])

    def slope(i: int, x: float) -> Array:
        return WAVES[i] * np.array([-np.sin(WAVES[i] * x), np.cos(WAVES[i] * x)])

    matrix[0, :2], right[0] = value(0, 0.0), -1 / WAVES[0] ** 2
    matrix[1, 4:], right[1] = value(2, 1.0), 1 - 1 / WAVES[2] ** 2
    for i, x in enumerate(BREAKS):
        both = slice(2 * i, 2 * i + 4)
        matrix[2 + 2 * i, both] = np.concatenate([value(i, x), -value(i + 1, x)])
        right[2 + 2 * i] = 1 / WAVES[i + 1] ** 2 - 1 / WAVES[i] ** 2
        matrix[3 + 2 * i, both] = np.concatenate([slope(i, x), -slope(i + 1, x)])
    found = np.linalg.solve(matrix, right).reshape(3, 2)

    def exact(x: Array) -> Array:
        piece = np.searchsorted(BREAKS, x, side="right")
        k = np.array(WAVES)[piece]
        solution: Array = found[piece, 0] * np.cos(k * x) + found[piece, 1] * np.sin(k * x) + 1 / k**2
        return solution

    conditions = [hp.Dirichlet(u=0.0, on="x-"), hp.Dirichlet(u=1.0, on="x+")]
    return hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u, x: u.xx + squared(x) * u - 1, conditions), exact


def layered(ratio: float, time: bool = False) -> hp.Problem:
    """``div(a grad u) + f = 0``, or ``= u.t``, with a = 1 on the left of x = 0.4 and ``ratio`` on its right."""
    k, x0 = 3.0, 0.4
    value, slope = math.sin(k * x0), k * math.cos(k * x0)

    def left(x: Any) -> Any:
        return hp.sin(k * x)

    def right(x: Any) -> Any:
        return value + slope / ratio * (x - x0) + (x - x0) ** 2 * hp.cos(2 * x)

    def curvature(x: Any) -> Any:
        return 2 * hp.cos(2 * x) - 8 * (x - x0) * hp.sin(2 * x) - 4 * (x - x0) ** 2 * hp.cos(2 * x)

    def coefficient(x: Any) -> Any:
        return hp.where(x < x0, 1.0, ratio)

    def shape(x: Any) -> Any:
        return hp.where(x < x0, left(x), right(x))

    if time:

        def source(x: Any, t: Any) -> Any:
            return -hp.exp(-t) * (hp.where(x < x0, -k * k * left(x), ratio * curvature(x)) + shape(x))

        return hp.Problem(
            hp.Box(x=(0, 1), t=(0, 1)),
            ["u"],
            lambda u, x, t: hp.derivative(coefficient(x) * u.x, "x") - u.t + source(x, t),
            [hp.Dirichlet(u=lambda x, t: shape(x) * hp.exp(-t)), hp.Initial(u=shape)],
            exact={"u": lambda x, t: shape(x) * hp.exp(-t)},
        )

    def steady(x: Any, y: Any) -> Any:
        across = hp.where(x < x0, (-k * k - math.pi**2) * left(x), ratio * (curvature(x) - math.pi**2 * right(x)))
        return -across * hp.sin(math.pi * y)

    def exact(x: Any, y: Any) -> Any:
        return shape(x) * hp.sin(math.pi * y)

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: hp.div(coefficient(x) * u.grad) + steady(x, y),
        [hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )
