"""Whether a run counts as a success: nothing that can be seen may speak against its result."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import cos, pi, sin
from hermite_pinn.methods.evidence import Standard, doubts_about, judged
from hermite_pinn.methods.gauss_newton.convergence import Convergence
from hermite_pinn.methods.gauss_newton.stage import Stage
from hermite_pinn.methods.gauss_newton.verdict import verdict
from hermite_pinn.residuals.misfits import smooth_part, term_misfits

LINE = hp.Box(x=(0, 1))
SQUARE = hp.Box(x=(0, 1), y=(0, 1))
POINTS = np.linspace(0.05, 0.95, 20)


def on_line(residual: Callable[..., Any], *conditions: Any, parameters: Sequence[hp.Parameter] = ()) -> hp.Problem:
    return hp.Problem(LINE, ["u"], residual, conditions, parameters=parameters)


def on_square(residual: Callable[..., Any], *conditions: Any) -> hp.Problem:
    return hp.Problem(SQUARE, ["u"], residual, conditions)


def solved(problem: hp.Problem, **options: Any) -> hp.Solution:
    return hp.solve(problem, progress=False, **options)


# -- what no function satisfies ---
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
@pytest.mark.filterwarnings("ignore::hermite_pinn.problem.problem.HermitePinnWarning")
def test_an_equation_without_a_solution_is_no_success_in_any_units(scale: float) -> None:
    solution = solved(on_line(lambda u: scale * (u.x**2 + 4), hp.Dirichlet(u=0.0, on="x-")), levels=4)
    assert solution.status is hp.Status.INCONSISTENT
    assert solution.message.endswith(
        "pde keeps a smooth residual of 100 % of its terms, which is no error of discretisation"
    )


def test_an_iteration_that_finds_no_solution_says_what_is_left() -> None:
    solution = solved(on_line(lambda u: u * u + u + 1 + 0 * u.x), method=hp.GaussNewton(outer_steps=5), levels=2)
    assert not solution.status.success
    assert "residual" in solution.message


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(lambda: on_line(lambda u, x: (u.xx + sin(x), u.x - x), hp.Dirichlet(u=0.0)), id="two equations"),
        pytest.param(lambda: on_line(lambda u: u.xx - 1, hp.Neumann(u=0.25), hp.Gauge("u")), id="flux"),
        pytest.param(
            lambda: on_square(lambda u, x: u.laplacian + cos(pi * x) - 0.05, hp.Neumann(u=0.0), hp.Gauge("u")),
            id="source without mean zero",
        ),
    ],
)  # fmt: skip
def test_conditions_and_equations_that_contradict_each_other_are_no_success(problem: Callable[[], hp.Problem]) -> None:
    solution = solved(problem(), levels=4)
    assert solution.status is hp.Status.INCONSISTENT


def test_a_source_with_the_mean_that_the_flux_asks_for_is_a_success() -> None:
    problem = on_square(lambda u, x: u.laplacian + cos(pi * x), hp.Neumann(u=0.0), hp.Gauge("u"))
    assert solved(problem, tol=1e-3).status is hp.Status.CONVERGED


# -- data ---
def test_exact_data_of_another_equation_are_no_success() -> None:
    data = hp.Data(POINTS[:, None], u=np.sin(3 * POINTS))
    solution = solved(on_line(lambda u, x: u.xx + sin(2 * x), hp.Dirichlet(u=0.0), data), levels=4)
    assert solution.status is hp.Status.INCONSISTENT
    assert "the data of u, given as exact, are missed by" in solution.message


def test_a_small_part_of_the_data_that_no_parameter_explains_is_found() -> None:
    data = hp.Data(POINTS[:, None], u=np.sin(pi * POINTS) + 0.01 * np.sin(2 * pi * POINTS))
    equation = lambda u, x, k: k * u.xx + sin(pi * x)
    problem = on_line(equation, hp.Dirichlet(u=0.0), data, parameters=[hp.Parameter("k", init=1.0)])
    solution = solved(problem, tol=1e-4)
    assert solution.status is hp.Status.INCONSISTENT


def decay(noise: float | str | None, *, init: float, offset: float = 0.0) -> hp.Problem:
    random = np.random.default_rng(3)
    at = np.linspace(0.0, 4.0, 60)
    values = np.exp(-at) + 0.02 * random.standard_normal(60) + offset * at
    return hp.Problem(
        hp.Box(t=(0, 4)), ["u"], lambda u, k: u.t + k * u, [hp.Initial(u=1.0), hp.Data(at[:, None], u=values, noise=noise)],
        parameters=[hp.Parameter("k", init=init)],
    )  # fmt: skip


@pytest.mark.parametrize("noise", [0.02, "auto"])
def test_noisy_data_that_the_model_explains_are_a_success(noise: float | str) -> None:
    solution = solved(decay(noise, init=0.5), levels=4)
    assert solution.status.success
    assert abs(solution.parameters["k"] - 1.0) < 4 * solution.stats["standard_errors"]["k"]


@pytest.mark.parametrize("noise", [0.02, "auto"])
def test_noisy_data_that_the_model_does_not_explain_are_none(noise: float | str) -> None:
    solution = solved(decay(noise, init=0.5, offset=0.3), levels=4)
    assert solution.status is hp.Status.INCONSISTENT
    assert "the data of u are missed by" in solution.message


def test_a_frequency_in_another_minimum_is_no_success() -> None:
    at = np.linspace(0.0, 1.0, 40)
    data = hp.Data(at[:, None], u=np.cos(30 * at))
    problem = hp.Problem(
        hp.Box(t=(0, 1)), ["u"], lambda u, k: u.tt + k * u, [hp.Initial(u=1.0), hp.Initial(u_t=0.0), data],
        parameters=[hp.Parameter("k", init=25.0)],
    )  # fmt: skip
    solution = solved(problem, method=hp.GaussNewton(outer_steps=20), levels=5)
    found = abs(solution.parameters["k"] / 900 - 1) < 1e-2
    assert solution.status.success == found
    assert found or "the data of u, given as exact, are missed by" in solution.message


@pytest.mark.slow
def test_parameters_of_a_chaotic_system_from_far_away_are_right_or_no_success() -> None:
    from scipy.integrate import solve_ivp

    def rates(t: float, w: np.ndarray) -> list[float]:
        return [10 * (w[1] - w[0]), w[0] * (15 - w[2]) - w[1], w[0] * w[1] - 8 / 3 * w[2]]

    at = np.linspace(0.12, 3.0, 25)
    x, y, z = solve_ivp(rates, (0, 3), [-8, 7, 27], t_eval=at, rtol=1e-10, atol=1e-10).y
    problem = hp.Problem(
        hp.Box(t=(0, 3)),
        ["x", "y", "z"],
        lambda x, y, z, a, b, c: (x.t - a * (y - x), y.t - x * (b - z) + y, z.t - x * y + c * z),
        [hp.Initial(x=-8.0, y=7.0, z=27.0), hp.Data(at[:, None], x=x, y=y, z=z)],
        parameters=[hp.Parameter(name, init=1.0) for name in "abc"],
    )
    solution = solved(problem, tol=1e-3)
    right = all(abs(solution.parameters[k] / v - 1) < 1e-2 for k, v in {"a": 10, "b": 15, "c": 8 / 3}.items())
    assert solution.status.success == right


# -- parameters ---
@pytest.mark.parametrize("method", ["gauss_newton", "lbfgs"])
def test_nothing_determines_the_coefficient_of_a_field_that_is_zero(method: str) -> None:
    equation = lambda u, k: u.xx + u**3 + k * u
    problem = on_line(equation, hp.Dirichlet(u=0.0), parameters=[hp.Parameter("k", init=2.0)])
    solution = solved(problem, method=method, field=hp.Field(head="linear", table_size=None), levels=3)
    assert solution.status is hp.Status.UNDETERMINED
    assert solution.message.endswith("nothing determines k")


def test_nothing_determines_a_coefficient_without_data() -> None:
    source = lambda x, y: sin(pi * x) * sin(pi * y)
    problem = on_square(lambda u, x, y: u.laplacian + source(x, y), hp.Dirichlet(u=0.0))
    equation = lambda u, x, y, k: u.laplacian + k * u + source(x, y)
    changed = problem.replace(residual=equation, parameters=[hp.Parameter("k", init=3.0)])
    for gauss in (None, 3):  # as many points as coefficients, and more
        solution = solved(changed, method=hp.GaussNewton(gauss=gauss), levels=3)
        assert solution.status is hp.Status.UNDETERMINED
        assert "nothing determines k" in solution.message


def test_a_product_of_two_parameters_does_not_determine_them_apart() -> None:
    data = hp.Data(POINTS[:, None], u=np.sin(pi * POINTS))
    parameters = [hp.Parameter("a", init=0.5), hp.Parameter("b", init=1.5)]
    equation = lambda u, x, a, b: a * b * u.xx + pi**2 * sin(pi * x)
    solution = solved(on_line(equation, hp.Dirichlet(u=0.0), data, parameters=parameters), levels=4)
    assert solution.status is hp.Status.UNDETERMINED
    assert solution.message.endswith("nothing determines a and b apart from each other")
    assert solution.parameters["a"] * solution.parameters["b"] == pytest.approx(1.0, rel=1e-3)


def test_a_standard_error_beyond_the_value_is_no_success() -> None:
    alternating = 0.5 * (-1.0) ** np.arange(20)
    data = hp.Data(POINTS[:, None], u=np.sin(pi * POINTS) + alternating, noise=0.5)
    equation = lambda u, x, k: u.xx + pi**2 * sin(pi * x) + 1e-2 * k * sin(2 * pi * x)
    problem = on_line(equation, hp.Dirichlet(u=0.0), data, parameters=[hp.Parameter("k", init=1.0)])
    solution = solved(problem, levels=4)
    assert solution.status is hp.Status.UNDETERMINED
    assert "the standard error" in solution.message


@pytest.mark.parametrize(("count", "init"), [(20, 0.5), (1, 0.5), (20, 0.0)], ids=["many", "one value", "from zero"])
def test_a_parameter_that_the_data_determine_is_a_success_also_where_it_is_zero(count: int, init: float) -> None:
    data = hp.Data(POINTS[:count, None], u=np.sin(pi * POINTS[:count]))
    equation = lambda u, x, k: u.xx + pi**2 * sin(pi * x) + k * u * u
    problem = on_line(equation, hp.Dirichlet(u=0.0), data, parameters=[hp.Parameter("k", init=init)])
    solution = solved(problem, tol=1e-5)
    assert solution.status is hp.Status.CONVERGED
    assert abs(solution.parameters["k"]) < 1e-3


def test_a_condition_more_determines_an_eigenvalue() -> None:
    problem = on_line(
        lambda u, k: u.xx + k * u, hp.Dirichlet(u=0.0), hp.Neumann(u=-1.0, on="x-"), parameters=[hp.Parameter("k", init=9.0)]
    )  # fmt: skip
    solution = solved(problem, tol=1e-5)
    modes = math.sqrt(solution.parameters["k"]) / pi
    assert solution.status is hp.Status.CONVERGED
    assert abs(modes - round(modes)) < 1e-3


# -- no false alarms ---
@pytest.mark.parametrize("eps", [1e-2, 1e-4])
def test_a_layer_is_a_success(eps: float) -> None:
    solution = solved(on_line(lambda u, eps=eps: -eps * u.xx + u.x - 1, hp.Dirichlet(u=0.0)), tol=1e-2)
    assert solution.status is hp.Status.CONVERGED


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(lambda: on_square(lambda u: u.laplacian, hp.Dirichlet(u=lambda x, y: x * y)), id="vanishing terms"),
        pytest.param(lambda: on_square(lambda u: u.laplacian + 1, hp.Dirichlet(u=0.0)), id="corners"),
        pytest.param(
            lambda: on_square(lambda u: u.laplacian, hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"]), hp.Dirichlet(u=1.0, on="y+")),
            id="values that jump",
        ),
        pytest.param(
            lambda: on_square(lambda u, x, y: u.laplacian + hp.where(x + 0.3 * y > 0.6, 1.0, 0.0), hp.Dirichlet(u=0.0)),
            id="source that jumps",
        ),
        pytest.param(lambda: on_square(lambda u, x: u.laplacian + x, hp.Robin(u=(2.0, 1.0, 1.0))), id="soft conditions"),
    ],
)  # fmt: skip
def test_singular_and_discontinuous_solutions_are_a_success(problem: Callable[[], hp.Problem]) -> None:
    assert solved(problem(), tol=1e-2).status is hp.Status.CONVERGED


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_constant_under_conditions_on_slopes_is_a_success(scale: float) -> None:
    """Its slopes are nothing but rounding, and no measure for what is left of them."""
    box = hp.Box(x=(0, 1), y=(0, 1))
    for domain in (box, box - hp.Disk((0.4, 0.5), 0.2)):
        problem = hp.Problem(domain, "u", lambda u: u.laplacian - u + scale, [hp.Condition(lambda u: u.n)])
        solution = solved(problem, tol=1e-3)
        assert solution.status is hp.Status.CONVERGED, solution.message


def test_a_slope_that_is_missed_is_seen_beside_a_large_constant() -> None:
    flat, steep = (
        on_line(lambda u: u.xx, hp.Dirichlet(u=100.0, on="x-"), hp.Neumann(u=s, on="x+")) for s in (0.0, 0.1)
    )
    misfits = term_misfits(steep, solved(flat, levels=2).field, {})
    assert max(m.relative for m in misfits) == pytest.approx(1.0, rel=1e-6)


def test_nothing_determines_a_factor_of_what_vanishes() -> None:
    """The iteration could only make the factor smaller and smaller."""
    straight = hp.Dirichlet(u=lambda x: 2 + x)
    for scale in (1e-6, 1.0, 1e6):
        equation = lambda u, k, s=scale: s * k * u.xx
        solution = solved(on_line(equation, straight, parameters=[hp.Parameter("k", init=2.0)]), tol=1e-6)
        assert solution.status is hp.Status.UNDETERMINED
        assert re.search("nothing determines k|vanishes with k", solution.message)


# -- all methods ---
def test_steps_that_solve_nothing_are_no_success() -> None:
    problem = on_line(lambda u, x: u.xx + pi**2 * sin(pi * x), hp.Dirichlet(u=0.0))
    few = hp.Adam(steps=3, points=64, face_points=1, check_every=1)
    field = hp.Field(head="linear", table_size=None)
    solution = solved(problem, method=few, field=field, levels=3)
    assert solution.status is hp.Status.UNSOLVED
    assert not solution.status.success
    chained = solved(problem, method=few >> hp.GaussNewton(), field=field, levels=3)
    assert chained.status is hp.Status.COMPLETED
    last = solved(problem, method=hp.GaussNewton() >> few, field=field, levels=3)
    assert last.stats["stages"][-1]["status"] == last.status.label


def test_a_stopped_run_stays_stopped() -> None:
    class Stop(hp.Callback):
        def on_step(self, state: hp.RunState) -> str:
            return "enough"

    problem = on_line(lambda u: u * u + 1 + 0 * u.x)
    assert solved(problem, callbacks=[Stop()]).status is hp.Status.STOPPED


@pytest.mark.parametrize("method", ["lbfgs", "gauss_newton"])
def test_every_method_says_that_there_is_no_solution(method: str) -> None:
    problem = on_line(lambda u: u * u + 2 + 0 * u.x)
    solution = solved(problem, method=method, field=hp.Field(head="linear", table_size=None), levels=3)
    assert solution.status is hp.Status.INCONSISTENT


# -- the parts ---
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_polynomials_are_smooth_and_noise_is_not(dim: int) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(dim, 2000, generator=generator, dtype=torch.float64) * 7 - 3
    values = 1 + points.sum(0) ** 3 - points[0] ** 2
    assert smooth_part(values, points, 3) == pytest.approx(1.0)
    noise = torch.randn(2000, generator=generator, dtype=torch.float64)
    assert smooth_part(noise, points, 3) < 0.03
    mixed = smooth_part(values / values.std() + noise, points, 3)
    assert smooth_part(values / values.std() + noise, 1e6 * points + 5, 3) == pytest.approx(mixed)


def test_a_misfit_does_not_depend_on_units() -> None:
    """Of the equation and of its condition."""
    found = []
    for factor in (1.0, 1e5):
        problem = on_line(lambda u, x, f=factor: f * (u.xx + sin(x)), hp.Robin(u=(factor, factor, factor)))
        solution = solved(problem, levels=2)
        found.append([m.relative for m in term_misfits(problem, solution.field, {})])
    assert np.allclose(*found, rtol=1e-3, atol=1e-12)


def test_doubts_are_those_of_the_outcome() -> None:
    problem = on_line(lambda u, x: u.xx + sin(x), hp.Dirichlet(u=0.0))
    task_method = hp.GaussNewton()
    seen: list[Any] = []

    class Spy(hp.GaussNewton):
        def run(self, task: Any) -> Any:
            seen.append(task_method.run(task))
            return seen[0]

    solved(problem, method=Spy(), levels=3)
    (outcome,) = seen
    assert doubts_about(problem, outcome) == []
    told = judged(problem, outcome)
    assert (told.status, told.message, told.doubts) == (outcome.status, outcome.message, outcome.doubts)


@pytest.mark.parametrize(("last", "status"), [(3.0, hp.Status.UNSOLVED), (1e-3, hp.Status.COMPLETED)])
def test_levels_that_change_the_solution_by_more_than_its_size_do_not_solve(last: float, status: hp.Status) -> None:
    convergence = Convergence("cubic", None)
    for change in (None, 2.0, last):
        error = convergence.add(change, 1.0)
    stage = Stage([(4,)], torch.empty(0), torch.empty(0), {}, error=error)
    problem = on_line(lambda u: u.xx - 1, hp.Dirichlet(u=0.0))
    ending = verdict(problem, convergence, stage, 3, 3, "")
    assert ending is not None
    assert ending.status is status


def test_a_term_that_is_not_defined_at_zero_has_a_size() -> None:
    problem = on_line(lambda u: u.xx + 1 / u, hp.Dirichlet(u=1.0))
    shifted = on_line(lambda u: u.xx + 1 / (1 + u), hp.Dirichlet(u=0.0))
    solution = solved(shifted, levels=3)
    inside = next(m for m in term_misfits(shifted, solution.field, {}) if m.term.region.is_interior)
    assert 1.0 < inside.size < 3.0
    problem.plan.own.once("source norms", lambda: [1.0])
    (found,) = (m for m in term_misfits(problem, solution.field, {}) if m.term.region.is_interior)
    assert math.isfinite(found.size)


def test_without_an_estimate_a_trained_field_must_show_a_digit() -> None:
    """A grid that is too coarse, and an error that is estimated, are judged by the looser limit."""
    trained, coarse, estimated = (Standard(a, m, 8, 0.0) for a, m in ((None, False), (None, True), (0.2, False)))
    assert trained.unsolved == trained.value == trained.derivative == 0.1
    assert coarse.most == coarse.unsolved == estimated.most == estimated.unsolved == 0.3
    cells = Standard(None, False, 8, 0.0, gridded=True)
    assert (cells.value, cells.unsolved) == (0.1, 0.3)


def test_a_tenth_of_an_initial_value_that_is_missed_is_no_success() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.t - 0.02 * u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x))],
    )  # fmt: skip
    method = hp.Adam(steps=200, points=100, face_points=20, ema=0, hard=False)
    solution = solved(problem, method=method, field=hp.Field(head="siren", features=2, width=16, depth=2), levels=2)
    misfits = term_misfits(problem, solution.field, {})
    worst = max(m.typical if not m.term.region.is_interior else m.unsolved for m in misfits)
    assert solution.status.success == (worst <= 0.1)
