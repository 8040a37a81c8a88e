"""The default method: orders, conditioning, conditions of every kind, nonlinear problems, ends of a run."""

import itertools
import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, problems, sin
from hermite_pinn.errors import DivergedError, InvalidProblemError, OutOfMemoryError
from hermite_pinn.methods.least_squares.cgls import cgls
from hermite_pinn.methods.systems.grid_system import GridSystem


def error(solution, field="u"):
    return solution.error()[field]["relative_l2"]


def manufactured(conditions, dim=2):
    """-Delta u + x u = f with u = sin(2 x + y) exp(y / 2) (or its 1-D version), any conditions."""
    if dim == 1:
        exact = lambda x: sin(2 * x) * exp(x)
        f = lambda x: -(4 * cos(2 * x) - 3 * sin(2 * x)) * exp(x) + x * exact(x)
        residual = lambda u, x: -u.xx + x * u - f(x)
        return hp.Problem(hp.Box(x=(0, 2)), "u", residual, conditions(exact), exact={"u": exact})
    exact = lambda x, y: sin(2 * x + y) * exp(y / 2)
    laplacian = lambda x, y: exp(y / 2) * (-4.75 * sin(2 * x + y) + cos(2 * x + y))
    residual = lambda u, x, y: -u.laplacian + x * u - (x * exact(x, y) - laplacian(x, y))
    return hp.Problem(hp.Box(x=(0, 2), y=(-1, 1)), "u", residual, conditions(exact), exact={"u": exact})


U_X = lambda x, y: 2 * cos(2 * x + y) * exp(y / 2)
U_Y = lambda x, y: (cos(2 * x + y) + 0.5 * sin(2 * x + y)) * exp(y / 2)
CONDITIONS = {
    "dirichlet": lambda u: [hp.Dirichlet(u=u)],
    "dirichlet and neumann": lambda u: [
        hp.Dirichlet(u=u, on=["x-", "y-"]),
        hp.Neumann(u=U_X, on="x+"),
        hp.Neumann(u=U_Y, on="y+"),
    ],
    "robin": lambda u: [
        hp.Dirichlet(u=u, on=["x-", "y-", "y+"]),
        hp.Robin(u=(2.0, 1.0, lambda x, y: 2 * u(x, y) + U_X(x, y)), on="x+"),
    ],
    "weak dirichlet": lambda u: [hp.Dirichlet(u=u, where=lambda x, y: x > -1)],
    "operator": lambda u: [
        hp.Dirichlet(u=u, on=["x-", "y-", "y+"]),
        hp.Condition(lambda u, x, y: u.n + 0.3 * u.y - (U_X(x, y) + 0.3 * U_Y(x, y)), on="x+"),
    ],
    "tabulated dirichlet": lambda u: [
        hp.Dirichlet(u=lambda x, y: np.sin(np.asarray(2 * x + y)) * np.exp(np.asarray(y / 2)))
    ],
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_fourth_order_under_every_kind_of_condition(name):
    problem = manufactured(CONDITIONS[name])
    errors = [error(hp.solve(problem, levels=n)) for n in (3, 4, 5)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert errors[-1] < 2e-6
    # an oblique derivative next to faces with exact values: third order only
    assert orders.min() > (2.9 if name == "operator" else 3.6), (errors, orders)


def test_sixth_order_of_the_quintic_basis():
    problem = manufactured(CONDITIONS["dirichlet"])
    errors = [error(hp.solve(problem, levels=n, field=hp.Field(basis="quintic"))) for n in (2, 3, 4)]
    assert np.log2(np.divide(errors[:-1], errors[1:])).min() > 5.3
    assert errors[-1] < 1e-8


def test_third_derivatives_on_the_quintic_basis():
    """u_t + u_xxx = 0, the linear part of KdV, travels: sin(x + t)."""
    exact = lambda x, t: sin(x + t)
    problem = hp.Problem(
        hp.Box(x=(0, 2 * pi), t=(0, 1)),
        "u",
        lambda u: u.t + u.xxx,
        [hp.Periodic("x"), hp.Initial(u=lambda x: sin(x))],
        exact={"u": exact},
        max_order=3,
    )
    assert error(hp.solve(problem, levels=3)) < 1e-5
    with pytest.raises(InvalidProblemError, match="basis='quintic'"):
        hp.solve(problem, levels=3, field=hp.Field(basis="cubic"))


def test_refinement_without_gain_ends_the_run():
    """Below the rounding level of the estimate finer levels bring nothing."""
    solution = hp.solve(manufactured(lambda u: [hp.Dirichlet(u=u)], dim=1), tol=1e-16)
    assert solution.status is hp.Status.STALLED
    assert "rounding" in solution.message
    assert error(solution) < 1e-8


def test_one_axis():
    problem = manufactured(lambda u: [hp.Dirichlet(u=u)], dim=1)
    assert error(hp.solve(problem, tol=1e-9)) < 1e-9


def test_four_axes():
    exact = lambda x, y, z, w: sin(pi * x) * sin(pi * y) * sin(pi * z) * sin(pi * w)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), z=(0, 1), w=(0, 1)),
        "u",
        lambda u, x, y, z, w: u.laplacian + 4 * pi**2 * exact(x, y, z, w),
        [hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )
    assert error(hp.solve(problem, levels=2)) < 5e-4


