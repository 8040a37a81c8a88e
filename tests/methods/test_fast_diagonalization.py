"""Fast diagonalisation solves what conjugate gradients solve, in a few steps, and gives up where it does not fit."""

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.methods.gauss_newton.fast_diagonalization import FastDiagonalization
from hermite_pinn.methods.gauss_newton.grid_solver import grid_solver
from hermite_pinn.methods.gauss_newton.sparse_factor import SparseFactor
from hermite_pinn.methods.least_squares.linear_solver import CheapestSolver, Limits
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.schema import Entry

LIMITS = Limits(1e-10, 5000, lambda steps, reduction: False)


def faces():
    """One condition of every kind, on a box whose edges differ, with a source that is no product."""
    return hp.Problem(
        hp.Box(x=(0, 2), y=(1, 1.5)),
        "u",
        lambda u, x, y: u.xx + 0.5 * u.yy + 3 * u - hp.sin(3 * x * y),
        [
            hp.Dirichlet(u=lambda y: y, on="x-"),
            hp.Robin(u=(2.0, 0.5, 1.0), on="x+"),
            hp.Neumann(u=0.3, on="y-"),
            hp.Condition(lambda u, x: u.n + 0.3 * u.x - x, on="y+"),
        ],
    )


def wrapped():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 2)),
        "u",
        lambda u, x, y: u.xx + u.yy - u - hp.sin(2 * hp.pi * x) * y,
        [hp.Periodic("x"), hp.Dirichlet(u=0.0, on=["y-", "y+"])],
    )


def cooling():
    """Heat with a rate that depends on time, and different rates along the axes."""
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 3), t=(0, 2)),
        "u",
        lambda u, x, y, t: u.t - (1 + t) * (0.02 * u.xx + u.yy),
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: hp.sin(hp.pi * x) * y * (3 - y))],
    )


def vibration():
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u, x, t: u.tt - u.xx - x * (1 - x),
        [hp.Dirichlet(u=0.0), hp.Initial(u=0.0), hp.Initial(u_t=lambda x: hp.sin(hp.pi * x))],
    )


def reactions():
    """Two fields that feed each other, with conditions of their own."""
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.5)),
        ["u", "v"],
        lambda u, v, x, y: (u.t - u.laplacian - v, v.t - 0.3 * v.laplacian + 2 * u - x * y),
        [hp.Dirichlet(u=0.0), hp.Neumann(v=0.0), hp.Initial(u=lambda x, y: hp.sin(hp.pi * x) * y * (1 - y), v=1.0)],
    )


STATEMENTS = {
    "reactions": reactions,
    "helmholtz": lambda: problems.helmholtz2d(a=3),
    "faces": faces,
    "wrapped": wrapped,
    "cooling": cooling,
    "vibration": vibration,
    "klein_gordon": problems.klein_gordon,
}


