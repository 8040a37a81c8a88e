"""Inverse problems under the methods that train at points: numbers are recovered from data and stay in their bounds."""

import warnings

import numpy as np
import pytest
import scipy.stats
from scipy.integrate import solve_ivp

import hermite_pinn as hp
from hermite_pinn.validation.accuracy.noisy import CASES

METHODS = {
    "adam": hp.Adam(steps=400, lr=3e-2, lr_end=1e-3, points=100, face_points=1, ema=0.9, weight=10.0, balance_every=0),
    "lbfgs": hp.LBFGS(steps=150),
}
DIGITS = {"adam": 2e-2, "lbfgs": 1e-3}


pytestmark = pytest.mark.usefixtures("one_thread")


def decay(bounds, init=1.0, noise=0.0):
    """u' = -k u with k = 2, from the initial value and twenty measurements."""
    t = np.linspace(0, 1, 20)[:, None]
    measured = np.exp(-2 * t[:, 0]) + noise * np.random.default_rng(0).standard_normal(20)
    return hp.Problem(
        hp.Box(t=(0, 1)),
        "u",
        lambda u, k: u.t + k * u,
        [hp.Initial(u=1.0), hp.Data(t, u=measured)],
        parameters=[hp.Parameter("k", init=init, bounds=bounds)],
    )


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bounds", [(0.0, 5.0), (0.0, np.inf), (-np.inf, np.inf)])
def test_a_rate_is_recovered_from_data(name, bounds):
    solution = hp.solve(decay(bounds), method=METHODS[name], levels=3, field=hp.Field())
    assert solution.parameters["k"] == pytest.approx(2.0, rel=DIGITS[name])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bounds", [(0.5, 1.5), (2.5, 4.0)])
def test_bounds_hold_and_are_reached_where_the_data_ask_for_more(name, bounds):
    nearest = min(bounds, key=lambda b: abs(b - 2.0))
    for init in (bounds[0], sum(bounds) / 2, bounds[1]):
        problem = decay(bounds, init)
        solution = hp.solve(problem, method=METHODS[name], levels=3, field=hp.Field())
        assert bounds[0] <= solution.parameters["k"] <= bounds[1]
        assert solution.parameters["k"] == pytest.approx(nearest, abs=2e-2)


@pytest.mark.parametrize("name", METHODS)
def test_noise_moves_the_rate_by_no_more_than_its_size(name):
    solution = hp.solve(decay((0.0, 5.0), noise=0.01), method=METHODS[name], levels=3, field=hp.Field())
    assert 1e-4 < abs(solution.parameters["k"] - 2.0) < 0.1


def test_a_chain_hands_the_parameters_on():
    method = METHODS["adam"] >> hp.LBFGS(steps=1)
    handed = hp.solve(decay((0.0, 5.0)), method=method, levels=3, field=hp.Field())
    fresh = hp.solve(decay((0.0, 5.0)), method=hp.LBFGS(steps=1), levels=3, field=hp.Field())
    assert abs(handed.parameters["k"] - 2.0) < 0.05 < abs(fresh.parameters["k"] - 2.0)


def test_standard_errors_are_those_of_linear_regression():
    """u' = k from noisy values of u is regression by a straight line."""
    t = np.sort(np.random.default_rng(3).uniform(0, 2, 40))
    measured = 0.7 + 1.3 * t + 0.05 * np.random.default_rng(4).standard_normal(40)
    problem = hp.Problem(
        hp.Box(t=(0, 2)),
        "u",
        lambda u, k: u.t - k,
        [hp.Data(t[:, None], u=measured, weight=1e-4)],
        parameters=[hp.Parameter("k", init=1.0)],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hp.HermitePinnWarning)
        solution = hp.solve(problem, levels=2)
    line = scipy.stats.linregress(t, measured)
    assert solution.parameters["k"] == pytest.approx(line.slope, rel=1e-4)
    # one more number is estimated than there are parameters: the initial value, which is a coefficient of the field
    expected = line.stderr * np.sqrt((40 - 2) / (40 - 1))
    assert solution.stats["standard_errors"]["k"] == pytest.approx(expected, rel=1e-3)


