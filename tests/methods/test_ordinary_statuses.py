"""Statuses of ordinary differential equations: what is open, what multiplies rounding, what jumps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.radau_march import RadauMarch
from hermite_pinn.methods.gauss_newton.radau_points import radau_points
from hermite_pinn.methods.gauss_newton.rounding_growth import rounding_sizes
from hermite_pinn.methods.gauss_newton.state_equations import StateEquations
from hermite_pinn.validation.accuracy.ordinary import CASES, row_of


def problem(end: float, residual: Callable[..., Any], begin: float = 0.0, **start: float) -> hp.Problem:
    """One field from its start values."""
    return hp.Problem(hp.Box(t=(begin, end)), "u", residual, [hp.Initial(**start)])


def relative(values: np.ndarray, truth: np.ndarray) -> float:
    """Error in the mean square."""
    return float(np.linalg.norm(values - truth) / np.linalg.norm(truth))


OPEN = {
    "a Bessel function of order three": problem(
        7.0, lambda u, t: t**2 * u.tt + t * u.t + (t**2 - 9) * u, u=0.0, u_t=0.0
    ),
    "the same without its slope": problem(7.0, lambda u, t: t**2 * u.tt + t * u.t + (t**2 - 9) * u, u=0.0),
    "a root": problem(3.0, lambda u, t: 2 * t * u.t - u, u=0.0),
    "a start that is not at zero": problem(5.0, lambda u, t: (t - 2) * u.t - u + t, 2.0, u=2.0),
    "slower than any power": problem(1.0, lambda u, t: t**2 * u.t - u, u=0.0),
    "one that is not linear": problem(2.0, lambda u, t: t * u.t - 3 * hp.sin(u), u=0.0),
}


@pytest.mark.parametrize("name", OPEN)
def test_start_values_at_a_singular_point_that_leave_the_solution_open_are_told(name: str) -> None:
    solution = hp.solve(OPEN[name], progress=False)
    assert solution.status is hp.Status.UNDETERMINED
    assert "another place" in solution.message


def test_the_upper_end_may_be_singular_too() -> None:
    residual, values = lambda u, x: (1 - x) * u.x + 4 * u, {"u": 0.0}
    given = hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(**values, on="x+")])
    assert hp.solve(given, progress=False).status is hp.Status.UNDETERMINED
    residual = lambda u, x: (1 - x) * u.x - 4 * u + 4
    given = hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=1.0, on="x+")])
    assert hp.solve(given, progress=False).status is hp.Status.CONVERGED


DETERMINED = {
    "spherical waves": (
        problem(9.0, lambda u, t: t * u.tt + 2 * u.t + t * u, u=1.0, u_t=0.0),
        lambda t: np.sinc(t / np.pi),
    ),
    "a slope that is given": (
        problem(2.0, lambda u, t: t**2 * u.tt + t * u.t - u, u=0.0, u_t=3.0),
        lambda t: 3.0 * t,
    ),
    "what is driven away from zero": (problem(2.0, lambda u, t: t * u.t + 2 * u - 3 * t, u=0.0), lambda t: t),
    "a star that is a polytrope": (
        problem(2.0, lambda u, t: t * u.tt + 2 * u.t + t, u=1.0, u_t=0.0),
        lambda t: 1 - t**2 / 6,
    ),
}


@pytest.mark.parametrize("name", DETERMINED)
def test_start_values_at_a_singular_point_that_determine_the_solution_suffice(name: str) -> None:
    given, truth = DETERMINED[name]
    solution = hp.solve(given, progress=False)
    times = np.linspace(0, given.domain.upper[0], 301)[1:]
    assert solution.status is hp.Status.CONVERGED, solution.message
    assert relative(solution.u(times), truth(times)) < 1e-6


@pytest.mark.parametrize("power", [0.25, 0.8])
def test_a_state_of_rest_that_solutions_leave_at_any_time_is_undetermined(power: float) -> None:
    solution = hp.solve(problem(1.0, lambda u: u.t - 5 * u**power, u=0.0), progress=False)
    assert solution.status is hp.Status.UNDETERMINED
    assert "at rest" in solution.message


def test_rates_that_draw_back_to_a_state_of_rest_determine_the_solution() -> None:
    solution = hp.solve(problem(1.0, lambda u: u.t + hp.sign(u) * hp.sqrt(hp.abs(u)), u=0.0), progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert float(np.abs(solution.u(np.linspace(0, 1, 11))).max()) == 0.0


def test_where_marches_and_levels_fail_what_the_march_has_found_is_returned() -> None:
    solution = hp.solve(problem(3.0, lambda u: u.t + hp.sqrt(u), u=1.0), progress=False)  # empty at t=2
    times = np.linspace(0, 1.99, 101)
    assert not solution.status.success
    assert "nested levels" in solution.message
    assert relative(solution.u(times), (1 - times / 2) ** 2) < 1e-6


@pytest.mark.parametrize("rate", [0.7, 2.0])
@pytest.mark.parametrize("growth", [12.0, 17.0, 22.0, 27.0])
def test_the_estimate_counts_the_rounding_that_a_solution_multiplies(rate: float, growth: float) -> None:
    end = growth / rate
    given = hp.Problem(
        hp.Box(t=(0, end)),
        ["u", "w"],
        lambda u, w: (u.t - w, w.t - rate**2 * u),
        [hp.Initial(u=3.0, w=-3.0 * rate)],
    )
    solution = hp.solve(given, progress=False)
    times = np.linspace(0, end, 501)
    error = relative(solution.u(times), 3 * np.exp(-rate * times))
    assert solution.estimated_error is not None
    assert solution.estimated_error > error / 3
    assert solution.status.success == (solution.estimated_error <= 1e-6)


def test_what_a_resumed_run_knows_of_rounding_is_as_before(tmp_path: Path) -> None:
    given = problem(26.0, lambda u: u.tt - u, u=1.0, u_t=-1.0)
    solution = hp.solve(given, progress=False, checkpoint=tmp_path / "run.h5")
    resumed = hp.solve(given, progress=False, resume=tmp_path / "run.h5")
    assert (resumed.status, resumed.message) == (solution.status, solution.message)
    assert len(resumed.stats["marches"]) == len(solution.stats["marches"])


def test_rounding_is_carried_on_as_the_equations_carry_on_errors() -> None:
    sizes = []
    for rate in (-1.0, 0.0, 1.0):
        given = problem(10.0, lambda u, t, rate=rate: u.t - rate * (u - hp.cos(t)) + hp.sin(t), u=1.0)
        equations = StateEquations(given, {"u": 1})
        course = RadauMarch(equations, radau_points(7), (0.0, 10.0), np.array([1.0]), 1e-8).run()
        sizes.append(float(rounding_sizes(equations, course)[0]))
    decaying, kept, growing = sizes
    assert decaying < kept < 1e-15
    assert 0.01 * np.exp(10) < growing / decaying < np.exp(10)


def test_ordinary_solutions_do_not_pay_for_rounding() -> None:
    solution = hp.solve(problem(60.0, lambda u: u.tt + u, u=1.0, u_t=0.0), progress=False)
    last = solution.stats["marches"][-1]
    assert solution.estimated_error == last["change"]


@pytest.mark.parametrize("rate", [3e3, 1e5, 1e7])
def test_slopes_that_are_given_are_met_however_short_the_transient_is(rate: float) -> None:
    given = problem(1.0, lambda u: u.tt + 2 * rate * u.t + rate**2 * u, u=2.0, u_t=0.0)
    solution = hp.solve(given, progress=False)
    times = np.linspace(0, 10 / rate, 201)
    assert solution.status is hp.Status.CONVERGED, solution.message
    assert float(solution.u.t(0.0)) == 0.0
    assert relative(solution.u(times), 2 * (1 + rate * times) * np.exp(-rate * times)) < 1e-6


@pytest.mark.parametrize("level", [0.3, 0.61, 0.9])
def test_a_rate_that_jumps_where_the_solution_crosses_a_value_is_followed(level: float) -> None:
    solution = hp.solve(problem(2.0, lambda u: u.t + hp.where(u > level, 2.0, 0.25), u=1.0), progress=False)
    crossed, times = (1 - level) / 2, np.linspace(0, 2, 401)
    truth = np.where(times < crossed, 1 - 2 * times, level - 0.25 * (times - crossed))
    assert solution.status is hp.Status.CONVERGED, solution.message
    assert relative(solution.u(times), truth) < 1e-6


def test_switches_between_the_start_and_the_first_point_of_a_cell_are_seen() -> None:
    errors: dict[bool, list[float]] = {False: [], True: []}
    for level in np.linspace(0.3, 0.9, 25):
        given = problem(3.0, lambda u, level=level: u.t + hp.where(u > level, 2.0, 1.0) * u, u=1.0)
        truth = level * np.exp(-3 - np.log(level) / 2)
        for near, found in errors.items():
            march = RadauMarch(
                StateEquations(given, {"u": 1}), radau_points(7, near), (0.0, 3.0), np.array([1.0]), 1e-8
            )
            found.append(abs(float(march.run().state[0]) / truth - 1))
    assert max(errors[True]) < 1e-6 < max(errors[False])


@pytest.mark.slow
def test_a_solution_that_slides_along_a_jump_ends_with_a_sentence_about_it() -> None:
    solution = hp.solve(problem(2.0, lambda u, t: u.t + hp.where(u > t / 4, 2.0, -1.0), u=1.0), progress=False)
    times = np.linspace(0, 4 / 9, 51)
    assert not solution.status.success
    assert "slide" in solution.message
    assert relative(solution.u(times), 1 - 2 * times) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_successes_are_right_and_estimates_are_no_third_of_errors(name: str) -> None:
    row = row_of(name)
    if row.error is None:
        assert not row.status.success
        return
    assert row.estimate is not None
    assert row.error < 3 * row.estimate
    assert row.error <= 1e-6 or not row.status.success