def prepared(problem, basis, cells):
    levels = [cells]
    while all(n % 2 == 0 and n > 2 for n in levels[0]):
        levels.insert(0, tuple(n // 2 for n in levels[0]))
    system = GridSystem(problem, basis, levels)
    vector = system.impose(torch.zeros(system.size, dtype=torch.float64))
    return system, [row.clone() for row in system.linearize(vector)]


def solved(problem, basis, cells, limits=LIMITS):
    solver = FastDiagonalization()
    system, rows = prepared(problem, basis, cells)
    step, result = solver.solve(system, rows, 0.0, limits)
    assert result.converged
    assert not solver.failed
    return system, rows, step, result


def reference(system, rows):
    """The step by a sparse factor, corrected until rounding stops it."""
    return SparseFactor().solve(system, rows, 0.0, Limits(1e-10, 100, lambda steps, reduction: False))[0]


@pytest.mark.parametrize("basis", ["cubic", "quintic"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_it_agrees_with_a_factor(name, basis):
    problem = STATEMENTS[name]()
    cells = (8,) * problem.domain.dim if problem.domain.dim < 3 else (4, 4, 4)
    system, rows, step, _ = solved(problem, basis, cells)
    exact = system.finest(reference(system, rows))
    assert (system.finest(step) - exact).norm() < 1e-6 * exact.norm()


def test_fields_that_are_free_by_a_constant_do_no_harm():
    """The pressure of a flow between walls."""
    system, rows, step, result = solved(problems.stokes(), "quintic", (8, 8))
    left = [a + b for a, b in zip(rows, system.forward(step.clone()), strict=True)]
    assert result.steps < 80
    assert step.abs().max() < 1e3
    assert system.inner(left, left) < 1e-3 * system.inner(rows, rows)


@pytest.mark.parametrize("basis", ["cubic", "quintic", "septic"])
def test_three_steps_are_enough_for_an_elliptic_equation_on_every_level(basis):
    limits = Limits(1e-8, 100, lambda steps, reduction: False)
    steps = [solved(problems.helmholtz2d(a=3), basis, (n, n), limits)[3].steps for n in (8, 16, 32)]
    assert max(steps) <= 3


@pytest.mark.parametrize("basis", ["cubic", "quintic", "septic"])
@pytest.mark.parametrize("name", ["cooling", "vibration"])
def test_a_few_steps_are_enough_for_an_evolution_and_no_more_on_finer_levels(name, basis):
    dim = STATEMENTS[name]().domain.dim
    cells = [(16,) * dim, (32,) * dim] if dim == 2 else [(4, 4, 4), (8, 8, 8)]
    steps = [solved(STATEMENTS[name](), basis, n)[3].steps for n in cells]
    assert max(steps) <= 40
    assert steps[1] <= 1.5 * steps[0]


@pytest.mark.parametrize("basis", ["cubic", "septic"])
def test_variable_coefficients_take_some_steps_more_on_no_grid_more_than_forty(basis):
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: (1 + 0.8 * hp.sin(3 * x * y)) * u.laplacian + hp.cos(5 * x) * u.x - u - x * y,
        [hp.Dirichlet(u=0.0)],
    )
    steps = [solved(problem, basis, (n, n))[3].steps for n in (8, 16, 32)]
    assert max(steps) < 40
    assert steps[2] <= steps[1] + 4


def test_lengths_and_units_of_the_axes_do_not_matter():
    def problem(a, b):
        return hp.Problem(
            hp.Box(x=(0, a), y=(0, b)),
            "u",
            lambda u, x, y: a**2 * u.xx + b**2 * u.yy - hp.sin(3 * x / a) * (y / b) ** 2,
            [hp.Dirichlet(u=0.0)],
        )

    steps = {(a, b): solved(problem(a, b), "quintic", (8, 8))[3].steps for a, b in ((1, 1), (1e6, 1), (1e-6, 1e6))}
    assert max(steps.values()) <= 4


def test_the_axes_may_be_exchanged():
    def problem(first, second):
        return hp.Problem(
            hp.Box(**{name: {"x": (0, 1), "y": (0, 2)}[name] for name in (first, second)}),
            "u",
            lambda u, x, y: u.xx + 2 * u.yy - hp.exp(x * y),
            [hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"]), hp.Robin(u=(1.0, 2.0, 3.0), on="y+")],
        )

    system, _, step, _ = solved(problem("x", "y"), "cubic", (8, 4))
    turned, _, other, _ = solved(problem("y", "x"), "cubic", (4, 8))
    one, two = system.finest(step), turned.finest(other).transpose(1, 2)
    assert (one - two).norm() < 1e-8 * one.norm()


@pytest.mark.parametrize(
    "problem",
    [
        hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1), breaks={"x": [0.5]}), "u", lambda u: u.laplacian - 1, [hp.Dirichlet(u=0.0)]
        ),
        problems.inverse_poisson(noise=0.0),
        hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx - 1, [hp.Dirichlet(u=0.0)]),
        hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1)),
            "u",
            lambda u: u.laplacian - 1,
            [hp.Dirichlet(u=0.0), hp.Data([[0.5, 0.5]], u=[0.1])],
        ),
    ],
    ids=["breaks", "parameters", "one axis", "data"],
)
def test_it_is_refused_where_the_operator_does_not_fit(problem):
    system = GridSystem(problem, "cubic", [(4,) * problem.domain.dim])
    assert FastDiagonalization().seconds(system, None) == math.inf


def test_it_is_refused_on_cut_domains():
    domain = hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.5), 0.2)
    solution = hp.solve(
        hp.Problem(domain, "u", lambda u: u.laplacian - 1, [hp.Dirichlet(u=0.0)]), levels=2, progress=False
    )
    assert solution.status.name in ("COMPLETED", "UNSOLVED")


def test_where_it_takes_too_many_steps_the_others_are_used():
    problem = problems.convection(c=30)
    system, rows = prepared(problem, "cubic", (16, 16))
    solver = FastDiagonalization()
    _, result = solver.solve(system, rows, 0.0, LIMITS)
    assert result.reason == "unsuitable"
    assert not result.converged
    assert solver.seconds(system, None) == math.inf
    finer, _ = prepared(problem, "cubic", (32, 32))
    assert solver.seconds(finer, None) < math.inf  # it may fit there
    again = FastDiagonalization()
    again.restore(Entry(solver.state(), "a checkpoint"))
    assert again.failed == solver.failed


def test_the_rule_goes_on_with_another_solver():
    system, rows = prepared(problems.convection(c=30), "cubic", (16, 16))
    rule = CheapestSolver([FastDiagonalization(), SparseFactor()])
    rule.solvers[1].seconds = lambda system, steps: 1e6
    step, result = rule.solve(system, rows, 0.0, Limits(1e-10, 100, lambda steps, reduction: False))
    exact = system.finest(reference(system, rows))
    assert result.converged
    assert result.steps > 15
    assert (system.finest(step) - exact).norm() < 1e-6 * exact.norm()


def test_a_time_limit_ends_it_without_giving_it_up():
    system, rows = prepared(problems.klein_gordon(), "cubic", (4, 4, 4))
    solver = FastDiagonalization()
    _, result = solver.solve(system, rows, 0.0, Limits(1e-12, 100, lambda steps, reduction: steps >= 2))
    assert (result.steps, result.reason) == (2, "callback")
    assert not solver.failed


def test_it_is_chosen_where_its_count_of_operations_is_least():
    system, rows = prepared(problems.helmholtz2d(a=3), "septic", (16, 16))
    rule = grid_solver("auto")
    rule.steps_by_size[system.size] = 300
    assert isinstance(rule.chosen(system), FastDiagonalization)
    assert rule.solve(system, rows, 0.0, LIMITS)[1].steps <= 4


def test_modes_that_are_known_are_not_made_again():
    system, rows = prepared(cooling(), "cubic", (4, 4, 4))
    solver = FastDiagonalization()
    solver.solve(system, rows, 0.0, LIMITS)
    known = list(solver._known)
    solver.solve(system, rows, 0.0, LIMITS)
    assert all(a is b for a, b in zip(known, solver._known, strict=True))
