"""Problems that have no solution, or many."""

from __future__ import annotations

from typing import Any

import numpy as np

import hermite_pinn as hp

from .stock import Recipe

__all__ = ["UNSOLVABLE"]

pi = np.pi


def _on(residual: Any, *conditions: Any, x: tuple[float, float] = (0, 1), fields: Any = ("u",), **more: Any) -> Recipe:
    """A problem in one dimension."""
    options = more.pop("options", {})
    return Recipe(lambda: hp.Problem(hp.Box(x=x), list(fields), residual, list(conditions), **more), options)


def _in(residual: Any, *conditions: Any, box: dict[str, Any] | None = None, **more: Any) -> Recipe:
    """A problem in two dimensions or in time."""
    options = more.pop("options", {})
    return Recipe(lambda: hp.Problem(hp.Box(**(box or XY)), ["u"], residual, list(conditions), **more), options)


ZERO, XY, XT = hp.Dirichlet(u=0.0), {"x": (0, 1), "y": (0, 1)}, {"x": (0, 1), "t": (0, 1)}
POINTS = np.linspace(0.05, 0.95, 19)[:, None]
PARABOLA = hp.Data(POINTS, u=(POINTS * (1 - POINTS) / 2)[:, 0])  # of u.xx + 1 = 0


def _unknown(*names: str, **more: Any) -> list[hp.Parameter]:
    return [hp.Parameter(name, init=1.0, **more) for name in names]


#: Recipes by what is wrong.
UNSOLVABLE = {
    # no function satisfies the equation
    "a square that is negative": _on(lambda u: u * u + 1 + 0 * u.x),
    "a square that is negative, with a boundary": _on(lambda u: u.x**2 + 1, hp.Dirichlet(u=0.0, on="x-")),
    "an exponential that is negative": _on(lambda u: hp.exp(u) + 1 + 0 * u.x),
    "an absolute value that is negative": _on(lambda u: hp.sqrt(u * u + 1) + u.x * 0 + 1),
    "a cosine of two": _on(lambda u: hp.cos(u) - 2 + 0 * u.x),
    "two equations": _on(lambda u: (u.x - 1, u.x - 2), hp.Dirichlet(u=0.0, on="x-")),
    "two fields in contradiction": _on(
        lambda u, v: (u.x - v, u.x - v - 1), hp.Dirichlet(u=0.0, on="x-"), fields=("u", "v")
    ),
    "one condition too many": _on(lambda u: u.x - 1, ZERO),
    "a slope too many": _on(lambda u: u.xx - 1, ZERO, hp.Condition(lambda u: u.x, on="x-", name="slope")),
    "an initial value at the end": _in(lambda u: u.t - 1, hp.Initial(u=0.0), hp.Dirichlet(u=0.0, on="t+"), box=XT),
    "slopes without balance": _on(lambda u: u.xx - 1, hp.Neumann(u=0.0)),
    "slopes without balance in the plane": _in(lambda u: u.laplacian - 1, hp.Neumann(u=0.0)),
    "a periodic mean": _on(lambda u: u.xx - 1, hp.Periodic("x")),
    "resonance": _on(lambda u, x: u.xx + pi**2 * u - hp.sin(pi * x), ZERO),
    "resonance in the plane": _in(
        lambda u, x, y: u.laplacian + 5 * pi**2 * u - hp.sin(pi * x) * hp.sin(2 * pi * y), ZERO
    ),
    "Bratu beyond the fold": _on(lambda u: u.xx + 5 * hp.exp(u), ZERO),
    "blow-up": _in(lambda u: u.t - u * u, hp.Initial(u=2.0), box=XT),
    "blow-up of one variable": Recipe(
        lambda: hp.Problem(hp.Box(t=(0, 2)), ["u"], lambda u: u.t - 1 - u * u, [hp.Initial(u=0.0)])
    ),
    "a root that ends": _on(lambda u: 2 * u * u.x + 1, hp.Dirichlet(u=1.0, on="x-"), x=(0, 2)),
    "a quotient that ends": _on(lambda u: u.x + 1 / (2 * u), hp.Dirichlet(u=1.0, on="x-"), x=(0, 2)),
    # many functions do
    "a constant is free": _in(lambda u, x: u.laplacian - hp.cos(pi * x), hp.Neumann(u=0.0)),
    "a periodic constant is free": _on(lambda u, x: u.xx - hp.cos(2 * pi * x), hp.Periodic("x")),
    "no condition": _on(lambda u: u.xx - 1),
    "one end is free": _on(lambda u: u.xx - 1, hp.Dirichlet(u=0.0, on="x-")),
    "no start": _in(lambda u: u.t - u.xx, ZERO, box=XT),
    "no speed at the start": _in(lambda u: u.tt - u.xx, hp.Initial(u=lambda x: hp.sin(pi * x)), ZERO, box=XT),
    "no walls": _in(lambda u: u.t - u.xx, hp.Initial(u=lambda x: hp.sin(pi * x)), box=XT),
    "an eigenfunction is free": _on(lambda u: u.xx + pi**2 * u, ZERO),
    "transport without an inflow": _in(lambda u: u.x + u.y, hp.Dirichlet(u=0.0, on="x-")),
    "a pressure without a gauge": Recipe(
        lambda: hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1)),
            ["u", "v", "p"],
            lambda u, v, p: (u.laplacian - p.x, v.laplacian - p.y, u.x + v.y),
            [hp.Dirichlet(u=lambda x, y: y * (1 - y), v=0.0)],
        )
    ),
    # parameters that nothing determines
    "an eigenvalue without data": _on(lambda u, k: u.xx + k * u, ZERO, parameters=_unknown("k")),
    "a parameter without data": _on(lambda u, k: k * u.xx + 1, ZERO, parameters=_unknown("k")),
    "a product": _on(lambda u, a, b: a * b * u.xx + 1, ZERO, PARABOLA, parameters=_unknown("a", "b")),
    "a sum": _on(lambda u, a, b: (a + b) * u.xx + 1, ZERO, PARABOLA, parameters=_unknown("a", "b")),
    "a parameter of a field that is zero": _on(
        lambda u, k: u.xx - k * u, ZERO, hp.Data(POINTS, u=0.0), parameters=_unknown("k")
    ),
    "a parameter that acts elsewhere": _on(
        lambda u, x, k: u.xx + 1 + k * hp.where(x > 0.5, 0.0, 0.0), ZERO, PARABOLA, parameters=_unknown("k")
    ),
    # data and equations in contradiction
    "data that no parameter meets": _on(
        lambda u, k: u.xx + k, ZERO, hp.Data(POINTS, u=np.sin(7 * POINTS[:, 0])), parameters=_unknown("k")
    ),
    "data beyond the bounds": _on(
        lambda u, k: k * u.xx + 1, ZERO, hp.Data(POINTS, u=(POINTS * (1 - POINTS) / 6)[:, 0]),
        parameters=_unknown("k", bounds=(0.5, 1.5)),
    ),
    "data against the equation": _in(lambda u: u.laplacian, ZERO, hp.Data([[0.5, 0.5], [0.3, 0.6]], u=[5.0, -5.0])),
    "data with more noise than told": _on(
        lambda u, k: k * u.xx + 1, ZERO,
        hp.Data(POINTS, u=(POINTS * (1 - POINTS) / 2)[:, 0] + 0.05 * np.cos(40 * np.arange(19)), noise=1e-6),
        parameters=_unknown("k"),
    ),
}  # fmt: skip
