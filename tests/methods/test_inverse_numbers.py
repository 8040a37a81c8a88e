"""Unknown numbers and fields that were missed, or of which too much was said."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.validation.accuracy.coverage import CASES
from hermite_pinn.validation.examples import EXAMPLES, Example
from hermite_pinn.validation.examples.inverse import INVERSE

pytestmark = pytest.mark.usefixtures("one_thread")

FAST = ("Brinkman and Forchheimer", "Lorenz", "rate field", "source field")


@pytest.mark.parametrize("example", [e for e in INVERSE if e.name.startswith(FAST)], ids=lambda e: e.name)
def test_an_inverse_example_is_right_and_says_how_far(example: Example) -> None:
    """From starts a hundred times off, without bounds; the estimate is not below the error by more than five."""
    solution = hp.solve(example.statement(), progress=False)
    assert solution.status.success
    assert solution.estimated_error is not None
    for name, true in example.parameters.items():
        assert abs(solution.parameters[name] / true - 1.0) < example.right
        assert abs(solution.parameters[name] - true) < 3.0 * solution.stats["standard_errors"][name]
    if not example.parameters:
        told = solution.error()
        worst = max(told[f]["relative_l2"] for f in (example.fields or told))
        assert worst < min(example.right, 5.0 * solution.estimated_error)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diffusivity from values", "mass from values"])
def test_a_number_of_a_field_in_space_and_time_is_right(name: str) -> None:
    example = EXAMPLES[name]
    solution = hp.solve(example.statement(), progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert all(abs(solution.parameters[p] / true - 1.0) < example.right for p, true in example.parameters.items())


@pytest.mark.parametrize("seed", range(3))
def test_a_divisor_is_found_from_a_start_below_it(seed: int) -> None:
    """The first line through 1 / c sends the capacity beyond zero, from where no step led back."""
    problem, truth = CASES["logistic growth"](seed)
    solution = hp.solve(problem, progress=False)
    assert solution.status.success
    errors = solution.stats["standard_errors"]
    assert all(abs(solution.parameters[name] - value) < 4.0 * errors[name] < 0.2 for name, value in truth.items())


def test_a_parameter_changes_its_sign_where_it_must() -> None:
    x = np.linspace(0.1, 0.9, 9)
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, c: u.x - c * u,
        [hp.Dirichlet(u=1.0, on="x-"), hp.Data(x[:, None], u=np.exp(-2.0 * x))],
        parameters=[hp.Parameter("c", init=3.0)],
    )
    assert hp.solve(problem, progress=False).parameters["c"] == pytest.approx(-2.0, rel=1e-5)


@pytest.mark.parametrize("height", [2.0, 5.5])
def test_a_strength_follows_from_an_exact_height(height: float) -> None:
    """u'' + s exp u = 0 has u = 2 log(cosh c / cosh(c (1 - 2 x))) with s = 8 c^2 / cosh^2 c."""
    c = math.acosh(math.exp(height / 2))
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, s: u.xx + s * hp.exp(u),
        [hp.Dirichlet(u=0.0), hp.Data([[0.5]], u=[height])],
        parameters=[hp.Parameter("s", init=1.0)],
    )
    solution = hp.solve(problem, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.parameters["s"] == pytest.approx(8 * c**2 * math.exp(-height), rel=1e-5)
    assert 0.0 < solution.stats["standard_errors"]["s"] < 1e-5


def decay(bounds: tuple[float, float], seed: int = 0) -> hp.Problem:
    """u' = -k u with k = 2 from twenty values with a noise of 0.05 that is told."""
    t = np.linspace(0, 1, 20)
    values = np.exp(-2 * t) + 0.05 * np.random.default_rng(seed).standard_normal(20)
    return hp.Problem(
        hp.Box(t=(0, 1)),
        "u",
        lambda u, k: u.t + k * u,
        [hp.Initial(u=1.0), hp.Data(t[:, None], u=values, noise=0.05)],
        parameters=[hp.Parameter("k", init=0.4, bounds=bounds)],
    )


def test_a_parameter_on_its_bound_has_no_standard_error_and_is_told() -> None:
    free = hp.solve(decay((0.0, 9.0)), progress=False)
    bound = free.parameters["k"] - 0.5 * free.stats["standard_errors"]["k"]
    held = hp.solve(decay((0.0, bound)), progress=False)
    assert held.parameters["k"] == bound
    assert math.isinf(held.stats["standard_errors"]["k"])
    assert "k ended on its bound" in held.message
    assert "bound" not in free.message


@pytest.mark.slow
def test_data_that_a_bound_keeps_off_are_no_success() -> None:
    solution = hp.solve(decay((0.0, 0.5)), progress=False)
    assert solution.status is hp.Status.INCONSISTENT
    assert "k ended on its bound 0.5" in solution.message


def source(count: int, noise: float = 0.0) -> hp.Problem:
    """u'' = q from values of u = sin pi x, smooth in q alone."""
    x = np.linspace(-1, 1, count)
    values = np.sin(math.pi * x) + noise * np.random.default_rng(0).standard_normal(count)
    return hp.Problem(
        hp.Box(x=(-1, 1)),
        ["u", "q"],
        lambda u, q: q - u.xx,
        [hp.Dirichlet(u=0.0), hp.Data(x[:, None], u=values), hp.Smoothness("q")],
        exact={"q": lambda x: -(math.pi**2) * hp.sin(math.pi * x)},
    )


@pytest.mark.parametrize(("noise", "error"), [(0.0, 1e-3), (1e-3, 5e-2)])
def test_a_source_is_found_though_the_first_weight_makes_it_a_line(noise: float, error: float) -> None:
    """There weights that are a hundred times smaller change nothing, so that slopes promise nothing."""
    solution = hp.solve(source(100, noise), progress=False)
    found = solution.error()["q"]["relative_l2"]
    assert solution.estimated_error is not None
    assert found < min(error, 10.0 * solution.estimated_error)


def test_more_exact_values_do_not_make_an_estimate_smaller_than_the_error() -> None:
    """What smoothing leaves is the same at neighbouring points, and does not average out."""
    for count in (100, 3000):
        solution = hp.solve(source(count), progress=False)
        assert solution.estimated_error is not None
        assert solution.error()["q"]["relative_l2"] < 10.0 * solution.estimated_error


def test_a_parameter_that_starts_at_zero_comes_back_from_below():
    x = np.linspace(0.1, 2, 20)[:, None]
    problem = hp.Problem(
        hp.Box(x=(0, 2)),
        "u",
        lambda u, a, k: u.xx + a * u.x + k * u,
        [hp.Dirichlet(u=1.0, on="x-"), hp.Data(x, u=np.exp(-0.3 * x[:, 0]) * np.cos(x[:, 0]))],
        parameters=[hp.Parameter("a", init=-2.0), hp.Parameter("k", init=0.0)],
    )
    solution = hp.solve(problem, progress=False)
    assert solution.parameters["a"] == pytest.approx(0.6, rel=1e-4)
    assert solution.parameters["k"] == pytest.approx(1.09, rel=1e-4)