def test_gradients_and_second_derivatives_converge_with_their_orders():
    problem = manufactured(CONDITIONS["dirichlet"])
    x, y = np.random.default_rng(0).uniform((0, -1), (2, 1), (2000, 2)).T
    errors = []
    for n in (4, 5):
        s = hp.solve(problem, levels=n)
        errors.append(
            [
                np.abs(s.u.x(x, y) - U_X(x, y)).max(),
                np.abs(s.u.xx(x, y) + 4 * np.sin(2 * x + y) * np.exp(y / 2)).max(),
            ]
        )
    first, second = np.log2(np.divide(*errors))
    assert first > 2.6
    assert second > 1.6


def test_steps_of_the_linear_solver_do_not_grow_on_a_broad_band_source():
    """The levels are the preconditioner: order 4 and at most 60 steps on every level."""
    problem = problems.poisson2d()
    solution = hp.solve(problem, levels=7)
    assert solution.history["inner"].max() <= 60
    errors = [error(hp.solve(problem, levels=n)) for n in (5, 6, 7)]
    assert np.log2(np.divide(errors[:-1], errors[1:])).min() > 3.6


def test_the_estimate_is_close_to_the_error_and_the_tolerance_is_met():
    for problem, tol in ((problems.helmholtz2d(a=(3, 5)), 1e-5), (problems.convection(c=4), 1e-4)):
        solution = hp.solve(problem, tol=tol)
        assert solution.status is hp.Status.CONVERGED
        assert error(solution) < tol
        assert 0.3 < solution.estimated_error / error(solution) < 6


def test_refinement_follows_the_direction_that_needs_it():
    solution = hp.solve(problems.helmholtz2d(a=(1, 16)), tol=1e-4)
    cells = solution.field.layout.resolutions[-1]
    assert cells[1] >= 4 * cells[0]
    assert error(solution) < 1e-4


@pytest.mark.parametrize("amplitude", [1.0, 30.0])
def test_nonlinear_problems_converge_with_fourth_order(amplitude):
    exact = lambda x, y: amplitude * sin(3 * pi * x) * sin(2 * pi * y)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian - u**3 + 13 * pi**2 * exact(x, y) + exact(x, y) ** 3,
        [hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )
    errors = [error(hp.solve(problem, levels=n)) for n in (4, 5)]
    assert errors[1] < 1e-4
    assert math.log2(errors[0] / errors[1]) > 3.6


