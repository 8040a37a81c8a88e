"""Fractional Laplacians in equations: known pairs, the singular integral, limits, and what is refused."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import eval_jacobi, poch, roots_jacobi

import hermite_pinn as hp
from hermite_pinn import FractionalLaplacian
from hermite_pinn.problem.fractional_modes import DEGREE, ERROR, resolvents

LINE = hp.Box(x=(-1, 1))
SEPTIC = hp.Field(basis="septic", base=4)


def equation(alpha, right, domain=LINE, **options):
    return hp.Problem(domain, "v", lambda v, x: FractionalLaplacian(v, alpha, over="x") - right(x), **options)


def quickly(problem, levels=2):
    """On few cells of a smooth basis."""
    return hp.solve(problem, field=SEPTIC, levels=levels, progress=False)


def off(solution, exact):
    x = np.linspace(-1, 1, 201)
    return float(np.abs(solution.v(x) - exact(x)).max() / np.abs(exact(x)).max())


def polynomials(alpha, right, count=44):
    """The solution by a sum of Jacobi polynomials, of which each is divided by its eigenvalue."""
    s = alpha / 2
    nodes, weights = roots_jacobi(2 * count, s, s)
    shapes = [lambda x, n=n: eval_jacobi(n, s, s, x) for n in range(count)]
    shares = [weights @ (p(nodes) * right(nodes)) / (weights @ p(nodes) ** 2) for p in shapes]
    return lambda x: sum(c / poch(n + 1, alpha) * p(x) for n, (c, p) in enumerate(zip(shares, shapes, strict=True)))


# -- the sum ---
@pytest.mark.parametrize("alpha", [0.01, 0.5, 1.0, 1.5, 1.99])
def test_the_sum_has_the_eigenvalues_of_the_operator(alpha):
    found, n = resolvents(alpha), np.arange(DEGREE + 1.0)
    assert np.abs(found.at(n * (n + alpha + 1)) / poch(n + 1, alpha) - 1).max() < ERROR


@pytest.mark.parametrize("alpha", [0.2, 1.0, 1.8])
def test_the_sum_has_positive_numbers_only(alpha):
    """So the operator is symmetric and positive, as every term is, whatever the field."""
    found = resolvents(alpha)
    assert min(found.constant, *found.weights, *found.poles) > 0
    assert found.slope >= 0


# -- known pairs ---
@pytest.mark.slow
def test_the_time_to_leave_an_interval_is_that_of_getoor():
    solution = quickly(equation(1.5, lambda x: math.gamma(2.5)))
    assert off(solution, np.ones_like) < 1e-9


@pytest.mark.slow
def test_a_polynomial_is_found_on_another_interval_too():
    """``u = (1 - y^2)^(1 + alpha/2)`` with y from -1 to 1 along the axis; powers of the half length cancel."""
    alpha, half = 0.8, 1.5
    right = lambda x: math.gamma(alpha + 1) * (alpha + 2) / 2 * (1 - (alpha + 1) * ((x - half) / half) ** 2)
    solution = quickly(equation(alpha, right, hp.Box(x=(0, 3))))
    x = np.linspace(0, 3, 50)
    assert np.abs(solution.v(x) - (1 - ((x - half) / half) ** 2)).max() < 1e-9


@pytest.mark.slow
def test_the_operator_is_the_singular_integral():
    """Applied to a function that is no polynomial, against a quadrature of the definition."""
    alpha = 1.2
    residual = lambda v, g, x: (v - hp.exp(x), g - FractionalLaplacian(v, alpha, over="x"))
    solution = quickly(hp.Problem(LINE, ["v", "g"], residual), 3)
    u = lambda x: (1 - x * x) ** (alpha / 2) * math.exp(x) if abs(x) < 1 else 0.0
    factor = 2**alpha * math.gamma((1 + alpha) / 2) / (math.sqrt(math.pi) * abs(math.gamma(-alpha / 2)))
    for x in (-0.4, 0.0, 0.7):
        change = lambda y, x=x: (2 * u(x) - u(x + y) - u(x - y)) / y ** (1 + alpha)
        near, far = 1 - abs(x), 1 + abs(x)
        small = 1e-4  # below it the second difference is its leading term
        bend = (u(x + 1e-3) + u(x - 1e-3) - 2 * u(x)) / 1e-6
        inside = -bend * small ** (2 - alpha) / (2 - alpha)
        parts = [quad(change, a, b, limit=400)[0] for a, b in ((small, near), (near, far))]
        beyond = 2 * u(x) * far**-alpha / alpha
        assert solution.g(x) == pytest.approx(factor * (inside + sum(parts) + beyond), rel=1e-5)


@pytest.mark.slow
def test_a_smooth_factor_is_found_as_sums_of_polynomials_find_it():
    solution = hp.solve(equation(1.5, lambda x: hp.exp(2 * x)), progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert off(solution, polynomials(1.5, lambda x: np.exp(2 * x))) < 1e-7


@pytest.mark.slow
def test_errors_fall_with_order_four_or_more():
    right = lambda x: 1 / (1.3 - x)
    exact = polynomials(1.0, right)
    errors = [off(quickly(equation(1.0, right), levels), exact) for levels in (1, 2, 3)]
    assert errors[1] < errors[0] / 2**4
    assert errors[2] < errors[1] / 2**4


@pytest.mark.slow
def test_at_two_it_becomes_the_second_derivative():
    """``-u'' = exp(x)``, zero at both ends, from which order 2 - h differs by a multiple of h."""
    x = np.linspace(-0.9, 0.9, 19)
    exact = -np.exp(x) + np.cosh(1.0) + x * np.sinh(1.0)
    found = []
    for h in (1e-2, 1e-3):
        v = quickly(equation(2 - h, hp.exp)).v(x)
        found.append(np.abs((1 - x * x) ** (1 - h / 2) * v - exact).max())
    assert found[1] < 2e-3
    assert found[1] == pytest.approx(found[0] / 10, rel=0.2)


@pytest.mark.slow
def test_reactions_and_other_factors_stand_beside_it():
    """``u = (1 - x^2)^(1 + alpha/2)`` also solves an equation with its cube."""
    alpha = 1.0
    weight = lambda x: (1 - x * x) ** (alpha / 2)
    linear = lambda x: math.gamma(alpha + 1) * (alpha + 2) / 2 * (1 - (alpha + 1) * x * x)
    cube = lambda x: (weight(x) * (1 - x * x)) ** 3
    problem = hp.Problem(
        LINE,
        "v",
        lambda v, x: FractionalLaplacian(v, alpha, over="x") + (weight(x) * v) ** 3 - linear(x) - cube(x),
    )
    solution = hp.solve(problem, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert off(solution, lambda x: 1 - x * x) < 1e-6


# -- what is said and refused ---
def test_its_fields_are_there_by_name_and_none_is_said_to_lack_conditions():
    problem = hp.Problem(LINE, "v", lambda v: FractionalLaplacian(v, 1.0, over="x", name="jumps") - 1)
    assert problem.fields[:2] == ("v", "jumps")
    assert len(problem.fields) == 1 + len(resolvents(1.0).poles)
    assert not problem.missing
    assert problem.fractional


def test_equal_ones_are_one():
    once = hp.Problem(LINE, "v", lambda v: FractionalLaplacian(v, 1.0, over="x") - 1)
    twice = hp.Problem(
        LINE, "v", lambda v: FractionalLaplacian(v, 1.0, over="x") + v * FractionalLaplacian(v, 1.0, over="x") - 1
    )
    assert once.fields == twice.fields


@pytest.mark.parametrize(
    ("alpha", "options", "words"),
    [
        (0.0, {}, "between 0 and 2"),
        (2.0, {}, "-u.xx"),
        (-0.5, {}, "between 0 and 2"),
        (math.nan, {}, "alpha"),
        ("one", {}, "alpha"),
        (1.0, {"over": "y"}, "no axis 'y'"),
        (1.0, {"over": 3}, "axis of a FractionalLaplacian"),
        (1.0, {"name": 3}, "name of a FractionalLaplacian"),
    ],
)
def test_bad_orders_and_axes_are_refused(alpha, options, words):
    with pytest.raises(hp.InvalidProblemError, match=words):
        hp.Problem(LINE, "v", lambda v: FractionalLaplacian(v, alpha, **({"over": "x"} | options)) - 1)


def test_periodic_axes_times_and_shapes_are_refused():
    fractional = lambda v: FractionalLaplacian(v, 1.0, over="x") - 1
    with pytest.raises(hp.InvalidProblemError, match="periodic"):
        hp.Problem(LINE, "v", fractional, [hp.Periodic("x")])
    with pytest.raises(hp.InvalidProblemError, match="is the time"):
        hp.Problem(hp.Box(t=(0, 1)), "v", lambda v: FractionalLaplacian(v, 1.0, over="t") - 1)
    with pytest.raises(hp.InvalidProblemError, match="shapes cut"):
        hp.Problem(hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.5), 0.2), "v", fractional)
    with pytest.raises(hp.InvalidProblemError, match="max_order=2"):
        hp.Problem(LINE, "v", fractional, max_order=1)
    with pytest.raises(hp.InvalidProblemError, match="contains no field"):
        hp.Problem(LINE, "v", lambda v, x: v - FractionalLaplacian(x, 1.0, over="x"))
