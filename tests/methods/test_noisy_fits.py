"""Fits of parameters to noisy data end at the best fit, and say what the data say of their noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import hermite_pinn as hp
from hermite_pinn.methods.data_scatter import scatter_sentence
from hermite_pinn.methods.gauss_newton.fit_shift import fit_shift
from hermite_pinn.methods.gauss_newton.noise_errors import NoiseLeft

pytestmark = pytest.mark.usefixtures("one_thread")

NOISE, END = 0.04, 12.0
TIMES = np.sort(np.random.default_rng(3).uniform(0.0, END, 50))
LINE = np.linspace(0.0, 1.0, 30)
DECAY = np.exp(-2.0 * LINE) + 0.01 * np.random.default_rng(0).standard_normal(30)


def _course(damping: float, strength: float, begin: np.ndarray) -> np.ndarray:
    rates = lambda t, y: [y[1], -damping * y[1] - strength * np.sin(y[0])]
    return solve_ivp(rates, (0.0, END), begin, t_eval=TIMES, rtol=1e-9, atol=1e-11).y[0]


VALUES = _course(0.2, 3.0, np.array([1.8, 0.0])) + NOISE * np.random.default_rng(5).standard_normal(50)


@cache
def _best() -> tuple[np.ndarray, np.ndarray, float]:
    """Parameters of the least squares of the equation's solutions, their standard errors, and the least sum."""
    fit = least_squares(lambda q: (_course(q[0], q[1], q[2:]) - VALUES) / NOISE, [0.2, 3.0, 1.8, 0.0], diff_step=1e-5)
    return fit.x[:2], np.sqrt(np.diag(np.linalg.inv(fit.jac.T @ fit.jac)))[:2], 2.0 * fit.cost


@pytest.mark.parametrize(
    "options",
    [{}, {"tol": 0.05}, pytest.param({"method": hp.GaussNewton(basis="cubic")}, marks=pytest.mark.slow)],
    ids=["default", "loose", "cubic"],
)
def test_a_fit_of_a_pendulum_is_that_of_least_squares(options: dict[str, object]) -> None:
    """Levels that do not resolve the equation weigh it against the data, which takes the fit off the best one."""
    problem = hp.Problem(
        hp.Box(t=(0.0, END)),
        "a",
        lambda a, b, w: a.tt + b * a.t + w * hp.sin(a),
        [hp.Data(TIMES, a=VALUES, noise=NOISE)],
        parameters=[hp.Parameter("b", init=0.5, bounds=(0, 5)), hp.Parameter("w", init=2.0, bounds=(0, 20))],
    )
    solution = hp.solve(problem, progress=False, **options)  # type: ignore[arg-type]
    best, errors, least = _best()
    assert solution.status.success
    found = [solution.parameters[k] for k in "bw"]
    told = [solution.stats["standard_errors"][k] for k in "bw"]
    assert np.all(np.abs(found - best) < 0.15 * errors)
    np.testing.assert_allclose(told, errors, rtol=0.1)
    assert np.sum((solution.a(TIMES) - VALUES) ** 2) / NOISE**2 < least + 1.0


def _left(misfit: float, deviation: float, freedom: float = 4.0) -> NoiseLeft:
    return NoiseLeft((0.1,), 0.0, misfit, 60, 1.0, freedom, {"k": deviation})


@pytest.mark.parametrize(
    ("before", "moved"), [(_left(62.0, 0.02), 0.0), (_left(37.0, 0.02), 0.1), (_left(37.0, 0.03), 0.0)]
)
def test_a_level_that_moves_misfit_or_parameter_or_its_error_is_not_the_last(before: NoiseLeft, moved: float) -> None:
    shift = fit_shift(before, _left(37.0, 0.02), {"k": 4.0 - moved}, {"k": 4.0})
    assert shift is not None
    assert not shift.settled
    same = fit_shift(_left(37.0, 0.02), _left(37.0, 0.02), {"k": 4.0}, {"k": 4.0})
    assert same is not None
    assert same.settled


def test_fields_that_follow_the_data_are_not_held_by_equations() -> None:
    assert fit_shift(_left(62.0, 0.02), _left(10.0, 0.02, 50.0), {"k": 4.0}, {"k": 4.0}) is None


# -- the noise told ---
def _decay(noise: float, fields: Callable[..., object] = lambda u, k: u.t + k * u) -> hp.Solution:
    problem = hp.Problem(
        hp.Box(t=(0, 1)), "u", fields, [hp.Data(LINE, u=DECAY, noise=noise)], parameters=[hp.Parameter("k", init=1.0)]
    )
    return hp.solve(problem, progress=False, throw=False, tol=0.05 if noise < 0.1 else 0.5)


def test_noise_that_is_told_much_too_small_contradicts_the_data() -> None:
    solution = _decay(0.003)
    assert solution.status is hp.Status.INCONSISTENT
    assert "more than chance explains" in solution.message
    assert solution.stats["scatter"] == pytest.approx(2.7, abs=0.1)


def test_noise_that_is_told_much_too_large_is_said() -> None:
    solution = _decay(0.1)
    assert solution.status.success
    assert "which is 12.1 times too large" in solution.message


def test_noise_that_is_told_about_right_is_only_compared() -> None:
    solution = _decay(0.01)
    assert solution.status.success
    assert "the data scatter by 0.82 of the noise told" in solution.message
    assert "too large" not in solution.message
    assert "0.82 of the noise told" in str(solution)


def test_few_values_or_fields_that_follow_them_say_nothing_of_a_small_scatter() -> None:
    assert scatter_sentence(0.01, 3.0, True).endswith("of the noise told")
    assert scatter_sentence(0.01, 40.0, False).endswith("of the noise told")


# -- statements ---
def test_points_of_one_axis_may_be_a_list() -> None:
    flat, column = hp.Data(LINE, u=DECAY), hp.Data(LINE[:, None], u=DECAY)
    np.testing.assert_array_equal(flat.points, column.points)


def test_points_in_a_row_are_told_to_be_a_column() -> None:
    with pytest.raises(hp.InvalidProblemError, match="t\\[:, None\\]"):
        hp.Data(LINE[None], u=DECAY)


def test_a_parameter_that_occurs_nowhere_is_refused() -> None:
    with pytest.raises(hp.InvalidProblemError, match="'k' occurs in no equation and no condition"):
        _decay(0.01, lambda u: u.t + u)


def test_a_missing_start_may_be_what_data_determine() -> None:
    data = hp.Data(LINE, v=DECAY, noise=0.01)
    with pytest.warns(hp.HermitePinnWarning, match="unless data determine it"):
        hp.Problem(hp.Box(t=(0, 1)), ["u", "v"], lambda u, v: (u.t + u * v, v.t - u * v + v), [data])