def test_standard_errors_predict_the_spread_over_noise():
    """The rates found from many draws of the noise scatter as much as each run says."""
    found, told = [], []
    t = np.linspace(0, 1, 20)[:, None]
    for seed in range(12):
        measured = np.exp(-2 * t[:, 0]) + 0.01 * np.random.default_rng(seed).standard_normal(20)
        problem = decay((0.0, 5.0)).replace(conditions=[hp.Initial(u=1.0), hp.Data(t, u=measured, weight=1e-3)])
        solution = hp.solve(problem, levels=3)
        found.append(solution.parameters["k"])
        told.append(solution.stats["standard_errors"]["k"])
    assert 0.5 < np.std(found, ddof=1) / np.mean(told) < 2.0
    assert np.mean(np.abs(np.array(found) - 2.0) < 3 * np.array(told)) > 0.8


@pytest.mark.slow
def test_standard_errors_from_known_noise_predict_the_spread():
    """Nine in ten of the errors of the rate lie within 1.64 standard errors, whatever this draw's misfit is."""
    t, ratios = np.linspace(0, 1, 10)[:, None], []
    for seed in range(30):
        measured = np.exp(-2 * t[:, 0]) + 0.01 * np.random.default_rng(seed).standard_normal(10)
        problem = decay((0.0, 5.0)).replace(conditions=[hp.Initial(u=1.0), hp.Data(t, u=measured, noise=0.01)])
        solution = hp.solve(problem, levels=2)
        ratios.append((solution.parameters["k"] - 2.0) / solution.stats["standard_errors"]["k"])
    assert 0.7 < np.sqrt(np.mean(np.square(ratios))) < 1.4
    assert np.mean(np.abs(ratios) < 1.64) > 0.7


def test_standard_errors_are_proportional_to_the_noise():
    t = np.linspace(0, 1, 20)[:, None]
    told = []
    for noise in (0.01, 0.03):
        data = hp.Data(t, u=np.exp(-2 * t[:, 0]), noise=noise)
        problem = decay((0.0, 5.0)).replace(conditions=[hp.Initial(u=1.0), data])
        told.append(hp.solve(problem, levels=2).stats["standard_errors"]["k"])
    assert told[1] == pytest.approx(3 * told[0], rel=1e-3)


def test_parameters_that_data_do_not_determine_have_no_finite_standard_error():
    t = np.linspace(0, 1, 20)[:, None]
    problem = hp.Problem(
        hp.Box(t=(0, 1)),
        "u",
        lambda u, a, b: u.t + (a + b) * u,
        [hp.Initial(u=1.0), hp.Data(t, u=np.exp(-2 * t[:, 0]) + 1e-3 * np.cos(40 * t[:, 0]))],
        parameters=[hp.Parameter("a", init=0.5), hp.Parameter("b", init=0.5)],
    )
    solution = hp.solve(problem, levels=2)
    assert all(np.isinf(v) or v > 1e2 for v in solution.stats["standard_errors"].values())
    assert solution.parameters["a"] + solution.parameters["b"] == pytest.approx(2.0, abs=0.1)


def lorenz(end, count):
    """The Lorenz equations from (-8, 7, 27), with exact values and all three parameters unknown."""

    def slopes(t, u):
        return [10 * (u[1] - u[0]), u[0] * (28 - u[2]) - u[1], u[0] * u[1] - 8 / 3 * u[2]]

    times = np.linspace(0, end, count)
    x, y, z = solve_ivp(slopes, (0, end), [-8, 7, 27], t_eval=times, rtol=1e-11, atol=1e-11).y
    return hp.Problem(
        hp.Box(t=(0, end)),
        ["x", "y", "z"],
        lambda x, y, z, s, r, b: {"x": x.t - s * (y - x), "y": y.t - x * (r - z) + y, "z": z.t - x * y + b * z},
        [hp.Initial(x=-8.0, y=7.0, z=27.0), hp.Data(times[:, None], x=x, y=y, z=z)],
        parameters=[hp.Parameter(name, 1.0) for name in "srb"],
    )


def test_parameters_far_from_the_start_are_found_from_exact_data():
    solution = hp.solve(lorenz(3.0, 25), tol=1e-4)
    assert solution.status is hp.Status.CONVERGED
    assert list(solution.parameters.values()) == pytest.approx([10, 28, 8 / 3], rel=1e-3)


