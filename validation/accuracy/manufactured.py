"""Random problems with known solutions: waves, layers, fronts, corners, peaks, transport, jumps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin, tanh, where

__all__ = ["KINDS", "manufactured"]

Random = np.random.Generator
SQUARE = {"x": (0.0, 1.0), "y": (0.0, 1.0)}


def _between(random: Random, low: float, high: float) -> float:
    return float(random.uniform(low, high))


def _decades(random: Random, low: float, high: float) -> float:
    return float(10 ** random.uniform(low, high))


def _poisson(exact: Callable[..., Any], source: Callable[..., Any]) -> hp.Problem:
    """``laplacian u = source`` on the unit square."""
    return hp.Problem(
        hp.Box(**SQUARE),
        "u",
        lambda u, x, y: u.laplacian - source(x, y),
        [hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )


def _line_waves(random: Random) -> hp.Problem:
    waves = [(float(a), float(k), float(p)) for a, k, p in zip(
        random.normal(size=3), random.uniform(1, 14, 3), random.uniform(0, 6, 3), strict=True)]  # fmt: skip
    exact = lambda x: sum(a * sin(k * x + p) for a, k, p in waves)  # noqa: E731
    bent = lambda x: sum(-a * k**2 * sin(k * x + p) for a, k, p in waves)  # noqa: E731
    return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - bent(x), [hp.Dirichlet(u=exact)], exact={"u": exact})


def _waves(random: Random) -> hp.Problem:
    waves = [(float(a), float(k), float(q), float(p)) for a, (k, q), p in zip(
        random.normal(size=3), random.uniform(1, 14, (3, 2)), random.uniform(0, 6, 3), strict=True)]  # fmt: skip
    return _poisson(
        lambda x, y: sum(a * sin(k * x + q * y + p) for a, k, q, p in waves),
        lambda x, y: sum(-a * (k**2 + q**2) * sin(k * x + q * y + p) for a, k, q, p in waves),
    )


def _layer(random: Random) -> hp.Problem:
    e = _decades(random, -3.5, -1.0)
    exact = lambda x: x - (exp((x - 1) / e) - math.exp(-1 / e)) / (1 - math.exp(-1 / e))  # noqa: E731
    return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: -e * u.xx + u.x - 1, [hp.Dirichlet(u=0.0)], exact={"u": exact})


def _front(random: Random) -> hp.Problem:
    e, turn = _decades(random, -1.7, -0.7), _between(random, 0, 3)
    c, s = math.cos(turn), math.sin(turn)
    front = lambda x, y: tanh((c * (x - 0.4) + s * (y - 0.6)) / e)  # noqa: E731
    return _poisson(front, lambda x, y: -2 * front(x, y) * (1 - front(x, y) ** 2) / e**2)


def _corner(random: Random) -> hp.Problem:
    power = _between(random, 0.5, 2.3)
    return _poisson(
        lambda x, y: (x * x + y * y) ** (power / 2), lambda x, y: power**2 * (x * x + y * y) ** (power / 2 - 1)
    )


def _peak(random: Random) -> hp.Problem:
    w = _decades(random, -2.0, -0.7)
    a, b = _between(random, 0.2, 0.8), _between(random, 0.2, 0.8)
    square = lambda x, y: (x - a) ** 2 + (y - b) ** 2  # noqa: E731
    peak = lambda x, y: exp(-square(x, y) / (2 * w * w))  # noqa: E731
    return _poisson(peak, lambda x, y: (square(x, y) / w**4 - 2 / w**2) * peak(x, y))


def _transport(random: Random) -> hp.Problem:
    n, c, width = int(random.integers(1, 4)), _between(random, 1, 20), _between(random, 1, 30)
    exact = lambda x, t: exp(width * (cos(x - c * t) - 1)) + sin(n * (x - c * t))  # noqa: E731
    return hp.Problem(
        hp.Box(x=(0, 2 * np.pi), t=(0, 1)),
        "u",
        lambda u: u.t + c * u.x,
        [hp.Periodic("x"), hp.Initial(u=lambda x: exact(x, 0.0))],
        exact={"u": exact},
    )


def _heat(random: Random) -> hp.Problem:
    n, rate = int(random.integers(1, 9)), _decades(random, -2.0, 0.0)

    def exact(x: Any, t: Any) -> Any:
        slow = 0.3 * sin(pi * x) * exp(-rate * pi**2 * t)
        return sin(n * pi * x) * exp(-rate * (n * pi) ** 2 * t) + slow

    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t - rate * u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: exact(x, 0.0))],
        exact={"u": exact},
    )


def _spreading(random: Random) -> hp.Problem:
    rate, c, w = _decades(random, -3.0, -1.0), _between(random, 0.1, 0.8), 30.0

    def exact(x: Any, t: Any) -> Any:
        wide = 1 + 4 * rate * w * t
        return wide**-0.5 * exp(-w * (x - 0.3 - c * t) ** 2 / wide)

    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t + c * u.x - rate * u.xx,
        [hp.Dirichlet(u=exact), hp.Initial(u=lambda x: exact(x, 0.0))],
        exact={"u": exact},
    )


def _beam(random: Random) -> hp.Problem:
    n, p = _between(random, 2, 25), _between(random, 0, 3)
    exact = lambda x: sin(n * x + p)  # noqa: E731
    slope = lambda x: (2 * x - 1) * n * cos(n * x + p)  # noqa: E731
    return hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, x: u.xxxx - n**4 * sin(n * x + p),
        [hp.Dirichlet(u=exact), hp.Neumann(u=slope)],
        exact={"u": exact},
        max_order=4,
    )


def _jump(random: Random) -> hp.Problem:
    a = _between(random, 0.2, 0.8)
    slope = -(a * a / 2 + a * (1 - a))
    exact = lambda x: where(x < a, x * x / 2, a * a / 2 + a * (x - a)) + slope * x  # noqa: E731
    return hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, x: u.xx - where(x < a, 1.0, 0.0),
        [hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )


def _nonlinear(random: Random) -> hp.Problem:
    n, size = _between(random, 2, 12), _between(random, 0.5, 4)
    exact = lambda x, y: size * sin(n * x) * cos(n * y)  # noqa: E731
    return hp.Problem(
        hp.Box(**SQUARE),
        "u",
        lambda u, x, y: u.laplacian - u**3 + 2 * n * n * exact(x, y) + exact(x, y) ** 3,
        [hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )


KINDS: dict[str, Callable[[Random], hp.Problem]] = {
    "waves on a line": _line_waves,
    "waves": _waves,
    "layer": _layer,
    "front": _front,
    "corner": _corner,
    "peak": _peak,
    "transport": _transport,
    "heat": _heat,
    "spreading": _spreading,
    "beam": _beam,
    "jump": _jump,
    "nonlinear": _nonlinear,
}


def manufactured(kind: str, seed: int) -> hp.Problem:
    """A random problem of one of :data:`KINDS`.

    Examples
    --------
    >>> manufactured("peak", 1).fields
    ('u',)
    """
    return KINDS[kind](np.random.default_rng([seed, *kind.encode()]))
