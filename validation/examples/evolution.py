"""DeepXDE's examples of equations in time, from their mathematical statements."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

import hermite_pinn as hp
from hermite_pinn import cos, erf, exp, log, pi, sin, sqrt

from . import references
from .example import Example

__all__ = ["EVOLUTION"]


def heat() -> hp.Problem:
    """One sine that decays."""
    exact = {"u": lambda x, t: exp(-0.4 * pi**2 * t) * sin(pi * x)}
    states = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x))]
    return hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.t - 0.4 * u.xx, states, exact=exact)


def diffusion() -> hp.Problem:
    """A sine that decays by a source."""
    exact = lambda x, t: exp(-t) * sin(pi * x)
    residual = lambda u, x, t: u.t - u.xx + (1 - pi**2) * exact(x, t)
    states = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x))]
    return hp.Problem(hp.Box(x=(-1, 1), t=(0, 1)), "u", residual, states, exact={"u": exact})


def diffusion_reaction() -> hp.Problem:
    """Five sines and a source."""
    waves, box = {1: 1.0, 2: 1 / 2, 3: 1 / 3, 4: 1 / 4, 8: 1 / 8}, hp.Box(x=(-pi, pi), t=(0, 1))
    exact = lambda x, t: exp(-t) * sum(a * sin(k * x) for k, a in waves.items())
    source = lambda x, t: exp(-t) * sum(a * (k**2 - 1) * sin(k * x) for k, a in waves.items())
    states = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: exact(x, 0.0))]
    return hp.Problem(box, "u", lambda u, x, t: u.t - u.xx - source(x, t), states, exact={"u": exact})


def burgers() -> hp.Problem:
    """A front of a width of 0.003."""
    states = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: -sin(pi * x))]
    return hp.Problem(hp.Box(x=(-1, 1), t=(0, 1)), "u", lambda u: u.t + u * u.x - 0.01 / pi * u.xx, states)


def allen_cahn() -> hp.Problem:
    """Reaction and diffusion between two phases."""
    states = [hp.Dirichlet(u=-1.0), hp.Initial(u=lambda x: x**2 * cos(pi * x))]
    return hp.Problem(hp.Box(x=(-1, 1), t=(0, 1)), "u", lambda u: u.t - 0.001 * u.xx - 5 * (u - u**3), states)


def klein_gordon() -> hp.Problem:
    """A nonlinear wave."""
    exact = lambda x, t: x * cos(t)
    residual = lambda u, x, t: u.tt - u.xx + u**2 + x * cos(t) - x**2 * cos(t) ** 2
    states = [hp.Dirichlet(u=exact), hp.Initial(u=lambda x: x, u_t=0.0)]
    return hp.Problem(hp.Box(x=(-1, 1), t=(0, 10)), "u", residual, states, exact={"u": exact})


def wave() -> hp.Problem:
    """Two standing waves, ten and twenty half turns."""
    exact = lambda x, t: sin(pi * x) * cos(10 * pi * t) + sin(2 * pi * x) * cos(20 * pi * t)
    states = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: exact(x, 0.0), u_t=0.0)]
    return hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.tt - 100 * u.xx, states, exact={"u": exact})


def schroedinger() -> hp.Problem:
    """Two solitons on a period."""
    states = [hp.Periodic("x"), hp.Initial(h=lambda x: 2 * hp.sech(x))]
    box = hp.Box(x=(-5, 5), t=(0, pi / 2))
    return hp.Problem(box, {"h": complex}, lambda h: 1j * h.t + h.xx / 2 + abs(h) ** 2 * h, states)


def european_call() -> hp.Problem:
    """The equation of Black and Scholes, in time to maturity."""
    normal, end = lambda d: (1 + erf(d / sqrt(2.0))) / 2, lambda t: 50 * exp(-0.05 * t)
    high = lambda s, t: (log(s / 50) + 0.07 * t) / (0.2 * sqrt(t))
    exact = {"v": lambda s, t: s * normal(high(s, t)) - end(t) * normal(high(s, t) - 0.2 * sqrt(t))}
    residual = lambda v, s: v.t - 0.02 * s**2 * v.ss - 0.05 * s * v.s + 0.05 * v
    ends = [hp.Dirichlet(v=0.0, on="s-"), hp.Dirichlet(v=lambda t: 150 - end(t), on="s+")]
    states = [*ends, hp.Initial(v=lambda s: hp.maximum(s - 50, 0))]
    return hp.Problem(hp.Box(s=(0, 150), t=(0, 1)), "v", residual, states, exact=exact)


def american_put() -> hp.Problem:
    """A put that may be exercised at any time: what lies below the payoff is pulled up to it, by a penalty."""
    payoff, penalty = lambda s: hp.maximum(1 - s, 0), 1000.0
    held = lambda v, s: v.t - 0.02 * s**2 * v.ss - 0.05 * s * v.s + 0.05 * v
    residual = lambda v, s: held(v, s) - penalty * hp.maximum(payoff(s) - v, 0)
    states = [hp.Initial(v=payoff), hp.Dirichlet(v=1.0, on="s-"), hp.Dirichlet(v=0.0, on="s+")]
    return hp.Problem(hp.Box(s=(0, 4), t=(0, 1)), "v", residual, states)


def beltrami() -> hp.Problem:
    """A decaying flow in a cube, after Ethier and Steinman."""

    def speed(x: Any, y: Any, z: Any, t: Any) -> Any:
        return -(exp(x) * sin(y + z) + exp(z) * cos(x + y)) * exp(-t)

    def pressure(x: Any, y: Any, z: Any, t: Any) -> Any:
        turned = lambda x, y, z: exp(2 * x) + 2 * sin(x + y) * cos(z + x) * exp(y + z)
        return -(turned(x, y, z) + turned(y, z, x) + turned(z, x, y)) * exp(-2 * t) / 2

    def residual(u: Any, v: Any, w: Any, p: Any) -> tuple[Any, ...]:
        carried = lambda f: f.t + u * f.x + v * f.y + w * f.z - f.laplacian
        return (carried(u) + p.x, carried(v) + p.y, carried(w) + p.z, u.x + v.y + w.z)

    exact: dict[str, Any] = {
        "u": speed,
        "v": lambda x, y, z, t: speed(y, z, x, t),
        "w": lambda x, y, z, t: speed(z, x, y, t),
    }
    first: dict[str, Any] = {f: lambda x, y, z, g=g: g(x, y, z, 0.0) for f, g in exact.items()}
    states = [hp.Dirichlet(**exact), hp.Initial(**first)]
    box = hp.Box(x=(-1, 1), y=(-1, 1), z=(-1, 1), t=(0, 1))
    return hp.Problem(box, ["u", "v", "w", "p"], residual, [*states, hp.Gauge("p")], exact=exact | {"p": pressure})


EVOLUTION = [
    Example("Burgers", "Burgers.py, Burgers_RAR.py, Burgers_NNCG.py", burgers, reference=references.burgers),
    Example("heat", "heat.py, heat_resample.py", heat),
    Example(
        "diffusion",
        "diffusion_1d.py, diffusion_1d_exactBC.py, diffusion_1d_resample.py, diffusion_1d_with_monitor.py",
        diffusion,
    ),
    Example("diffusion and reaction", "diffusion_reaction.py", diffusion_reaction),
    Example("Allen-Cahn", "Allen_Cahn.py", allen_cahn, reference=references.allen_cahn),
    Example("Klein-Gordon", "Klein_Gordon.py", klein_gordon),
    Example("wave", "wave_1d.py", wave),
    Example(
        "Schrödinger",
        "Schrodinger.ipynb",
        schroedinger,
        right=1e-3,
        reference=references.schroedinger,
        options={"tol": 1e-3},
        about="the slope of the initial value jumps across the period, and the equation does not smooth it",
    ),
    Example("European call", "black_scholes_call.py", european_call),
    Example(
        "American put",
        "american_put.py",
        american_put,
        right=1e-3,
        reference=references.american_put,
        options={"tol": 1e-4},
        part={"s": (0.1, 2.0), "t": (1.0, 1.0)},
        about="compared at t = 1 with the problem of two inequalities itself, from which the penalty takes up to 5e-5",
    ),
    Example("Beltrami flow", "Beltrami_flow.py", beltrami, right=1e-3, fields=("u", "v", "w"), options={"tol": 1e-3}),
]
