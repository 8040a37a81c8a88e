"""Random problems with known solutions on domains that shapes cut out of a box: corners, curves, mixed conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin
from hermite_pinn.geometry import Domain

__all__ = ["CUT_KINDS", "cut_manufactured"]

Random = np.random.Generator
SQUARE = hp.Box(x=(0.0, 1.0), y=(0.0, 1.0))
CUBE = hp.Box(x=(0.0, 1.0), y=(0.0, 1.0), z=(0.0, 1.0))
SIDES = ["x-", "x+", "y-", "y+"]


class _Waves:
    """A sum of waves in the plane or in space: values, Laplacian, and derivative along a normal."""

    def __init__(self, random: Random, dim: int, highest: float) -> None:
        self.vectors = random.uniform(-highest, highest, (3, dim))
        self.sizes, self.phases = random.normal(size=3), random.uniform(0.0, 6.0, 3)

    def _sum(self, x: tuple[Any, ...], function: Callable[[Any], Any], factors: Any) -> Any:
        total: Any = 0.0
        for k, size, phase, factor in zip(self.vectors, self.sizes, self.phases, factors, strict=True):
            angle: Any = float(phase)
            for a, b in zip(k, x, strict=True):
                angle = angle + float(a) * b
            total = total + float(size * factor) * function(angle)
        return total

    def value(self, *x: Any) -> Any:
        """Of the sum."""
        return self._sum(x, sin, np.ones(3))

    def laplacian(self, *x: Any) -> Any:
        """Of the sum."""
        return self._sum(x, sin, -(self.vectors**2).sum(1))

    def slope(self, x: tuple[Any, ...], n: Any) -> Any:
        """Derivative along a normal."""
        normal = (n.x, n.y, n.z)[: len(x)] if len(x) == 3 else (n.x, n.y)
        total: Any = 0.0
        for i, component in enumerate(normal):
            total = total + component * self._sum(x, cos, self.vectors[:, i])
        return total


def _plane(random: Random, domain: Domain, free: tuple[str, ...] = ()) -> hp.Problem:
    """Poisson's equation; the derivative along the normal is told on the faces ``free``, values on the others.

    Helmholtz's with a real wave number where no value is told.
    """
    wave = _Waves(random, 2, 12.0)
    held = [face.name for face in domain.faces if face.name not in free]
    conditions: list[Any] = [hp.Dirichlet(u=lambda x, y: wave.value(x, y), on=held)] if held else []
    loss = 0.0 if held else 1.0
    if free:
        conditions.append(hp.Neumann(u=lambda x, y, n: wave.slope((x, y), n), on=list(free)))
    return hp.Problem(
        domain, "u", lambda u, x, y: u.laplacian - loss * u - wave.laplacian(x, y) + loss * wave.value(x, y), conditions,
        exact={"u": lambda x, y: wave.value(x, y)},
    )  # fmt: skip


def _star(random: Random, count: int, depth: float) -> hp.Polygon:
    """A polygon about the middle of the square, whose every second corner lies nearer to it."""
    angles = (np.arange(count) + random.uniform(0.0, 0.6, count)) * (2 * np.pi / count)
    radii = np.where(np.arange(count) % 2, 1.0 - depth, 1.0) * random.uniform(0.34, 0.42)
    x, y = 0.5 + radii * np.cos(angles), 0.5 + radii * np.sin(angles)
    return hp.Polygon([(float(a), float(b)) for a, b in zip(x, y, strict=True)])


def _in_polygon(random: Random) -> hp.Problem:
    return _plane(random, SQUARE & _star(random, int(random.integers(3, 8)), 0.0))


def _around_polygon(random: Random) -> hp.Problem:
    return _plane(random, SQUARE - _star(random, 4, 0.0))


def _in_star(random: Random) -> hp.Problem:
    return _plane(random, SQUARE & _star(random, 8, 0.45), free=("polygon",))


def _around_discs(random: Random) -> hp.Problem:
    low, high = random.uniform(0.1, 0.17, 2)
    domain = SQUARE - hp.Disk((0.28, 0.31), float(low)) - hp.Disk((0.68, 0.66), float(high))
    return _plane(random, domain, free=("disk", "disk2"))


def _corner_of(random: Random) -> hp.Problem:
    """The singular function of a wedge that is cut out of the square, about a corner of any angle."""
    width = float(random.uniform(0.5, 2.4))  # of what is cut away
    turn, at = float(random.uniform(0.0, 6.0)), random.uniform(0.45, 0.55, 2)
    power, first = pi / (2 * pi - width), turn + 0.5 * width
    a, b = float(at[0]), float(at[1])
    middle = turn + pi  # of what is left
    far = [turn - 0.5 * width, turn, turn + 0.5 * width]
    wedge = hp.Polygon([(a, b), *((a + 3 * math.cos(t), b + 3 * math.sin(t)) for t in far)])

    def exact(x: Any, y: Any) -> Any:
        c, s = math.cos(middle), math.sin(middle)
        angle = middle - first + hp.arctan2(c * (y - b) - s * (x - a), c * (x - a) + s * (y - b))
        singular = ((x - a) ** 2 + (y - b) ** 2) ** (0.5 * power) * sin(power * angle)
        return singular + 0.3 * exp(x) * sin(y)

    return hp.Problem(SQUARE - wedge, "u", lambda u: u.laplacian, [hp.Dirichlet(u=exact)], exact={"u": exact})


def _in_curve(random: Random) -> hp.Problem:
    """A nonlinear equation in a smooth curve, with a condition on values and slopes."""
    wave, lobes = _Waves(random, 2, 8.0), int(random.integers(2, 5))

    def level(x: Any, y: Any) -> Any:
        return (x - 0.5) ** 2 + (y - 0.5) ** 2 - 0.11 + 0.02 * sin(3.0 * lobes * x) * cos(4.0 * y)

    return hp.Problem(
        SQUARE & hp.Implicit(level, name="curve"),
        "u",
        lambda u, x, y: u.laplacian - u**3 - wave.laplacian(x, y) + wave.value(x, y) ** 3,
        [hp.Robin(u=(2.0, 1.0, lambda x, y, n: 2.0 * wave.value(x, y) + wave.slope((x, y), n)))],
        exact={"u": lambda x, y: wave.value(x, y)},
    )


def _carried(random: Random) -> hp.Problem:
    """Transport with little diffusion around a disc."""
    wave, e, turn = _Waves(random, 2, 8.0), float(10 ** random.uniform(-2.5, -1.0)), float(random.uniform(0.0, 6.0))
    domain = SQUARE - hp.Disk((0.55, 0.45), 0.2)
    a, b = math.cos(turn), math.sin(turn)

    def residual(u: Any, x: Any, y: Any) -> Any:
        along = wave.slope((x, y), _Direction(a, b))
        return -e * u.laplacian + a * u.x + b * u.y + e * wave.laplacian(x, y) - along

    exact = {"u": lambda x, y: wave.value(x, y)}
    return hp.Problem(domain, "u", residual, [hp.Dirichlet(u=exact["u"])], exact=exact)


class _Direction:
    """A constant vector, as a normal."""

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y


def _space(random: Random, domain: Domain, free: tuple[str, ...] = ()) -> hp.Problem:
    """Helmholtz's equation in space with a real wave number; slopes on the faces ``free``, values on the others."""
    wave = _Waves(random, 3, 6.0)
    held = [face.name for face in domain.faces if face.name not in free]
    conditions: list[Any] = []
    if held:
        conditions.append(hp.Dirichlet(u=lambda x, y, z: wave.value(x, y, z), on=held))
    if free:
        conditions.append(hp.Neumann(u=lambda x, y, z, n: wave.slope((x, y, z), n), on=list(free)))
    return hp.Problem(
        domain, "u", lambda u, x, y, z: u.laplacian - u - wave.laplacian(x, y, z) + wave.value(x, y, z), conditions,
        exact={"u": lambda x, y, z: wave.value(x, y, z)},
    )  # fmt: skip


