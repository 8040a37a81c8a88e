"""Every method on every kind of small problem."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin


def linear():
    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=lambda u, x, y: u.laplacian + 2 * pi**2 * sin(pi * x) * sin(pi * y),
        conditions=[hp.Dirichlet(u=0.0)],
        exact={"u": lambda x, y: sin(pi * x) * sin(pi * y)},
    )


def nonlinear():
    return hp.Problem(
        domain=hp.Box(x=(0, 1)),
        fields=["u"],
        residual=lambda u, x: u.xx - u * u.x + exp(2 * x) - exp(x),
        conditions=[hp.Dirichlet(u=lambda x: exp(x))],
        exact={"u": lambda x: exp(x)},
    )


def system():
    return hp.Problem(
        domain=hp.Box(x=(0, 1)),
        fields=["u", "v"],
        residual=lambda u, v: {"speed": u.x - v, "force": v.x + 4 * u},
        conditions=[hp.Dirichlet(u=1.0, v=0.0, on="x-")],
        exact={"u": lambda x: cos(2 * x), "v": lambda x: -2 * sin(2 * x)},
    )


def inverse():
    """The conductivity, 2, is found from values."""
    x = np.linspace(0.1, 0.9, 9)
    return hp.Problem(
        domain=hp.Box(x=(0, 1)),
        fields=["u"],
        residual=lambda u, x, k: k * u.xx + 2 * pi**2 * sin(pi * x),
        conditions=[hp.Dirichlet(u=0.0), hp.Data(x[:, None], u=np.sin(np.pi * x))],
        parameters=[hp.Parameter("k", init=1.0)],
        exact={"u": lambda x: sin(pi * x)},
    )


def evolution():
    return hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t - 0.1 * u.xx,
        conditions=[hp.Initial(u=lambda x: sin(pi * x)), hp.Dirichlet(u=0.0)],
        exact={"u": lambda x, t: sin(pi * x) * exp(-0.1 * pi**2 * t)},
    )


GRID = hp.Field(head="linear")
SIREN = hp.Field(head="siren", width=16, features=2, omega=2.0)
POINTS = {"points": 64, "face_points": 32}
ADAM = hp.Adam(steps=500, lr=1e-1, ema=0.9, weight=10.0, **POINTS)
LBFGS = hp.LBFGS(steps=60, points=128, face_points=32)

#: Method, field, levels, and a bound of the relative error, some five times the worst of the five problems.
METHODS = {
    "conjugate gradients": (hp.GaussNewton(inner="cg"), None, 3, 1e-5),
    "banded": (hp.GaussNewton(inner="banded"), None, 3, 1e-5),
    "auto": (hp.GaussNewton(), None, 3, 1e-5),
    "mixed precision": (hp.GaussNewton(inner="cg", precision="mixed"), None, 3, 1e-5),
    "joint, network": (hp.GaussNewton(), SIREN, 2, 3e-3),
    "joint, hashed": (hp.JointGaussNewton(), hp.Field(table_size=2**6), 2, 4e-4),
    "adam": (ADAM, GRID, 1, 5e-3),
    "soap": (hp.SOAP(steps=200, lr=3e-2, network_lr=1e-2, ema=0.9, weight=10.0, **POINTS), SIREN, 2, 5e-2),
    "lbfgs": (LBFGS, GRID, 1, 5e-3),
    "chain": (hp.Adam(steps=100, lr=1e-1, ema=0.9, **POINTS) >> LBFGS, GRID, 1, 5e-3),
}


@pytest.mark.slow_but("gradients", "banded", "auto", "mixed", "-linear")
@pytest.mark.parametrize("problem", [linear, nonlinear, system, inverse, evolution], ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_solves_every_kind_of_problem(name, problem, one_thread):
    method, field, levels, bound = METHODS[name]
    solution = hp.solve(problem(), method=method, field=field, levels=levels, progress=False)
    errors = {f: e["relative_l2"] for f, e in solution.error().items() if "relative_l2" in e}
    assert set(errors) >= set(solution.problem.fields)
    assert max(errors.values()) < bound
    for value in solution.parameters.values():
        assert abs(value / 2 - 1) < 3 * bound


def test_every_method_by_name_is_in_the_table():
    kinds = {type(method) for method, *_ in METHODS.values()}
    assert {type(make()) for make in hp.methods.METHODS.values()} <= kinds
