"""Eigenvalues and eigenfunctions."""

import math

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError

pytestmark = pytest.mark.usefixtures("one_thread")

VALUE = [hp.Parameter("mu")]
FIXED = (hp.Dirichlet(u=0.0),)


def oscillator(half=10.0):
    residual = lambda u, x, mu: -0.5 * u.xx + 0.5 * x * x * u - mu * u
    return hp.Problem(hp.Box(x=(-half, half)), "u", residual, [hp.Dirichlet(u=0.0)], parameters=VALUE)


def string(length=1.0, factor=1.0, conditions=FIXED):
    residual = lambda u, x, mu: factor * u.xx + mu * u
    return hp.Problem(hp.Box(x=(0, length)), "u", residual, conditions, parameters=VALUE)


def test_ten_levels_of_the_oscillator():
    spectrum = hp.eigen(oscillator(), 10)
    assert spectrum.status is hp.Status.CONVERGED
    error = np.abs(spectrum.values - (np.arange(10) + 0.5))
    assert (error <= 1e-8).all()
    assert (error <= spectrum.estimated_errors).all()
    assert [s.parameters["mu"] for s in spectrum] == spectrum.values.tolist()


@pytest.mark.slow
def test_ten_tones_of_a_square_membrane():
    """Half of them are double."""
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u, mu: u.laplacian + mu * u, [hp.Dirichlet(u=0.0)], parameters=VALUE
    )
    exact = math.pi**2 * np.array([2, 5, 5, 8, 10, 10, 13, 13, 17, 17])
    spectrum = hp.eigen(problem, 10)
    assert spectrum.values == pytest.approx(exact, rel=1e-8)
    assert all(s.estimated_error < 1e-5 for s in spectrum)
    x = np.random.default_rng(0).random((2, 2000))
    values = np.stack([s.u(*x) for s in spectrum])
    gram = values @ values.T / x.shape[1]
    assert np.linalg.matrix_rank(gram, tol=1e-2) == 10


@pytest.mark.slow
def test_four_tones_of_a_cube():
    """Grids end before the estimate is below the tolerance."""
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)),
        "u",
        lambda u, mu: u.laplacian + mu * u,
        [hp.Dirichlet(u=0.0)],
        parameters=VALUE,
    )
    spectrum = hp.eigen(problem, 4)
    assert spectrum.status is hp.Status.MAX_SIZE
    assert spectrum.values == pytest.approx(math.pi**2 * np.array([3, 6, 6, 6]), rel=1e-8)
    assert (spectrum.estimated_errors < 1e-5 * spectrum.values).all()


@pytest.mark.slow
def test_a_drum():
    """A disc cut out of a box."""
    from scipy.special import jn_zeros

    domain = hp.Box(x=(-1.1, 1.1), y=(-1.1, 1.1)) & hp.Disk((0, 0), 1.0)
    problem = hp.Problem(domain, "u", lambda u, mu: u.laplacian + mu * u, [hp.Dirichlet(u=0.0)], parameters=VALUE)
    spectrum = hp.eigen(problem, 3, tol=1e-4)
    assert spectrum.status.success
    exact = np.array([jn_zeros(0, 1)[0], *2 * [jn_zeros(1, 1)[0]]]) ** 2
    assert np.abs(spectrum.values / exact - 1).max() < 1e-4