def _around_ball(random: Random) -> hp.Problem:
    return _space(random, CUBE - hp.Ball(random.uniform(0.45, 0.55, 3), float(random.uniform(0.2, 0.3))))


def _in_torus(random: Random) -> hp.Problem:
    return _space(random, CUBE & hp.Torus((0.5, 0.5, 0.5), 0.3, float(random.uniform(0.12, 0.16))), free=("torus",))


def _around_cuboid(random: Random) -> hp.Problem:
    high = random.uniform(0.5, 0.7, 3)
    return _space(random, CUBE - hp.Cuboid((0.31, 0.27, 0.33), tuple(map(float, high))))


def _cooling(random: Random) -> hp.Problem:
    """Heat around a disc."""
    domain = hp.Box(x=(0.0, 1.0), y=(0.0, 1.0), t=(0.0, 0.5)) - hp.Disk((0.5, 0.5), 0.22)
    k, q = random.uniform(2.0, 8.0, 2)
    rate = float(10 ** random.uniform(-2.0, -1.0))

    def exact(x: Any, y: Any, t: Any) -> Any:
        return sin(float(k) * x + 0.4) * cos(float(q) * y) * exp(-rate * float(k * k + q * q) * t)

    return hp.Problem(
        domain,
        "u",
        lambda u: u.t - rate * (u.xx + u.yy),
        [hp.Dirichlet(u=exact), hp.Initial(u=lambda x, y: exact(x, y, 0.0))],
        exact={"u": exact},
    )


#: By name.
CUT_KINDS: dict[str, Callable[[Random], hp.Problem]] = {
    "in a polygon": _in_polygon,
    "around a polygon": _around_polygon,
    "in a star": _in_star,
    "around discs": _around_discs,
    "a corner": _corner_of,
    "in a curve": _in_curve,
    "carried": _carried,
    "around a ball": _around_ball,
    "in a torus": _in_torus,
    "around a cuboid": _around_cuboid,
    "cooling": _cooling,
}


def cut_manufactured(kind: str, seed: int) -> hp.Problem:
    """A random problem of one of :data:`CUT_KINDS`.

    Examples
    --------
    >>> cut_manufactured("in a polygon", 1).fields
    ('u',)
    """
    return CUT_KINDS[kind](np.random.default_rng([seed, *kind.encode()]))