def test_systems_of_fields():
    """w = Delta u, Delta w = f: the plate equation with two fields, exact solution on both."""
    exact = lambda x, y: sin(pi * x) * sin(2 * pi * y)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "w"],
        lambda u, w, x, y: {"definition": u.laplacian - w, "load": w.laplacian - 25 * pi**4 * exact(x, y)},
        [hp.Dirichlet(u=0.0, w=0.0)],
        exact={"u": exact, "w": lambda x, y: -5 * pi**2 * exact(x, y)},
    )
    solution = hp.solve(problem, levels=5)
    assert error(solution, "u") < 1e-4
    assert error(solution, "w") < 1e-4


@pytest.mark.parametrize("inner", ["cg", "banded"])
def test_waves_and_heat(inner):
    wave = lambda x, t: sin(pi * x) * cos(2 * pi * t)
    box = hp.Box(x=(0, 1), t=(0, 1))
    start = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x), u_t=0.0)]
    problem = hp.Problem(box, "u", lambda u: u.tt - 4 * u.xx, start, exact={"u": wave})
    assert error(hp.solve(problem, levels=5, method=hp.GaussNewton(inner=inner))) < 1e-4
    heat = lambda x, t: sin(pi * x) * exp(-(pi**2) * 0.1 * t)
    start = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x))]
    problem = hp.Problem(box, "u", lambda u: u.t - 0.1 * u.xx, start, exact={"u": heat})
    assert error(hp.solve(problem, levels=5, method=hp.GaussNewton(inner=inner))) < 1e-6


def test_the_banded_factor_and_conjugate_gradients_agree():
    problem = problems.convection(c=5)
    a, b = (hp.solve(problem, levels=4, method=hp.GaussNewton(inner=k)) for k in ("cg", "banded"))
    grid = np.linspace(0.1, 0.9, 7)
    assert np.allclose(a.u(grid, grid), b.u(grid, grid), rtol=0, atol=1e-6)
    assert b.stats["inner_steps"] < 30 < a.stats["inner_steps"]


def test_periodic_solutions_agree_at_both_ends():
    solution = hp.solve(problems.convection(c=2), levels=4)
    t = np.linspace(0, 1, 5)
    for derivative in (solution.u, solution.u.x, solution.u.xx, solution.u.t):
        assert np.array_equal(derivative(0.0, t), derivative(2 * math.pi, t))


def test_scattered_data_replace_a_boundary():
    exact = lambda x, y: sin(2 * x + y) * exp(y / 2)
    points = np.stack([np.full(40, 2.0), np.linspace(-1, 1, 40)], 1)
    values = np.sin(2 * points[:, 0] + points[:, 1]) * np.exp(points[:, 1] / 2)
    problem = manufactured(lambda u: [hp.Dirichlet(u=u, on=["x-", "y-", "y+"]), hp.Data(points, u=values)])
    assert error(hp.solve(problem, levels=4)) < 1e-4
    del exact


def test_unknown_parameters():
    """u'' = -k^2 u with u given at points: k is found, within its bounds."""
    x = np.linspace(0, 1, 30)[:, None]
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, k: u.xx + k**2 * u,
        [hp.Data(x, u=np.sin(2.5 * x[:, 0]))],
        parameters=[hp.Parameter("k", init=2.0, bounds=(1, 4))],
    )
    assert hp.solve(problem, levels=5).parameters["k"] == pytest.approx(2.5, abs=1e-5)
    bounded = problem.replace(parameters=[hp.Parameter("k", init=1.5, bounds=(1, 2))])
    assert hp.solve(bounded, levels=4).parameters["k"] == 2.0


# -- how runs end ---


def test_a_residual_that_becomes_nan_names_the_term_and_keeps_the_last_state():
    residual = lambda u, x: {"fine": u.xx, "broken": 0 * x + hp.sqrt(u - 1.0) * u}
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)])
    with pytest.raises(DivergedError, match=r"'broken' is not finite at .* at step 1") as caught:
        hp.solve(problem, levels=2)
    assert caught.value.solution.status is hp.Status.DIVERGED
    kept = hp.solve(problem, levels=2, throw=False)
    assert kept.status is hp.Status.DIVERGED
    assert np.isfinite(kept.u(0.5))


