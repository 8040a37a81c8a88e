"""Unknown coefficient fields from noisy data: they are found, and the weights of penalties follow the noise."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import leaves
from hermite_pinn.methods.gauss_newton import penalty_evidence, verdict
from hermite_pinn.methods.gauss_newton.noise_errors import noise_left
from hermite_pinn.methods.gauss_newton.penalty_evidence import Evidence
from hermite_pinn.methods.gauss_newton.penalty_weights import Choice
from hermite_pinn.methods.gauss_newton.smoothness_order import with_order_of
from hermite_pinn.methods.gauss_newton.stage import Stage
from hermite_pinn.methods.gauss_newton.verdict import coarser_is_better
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.validation.accuracy.noisy import row_of

pytestmark = pytest.mark.usefixtures("one_thread")


def conductivity(noise, told=True, count=80, seed=0):
    """(a u')' = f with a = 1 + sin(pi x) / 2, u = x + sin(2 pi x) / 8; u is measured, a is given at the ends."""
    u = lambda x: x + hp.sin(2 * hp.pi * x) / 8
    a = lambda x: 1 + hp.sin(hp.pi * x) / 2
    f = lambda x: (
        hp.pi * hp.cos(hp.pi * x) / 2 * (1 + hp.pi * hp.cos(2 * hp.pi * x) / 4)
        - a(x) * hp.pi**2 * hp.sin(2 * hp.pi * x) / 2
    )
    random = np.random.default_rng(seed)
    x = random.random((count, 1))
    values = u(x[:, 0]) + noise * random.standard_normal(count)
    return hp.Problem(
        hp.Box(x=(0, 1)),
        ["u", "a"],
        lambda u, a, x: a * u.xx + a.x * u.x - f(x),
        [
            hp.Data(x, u=values, noise=noise if told and noise else None),
            hp.Dirichlet(a=1.0),
            hp.Smoothness("u", "a"),
        ],
        exact={"u": u, "a": a},
    )


def error(solution):
    return solution.error()["a"]["relative_l2"]


def test_the_coefficient_field_of_the_zoo_is_found():
    problem = problems.inverse_poisson(points=20, noise=0.02)
    solution = hp.solve(problem, levels=2)
    assert solution.status is hp.Status.COMPLETED
    assert error(solution) < 2e-2


@pytest.mark.slow
def test_exact_data_give_the_coefficient_to_the_accuracy_of_the_grid():
    solutions = [hp.solve(conductivity(0.0), levels=n) for n in (2, 4)]
    assert error(solutions[1]) < 1e-3
    assert error(solutions[1]) < 0.2 * error(solutions[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "told", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["known noise", "unknown noise"]
)
def test_weights_and_errors_follow_the_noise(told):
    found = [hp.solve(conductivity(noise, told, count=200), levels=3) for noise in (1e-4, 1e-3, 1e-2)]
    relative = []
    for solution, noise in zip(found, (1e-4, 1e-3, 1e-2), strict=True):
        unit = noise**2 if told else 1.0
        relative.append(solution.stats["smoothness"]["a"] * unit)
        if told:
            assert solution.stats["scatter"] == pytest.approx(1.0, abs=5 * np.sqrt(0.5 / 200))
        else:
            assert solution.stats["noise"]["u"] == pytest.approx(noise, rel=0.25)
        assert solution.stats["degrees_of_freedom"] < 60
    assert relative[0] < relative[1] < relative[2]
    assert error(found[0]) < error(found[1]) < error(found[2]) < 0.1


@pytest.mark.slow
def test_the_weight_chosen_is_nearly_the_best():
    """Far smaller and far larger weights of the coefficient give larger errors."""
    problem = conductivity(1e-2, count=200)
    chosen = hp.solve(problem, levels=3)
    weights = chosen.stats["smoothness"]
    for factor in (1e-5, 1e3):
        smoothness = hp.Smoothness(u=weights["u"], a=weights["a"] * factor)
        other = hp.solve(problem.replace(conditions=[*problem.conditions[:2], smoothness]), levels=3)
        assert error(chosen) < 0.7 * error(other)


def test_refinement_ends_where_the_noise_is_larger():
    solution = hp.solve(conductivity(3e-2, count=200))
    assert solution.status is hp.Status.COMPLETED
    assert "the noise of the data leaves" in solution.message
    assert max(solution.field.layout.resolutions[-1]) <= 128


def test_a_false_noise_is_told():
    problem = conductivity(1e-2, count=200)
    data = problem.conditions[0]
    wrong = hp.Data(data.points, u=data.values["u"], noise=5e-3)
    solution = hp.solve(problem.replace(conditions=[wrong, *problem.conditions[1:]]), levels=2)
    assert solution.stats["scatter"] == pytest.approx(2.0, rel=0.2)
    assert "more than chance explains" in solution.message


METHODS = {
    "adam": (
        hp.Adam(steps=1500, lr=3e-3, lr_end=1e-4, points=100, face_points=1, ema=0.9, weight=100.0, balance_every=0),
        hp.Field(head="siren", features=2, width=32, omega=2.0),
        0.5,
    ),
    "lbfgs": (hp.LBFGS(steps=1000), hp.Field(), 0.2),
    "hashed gauss_newton": (
        hp.JointGaussNewton(stages=(hp.JointStage("table", 30, 16),), held_out=200),
        hp.Field(table_size=32),
        0.1,
    ),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.slow
def test_every_method_takes_the_same_problem(name):
    method, field, most = METHODS[name]
    problem = conductivity(1e-2, count=200)
    solution = hp.solve(problem, method=method, field=field, levels=3)
    direct = hp.solve(problem, levels=3)
    assert solution.stats["smoothness"] == pytest.approx(direct.stats["smoothness"])
    assert error(solution) < most


def dense(system):
    """The Jacobian by the free coefficients, on a pyramid of one level."""
    eye = torch.eye(system.size, dtype=torch.float64)[~system.fixed.reshape(-1)]
    return torch.stack([torch.cat([r.reshape(-1) for r in system.forward(e.clone())]) for e in eye], 1)


@pytest.mark.parametrize(
    "told", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["known noise", "unknown noise"]
)
def test_the_risk_is_that_of_dense_matrices(told):
    problem = conductivity(1e-2, told)
    system = GridSystem(problem, "cubic", [(8,)])
    vector = torch.zeros(system.size, dtype=torch.float64)
    vector[::2] = 1.0
    system.impose(vector)
    weights = {"u": 1e-3, "a": 2e-2}
    found = Evidence(system, vector).at(weights)
    system.smooth(weights)
    rows = system.linearize(vector)
    jacobian, r = dense(system), torch.cat([row.reshape(-1) for row in rows])
    start = sum(row.numel() for row in rows[: len(system.interior.terms)])
    data = slice(start, start + 80)
    inverse = torch.linalg.inv(jacobian.T @ jacobian)
    left = (r - jacobian @ (inverse @ (jacobian.T @ r)))[data]
    hat = jacobian[data] @ inverse @ jacobian[data].T
    freedom = float(hat.trace())
    assert found.misfit == pytest.approx(float(left @ left), rel=1e-6)
    # the variance of the stochastic trace is at most twice the squared Frobenius norm over the number of probes
    assert abs(found.freedom - freedom) < 4 * float((2 * hat.square().sum() / 24).sqrt())
    prior = jacobian.clone()
    prior[data] *= 1e-2  # data that count 1e-4 times as much stand for what is known without any
    determinants = float(torch.logdet(jacobian.T @ jacobian) - torch.logdet(prior.T @ prior))
    least = float((r - jacobian @ (inverse @ (jacobian.T @ r))).square().sum())
    if told:
        variance = Misfit(problem).variance
        assert found.risk == pytest.approx(found.misfit / variance + 2 * found.freedom)
        assert found.deviance == pytest.approx(least / variance + determinants, rel=1e-6)
    else:
        assert found.risk == pytest.approx(80 * np.log(found.misfit / (80 - found.freedom) ** 2))
        assert found.deviance == pytest.approx(80 * np.log(least) + determinants, rel=1e-6)


@pytest.mark.parametrize("told", [True, False], ids=["known noise", "unknown noise"])
def test_slopes_are_those_of_differences(told):
    system = GridSystem(conductivity(1e-2, told), "cubic", [(8,)])
    vector = torch.zeros(system.size, dtype=torch.float64)
    vector[::2] = 1.0
    system.impose(vector)
    evidence, weights, by = Evidence(system, vector), {"u": 1e-3, "a": 2e-2}, 1e-3
    here = evidence.at(weights)
    assert set(here.risk_slopes) == {"u", "a"}
    for field in weights:
        less, more = (evidence.at(weights | {field: weights[field] * np.exp(sign * by)}) for sign in (-1, 1))
        slope = (more.risk - less.risk) / (2 * by)
        assert here.risk_slopes[field] == pytest.approx(slope, rel=1e-4, abs=1e-4)
        # the determinant's part is an estimate from 24 vectors of random signs of a trace of at most ten or so
        slope = (more.deviance - less.deviance) / (2 * by)
        assert here.deviance_slopes[field] == pytest.approx(slope, rel=0.1, abs=4 * (2 * here.freedom / 24) ** 0.5)


def test_factors_that_were_given_up_are_made_again():
    system = GridSystem(conductivity(1e-2, True), "cubic", [(8,)])
    evidence, weights = Evidence(system, torch.zeros(system.size, dtype=torch.float64)), {"u": 1e-3, "a": 2e-2}
    whole, parted = evidence.at(weights), evidence.at(weights)
    assert parted.risk == whole.risk
    parted.release()
    assert parted.deviance == whole.deviance


def test_dense_matrices_and_blocks_give_the_same_estimates(monkeypatch):
    system = GridSystem(conductivity(1e-2, True), "cubic", [(8,)])
    vector, weights = torch.zeros(system.size, dtype=torch.float64), {"u": 1e-3, "a": 2e-2}
    dense_one = Evidence(system, vector).at(weights)
    monkeypatch.setattr(penalty_evidence, "FEW", 0)
    blocks = Evidence(system, vector).at(weights)
    for name in ("misfit", "freedom", "risk", "deviance"):
        assert getattr(dense_one, name) == pytest.approx(getattr(blocks, name), rel=1e-8)
    assert dense_one.risk_slopes == pytest.approx(blocks.risk_slopes, rel=1e-6)
    assert dense_one.deviance_slopes == pytest.approx(blocks.deviance_slopes, rel=1e-6)


@pytest.mark.parametrize("told", [True, False], ids=["known noise", "unknown noise"])
def test_the_risk_of_a_level_is_that_by_which_its_weights_are_chosen(told):
    system = GridSystem(conductivity(1e-2, told), "cubic", [(8,)])
    vector, weights = torch.zeros(system.size, dtype=torch.float64), {"u": 1e-3, "a": 2e-2}
    vector[::2] = 1.0
    system.smooth(weights, 3.0)
    at = Evidence(system, vector).at(weights)
    rows = system.linearize(vector)
    misfit = sum(float((r * r).sum()) for block, own in system.parts(rows) for r in own if block in system.noisy)
    left = noise_left(system, vector, Choice(weights, 1.0, 5.0, 3.0))
    # of the vectors of random signs, those of the two are alike
    if told:
        assert left.risk == pytest.approx(misfit / (3.0 * system.misfit.variance) + 2.0 * at.freedom, rel=1e-6)
    else:
        assert left.risk == pytest.approx(80 * np.log(misfit / 3.0 / (80 - at.freedom) ** 2), rel=1e-6)


def level(cells, risk, change=1e-3, noise=1e-2, settled=True):
    nothing = torch.zeros(1, dtype=torch.float64)
    choice = Choice({"u": 1.0}, 1.0, 5.0)
    return Stage(
        [(cells,)], nothing, nothing, {}, settled=settled, change=change, noise=noise, risk=risk, choice=choice
    )


def test_a_level_that_predicts_the_data_worse_is_not_taken():
    before = level(2, 100.0)
    ending = coarser_is_better(before, level(4, 103.0, change=2e-3), 1e-3)
    assert ending.status is hp.Status.COMPLETED
    assert "more than tol=0.001" in ending.message
    assert before.error == pytest.approx(np.hypot(1e-2, 4e-3))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, level(4, 103.0)),
        (level(2, 100.0), level(4, 100.5)),
        (level(2, 100.0), level(4, None)),
        (level(2, None), level(4, 103.0)),
        (level(2, 100.0), level(4, 103.0, change=0.1)),
        (level(2, 100.0, noise=None), level(4, 103.0)),
        (level(2, 100.0, settled=False), level(4, 103.0)),
        (level(2, 100.0), level(4, 103.0, settled=False)),
    ],
    ids=["first", "alike", "unknown", "unknown before", "far", "unknown noise", "unsettled before", "unsettled"],
)
def test_a_level_is_taken_where_the_data_do_not_speak_against_it(before, after):
    assert coarser_is_better(before, after, 1e-3) is None


def test_a_run_returns_the_level_that_predicts_better(monkeypatch):
    problem = conductivity(3e-2, count=200)
    kept = hp.solve(problem)
    monkeypatch.setattr(verdict, "WORSE", -math.inf)
    coarser = hp.solve(problem)
    assert coarser.status is hp.Status.COMPLETED
    assert "is not taken" in coarser.message
    assert coarser.field.layout.resolutions[-1] < kept.field.layout.resolutions[-1]
    assert abs(error(coarser) - error(kept)) < coarser.estimated_error


@pytest.mark.parametrize("cells", [1, 2, 4, 16])
def test_fields_that_lack_conditions_have_more_equations_than_coefficients_on_every_axis(cells):
    problem = problems.inverse_heat(points=20, known=False)
    system = GridSystem(with_order_of(problem, "septic"), "septic", [(cells, 1, 1)])
    assert system.gauss[0] * cells > 4 * (cells + 1)


def test_roughness_is_measured_in_units_of_the_box():
    """The mean square of all second derivatives of x^2 y on [0, 2] x [0, 3], by scaled coordinates."""
    problem = hp.Problem(
        hp.Box(x=(0, 2), y=(0, 3)),
        "u",
        lambda u, x, y: u.x - 2 * x * y,
        [hp.Dirichlet(u=lambda y: 0 * y, on="x-"), hp.Smoothness(u=1e-20)],
    )
    row = hp.solve(problem, levels=1).history[-1]
    # xx: 2 y * 4, twice xy: 2 x * 6, yy: 0
    y, x = np.linspace(0, 3, 100001), np.linspace(0, 2, 100001)
    total = np.mean((8 * y) ** 2) + 2 * np.mean((12 * x) ** 2)
    assert row["rms smoothness u"] == pytest.approx(np.sqrt(total / 3), rel=1e-3)


def test_points_with_less_noise_count_more():
    random = np.random.default_rng(0)
    t = np.linspace(0, 1, 60)[:, None]
    noise = np.where(np.arange(60) % 2 == 0, 0.01, 0.5)
    values = 3.0 + noise * random.standard_normal(60)
    sets = [hp.Data(t[k::2], u=values[k::2], noise=noise[k::2]) for k in (0, 1)]
    whole = [hp.Data(t, u=values, noise=noise)]
    mean = np.sum(values / noise**2) / np.sum(noise**-2.0)
    for conditions in (sets, whole):
        problem = hp.Problem(
            hp.Box(t=(0, 1)), "u", lambda u, k: u.t - k, conditions, parameters=[hp.Parameter("k", 0.0, (-1e-9, 1e-9))]
        )
        solution = hp.solve(problem, levels=1)
        assert float(solution.u(0.5)) == pytest.approx(mean, abs=3e-3)


@pytest.mark.slow
def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path):
    problem, path = conductivity(1e-2), tmp_path / "run.h5"
    whole = hp.solve(problem, levels=3)
    first = hp.solve(problem, levels=3, checkpoint=path, callbacks=StopAtLevel(2))
    assert first.status is hp.Status.STOPPED
    resumed = hp.solve(problem, levels=3, resume=path)
    x = np.linspace(0, 1, 40)
    assert resumed.a(x).tobytes() == whole.a(x).tobytes()
    assert resumed.stats["smoothness"] == whole.stats["smoothness"]


def test_a_run_that_chose_its_order_is_resumed(tmp_path):
    problem, path = conductivity(1e-2), tmp_path / "run.h5"
    whole = hp.solve(problem, tol=1e-4)
    hp.solve(problem, tol=1e-4, checkpoint=path, callbacks=StopAtLevel(1))
    resumed = hp.solve(problem, tol=1e-4, resume=path)
    x = np.linspace(0, 1, 40)
    assert resumed.a(x).tobytes() == whole.a(x).tobytes()
    assert resumed.message == whole.message


class StopAtLevel(hp.Callback):
    def __init__(self, level):
        self.level = level

    def on_step(self, state):
        return "that is enough" if state.level == self.level else None


def data(**changes):
    return hp.Data([[0.5]], u=1.0, **changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: [hp.Smoothness("u")], "chosen by the data, but the problem has no Data"),
        (lambda: [data(), hp.Smoothness("u"), hp.Smoothness(u=1.0)], "only one Smoothness per field; got u, u"),
        (lambda: [data(), hp.Smoothness("w")], "w"),
        (lambda: [hp.Smoothness(u=-1.0)], "positive finite number or 'auto', got -1.0"),
        (lambda: [hp.Smoothness("u", order=5)], "order of Smoothness must be an integer between 1 and 4"),
        (lambda: [hp.Smoothness()], "needs a field"),
        (lambda: [hp.Smoothness("u", u=1.0)], "each once"),
        (lambda: [data(noise=0.0)], "positive standard deviations, one or 1, or 'auto', got 0.0"),
        (lambda: [data(noise=[0.1, 0.2])], "positive standard deviations"),
        (lambda: [data(noise="large")], "got 'large'"),
        (lambda: [data(noise={"v": 0.1})], "noise of Data names 'v'"),
    ],
)
def test_what_cannot_work_says_why(make, message):
    with pytest.raises(InvalidProblemError, match=message):
        hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.x - 1, make())


def test_a_field_with_a_penalty_is_determined_by_data_and_needs_no_initial_value():
    """The coefficient does not change in time; what it was at the start is not asked for."""
    conditions = [hp.Initial(u=0.0), hp.Data([[0.5, 0.5]], u=1.0), hp.Smoothness("b")]
    problem = hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), ["u", "b"], lambda u, b: (u.t - hp.exp(b) * u.xx, b.t), conditions)
    assert not problem.missing


def test_the_estimate_holds_the_error_that_noise_leaves():
    """Over draws of which some hardly show the coefficient, the error is about as large as it is said to be."""
    ratios = []
    for seed in (1, 2, 3):
        problem = conductivity(1e-2, seed=seed)
        solution = hp.solve(problem, tol=1e-4)
        estimate = solution.estimated_error
        assert solution.status is hp.Status.COMPLETED
        assert "the noise of the data leaves" in solution.message
        ratios.append(error(solution) / estimate)
    assert 0.2 < np.sqrt(np.mean(np.square(ratios))) < 1.5


@pytest.mark.parametrize(
    ("name", "draws"),
    [
        ("conductivity with waves", 1),
        pytest.param("conductivity with a kink", 3, marks=pytest.mark.slow),
        pytest.param("coefficient of inverse_poisson, noise 0.01", 5, marks=pytest.mark.slow),
        pytest.param("coefficient of inverse_poisson, unknown noise 0.1", 5, marks=pytest.mark.slow),
    ],
)
def test_estimates_from_noisy_values_are_within_a_factor_of_three(name, draws):
    row = row_of(name, draws)
    assert row.close == 1.0
    assert {d.status for d in row.draws} == {"completed"}


def test_a_smooth_basis_takes_a_higher_order():
    """What costs nothing are cubic polynomials with septics, where nothing is said of the order."""
    problem = conductivity(1e-2)
    assert problem.order == 2
    assert with_order_of(problem, "cubic") is problem
    raised = with_order_of(problem, "septic")
    jets = {data for t in raised.terms if t.region.penalty for kind, data in leaves(t.residual) if kind == "jet"}
    assert jets == {("u", (4,)), ("a", (4,))}
    told = problem.replace(conditions=[*problem.conditions[:2], hp.Smoothness("u", "a", order=2)])
    assert with_order_of(told, "septic") is told


def test_a_weight_keeps_its_order():
    problem = conductivity(1e-2)
    half = problem.replace(conditions=[*problem.conditions[:2], hp.Smoothness("a", u=1e-3)])
    terms = [t for t in with_order_of(half, "septic").terms if t.region.penalty]
    orders = {t.region.penalty: max(sum(d[1]) for k, d in leaves(t.residual) if k == "jet") for t in terms}
    assert orders == {"a": 4, "u": 2}


@pytest.mark.slow
def test_a_higher_order_tells_a_smooth_coefficient_better_from_noise():
    """Over draws, and it is what a run without any choice takes."""
    squares = np.zeros(2)
    for seed in range(4):
        problem = conductivity(1e-2, count=200, seed=seed)
        second = problem.replace(conditions=[*problem.conditions[:2], hp.Smoothness("u", "a", order=2)])
        for i, own in enumerate((problem, second)):
            solution = hp.solve(own, tol=1e-4)
            assert solution.field.layout.basis == ("septic", "cubic")[i]
            squares[i] += error(solution) ** 2
    assert squares[0] < squares[1]


def test_a_tolerance_above_the_noise_is_met():
    solution = hp.solve(conductivity(1e-3), tol=0.1)
    assert solution.status is hp.Status.CONVERGED
    assert error(solution) < 0.1