def test_parameters_far_from_the_start_are_found_from_noisy_data():
    """A damped oscillation of three periods, whose misfit has many minima."""
    t, fast = np.linspace(0.02, 1.2, 60), np.sqrt(300 - 2.5**2)
    x = np.exp(-2.5 * t) * (np.cos(fast * t) + 2.5 / fast * np.sin(fast * t))
    values = x + 0.03 * np.random.default_rng(0).standard_normal(60)
    conditions = [hp.Initial(x=1.0), hp.Initial(x_t=0.0), hp.Data(t[:, None], x=values, noise=0.03)]
    parameters = [hp.Parameter("c", 1.0), hp.Parameter("k", 200.0)]
    solution = hp.solve(
        hp.Problem(hp.Box(t=(0, 1.2)), "x", lambda x, c, k: x.tt + c * x.t + k * x, conditions, parameters=parameters)
    )
    errors = solution.stats["standard_errors"]
    assert abs(solution.parameters["c"] - 5) < 3 * errors["c"] < 0.5
    assert abs(solution.parameters["k"] - 300) < 3 * errors["k"] < 10


def layer(init, noise):
    """k u'' = u with k = 0.1 from 60 values."""
    x, root = np.random.default_rng(3).random((60, 1)), np.sqrt(0.1)
    values = np.sinh((1 - x[:, 0]) / root) / np.sinh(1 / root)
    data = hp.Data(x, u=values + noise * np.random.default_rng(4).standard_normal(60), noise=noise or None)
    conditions = [hp.Dirichlet(u=1.0, on="x-"), hp.Dirichlet(u=0.0, on="x+"), data]
    return hp.Problem(
        hp.Box(x=(0, 1)), "u", lambda u, k: k * u.xx - u, conditions, parameters=[hp.Parameter("k", init=init)]
    )


@pytest.mark.slow
def test_what_noisy_data_say_does_not_depend_on_the_start():
    """The size of the equation at the start says nothing of it at the solution, beside which the data weigh."""
    found = [hp.solve(layer(init, 0.02), tol=1e-4) for init in (1e-3, 0.1, 10.0)]
    assert all(s.status.success for s in found)
    errors = [s.stats["standard_errors"]["k"] for s in found]
    assert errors == pytest.approx([errors[1]] * 3, rel=0.05)
    assert [s.parameters["k"] for s in found] == pytest.approx([found[1].parameters["k"]] * 3, abs=0.1 * errors[1])
    assert abs(found[1].parameters["k"] - 0.1) < 3 * errors[1] < 0.1


@pytest.mark.parametrize("init", [1e-3, 10.0])
def test_exact_data_give_a_parameter_from_a_start_far_off(init):
    solution = hp.solve(layer(init, 0.0), tol=1e-6)
    assert solution.status is hp.Status.CONVERGED
    assert solution.parameters["k"] == pytest.approx(0.1, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("factor", ["large", "small"])
def test_diffusion_and_decay_are_found_from_a_start_100_times_off(factor):
    problem, truth = CASES[f"two rates, start 100 times too {factor}"](0)
    solution = hp.solve(problem, tol=1e-4)
    assert solution.status is hp.Status.COMPLETED
    errors = solution.stats["standard_errors"]
    for name, value in truth.items():
        assert abs(solution.parameters[name] - value) < 3 * errors[name] < 0.3 * value


@pytest.mark.parametrize("scale", [1.0, 1e6])
@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_the_tolerance_is_that_of_the_parameters_too(tol, scale):
    """Exact values determine the speed of a decay, which converges later than the fields."""
    exact = lambda x, t: hp.sin(np.pi * x) * hp.exp(-t) + hp.sin(3 * np.pi * x) * hp.exp(-9 * t)
    points = np.random.default_rng(5).uniform(0.05, 0.95, (60, 2))
    values = np.sin(np.pi * points[:, 0]) * np.exp(-points[:, 1])
    values += np.sin(3 * np.pi * points[:, 0]) * np.exp(-9 * points[:, 1])
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u, k: u.t - (k / scale) * u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: exact(x, 0.0)), hp.Data(points, u=values)],
        parameters=[hp.Parameter("k", init=scale)],
    )
    solution = hp.solve(problem, tol=tol, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert abs(solution.parameters["k"] * np.pi**2 / scale - 1.0) < tol
    assert solution.estimated_error > 0.1 * abs(solution.parameters["k"] * np.pi**2 / scale - 1.0)


def test_noisy_values_of_a_straight_line_do_not_contradict_its_equation():
    """All terms of u.xx vanish, so that the little that noise bends the line is all of them."""
    problem, truth = CASES["heat transfer at an end"](0)
    solution = hp.solve(problem, tol=1e-4, progress=False)
    assert solution.status is hp.Status.COMPLETED
    error = solution.stats["standard_errors"]["h"]
    assert abs(solution.parameters["h"] - truth["h"]) < 3 * error < 0.5
