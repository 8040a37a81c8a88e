"""Whether a solution is determined is decided by the functions that the problem leaves free, not by counts."""

import math
import warnings

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin
from hermite_pinn.methods.gauss_newton.low_functions import _lowest

pytestmark = pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")


def box(*bounds, names="xyz"):
    return hp.Box(**dict(zip(names, bounds, strict=False)))


DETERMINED = {
    "polar coordinates": lambda: hp.Problem(
        hp.Box(r=(0, 1), a=(0, 2 * math.pi)),
        "u",
        lambda u, r: r**2 * u.rr + r * u.r + u.aa,
        [hp.Periodic("a"), hp.Dirichlet(u=lambda a: cos(a), on="r+")],
        exact={"u": lambda r, a: r * cos(a)},
    ),
    "polar coordinates, axes exchanged": lambda: hp.Problem(
        hp.Box(a=(0, 2 * math.pi), r=(0, 1)),
        "u",
        lambda u, r: r**2 * u.rr + r * u.r + u.aa,
        [hp.Periodic("a"), hp.Dirichlet(u=lambda a: cos(a), on="r+")],
        exact={"u": lambda a, r: r * cos(a)},
    ),
    "the centre on the right": lambda: hp.Problem(
        box((-1, 0)), "u", lambda u, x: x * u.xx + u.x - 4 * x, [hp.Dirichlet(u=1.0, on="x-")],
        exact={"u": lambda x: x**2},
    ),
    "spherical coordinates": lambda: hp.Problem(
        hp.Box(r=(0, 1), c=(-1, 1)),
        "u",
        lambda u, r, c: r**2 * u.rr + 2 * r * u.r + (1 - c**2) * u.cc - 2 * c * u.c,
        [hp.Dirichlet(u=lambda c: c, on="r+")],
        exact={"u": lambda r, c: r * c},
    ),
    "both ends degenerate": lambda: hp.Problem(
        box((-1, 1)), "u", lambda u, x: (1 - x**2) * u.xx - 2 * x * u.x - u + 3 * x, exact={"u": lambda x: x}
    ),
    "Black and Scholes from a price of zero": lambda: hp.Problem(
        hp.Box(s=(0, 2), t=(0, 1)),
        "u",
        lambda u, s: u.t - 0.02 * s**2 * u.ss - 0.05 * s * u.s + 0.05 * u,
        [hp.Initial(u=lambda s: s), hp.Dirichlet(u=2.0, on="s+")],
        exact={"u": lambda s, t: s + 0 * t},
    ),
    "an equation of Euler": lambda: hp.Problem(
        box((0, 1)), "u", lambda u, x: x**2 * u.xx + 3 * x * u.x + 2 * u - 5 * x, exact={"u": lambda x: x}
    ),
    "degenerate in time": lambda: hp.Problem(
        hp.Box(t=(0, 1)), "u", lambda u, t: t * u.t + u - 2 * t, exact={"u": lambda t: t}
    ),
    "close to a resonance": lambda: hp.Problem(
        box((0, 1)), "u", lambda u, x: u.xx + (pi**2 + 1e-3) * u - 1e-3 * sin(pi * x), [hp.Dirichlet(u=0.0)],
        exact={"u": lambda x: sin(pi * x)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DETERMINED)
def test_a_determined_solution_is_not_called_undetermined(name):
    solution = hp.solve(DETERMINED[name](), progress=False)
    assert solution.status is hp.Status.CONVERGED, solution.message
    assert solution.error()["u"]["relative_l2"] < 1e-5


def test_a_layer_that_coarse_levels_do_not_see_is_no_free_function():
    problem = hp.Problem(box((0, 1)), "u", lambda u: -1e-6 * u.xx + u.x - 1, [hp.Dirichlet(u=0.0)])
    solution = hp.solve(problem, levels=8, progress=False)
    assert solution.status is hp.Status.UNSOLVED, solution.message


UNDETERMINED = {
    "slopes only, three axes": lambda: hp.Problem(
        box((0, 1), (0, 1), (0, 1)), "u", lambda u, x: u.laplacian + pi**2 * cos(pi * x), [hp.Neumann(u=0.0)]
    ),
    "a resonance": lambda: hp.Problem(box((0, 1)), "u", lambda u: u.xx + pi**2 * u, [hp.Dirichlet(u=0.0)]),
    "a resonance of a higher mode": lambda: hp.Problem(
        box((0, 1)), "u", lambda u: u.xx + (7 * pi) ** 2 * u, [hp.Dirichlet(u=0.0)]
    ),
    "a resonance in two dimensions": lambda: hp.Problem(
        box((0, 1), (0, 2)), "u", lambda u: u.laplacian + 1.25 * pi**2 * u, [hp.Dirichlet(u=0.0)]
    ),
    "periodic without a value": lambda: hp.Problem(
        box((0, 1)), "u", lambda u, x: u.xx - sin(2 * pi * x), [hp.Periodic("x")]
    ),
    "degenerate at resonance": lambda: hp.Problem(
        box((-1, 1)), "u", lambda u, x: (1 - x**2) * u.xx - 2 * x * u.x + 12 * u
    ),
    "a side is missing": lambda: hp.Problem(box((0, 1)), "u", lambda u: u.xx - 1, [hp.Dirichlet(u=0.0, on="x-")]),
    "a layer at the side that is missing": lambda: hp.Problem(
        box((0, 1)), "u", lambda u: -1e-4 * u.xx + u.x - 1, [hp.Dirichlet(u=0.0, on="x-")]
    ),
    "an annulus without its inner side": lambda: hp.Problem(
        hp.Box(r=(0.5, 1), a=(0, 2 * math.pi)),
        "u",
        lambda u, r: r**2 * u.rr + r * u.r + u.aa,
        [hp.Periodic("a"), hp.Dirichlet(u=1.0, on="r+")],
    ),
    "first order without a value": lambda: hp.Problem(box((0, 1)), "u", lambda u: u.x - 1),
    "only the value at the start of a wave": lambda: hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.tt - u.xx, [hp.Dirichlet(u=0.0), hp.Initial(u=0.0)]
    ),
}


@pytest.mark.parametrize("name", UNDETERMINED)
def test_a_function_that_stays_free_under_refinement_is_said(name):
    solution = hp.solve(UNDETERMINED[name](), levels=3, progress=False)
    assert solution.status is hp.Status.UNDETERMINED, solution.message


def test_a_centre_of_coordinates_raises_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("polar coordinates", "the centre on the right", "both ends degenerate", "degenerate in time"):
            DETERMINED[name]()


def test_a_side_without_condition_still_warns():
    with pytest.warns(hp.HermitePinnWarning, match="2 derivatives along r stand against 1"):
        UNDETERMINED["an annulus without its inner side"]()


def near_resonance(margin, kappa=1.0):
    """Waves in a square, close to the first resonance, in a medium whose coefficient varies along x by exp(kappa x)."""

    def equation(u, x, y):
        k = (2 * pi**2 + kappa**2 / 4) * (1 + margin)
        first = exp(-kappa * x / 2) * sin(pi * x) * sin(pi * y)
        source = k * margin / (1 + margin) * first + 3 * pi**2 * exp(-kappa * x / 2) * sin(2 * pi * x) * sin(pi * y)
        return exp(kappa * x) * (u.laplacian + kappa * u.x + k * u - source)

    return hp.Problem(box((0, 1), (0, 1)), "u", equation, [hp.Dirichlet(u=0.0)])


@pytest.mark.parametrize("margin", [1e-3, -1e-4])
def test_a_resonance_that_two_levels_see_at_a_distance_determines_the_solution(margin):
    solution = hp.solve(near_resonance(margin), progress=False)
    assert solution.status is hp.Status.CONVERGED, solution.message


@pytest.mark.parametrize("margin", [0.0, 1e-13])
def test_a_resonance_as_close_as_rounding_leaves_the_solution_open(margin):
    solution = hp.solve(near_resonance(margin), progress=False)
    assert solution.status is hp.Status.UNDETERMINED, solution.message


def test_the_verdict_does_not_depend_on_units():
    for scale in (1e-6, 1.0, 1e6):
        problem = hp.Problem(
            hp.Box(x=(0, scale)), "u", lambda u, s=scale: u.xx + (np.pi / s) ** 2 * u, [hp.Dirichlet(u=0.0)]
        )
        assert hp.solve(problem, levels=3, progress=False).status is hp.Status.UNDETERMINED
        problem = hp.Problem(
            hp.Box(x=(0, scale)), "u", lambda u, x, s=scale: u.xx - u / s**2 - exp(x / s), [hp.Dirichlet(u=0.0)]
        )
        assert hp.solve(problem, levels=3, progress=False).status is hp.Status.COMPLETED


def test_a_domain_of_few_cells_is_looked_at_although_its_points_do_not_see_all_functions():
    """A thin star whose mass matrix on the coarsest level is singular."""
    angles = np.pi * np.arange(8) / 4 + 0.3
    radii = np.where(np.arange(8) % 2, 0.2, 0.4)
    star = hp.Polygon([(0.5 + r * np.cos(a), 0.5 + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)])
    domain = hp.Box(x=(0, 1), y=(0, 1)) & star
    problem = hp.Problem(domain, "u", lambda u: u.laplacian - u + 1, [hp.Neumann(u=0.0)])
    assert hp.solve(problem, tol=1e-3, progress=False).status is hp.Status.CONVERGED


def test_a_singular_mass_matrix_leaves_functions_that_it_does_not_see_apart():
    normal, mass = np.diag([3.0, 1.0, 2.0]), np.diag([1.0, 1.0, 0.0])
    vectors = _lowest(normal, mass, 2)
    assert np.abs(vectors).argmax(0).tolist() == [1, 0]