def test_ctrl_c_returns_the_last_complete_level():
    class PressCtrlC(hp.Callback):
        def on_step(self, state):
            if state.level == 3:
                raise KeyboardInterrupt

    solution = hp.solve(problems.helmholtz2d(a=2), levels=5, callbacks=PressCtrlC())
    assert solution.status is hp.Status.INTERRUPTED
    assert solution.field.layout.levels == 3
    assert error(solution) < 1e-2


def test_callbacks_see_the_run_and_can_stop_it(tmp_path):
    seen = []

    class Watch(hp.Callback):
        def on_start(self, state):
            seen.append("start")

        def on_step(self, state):
            seen.append((state.level, state.unknowns, state.field.layout.levels))
            return "enough" if state.level == 2 else None

        def on_end(self, solution):
            seen.append(solution.status)

    log = hp.CSVLog(tmp_path / "log.csv")
    solution = hp.solve(problems.helmholtz2d(a=2), levels=5, callbacks=[Watch(), log])
    assert seen == ["start", (1, 100, 1), (2, 424, 2), hp.Status.STOPPED]
    assert "enough" in solution.message
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert rows[0].startswith("method,step,time,loss")
    assert len(rows) == 2  # the callback before it stopped the run in the second step


def test_limits_of_time_and_size():
    late = hp.solve(problems.poisson2d(), tol=1e-13, max_time=0.3)
    assert late.status is hp.Status.MAX_TIME
    assert late.stats["seconds"] < 10
    assert np.isfinite(late.u(0.5, 0.5))
    small = hp.solve(problems.helmholtz2d(a=10), method=hp.GaussNewton(max_unknowns=5000))
    assert small.status is hp.Status.MAX_SIZE
    assert "max_unknowns=5,000" in small.message
    assert "5,0" not in small.stats["resolution"]


def test_levels_that_do_not_fit_into_memory_are_refused_before_the_run():
    with pytest.raises(OutOfMemoryError, match=r"coefficients and need about .* are free"):
        hp.solve(problems.helmholtz3d(a=1), levels=12)


def test_a_condition_that_samples_no_points_is_an_error():
    problem = manufactured(lambda u: [hp.Dirichlet(u=u, where=lambda x, y: x > 5)])
    with pytest.raises(InvalidProblemError, match="applies to none of"):
        hp.solve(problem, levels=2)


def test_a_resumed_run_ends_as_if_it_had_not_stopped(tmp_path):
    problem, path = problems.poisson2d(), tmp_path / "state.h5"

    class Stop(hp.Callback):
        def on_step(self, state):
            return "enough" if state.level == 4 else None

    whole = hp.solve(problem, tol=1e-5)
    hp.solve(problem, tol=1e-5, checkpoint=path, callbacks=Stop())
    resumed = hp.solve(problem, tol=1e-5, resume=path)
    assert resumed.status is hp.Status.CONVERGED
    assert torch.equal(resumed.field.table, whole.field.table)
    assert list(resumed.history["level"]) == list(whole.history["level"])


def test_a_checkpoint_of_another_problem_is_refused(tmp_path):
    path = tmp_path / "state.h5"
    hp.solve(problems.helmholtz2d(a=2), levels=2, checkpoint=path)
    with pytest.raises(hp.InvalidArgumentError, match="its problem differs"):
        hp.solve(problems.helmholtz2d(a=3), levels=2, resume=path)


def test_runs_are_reproducible():
    a, b = (hp.solve(problems.poisson2d(), levels=5) for _ in range(2))
    assert torch.equal(a.field.table, b.field.table)


# -- the linear algebra ---


