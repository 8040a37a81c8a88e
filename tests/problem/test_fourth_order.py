"""Equations of third and fourth order, directly on smoother bases and through auxiliary fields."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, problems, sin
from hermite_pinn.errors import InvalidProblemError


def relative(solution, name="u"):
    return solution.error()[name]["relative_l2"]


def cahn_hilliard(form, mobility=0.05):
    """u_t = (u^3 - u - g u_xx)_xx + f with u = exp(-t) cos x / 2, periodic."""
    g, domain = mobility, hp.Box(x=(0, 2 * pi), t=(0, 0.5))
    exact = lambda x, t: 0.5 * exp(-t) * cos(x)

    def source(x, t):
        u, slope = exact(x, t), -0.5 * exp(-t) * sin(x)
        return -u - (3 * u**2 - 1) * -u - 6 * u * slope**2 + g * u

    conditions = [hp.Periodic("x"), hp.Initial(u=lambda x: exact(x, 0.0))]
    if form == "direct":
        flux = lambda u, x, t: u.t - (3 * u**2 - 1) * u.xx - 6 * u * u.x**2 + g * u.xxxx - source(x, t)
        return hp.Problem(domain, "u", flux, conditions, exact={"u": exact}, max_order=4)
    split = lambda u, m, x, t: {"potential": m - (u**3 - u - g * u.xx), "balance": u.t - m.xx - source(x, t)}
    return hp.Problem(domain, ["u", "m"], split, conditions, exact={"u": exact})


@pytest.mark.parametrize("form", ["direct", "auxiliary"])
def test_cahn_hilliard(form):
    solution = hp.solve(cahn_hilliard(form), tol=1e-4)
    assert solution.status is hp.Status.CONVERGED
    assert relative(solution) < 1e-4


@pytest.mark.parametrize("support", ["simple", "clamped"])
def test_both_forms_of_the_plate_agree(support):
    direct, auxiliary = (
        hp.solve(problems.plate(support=support, a=1, form=form), tol=1e-5) for form in ("direct", "auxiliary")
    )
    x, y = np.random.default_rng(0).random((2, 200))
    assert np.abs(direct.u(x, y) - auxiliary.u(x, y)).max() < 2e-5
    assert np.abs(direct.u.laplacian(x, y) - auxiliary.w(x, y)).max() < 1e-2


def test_eighth_order_of_the_septic_basis():
    errors = [relative(hp.solve(problems.plate(support="clamped", a=1), levels=n)) for n in (1, 2, 3)]
    assert np.log2(np.divide(errors[:-1], errors[1:])).min() > 7


def test_the_basis_follows_the_order_of_the_problem():
    found = [
        hp.GaussNewton().default_field(p).basis
        for p in (problems.heat(), problems.kdv("soliton"), problems.plate(), problems.plate(form="auxiliary"))
    ]
    assert found == ["cubic", "quintic", "septic", "cubic"]


def test_a_basis_that_is_not_smooth_enough_is_refused_with_the_one_that_is():
    with pytest.raises(InvalidProblemError, match=r"order 4.*quintic.*basis='septic'"):
        hp.solve(problems.plate(), levels=2, field=hp.Field(basis="quintic"))
    with pytest.raises(hp.InvalidArgumentError, match=r"up to order 2, the problem has order 4.*auxiliary"):
        hp.solve(problems.plate(), method="adam")


def test_solitons_travel_without_change():
    """The default call, in time slabs; mass and shape stay."""
    solution = hp.solve(problems.kdv("soliton", mu=0.1, time=0.3, speed=1.0, start=-0.2), tol=1e-5)
    assert solution.status is hp.Status.CONVERGED
    assert relative(solution) < 1e-5
