"""The default method: orders, conditioning, conditions of every kind, nonlinear problems, ends of a run."""

import math

import numpy as np
import pytest
import torch
from manufactured import CONDITIONS, U_X, error, manufactured

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, problems, sin
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.methods.systems.grid_system import GridSystem


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
