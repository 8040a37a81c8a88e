"""Diffusion from data that jump, have kinks or contradict a side: estimates tell the error."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.forgotten_start import later, start_rate

CONDUCTIVITY, END = 0.1, 0.5


def heat(start, sides=None, equation=lambda u: u.t - CONDUCTIVITY * u.xx, domain=None):
    domain = domain or hp.Box(x=(0, 1), t=(0, END))
    return hp.Problem(domain, "u", equation, [sides or hp.Dirichlet(u=0.0), hp.Initial(u=start)])


def series(coefficients, x, t):
    k = np.arange(1, 400)[:, None]
    return (coefficients(k) * np.sin(k * np.pi * x) * np.exp(-CONDUCTIVITY * (k * np.pi) ** 2 * t)).sum(0)


def points_towards_the_start(places):
    """Gauss points and weights of (0, 1) x (0, END), on panels that shrink towards some places at the start."""
    nodes, weights = np.polynomial.legendre.leggauss(4)

    def panels(edges):
        left, width = np.array(edges)[:-1, None], np.diff(edges)[:, None]
        return (left + width * (nodes + 1) / 2).ravel(), (width / 2 * weights).ravel()

    halves = np.concatenate([[0.0], 2.0 ** -np.arange(10, -1, -1)])
    edges = [0.0]
    for a, b in zip([0.0, *places], [*places, 1.0], strict=True):
        edges += [*(a + (b - a) / 2 * halves[1:]), *(b - (b - a) / 2 * halves[-2::-1])]
    (x, in_x), (t, in_t) = panels(edges), panels(END * halves)
    x, t = np.meshgrid(x, t, indexing="ij")
    return x.ravel(), t.ravel(), np.outer(in_x, in_t).ravel()


STARTS = {
    "against the sides": (1.0, [], lambda k: 2 * (1 - (-1.0) ** k) / (k * np.pi)),
    "against one side": (lambda x: x, [], lambda k: -2 * (-1.0) ** k / (k * np.pi)),
    "a jump": (lambda x: hp.where(x < 0.5, 1.0, 0.0), [0.5], lambda k: 2 * (1 - np.cos(k * np.pi / 2)) / (k * np.pi)),
}


@pytest.mark.parametrize("name", STARTS)
def test_the_estimate_is_close_to_the_error_and_the_tolerance_is_reached(name):
    start, places, coefficients = STARTS[name]
    solution = hp.solve(heat(start), tol=2e-2, progress=False)
    x, t, weights = points_towards_the_start(places)
    exact = series(coefficients, x, t)
    error = np.sqrt((weights * (solution.u(x, t) - exact) ** 2).sum() / (weights * exact**2).sum())
    assert solution.status is hp.Status.CONVERGED, solution.message
    assert error <= 2e-2
    assert error / 3 <= solution.estimated_error <= 3 * error


def test_a_kink_at_the_start_costs_less_than_a_jump_and_is_converged_to():
    problem = heat(lambda x: 0.5 - abs(x - 0.5))
    solution = hp.solve(problem, tol=1e-3, progress=False)
    x, t, weights = points_towards_the_start([0.5])
    exact = series(lambda k: 4 * np.sin(k * np.pi / 2) / (k * np.pi) ** 2, x, t)
    error = np.sqrt((weights * (solution.u(x, t) - exact) ** 2).sum() / (weights * exact**2).sum())
    assert solution.status is hp.Status.CONVERGED, solution.message
    assert error <= solution.estimated_error <= 10 * error


def test_the_changes_tell_how_fast_a_kink_between_vertices_is_forgotten():
    problem = heat(lambda x: hp.minimum(3 * x, 1.5 * (1 - x)))
    solution = hp.solve(problem, tol=1e-4, progress=False)
    x, t, weights = points_towards_the_start([1 / 3])
    exact = series(lambda k: 9 * np.sin(k * np.pi / 3) / (k * np.pi) ** 2, x, t)
    error = np.sqrt((weights * (solution.u(x, t) - exact) ** 2).sum() / (weights * exact**2).sum())
    assert solution.status is hp.Status.CONVERGED, solution.message
    assert error <= solution.estimated_error <= 4 * error


SQUARE = hp.Box(x=(0, 1), y=(0, 1), t=(0, 1))
RATES = {
    "a jump": (heat(lambda x: hp.where(x < 0.4, 1.0, 0.0)), 2**1.5),
    "a jump along a circle": (
        heat(
            lambda x, y: hp.where(x**2 + y**2 < 0.5, 1.0, 0.0), hp.Neumann(u=0.0), lambda u: u.t - u.laplacian, SQUARE
        ),
        2**1.5,
    ),
    "values of a side that begin elsewhere": (heat(0.0, hp.Dirichlet(u=lambda t: hp.exp(-t))), 2**1.5),
    "a kink": (heat(lambda x: hp.maximum(0.0, x - 0.5) * (1 - x)), 2**2.5),
    "values of a side that begin as the start does": (heat(0.0, hp.Dirichlet(u=lambda t: hp.exp(-t) - 1)), 0.0),
    "smooth, but for rounding at an end": (heat(lambda x: hp.sin(3 * np.pi * x)), 0.0),
    "smooth": (heat(lambda x: x * (1 - x)), 0.0),
    "a jump that is carried": (heat(lambda x: hp.where(x < 0.4, 1.0, 0.0), hp.Periodic("x"), lambda u: u.t + u.x), 0.0),
}


@pytest.mark.parametrize("name", RATES)
def test_what_a_start_costs_follows_from_its_values(name):
    problem, rate = RATES[name]
    assert start_rate(problem) == pytest.approx(rate)


def test_a_plate_that_is_cooled_at_once_is_solved_on_nested_levels():
    sides, start = hp.Dirichlet(u=0.0), hp.Initial(u=1.0)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.2)), "u", lambda u: u.t - CONDUCTIVITY * u.laplacian, [sides, start]
    )
    solution = hp.solve(problem, tol=3e-2, progress=False)
    x, y, t = np.random.default_rng(0).random((3, 4000)) * np.array([[1], [1], [0.2]])
    _, _, coefficients = STARTS["against the sides"]
    exact = series(coefficients, x, t) * series(coefficients, y, t)
    assert solution.status is hp.Status.CONVERGED, solution.message
    assert np.linalg.norm(solution.u(x, y, t) - exact) <= 3e-2 * np.linalg.norm(exact)


def test_residuals_are_looked_at_after_a_tenth_of_the_time():
    problem = heat(1.0, domain=hp.Box(t=(2, 4), x=(0, 1)))
    kept = later(problem, problem.domain.interior.quasi_random(1000, 0))
    assert float(kept.x[0].min()) > 2.2
    assert kept.count == pytest.approx(900, abs=20)