def dense(system):
    """Jacobian of a linearised system as a matrix."""
    columns = []
    for j in range(system.size):
        unit = torch.zeros(system.size, dtype=torch.float64)
        unit[j] = 1.0
        columns.append(torch.cat([r.reshape(-1) for r in system.forward(unit)]))
    return torch.stack(columns, 1)


SYSTEMS = {
    "variable coefficients": lambda: manufactured(CONDITIONS["robin"]),
    "nonlinear with a parameter": lambda: hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        ["u", "v"],
        lambda u, v, x, c: {"a": u.t + u * v.x - c * u.xx, "b": v - x * u.x},
        [hp.Periodic("x"), hp.Initial(u=lambda x: sin(2 * pi * x)), hp.Data([[0.2, 0.3], [0.7, 0.9]], v=[1.0, 2.0])],
        parameters=[hp.Parameter("c", init=0.3)],
    ),
    "a derivative with a factor here and without one there": lambda: hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "v"],
        lambda u, v: {"a": u * u.x + v * u.y - u.laplacian, "div": u.x + v.y},
        [hp.Dirichlet(u=1.0, v=0.0)],
    ),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_jacobian_adjoint_and_diagonal_of_a_system(name):
    """The products agree with differences of the residual, with each other, and with the column norms."""
    problem = SYSTEMS[name]()
    system = GridSystem(problem, "cubic", [(2, 2), (4, 2)])
    vector = 0.3 * torch.randn(system.size, dtype=torch.float64)
    if system.parameter_names:
        vector[-1] = 0.7
    residual = lambda v: torch.cat([r.reshape(-1) for r in system.linearize(v)])
    direction = torch.randn(system.size, dtype=torch.float64)
    h = 1e-5
    expected = (residual(vector + h * direction) - residual(vector - h * direction)) / (2 * h)
    base = residual(vector)
    found = torch.cat([r.reshape(-1).clone() for r in system.forward(direction.clone())])
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-7 * float(base.norm()))
    matrix = dense(system)
    shapes = [r.shape for r in system.forward(direction.clone())]
    rows = [torch.randn(s, dtype=torch.float64) for s in shapes]
    flat = torch.cat([r.reshape(-1) for r in rows])
    assert torch.allclose(system.adjoint(rows), matrix.T @ flat, rtol=1e-10, atol=1e-10)
    scale = system.column_scale()
    free = scale > 0
    assert torch.allclose(1 / scale[free] ** 2, matrix.square().sum(0)[free], rtol=1e-9)


def test_fixed_coefficients_have_no_scale():
    system = GridSystem(problems.helmholtz2d(a=1), "cubic", [(2, 2)])
    system.linearize(torch.zeros(system.size, dtype=torch.float64))
    scale = system.column_scale().view(6, 6)
    fixed = torch.zeros(6, 6, dtype=torch.bool)
    fixed[[0, 4], :] = True
    fixed[:, [0, 4]] = True
    assert torch.equal(scale == 0, fixed)


def test_cgls_solves_and_survives_rounding():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(60, 20, generator=generator, dtype=torch.float64)
    a[:, :10] *= 1e-4
    b = torch.randn(60, generator=generator, dtype=torch.float64)
    exact = torch.linalg.lstsq(a, b[:, None]).solution[:, 0]
    result = cgls(lambda y: [a @ y], lambda r: a.T @ r[0], [b], tol=1e-30, max_steps=5000)
    assert result.reason in ("rounding", "tolerance")
    assert result.steps < 5000
    assert torch.allclose(result.y, exact, rtol=1e-5)
    damped = cgls(lambda y: [a @ y], lambda r: a.T @ r[0], [b], tol=1e-12, max_steps=500, damping=0.5)
    normal = a.T @ a + 0.5 * torch.eye(20, dtype=torch.float64)
    assert torch.allclose(damped.y, torch.linalg.solve(normal, a.T @ b), rtol=1e-8, atol=1e-12)


def test_cgls_with_nothing_to_do():
    result = cgls(lambda y: [y], lambda r: r[0], [torch.zeros(3, dtype=torch.float64)], tol=1e-8, max_steps=5)
    assert result.reason == "zero"
    assert result.steps == 0


