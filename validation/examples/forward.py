"""DeepXDE's examples of ordinary and stationary equations, from their mathematical statements."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from typing import Any

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin

from . import references
from .example import Example

__all__ = ["ORDINARY", "STATIONARY"]


def circle() -> hp.Problem:
    """Once and a half around a circle."""
    exact = {"y": lambda t: sin(t), "z": lambda t: cos(t)}
    start = [hp.Initial(y=0.0, z=1.0)]
    return hp.Problem(hp.Box(t=(0, 10)), ["y", "z"], lambda y, z: (y.t - z, z.t + y), start, exact=exact)


def lotka_volterra() -> hp.Problem:
    """Prey r and predators p in units of 200, time in units of 20."""

    def residual(r: Any, p: Any) -> tuple[Any, Any]:
        return r.t - 20 * (2 * r - 8 * r * p), p.t - 20 * (4 * r * p - 1.06 * p)

    return hp.Problem(hp.Box(t=(0, 1)), ["r", "p"], residual, [hp.Initial(r=0.5, p=0.075)])


def second_order() -> hp.Problem:
    """The equation y'' - 10 y' + 9 y = 5 t."""
    exact = {"y": lambda t: 50 / 81 + 5 / 9 * t + 31 / 81 * exp(9 * t) - 2 * exp(t)}
    start = [hp.Initial(y=-1.0, y_t=2.0)]
    return hp.Problem(hp.Box(t=(0, 0.25)), ["y"], lambda y, t: y.tt - 10 * y.t + 9 * y - 5 * t, start, exact=exact)


def dirichlet_line() -> hp.Problem:
    """-u'' = pi^2 sin pi x."""
    residual = lambda u, x: u.xx + pi**2 * sin(pi * x)
    return hp.Problem(hp.Box(x=(-1, 1)), "u", residual, [hp.Dirichlet(u=0.0)], exact={"u": lambda x: sin(pi * x)})


def exact_ends() -> hp.Problem:
    """A sum of sines, prescribed at both ends."""
    exact = lambda x: x + sum(sin(i * x) / i for i in range(1, 5)) + sin(8 * x) / 8
    source = lambda x: sum(i * sin(i * x) for i in range(1, 5)) + 8 * sin(8 * x)
    residual = lambda u, x: u.xx + source(x)
    return hp.Problem(hp.Box(x=(0, pi)), "u", residual, [hp.Dirichlet(u=exact)], exact={"u": exact})


def neumann_line() -> hp.Problem:
    """U'' = 2 with a slope at one end."""
    ends = [hp.Dirichlet(u=0.0, on="x-"), hp.Neumann(u=4.0, on="x+")]
    return hp.Problem(hp.Box(x=(-1, 1)), "u", lambda u: u.xx - 2, ends, exact={"u": lambda x: (x + 1) ** 2})


def robin_line() -> hp.Problem:
    """U'' = 2 with u' = u at one end."""
    ends = [hp.Dirichlet(u=0.0, on="x-"), hp.Condition(lambda u: u.x - u, on="x+")]
    return hp.Problem(hp.Box(x=(-1, 1)), "u", lambda u: u.xx - 2, ends, exact={"u": lambda x: (x + 1) ** 2})


def periodic_line() -> hp.Problem:
    """-u'' = pi^2 sin pi x with equal values at both ends, zero at one."""
    residual = lambda u, x: u.xx + pi**2 * sin(pi * x)
    ends = [hp.Periodic("x"), hp.Dirichlet(u=0.0, on="x-")]
    return hp.Problem(hp.Box(x=(-1, 1)), "u", residual, ends, exact={"u": lambda x: sin(pi * x)})


def operator_at_points() -> hp.Problem:
    """U'' = 2 with u' + u' x given at points of the right half of the line."""
    points = [[x / 10] for x in range(11)]
    slopes = hp.Condition(lambda u, x: u.x - 2 * (x + 1), on=points)
    ends = [hp.Dirichlet(u=0.0, on="x-"), slopes]
    return hp.Problem(hp.Box(x=(-1, 1)), "u", lambda u: u.xx - 2, ends, exact={"u": lambda x: (x + 1) ** 2})


def multiscale_line() -> hp.Problem:
    """One wave and 0.1 of 25 waves."""
    exact = lambda x: sin(2 * pi * x) + 0.1 * sin(50 * pi * x)
    residual = lambda u, x: u.xx + 4 * pi**2 * sin(2 * pi * x) + 250 * pi**2 * sin(50 * pi * x)
    return hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)], exact={"u": exact})


