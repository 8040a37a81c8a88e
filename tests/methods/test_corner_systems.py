"""Flows and solids that are singular at corners, against exact solutions."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import arctan2, cos, problems, sin, sqrt

SQUARE = hp.Box(x=(-0.97, 1.03), y=(-1.02, 0.98))
ELL = SQUARE - hp.Rectangle((0, -1.1), (1.1, 0))
TURNED = hp.Box(x=(-1, 1), y=(-1, 1)) & hp.Polygon(
    [(0.05, 0.02), *((0.05 + 0.9 * math.cos(t), 0.02 + 0.9 * math.sin(t)) for t in 0.3 + np.linspace(0, 4.71238898, 7))]
)
POWER = 0.54448373678246  # first root of sin(p w) + p sin(w) = 0 for w = 3 pi / 2


def slow_flow(point=(0.0, 0.0), start=0.0):
    """Verfuerth's flow in an angle of 3 pi / 2 from a direction on: u, v, p and its stream function, viscosity 1."""
    w, a = 1.5 * math.pi, POWER

    def parts(x, y):
        x, y = x - point[0], y - point[1]
        middle = start + 0.5 * w
        turned = arctan2(cos(middle) * y - sin(middle) * x, cos(middle) * x + sin(middle) * y) + 0.5 * w
        return sqrt(x * x + y * y + 1e-300), turned

    def psi(t, order):
        plus, minus, c = 1 + a, 1 - a, math.cos(a * w)
        trig = [sin, cos, lambda s: -sin(s), lambda s: -cos(s)]
        return (
            c * plus ** (order - 1) * trig[order % 4](plus * t)
            - plus**order * trig[(order + 1) % 4](plus * t)
            - c * minus ** (order - 1) * trig[order % 4](minus * t)
            + minus**order * trig[(order + 1) % 4](minus * t)
        )

    def velocity(x, y):
        r, t = parts(x, y)
        one = r**a * ((1 + a) * sin(t) * psi(t, 0) + cos(t) * psi(t, 1))
        two = r**a * (sin(t) * psi(t, 1) - (1 + a) * cos(t) * psi(t, 0))
        return cos(start) * one - sin(start) * two, sin(start) * one + cos(start) * two

    def pressure(x, y):
        r, t = parts(x, y)
        return -(r ** (a - 1)) * ((1 + a) ** 2 * psi(t, 1) + psi(t, 3)) / (1 - a)

    def stream(x, y):
        r, t = parts(x, y)
        return r ** (1 + a) * psi(t, 0)

    return (lambda x, y: velocity(x, y)[0]), (lambda x, y: velocity(x, y)[1]), pressure, stream


def errors(solution, exact, free=()):
    """Relative errors by field in the domain; of those that are free but for a constant, less their means."""
    x = solution.domain.interior.random(4000, torch.Generator().manual_seed(0), torch.float64).x.numpy()
    found = {}
    for name, function in exact.items():
        own, known = np.asarray(getattr(solution, name)(*x)), np.asarray(function(*x))
        if name in free:
            known = known - np.mean(known - own)
        found[name] = float(np.linalg.norm(own - known) / np.linalg.norm(known))
    return found


def flow(domain, exact, convection=0.0):
    u0, v0, *_ = exact

    def residual(u, v, p):
        return {
            "x": convection * (u * u.x + v * u.y) + p.x - u.laplacian,
            "y": convection * (u * v.x + v * v.y) + p.y - v.laplacian,
            "mass": u.x + v.y,
        }

    conditions = [hp.Dirichlet(u=u0, v=v0), hp.Gauge("p")]
    return hp.Problem(domain, ["u", "v", "p"], residual, conditions)


@pytest.mark.slow_but("ell")
@pytest.mark.parametrize(
    ("domain", "exact"), [(ELL, slow_flow()), (TURNED, slow_flow((0.05, 0.02), 0.3))], ids=["ell", "turned"]
)
def test_slow_flow_in_a_re_entrant_corner(domain, exact, tmp_path):
    """Without its functions the velocity is off by some percent on all levels."""
    solution = hp.solve(flow(domain, exact), levels=[8, 16, 32], progress=False)
    found = errors(solution, dict(zip("uvp", exact[:3], strict=True)), ["p"])
    assert max(found["u"], found["v"]) < 1e-4
    assert found["p"] < 1e-2
    x = solution.domain.interior.random(20000, torch.Generator().manual_seed(1), torch.float64).x.numpy()
    pressure = np.asarray(solution.p(*x))
    assert abs(pressure.mean()) < 0.05 * pressure.std()  # the gauge sees the singular functions
    assert "singular functions" in solution.message
    solution.save(tmp_path / "flow.h5")
    loaded = hp.Solution.load(tmp_path / "flow.h5")
    assert loaded.field.singular.basis == solution.field.singular.basis
    np.testing.assert_array_equal(loaded.p(*x[:, :50]), pressure[:50])


@pytest.mark.slow
@pytest.mark.parametrize("outlet", ["suppressed", "traction"])
def test_a_flow_over_a_step_keeps_its_mass(outlet):
    """Also on coarse grids, where steps of the iteration have to be damped along singular functions, too."""
    solution = hp.solve(problems.step(outlet=outlet), levels=[(8, 4), (16, 8)], progress=False)
    for x in (0.0, 1.0, 2.5, 4.0):
        y = np.linspace(0.0, 1.0 if x < 2 else 2.0, 801)
        assert np.trapezoid(np.asarray(solution.u(np.full_like(y, x), y)), y) == pytest.approx(2 / 3, abs=1e-2)


@pytest.mark.slow
def test_a_clamped_plate_with_a_re_entrant_corner():
    """The stream function of the slow flow, whose third derivatives are not square integrable."""
    u0, v0, _, exact = slow_flow()
    slope = lambda x, y, n: u0(x, y) * n.y - v0(x, y) * n.x
    problem = hp.Problem(
        ELL,
        "w",
        lambda w: w.xxxx + 2 * w.xxyy + w.yyyy,
        [hp.Dirichlet(w=exact), hp.Neumann(w=slope)],
        max_order=4,
    )
    solution = hp.solve(problem, levels=[4, 8], progress=False)
    assert errors(solution, {"w": exact})["w"] < 1e-5