@pytest.mark.parametrize(("periodic", "soft"), list(itertools.product([False, True], [False, True])))
def test_gauss_points_determine_the_coefficients(periodic, soft):
    """Collocation is square for elliptic problems with exact conditions; everything else is over-determined."""
    conditions = [hp.Periodic("x")] if periodic else []
    where = (lambda x, y: x >= 0) if soft else None
    conditions.append(hp.Dirichlet(u=0.0, where=where))
    problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian - 1, conditions)
    system = GridSystem(problem, "cubic", [(4, 4)])
    free = int((~system.constraints.mask(system.pyramid.shapes[-1])).sum())
    assert system.gauss == ((3, 3) if soft else (2, 2))
    assert (system.rows > free) if soft else (system.rows == free)


# -- problems without a unique solution ---

AMBIGUOUS = {
    "a side without a condition": lambda: hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian - 1, [hp.Dirichlet(u=0.0, on=["x-", "y-", "y+"])]
    ),
    "only slopes": lambda: hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 6 * x + 3, [hp.Neumann(u=0.0)]),
    "no initial value": lambda: hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.t - u.xx, [hp.Dirichlet(u=0.0)]
    ),
    "a pressure without a gauge": lambda: hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "v", "p"],
        lambda u, v, p: {"x": p.x - u.laplacian, "y": p.y - v.laplacian - 1, "div": u.x + v.y},
        [hp.Dirichlet(u=0.0, v=0.0)],
    ),
}


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_problem_with_many_solutions_says_so(name):
    solution = hp.solve(AMBIGUOUS[name](), levels=2)
    assert solution.status is hp.Status.UNDETERMINED
    assert not solution.status.success
    assert "; but " in solution.message


def test_a_gauge_settles_a_pressure():
    problem = AMBIGUOUS["a pressure without a gauge"]()
    solution = hp.solve(problem.replace(conditions=[*problem.conditions, hp.Gauge("p")]), levels=2)
    assert solution.status is hp.Status.COMPLETED


# -- hard cases ---


def test_an_indefinite_helmholtz_problem_is_solved_once_its_waves_are_resolved():
    solution = hp.solve(problems.helmholtz2d(a=(2.3, 1.1), k=25.0), tol=1e-3)
    assert solution.status is hp.Status.CONVERGED
    assert error(solution) < 2e-3


def test_a_jump_is_smeared_but_nothing_blows_up():
    step = lambda x: hp.where(x - hp.floor(x) < 0.5, 1.0, 0.0)
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t + u.x,
        [hp.Periodic("x"), hp.Initial(u=step)],
        exact={"u": lambda x, t: step(x - t)},
    )
    errors = [error(hp.solve(problem, levels=n)) for n in (4, 6)]
    assert errors[1] < errors[0] < 0.4
    u = hp.solve(problem, levels=6).u(np.linspace(0, 1, 301), 1.0)
    assert u.min() > -0.5
    assert u.max() < 1.5


@pytest.mark.parametrize("basis", ["cubic", "quintic", "septic"])
def test_functions_that_alternate_from_cell_to_cell_are_seen_on_periodic_axes(basis):
    wave = lambda x, y: hp.sin(2 * hp.pi * x) * hp.cos(2 * hp.pi * y)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian - u + (1 + 8 * hp.pi**2) * wave(x, y),
        [hp.Periodic("x"), hp.Periodic("y")],
    )
    system = GridSystem(problem, basis, [(4, 4)])
    vector = torch.zeros(system.size, dtype=torch.float64)
    system.linearize(vector)
    columns = system.column_scale()
    unit = torch.eye(system.size, dtype=torch.float64)
    rows = torch.stack([torch.cat([r.flatten() for r in system.forward(u * columns)]) for u in unit])
    assert torch.linalg.svdvals(rows)[-1] > 1e-3