def l_shape() -> hp.Problem:
    """-Laplace u = 1 on three quarters of a square."""
    domain = hp.Box(x=(-1, 1), y=(-1, 1)) - hp.Rectangle((0, 0), (1.5, 1.5))
    return hp.Problem(domain, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)])


def disc() -> hp.Problem:
    """Laplace's equation in polar coordinates, from the centre."""
    domain, residual = hp.Box(r=(0, 1), q=(0, 2 * pi)), lambda u, r: r * u.r + r**2 * u.rr + u.qq
    edges = [hp.Periodic("q"), hp.Dirichlet(u=lambda q: cos(q), on="r+")]
    return hp.Problem(domain, "u", residual, edges, exact={"u": lambda r, q: r * cos(q)})


def beam() -> hp.Problem:
    """A cantilever under a uniform load."""
    held = [hp.Dirichlet(u=0.0, on="x-"), hp.Neumann(u=0.0, on="x-")]
    free = hp.Condition(lambda u: (u.xx, u.xxx), on="x+")
    exact = {"u": lambda x: -(x**4) / 24 + x**3 / 6 - x**2 / 4}
    return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xxxx + 1, [*held, free], exact=exact, max_order=4)


def elastic_plate() -> hp.Problem:
    """Plane elasticity in displacements and stresses."""
    u, v = lambda x, y: cos(2 * pi * x) * sin(pi * y), lambda x, y: sin(pi * x) * y**4
    a, b = lambda x, y: 4 * y**3 * sin(pi * x), lambda x, y: -2 * pi * sin(2 * pi * x) * sin(pi * y)  # v_y, u_x
    c = lambda x, y: pi * cos(2 * pi * x) * cos(pi * y) + pi * cos(pi * x) * y**4  # u_y + v_x
    exact: dict[str, Any] = {
        "u": u,
        "v": v,
        "sx": lambda x, y: 2 * b(x, y) + a(x, y),
        "sy": lambda x, y: 2 * a(x, y) + b(x, y),
    }
    exact["sxy"] = lambda x, y: c(x, y) / 2
    fx = lambda x, y: -8.5 * pi**2 * u(x, y) + 6 * pi * y**3 * cos(pi * x)
    fy = lambda x, y: 24 * y**2 * sin(pi * x) - 3 * pi**2 * sin(2 * pi * x) * cos(pi * y) - pi**2 * v(x, y) / 2

    def residual(u: Any, v: Any, sx: Any, sy: Any, sxy: Any, x: Any, y: Any) -> tuple[Any, ...]:
        law = (2 * u.x + v.y - sx, 2 * v.y + u.x - sy, (u.y + v.x) / 2 - sxy)
        return (sx.x + sxy.y - fx(x, y), sxy.x + sy.y - fy(x, y), *law)

    sides = [hp.Dirichlet(u=0.0, on=["y-", "y+"]), hp.Dirichlet(v=0.0, on=["x-", "x+", "y-"])]
    stresses = [hp.Dirichlet(sx=0.0, on=["x-", "x+"]), hp.Dirichlet(sy=lambda x: 8 * sin(pi * x), on="y+")]
    return hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), list(exact), residual, [*sides, *stresses], exact=exact)


def helmholtz() -> hp.Problem:
    """Two waves along each side of a square."""
    k, exact = 4 * pi, lambda x, y: sin(4 * pi * x) * sin(4 * pi * y)
    residual = lambda u, x, y: u.laplacian + k**2 * u + k**2 * exact(x, y)
    return hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)], exact={"u": exact})


def helmholtz_hole() -> hp.Problem:
    """A square with a disc cut out, on whose edge the normal derivative is given."""
    k, exact = 2 * pi, lambda x, y: sin(2 * pi * x) * sin(2 * pi * y)
    slope = lambda x, y, n: k * (cos(k * x) * sin(k * y) * n.x + sin(k * x) * cos(k * y) * n.y)
    domain = hp.Box(x=(-0.5, 0.5), y=(-0.5, 0.5)) - hp.Disk((0, 0), 0.25, name="hole")
    edges = [hp.Dirichlet(u=0.0, on=["x-", "x+", "y-", "y+"]), hp.Neumann(u=slope, on="hole")]
    residual = lambda u, x, y: u.laplacian + k**2 * u + k**2 * exact(x, y)
    return hp.Problem(domain, "u", residual, edges, exact={"u": exact})


