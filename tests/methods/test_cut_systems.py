"""Elasticity, flows and regularised fields on cut domains, with known solutions."""

import numpy as np
import pytest
from support.cut_domains import order, points_inside, square

import hermite_pinn as hp
from hermite_pinn import cos, sin

DISK = hp.Disk((0.42, 0.71), 0.31)
LAME, SHEAR = 1.3, 0.7
OUTER = ["x-", "x+", "y-", "y+"]


def doubled(count):
    """Levels from four cells along every axis on."""
    return [(4 * 2**k,) * 2 for k in range(count)]


def worst(problem, count):
    """The largest error of the fields."""
    return max(e["relative_l2"] for e in hp.solve(problem, levels=doubled(count), progress=False).error().values())


# -- elasticity ---
def first(x, y):
    return sin(2 * x) * cos(3 * y)


def last(x, y):
    return cos(x + 2 * y)


def gradients(x, y):
    return (
        (2 * cos(2 * x) * cos(3 * y), -3 * sin(2 * x) * sin(3 * y)),
        (-sin(x + 2 * y), -2 * sin(x + 2 * y)),
    )


def force(x, y):
    """Minus the divergence of the stress."""
    u, v = first(x, y), last(x, y)
    mixed_u, mixed_v = -6 * cos(2 * x) * sin(3 * y), -2 * v  # u_xy, v_xy
    along = (LAME + 2 * SHEAR) * -4 * u + SHEAR * -9 * u + (LAME + SHEAR) * mixed_v
    across = (LAME + 2 * SHEAR) * -4 * v + SHEAR * -v + (LAME + SHEAR) * mixed_u
    return -along, -across


def traction(x, y, n):
    (ux, uy), (vx, vy) = gradients(x, y)
    shear = SHEAR * (uy + vx)
    return (
        ((LAME + 2 * SHEAR) * ux + LAME * vy) * n.x + shear * n.y,
        shear * n.x + ((LAME + 2 * SHEAR) * vy + LAME * ux) * n.y,
    )


def solid(domain, free):
    """Displacements are given but on free faces, where the traction is."""

    def residual(u, v, x, y):
        f = force(x, y)
        return {
            "x": (LAME + 2 * SHEAR) * u.xx + SHEAR * u.yy + (LAME + SHEAR) * v.xy + f[0],
            "y": (LAME + 2 * SHEAR) * v.yy + SHEAR * v.xx + (LAME + SHEAR) * u.xy + f[1],
        }

    def along(u, v, x, y, n):
        own = ((LAME + 2 * SHEAR) * u.x + LAME * v.y) * n.x + SHEAR * (u.y + v.x) * n.y
        return own - traction(x, y, n)[0]

    def across(u, v, x, y, n):
        own = SHEAR * (u.y + v.x) * n.x + ((LAME + 2 * SHEAR) * v.y + LAME * u.x) * n.y
        return own - traction(x, y, n)[1]

    fixed = [f.name for f in domain.faces if f.name not in free]
    conditions = [hp.Dirichlet(u=first, v=last, on=fixed)]
    if free:
        conditions += [hp.Condition(along, on=free), hp.Condition(across, on=free)]
    return hp.Problem(domain, ["u", "v"], residual, conditions, exact={"u": first, "v": last})


@pytest.mark.parametrize("free", [[], ["disk"]], ids=["fixed", "traction"])
def test_elasticity_around_a_hole_converges_with_fourth_order(free):
    errors = [worst(solid(square() - DISK, free), n) for n in (3, 4)]
    assert order(errors) > 3.2
    assert errors[-1] < 1e-5


def test_elasticity_in_a_disc():
    errors = [worst(solid(square() & DISK, []), n) for n in (3, 4)]
    assert order(errors) > 3.2
    assert errors[-1] < 1e-5


# -- flows ---
def flow(domain, nu, convection, walls):
    """A flow with the stream function sin(2x) sin(2y) / 2, and zero traction or what is left of it at the outlet."""
    u0 = lambda x, y: sin(2 * x) * cos(2 * y)
    v0 = lambda x, y: -cos(2 * x) * sin(2 * y)
    p0 = lambda x, y: cos(3 * x + y)

    def residual(u, v, p, x, y):
        a, b = u0(x, y), v0(x, y)
        ux, uy = 2 * cos(2 * x) * cos(2 * y), -2 * sin(2 * x) * sin(2 * y)
        vx, vy = 2 * sin(2 * x) * sin(2 * y), -2 * cos(2 * x) * cos(2 * y)
        return {
            "x": convection * (u * u.x + v * u.y - a * ux - b * uy)
            + p.x - nu * u.laplacian + 3 * sin(3 * x + y) - 8 * nu * a,
            "y": convection * (u * v.x + v * v.y - a * vx - b * vy)
            + p.y - nu * v.laplacian + sin(3 * x + y) - 8 * nu * b,
            "mass": u.x + v.y,
        }  # fmt: skip

    conditions = [hp.Dirichlet(u=u0, v=v0, on=walls)]
    if set(walls) == {f.name for f in domain.faces}:
        conditions.append(hp.Gauge("p"))
    else:
        conditions += [
            hp.Condition(lambda u, p, x, y: 2 * nu * (u.x - 2 * cos(2 * x) * cos(2 * y)) - p + p0(x, y), on="x+"),
            hp.Condition(lambda u, v: nu * (u.y + v.x), on="x+"),
        ]
    return hp.Problem(domain, ["u", "v", "p"], residual, conditions, exact={"u": u0, "v": v0})


@pytest.mark.parametrize(("nu", "convection"), [(1.0, 0.0), (0.1, 1.0)], ids=["stokes", "navier-stokes"])
def test_flows_around_a_hole_converge(nu, convection):
    problem = flow(square() - DISK, nu, convection, [*OUTER, "disk"])
    errors = [worst(problem, n) for n in (3, 4)]
    assert order(errors) > 3.0
    assert errors[-1] < 1e-5


@pytest.mark.slow
def test_a_flow_with_an_outlet_and_a_corner_in_the_channel():
    """The corners need functions, whose coefficients are zero in this solution."""
    domain = square() - hp.Rectangle((-0.2, 0.8), (0.3, 1.3), name="step")
    errors = [worst(flow(domain, 0.5, 1.0, ["x-", "y-", "y+", "step"]), n) for n in (3, 4)]
    assert order(errors) > 2.5
    assert errors[-1] < 1e-4


# -- Smoothness ---
def test_smoothness_leaves_linear_functions_on_a_cut_domain():
    """Second derivatives cost nothing where the source is linear, so that it is found exactly from few values."""
    domain = square() - DISK
    potential = lambda x, y: x**3 / 3 - y**3 / 6 + x**2 / 2
    points = points_inside(domain, 12).numpy().T
    problem = hp.Problem(
        domain,
        ["u", "a"],
        lambda u, a: u.laplacian - a,
        [hp.Dirichlet(u=potential), hp.Data(points, u=potential(*points.T)), hp.Smoothness(a=1e-4)],
    )
    solution = hp.solve(problem, levels=doubled(3), progress=False)
    x = points_inside(domain, 300, seed=1).numpy()
    assert np.abs(solution.a(*x) - (1 + 2 * x[0] - x[1])).max() < 1e-5
    assert np.abs(solution.u(*x) - potential(*x)).max() < 1e-7