@pytest.mark.parametrize("factor", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("length", [1e-9, 1.0, 1e9])
def test_units_do_not_matter(length, factor):
    spectrum = hp.eigen(string(length, factor), 3)
    assert spectrum.status.success
    assert spectrum.values == pytest.approx(factor * (np.arange(1, 4) * math.pi / length) ** 2, rel=1e-8)


def test_functions_have_norm_one_and_satisfy_the_equation():
    spectrum = hp.eigen(string(), 2)
    x = np.linspace(0.0, 1.0, 101)
    assert spectrum[1].u(x) == pytest.approx(math.sqrt(2) * np.sin(2 * math.pi * x), abs=1e-6) or spectrum[1].u(
        x
    ) == pytest.approx(-math.sqrt(2) * np.sin(2 * math.pi * x), abs=1e-6)
    assert np.abs(spectrum[1].u.xx(x) + spectrum.values[1] * spectrum[1].u(x)).max() < 1e-3


@pytest.mark.parametrize(
    ("conditions", "exact"),
    [((hp.Neumann(u=0.0),), [0.0, 1.0, 4.0]), ((hp.Periodic("x"),), [0.0, 4.0, 4.0])],
    ids=["free ends", "a ring"],
)
def test_a_number_near_which_one_lies_exactly(conditions, exact):
    """The operator is singular there."""
    spectrum = hp.eigen(string(conditions=conditions), 3)
    assert spectrum.values == pytest.approx(math.pi**2 * np.array(exact), rel=1e-7, abs=1e-7)


def test_those_closest_to_a_number():
    spectrum = hp.eigen(oscillator(), 3, near=7.6)
    assert spectrum.values == pytest.approx([6.5, 7.5, 8.5], rel=1e-8)


def test_systems_of_first_order():
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        ["u", "v"],
        lambda u, v, mu: (u.x - v, v.x + mu * u),
        [hp.Dirichlet(u=0.0)],
        parameters=VALUE,
    )
    assert hp.eigen(problem, 3).values == pytest.approx((np.arange(1, 4) * math.pi) ** 2, rel=1e-8)


def test_the_eigenvalue_in_a_condition():
    """A mass at the end of a string: tan(sqrt(mu)) = 1 / sqrt(mu) for a mass of one."""
    end = hp.Condition(lambda u, mu: u.x - mu * u, on="x+")
    spectrum = hp.eigen(string(conditions=(hp.Dirichlet(u=0.0, on="x-"), end)), 2)
    root = np.sqrt(spectrum.values)
    assert np.tan(root) == pytest.approx(1 / root, rel=1e-6)


def test_complex_values():
    residual = lambda u, mu: u.xx + u.x + mu * u
    spectrum = hp.eigen(hp.Problem(hp.Box(x=(0, 2 * math.pi)), "u", residual, [hp.Periodic("x")], parameters=VALUE), 3)
    found = sorted(spectrum.values, key=lambda v: (round(v.real, 6), v.imag))
    assert np.array(found) == pytest.approx(np.array([0, 1 - 1j, 1 + 1j]), abs=1e-7)
    assert "complex" in spectrum.message


def test_limits_are_told():
    spectrum = hp.eigen(oscillator(), 10, max_unknowns=50)
    assert spectrum.status is hp.Status.MAX_SIZE
    assert "one grid alone" in spectrum.message
    spectrum = hp.eigen(oscillator(), 4, max_time=1e-9)
    assert spectrum.status is hp.Status.MAX_TIME


REFUSED = {
    "a source": (lambda: string(conditions=(hp.Dirichlet(u=1.0),)), "homogeneous"),
    "no conditions": (lambda: string(conditions=()), "conditions"),
    "no parameter": (lambda: string().replace(parameters=[], residual=lambda u: u.xx + u), "one parameter"),
    "two parameters": (
        lambda: string().replace(
            parameters=[*VALUE, hp.Parameter("k")], residual=lambda u, mu, k: u.xx + mu * u + k * u.x
        ),
        "one parameter",
    ),
    "a square": (lambda: string().replace(residual=lambda u, mu: u.xx + mu * mu * u), "affine"),
    "not linear": (lambda: string().replace(residual=lambda u, mu: u.xx + mu * u + u**3), "linear in its fields"),
    "nothing of it": (lambda: string().replace(residual=lambda u, mu: u.xx + u + 0 * mu * u), "occurs in no"),
    "a time axis": (
        lambda: hp.Problem(
            hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u, mu: u.t - u.xx - mu * u, [hp.Dirichlet(u=0.0)], parameters=VALUE
        ),
        "no time axis",
    ),
}


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_eigenvalue_problem_is_refused(name):
    problem, message = REFUSED[name]
    with pytest.raises(InvalidProblemError, match=message):
        hp.eigen(problem())


@pytest.mark.parametrize("wrong", [{"count": 0}, {"near": math.nan}, {"basis": "linear"}, {"tol": 0.0}])
def test_arguments_are_checked(wrong):
    with pytest.raises(InvalidArgumentError):
        hp.eigen(string(), **wrong)