def scattering() -> hp.Problem:
    """A plane wave at a sound-hard disc, with first-order absorption on a square."""
    domain = hp.Box(x=(-pi, pi), y=(-pi, pi)) - hp.Disk((0, 0), pi / 4, name="disc")
    hard = hp.Neumann(u=lambda n, x: -2j * exp(2j * x) * n.x, on="disc")
    open_sides = hp.Robin(u=(-2j, 1.0, 0.0), on=["x-", "x+", "y-", "y+"])
    return hp.Problem(domain, {"u": complex}, lambda u: u.laplacian + 4 * u, [hard, open_sides])


def kovasznay() -> hp.Problem:
    """Flow behind a grid at a Reynolds number of 20."""
    s = 10 - math.sqrt(100 + 4 * pi**2)
    exact: dict[str, Any] = {"u": lambda x, y: 1 - exp(s * x) * cos(2 * pi * y)}
    exact |= {"v": lambda x, y: s / (2 * pi) * exp(s * x) * sin(2 * pi * y), "p": lambda x: (1 - exp(2 * s * x)) / 2}

    def residual(u: Any, v: Any, p: Any) -> tuple[Any, Any, Any]:
        forces = (p.x - u.laplacian / 20, p.y - v.laplacian / 20)
        return (u * u.x + v * u.y + forces[0], u * v.x + v * v.y + forces[1], u.x + v.y)

    sides = [hp.Dirichlet(u=exact["u"], v=exact["v"]), hp.Dirichlet(p=exact["p"], on="x+")]
    return hp.Problem(hp.Box(x=(-0.5, 1), y=(-0.5, 1.5)), ["u", "v", "p"], residual, sides, exact=exact)


def integral_equation() -> hp.Problem:
    """A derivative and an integral from 0."""
    right = lambda x: 2 * pi * cos(2 * pi * x) + sin(pi * x) ** 2 / pi
    residual = lambda y, x: y.x + hp.Integral(y, "x", upper=x) - right(x)
    start = [hp.Dirichlet(y=0.0, on="x-")]
    return hp.Problem(hp.Box(x=(0, 1)), "y", residual, start, exact={"y": lambda x: sin(2 * pi * x)})


def volterra() -> hp.Problem:
    """A kernel that forgets."""
    residual = lambda y, x: y.x + y - hp.Integral(y, "x", upper=x, kernel=lambda x, s: exp(s - x))
    start, exact = [hp.Dirichlet(y=1.0, on="x-")], {"y": lambda x: exp(-x) * hp.cosh(x)}
    return hp.Problem(hp.Box(x=(0, 5)), "y", residual, start, exact=exact)


ORDINARY = [
    Example("ode system", "ode_system.py", circle),
    Example("Lotka-Volterra", "Lotka_Volterra.py", lotka_volterra, reference=references.lotka_volterra),
    Example("second order", "ode_2nd.py, ode_2nd_with_monitor.py", second_order),
    Example("Euler beam", "Euler_beam.py", beam),
    Example("integro-differential", "ide.py", integral_equation),
    Example("Volterra", "Volterra_IDE.py", volterra),
]

STATIONARY = [
    Example("Poisson 1-D, Dirichlet", "Poisson_Dirichlet_1d.py", dirichlet_line),
    Example("Poisson 1-D, hard ends", "Poisson_Dirichlet_1d_exactBC.py", exact_ends),
    Example("Poisson 1-D, Neumann", "Poisson_Neumann_1d.py", neumann_line),
    Example("Poisson 1-D, Robin", "Poisson_Robin_1d.py", robin_line),
    Example("Poisson 1-D, periodic", "Poisson_periodic_1d.py", periodic_line),
    Example("Poisson 1-D, operator at points", "Poisson_PointSetOperator_1d.py", operator_at_points),
    Example("Poisson 1-D, two scales", "Poisson_multiscale_1d.py", multiscale_line),
    Example("Poisson, L-shape", "Poisson_Lshape.py", l_shape, reference=references.l_shape),
    Example("Laplace, disc", "Laplace_disk.py", disc),
    Example("elastic plate", "elasticity_plate.py", elastic_plate, seconds=600.0),
    Example("Helmholtz", "Helmholtz_Dirichlet_2d.py, Helmholtz_Dirichlet_2d_HPO.py", helmholtz),
    Example("Helmholtz, hole", "Helmholtz_Neumann_2d_hole.py", helmholtz_hole),
    Example(
        "Helmholtz, scattering",
        "Helmholtz_Sound_hard_ABC_2d.py",
        scattering,
        reference=references.scattering,
        options={"tol": 1e-5},
    ),
    Example("Kovasznay flow", "Kovasznay_flow.py", kovasznay),
]
