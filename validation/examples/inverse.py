"""DeepXDE's inverse examples, from their mathematical statements; data that are files there are made here."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin

from . import inverse_data
from .example import Example

__all__ = ["INVERSE"]


def lorenz() -> hp.Problem:
    """Three numbers, all from 1, from exact values at 25 times."""
    t, (x, y, z) = inverse_data.lorenz(25)
    residual = lambda x, y, z, s, r, b: (x.t - s * (y - x), y.t - x * (r - z) + y, z.t - x * y + b * z)
    states = [hp.Initial(x=-8.0, y=7.0, z=27.0), hp.Data(t, x=x, y=y, z=z)]
    numbers = [hp.Parameter(name, init=1.0) for name in "srb"]
    return hp.Problem(hp.Box(t=(0, 3)), ["x", "y", "z"], residual, states, parameters=numbers)


def driven_lorenz() -> hp.Problem:
    """The same with a force, from 200 values."""
    t, (x, y, z) = inverse_data.lorenz(200, push=10.0)
    third = lambda x, y, z, b, t: z.t - x * y + b * z - 10 * sin(2 * pi * t)
    residual = lambda x, y, z, s, r, b, t: (x.t - s * (y - x), y.t - x * (r - z) + y, third(x, y, z, b, t))
    states = [hp.Initial(x=-8.0, y=7.0, z=27.0), hp.Data(t, x=x, y=y, z=z)]
    numbers = [hp.Parameter(name, init=1.0) for name in "srb"]
    return hp.Problem(hp.Box(t=(0, 3)), ["x", "y", "z"], residual, states, parameters=numbers)


def brinkman_forchheimer() -> hp.Problem:
    """Viscosity and permeability of a porous channel, both from 0.1, from five speeds."""
    x, speed = inverse_data.porous_channel(5)
    states = [hp.Dirichlet(u=0.0), hp.Data(x, u=speed)]
    numbers = [hp.Parameter("v", init=0.1), hp.Parameter("k", init=0.1)]
    residual = lambda u, v, k: -v / 0.4 * u.xx + 1e-3 * u / k - 1
    return hp.Problem(hp.Box(x=(0, 1)), "u", residual, states, parameters=numbers)


def diffusion() -> hp.Problem:
    """A diffusivity from ten values at the end."""
    exact, where = lambda x, t: sin(pi * x) * exp(-t), np.stack([np.linspace(-1, 1, 10), np.ones(10)], 1)
    ends = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x))]
    residual = lambda u, c, x, t: u.t - c * u.xx + (1 - pi**2) * exact(x, t)
    states, numbers = [*ends, hp.Data(where, u=exact(*where.T))], [hp.Parameter("c", init=2.0)]
    return hp.Problem(hp.Box(x=(-1, 1), t=(0, 1)), "u", residual, states, parameters=numbers, exact={"u": exact})


def klein_gordon() -> hp.Problem:
    """The square of a mass from 50 values."""
    where = np.random.default_rng(42).uniform((-1, 0), (1, 1), (50, 2))
    exact = lambda x, t: sin(pi * x) * cos(np.sqrt(pi**2 + 4) * t)
    ends = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x), u_t=0.0)]
    states, numbers = [*ends, hp.Data(where, u=exact(*where.T))], [hp.Parameter("m", init=1.0)]
    box = hp.Box(x=(-1, 1), t=(0, 1))
    return hp.Problem(box, "u", lambda u, m: u.tt - u.xx + m * u, states, parameters=numbers, exact={"u": exact})


def reaction_rate() -> hp.Problem:
    """A rate that depends on the place, from 100 values."""
    x, values = inverse_data.reaction_rate()
    states = [hp.Dirichlet(u=0.0), hp.Data(x, u=values), hp.Smoothness("u", "k")]
    residual = lambda u, k, x: 0.01 * u.xx - k * u - sin(2 * pi * x)
    exact = {"k": lambda x: 0.1 + exp(-0.5 * (x - 0.5) ** 2 / 0.15**2)}
    return hp.Problem(hp.Box(x=(0, 1)), ["u", "k"], residual, states, exact=exact)


def elliptic_source() -> hp.Problem:
    """A source from 100 values."""
    x = np.linspace(-1, 1, 100)[:, None]
    states = [hp.Dirichlet(u=0.0), hp.Data(x, u=np.sin(pi * x[:, 0])), hp.Smoothness("u", "q")]
    exact = {"u": lambda x: sin(pi * x), "q": lambda x: -(pi**2) * sin(pi * x)}
    return hp.Problem(hp.Box(x=(-1, 1)), ["u", "q"], lambda u, q: q - u.xx, states, exact=exact)


def elliptic_source_many() -> hp.Problem:
    """The same from 10,000 values."""
    x = np.linspace(-1, 1, 10_000)[:, None]
    states = [hp.Dirichlet(u=0.0), hp.Data(x, u=np.sin(pi * x[:, 0])), hp.Smoothness("u", "q")]
    exact = {"u": lambda x: sin(pi * x), "q": lambda x: -(pi**2) * sin(pi * x)}
    return hp.Problem(hp.Box(x=(-1, 1)), ["u", "q"], lambda u, q: q - u.xx, states, exact=exact)


def reaction() -> hp.Problem:
    """Rate and diffusivity of a reaction from 420 values of both substances."""
    where, (a, b) = inverse_data.reaction()
    spread, start = lambda u, d: u.t - 1e-3 * d * u.xx, lambda x: exp(-20 * x)
    residual = lambda a, b, k, d: (spread(a, d) + k * a * b**2, spread(b, d) + 2 * k * a * b**2)
    ends = [hp.Dirichlet(a=lambda x: 1 - x, b=lambda x: 1 - x), hp.Initial(a=start, b=start)]
    numbers = [hp.Parameter("k", init=0.05), hp.Parameter("d", init=1.0)]
    box, states = hp.Box(x=(0, 1), t=(0, 10)), [*ends, hp.Data(where, a=a, b=b)]
    return hp.Problem(box, ["a", "b"], residual, states, parameters=numbers)


def navier_stokes() -> hp.Problem:
    """Factors of transport and friction, both from 0, from 7,000 velocities; sides and start are unknown."""

    def residual(u: Any, v: Any, p: Any, c: Any, nu: Any) -> tuple[Any, Any, Any]:
        carried = lambda f: f.t + c * (u * f.x + v * f.y) - nu * (f.xx + f.yy)
        return u.x + v.y, carried(u) + p.x, carried(v) + p.y

    where, (u, v) = inverse_data.wake(7000)
    numbers = [hp.Parameter("c", init=0.0), hp.Parameter("nu", init=0.0)]
    states, box = [hp.Data(where, u=u, v=v), hp.Gauge("p")], hp.Box(x=(1, 8), y=(-2, 2), t=(0, 7))
    return hp.Problem(box, ["u", "v", "p"], residual, states, parameters=numbers)


CHAOS = {"s": 10.0, "r": 15.0, "b": 8 / 3}

INVERSE = [
    Example("Lorenz from values", "Lorenz_inverse.py", lorenz, parameters=CHAOS),
    Example("driven Lorenz from values", "Lorenz_inverse_forced.py", driven_lorenz, parameters=CHAOS),
    Example(
        "Brinkman and Forchheimer from values",
        "brinkman_forchheimer.py",
        brinkman_forchheimer,
        parameters={"v": 1e-3, "k": 1e-3},
    ),
    Example("diffusivity from values", "diffusion_1d_inverse.py", diffusion, parameters={"c": 1.0}),
    Example("mass from values", "Klein_Gordon_inverse.py", klein_gordon, parameters={"m": 4.0}),
    Example("rate field from values", "diffusion_reaction_rate.py", reaction_rate, right=1e-3, fields=("k",)),
    Example("source field from values", "elliptic_inverse_field.py", elliptic_source, right=1e-3),
    Example("source field from many values", "elliptic_inverse_field_batch.py", elliptic_source_many, right=1e-3),
    Example(
        "reaction from values",
        "reaction_inverse.py",
        reaction,
        right=1e-3,
        parameters={"k": 0.1, "d": 2.0},
        about="data by a method of lines, with a rate of 0.1 and a diffusivity of 2, instead of a file",
    ),
    Example(
        "Navier and Stokes from values",
        "Navier_Stokes_inverse.py",
        navier_stokes,
        right=1e-2,
        parameters={"c": 1.0, "nu": 0.01},
        about="vortices that are carried along, which have a formula, instead of a file with the wake of a cylinder",
    ),
]
