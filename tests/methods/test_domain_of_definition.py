"""Roots, logarithms and negative powers of fields: sizes and starts are taken where they are defined."""

import re

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import exp, log, pi, problems, sin, sqrt
from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import linear_field
from hermite_pinn.residuals.reference_state import ReferenceState, reference_state, where_undefined
from hermite_pinn.residuals.scales import source_norms

LINE = hp.Box(x=(0, 1))
GROWTH = {"u": lambda x: exp(x)}

CASES = {
    "1/u": lambda: hp.Problem(
        LINE, "u", lambda u: u.x - 1 / (2 * u), [hp.Dirichlet(u=1.0, on="x-")], exact={"u": lambda x: sqrt(1 + x)}
    ),
    "1/u in time": lambda: hp.Problem(
        hp.Box(t=(0, 1)), "u", lambda u: u.t - 1 / (2 * u), [hp.Initial(u=1.0)], exact={"u": lambda t: sqrt(1 + t)}
    ),
    "u**-2": lambda: hp.Problem(
        LINE, "u", lambda u, x: u.xx - u**-2 - exp(x) + exp(-2 * x), [hp.Dirichlet(u=lambda x: exp(x))], exact=GROWTH
    ),
    "sqrt(u)": lambda: hp.Problem(
        LINE, "u", lambda u, x: u.xx - sqrt(u) - exp(x) + exp(x / 2), [hp.Dirichlet(u=lambda x: exp(x))], exact=GROWTH
    ),
    "sqrt(-u)": lambda: hp.Problem(
        LINE,
        "u",
        lambda u, x: u.xx - sqrt(-u) + exp(x) + exp(x / 2),
        [hp.Dirichlet(u=lambda x: -exp(x))],
        exact={"u": lambda x: -exp(x)},
    ),
    "u**0.5 of a porous medium": lambda: hp.Problem(
        LINE,
        "u",
        lambda u, x: u**0.5 * u.xx + 0.5 * u.x**2 / u**0.5 - 1.5 * exp(1.5 * x),
        [hp.Dirichlet(u=lambda x: exp(x))],
        exact=GROWTH,
    ),
    "1/u.x": lambda: hp.Problem(
        LINE, "u", lambda u, x: u.xx - 1 / u.x - exp(x) + exp(-x), [hp.Dirichlet(u=lambda x: exp(x))], exact=GROWTH
    ),
    "log(u) in space and time": lambda: hp.Problem(
        hp.Box(x=(0, 1), t=(0, 0.5)),
        "u",
        lambda u, x, t: u.t - u.xx + log(u) + (1 - pi**2) * sin(pi * x) * exp(-t) - log(2 + sin(pi * x) * exp(-t)),
        [hp.Initial(u=lambda x: 2 + sin(pi * x)), hp.Dirichlet(u=2.0)],
        exact={"u": lambda x, t: 2 + sin(pi * x) * exp(-t)},
    ),
    "1/u in a condition": lambda: hp.Problem(
        LINE,
        "u",
        lambda u: u.xx,
        [hp.Dirichlet(u=1.0, on="x-"), hp.Condition(lambda u: u.n - 2 / u, on="x+")],
        exact={"u": lambda x: 1 + x},
    ),
    "two fields": lambda: hp.Problem(
        LINE,
        ["u", "v"],
        lambda u, v: (u.x - v / u, v.x - 1 / v),
        [hp.Dirichlet(u=1.0, v=1.0, on="x-")],
        exact={"u": lambda x: sqrt(1 + 2 / 3 * ((1 + 2 * x) ** 1.5 - 1)), "v": lambda x: sqrt(1 + 2 * x)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gauss_newton_solves_what_is_not_defined_at_zero(name):
    solution = hp.solve(CASES[name](), progress=False)
    assert solution.status is hp.Status.CONVERGED, solution.message
    for error in solution.error().values():
        assert error["relative_l2"] < 1e-5


@pytest.mark.parametrize("name", ["1/u", "sqrt(-u)", "1/u.x"])
def test_training_starts_where_residuals_are_defined(name):
    problem = CASES[name]()
    solution = hp.solve(problem, method=hp.LBFGS(steps=60, points=64), levels=2, progress=False)
    assert solution.error()["u"]["relative_l2"] < 1e-3
    solution = hp.solve(problem, method=hp.Adam(steps=3, points=32, check_every=1), levels=2, progress=False)
    assert all(np.isfinite(r) for r in solution.residuals.values())


@pytest.mark.parametrize("name", problems.PROBLEMS)
def test_where_zero_is_defined_it_stays_the_reference(name):
    assert reference_state(problems.PROBLEMS[name]()).is_zero


def test_sizes_are_those_at_the_reference_state():
    problem = CASES["1/u"]()
    assert reference_state(problem).values == {"u": 1.0}
    assert source_norms(problem) == [0.5]


@pytest.mark.parametrize("basis", ["cubic", "quintic", "septic"])
def test_a_state_fills_the_coefficients_of_its_affine_function(basis):
    problem = hp.Problem(hp.Box(x=(0, 2), y=(1, 4)), "u", lambda u: u.laplacian - 1, [hp.Dirichlet(u=0.0)])
    state, m = ReferenceState({"u": 3.0}, {"u": 2.0}), BASES[basis].coefficients
    level = torch.zeros(1, m * 5, m * 3, dtype=torch.float64)
    state.fill(problem, basis, level)
    field = linear_field(problem.domain, ("u",), (False, False), basis, [(4, 2)], [level])
    x, y = torch.rand(2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, y = 2 * x, 1 + 3 * y
    values = field.jets(torch.stack([x, y]), Channels.value(2))[0, 0]
    assert torch.allclose(values, 3.0 + (x - 1) + 2.0 / 3.0 * (y - 2.5), rtol=1e-13)
    env = {("coordinate", "x"): x, ("coordinate", "y"): y}
    assert torch.allclose(torch.as_tensor(state.jets(problem, env)[("u", (0, 0))]), values, rtol=1e-13)


def test_a_solution_that_leaves_the_domain_of_definition_names_the_term_and_the_place():
    problem = hp.Problem(hp.Box(t=(0, 2)), "u", lambda u: u.t + sqrt(u) + 1, [hp.Initial(u=1.0)])
    solution = hp.solve(problem, progress=False)
    assert not solution.status.success
    assert re.search(r"'pde' is not finite at .*: sqrt\(u\) at t = .*, where u = -", solution.message)


def test_a_coefficient_with_a_pole_names_it():
    problem = hp.Problem(LINE, "u", lambda u, x: u.xx + 1 / (x - x), [hp.Dirichlet(u=0.0)])
    with pytest.raises(hp.DivergedError, match=r"1/\(x - x\) at x = .*, where x - x = 0"):
        hp.solve(problem, levels=1, progress=False)


def test_a_state_where_all_is_defined_is_not_blamed():
    problem = CASES["1/u"]()
    solution = hp.solve(problem, levels=1, progress=False)
    assert where_undefined(problem, solution.field, {}) == ""
