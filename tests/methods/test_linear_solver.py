"""Linear solvers are handed to Levenberg-Marquardt, agree with each other, and are chosen by their counted cost."""

import dataclasses
import math
from contextlib import nullcontext

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import exp, pi, problems, sin
from hermite_pinn.errors import DivergedError
from hermite_pinn.methods.gauss_newton.banded_cholesky import BandedCholesky
from hermite_pinn.methods.gauss_newton.fast_diagonalization import FastDiagonalization
from hermite_pinn.methods.gauss_newton.grid_solver import grid_solver
from hermite_pinn.methods.gauss_newton.mixed_precision import single_products
from hermite_pinn.methods.gauss_newton.sparse_factor import SparseFactor
from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.methods.least_squares.linear_solver import (
    BlockConjugateGradients,
    CheapestSolver,
    ConjugateGradients,
    DenseQR,
    Limits,
    LinearSolver,
)
from hermite_pinn.methods.least_squares.rows import dot
from hermite_pinn.methods.least_squares.scaling import BlockScaling
from hermite_pinn.methods.systems.field_system import FieldSystem, Points, collocate
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.schema import Entry

LIMITS = Limits(1e-13, 5000, lambda steps, reduction: False)


class Rosenbrock:
    """A system without a PDE: rows 10 (y - x**2) and 1 - x."""

    affine = warm = recordable = False
    device = torch.device("cpu")
    size, location, row_names = 2, "a valley", ["valley", "end"]
    chooses = False

    def linearize(self, vector):
        x, y = vector
        self.jacobian = torch.tensor([[-20 * x, 10.0], [-1.0, 0.0]], dtype=torch.float64)
        return [(10 * (y - x * x)).reshape(1), (1 - x).reshape(1)]

    def forward(self, direction):
        return list((self.jacobian @ direction).split(1))

    def adjoint(self, rows):
        return self.jacobian.T @ torch.cat(rows)

    def column_scale(self):
        return 1 / self.jacobian.norm(dim=0)

    def inner(self, a, b):
        return dot(a, b)

    def within_bounds(self, vector):
        return vector

    def within_reach(self, vector, trial):
        return trial

    def holding(self, numbers):
        return nullcontext()

    def pressed(self, vector, gradient):
        return ()

    def beyond(self, vector, step, held):
        return (), torch.zeros_like(step)

    def change(self, step, vector):
        return float(step.norm() / vector.norm())


class Normal(LinearSolver):
    """A solver of the user's own: the damped normal equations by LU."""

    name = "normal equations"

    def seconds(self, system, steps):
        return 0.0

    def solve(self, system, rows, damping, limits):
        j, r = system.jacobian, torch.cat(rows)
        scale = torch.diag(damping / system.column_scale().square())
        step = torch.linalg.solve(j.T @ j + scale, -j.T @ r)
        left = r + j @ step
        return step, LeastSquaresResult(step, 1, 0.0, True, "direct", float(r @ r - left @ left - step @ scale @ step))


@pytest.mark.parametrize("linear", [Normal(), ConjugateGradients(), CheapestSolver([Normal()])])
def test_any_system_and_any_solver_will_do(linear):
    solver = LevenbergMarquardt(
        linear, inner_tol=1e-12, near_tol=1e-12, inner_steps=50, outer_steps=100, damping=1e-3, change=1e-10,
        monitor=Monitor(),
    )  # fmt: skip
    losses = []
    fit = solver.fit(Rosenbrock(), torch.tensor([-1.2, 1.0], dtype=torch.float64), lambda s: losses.append(s.loss))
    assert fit.settled
    assert fit.vector.tolist() == pytest.approx([1.0, 1.0], abs=1e-8)
    assert losses == sorted(losses, reverse=True)


def decay():
    """Affine but for its parameter."""
    nu = hp.Parameter("nu", init=0.5, bounds=(0.01, 2))
    t = torch.linspace(0.1, 1, 10, dtype=torch.float64).numpy()
    data = hp.Data(t[:, None], u=exp(-1.3 * t))
    return hp.Problem(hp.Box(t=(0, 1)), "u", lambda u, t, nu: u.t + nu * u, [hp.Initial(u=1.0), data], parameters=[nu])


class Tired(Normal):
    """Meets its limit of steps every time."""

    def __init__(self, reason):
        self.reason, self.dampings = reason, []

    def solve(self, system, rows, damping, limits):
        self.dampings.append(damping)
        step, result = super().solve(system, rows, damping, limits)
        return step, dataclasses.replace(result, converged=self.reason != "steps", reason=self.reason)


def test_the_damping_does_not_fall_after_a_linear_problem_that_met_its_limit():
    dampings = {}
    for reason in ("direct", "steps"):
        linear = Tired(reason)
        solver = LevenbergMarquardt(
            linear, inner_tol=1e-12, near_tol=1e-12, inner_steps=50, outer_steps=8, damping=1e-3, change=None,
            monitor=Monitor(),
        )  # fmt: skip
        solver.fit(Rosenbrock(), torch.tensor([0.9, 0.8], dtype=torch.float64))
        dampings[reason] = linear.dampings
    assert min(dampings["direct"]) < 1e-3
    assert dampings["steps"] == sorted(dampings["steps"])


GRIDS = {
    "cubic": lambda: GridSystem(problems.convection(c=2), "cubic", [(4, 4), (8, 8)]),
    "quintic": lambda: GridSystem(problems.helmholtz2d(a=1), "quintic", [(2, 2), (4, 4)]),
    "a parameter": lambda: GridSystem(decay(), "cubic", [(4,), (8,)]),
}


def predicted(system, rows, solver, damping):
    """The step, and how much of the damped linear model it leaves."""
    step, result = solver.solve(system, rows, damping, LIMITS)
    left = [r + d for r, d in zip(rows, system.forward(step.clone()), strict=True)]
    return step, result, left


@pytest.mark.parametrize("name", GRIDS)
def test_all_solvers_of_a_grid_fit_the_rows_equally_well(name):
    system = GRIDS[name]()
    vector = torch.zeros(system.size, dtype=torch.float64)
    system.split(vector)[1].fill_(0.7)
    rows = [r.clone() for r in system.linearize(system.impose(vector))]
    solvers = [ConjugateGradients(), ConjugateGradients(single_products), BandedCholesky()]
    solvers += [BlockConjugateGradients()] if system.preconditioned else []
    images = []
    for solver in solvers:
        _, result, left = predicted(system, rows, solver, 0.0)
        assert result.converged
        assert float(dot(rows, rows) - dot(left, left)) == pytest.approx(result.decrease, rel=1e-6)
        images.append(left)
    for image in images[1:]:
        apart = [a - b for a, b in zip(images[0], image, strict=True)]
        assert float(dot(apart, apart)) <= 1e-12 * float(dot(rows, rows))


def test_the_dense_factor_of_a_last_layer_is_what_blocks_converge_to():
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx + 4 * pi**2 * sin(2 * pi * x), [hp.Dirichlet(u=0.0)])
    spec = hp.Field(head="siren", features=2, table_size=2**6, width=6, depth=1)
    field = spec.build(problem.domain, problem.fields, problem.periodic, 2, 0)
    system = FieldSystem(problem, field, collocate(problem, Points(8)), ["head/layers/1/weight", "head/layers/1/bias"])
    rows = system.linearize(system.vector())
    linear = CheapestSolver([DenseQR(), BlockConjugateGradients(), ConjugateGradients()])
    assert isinstance(linear.chosen(system), DenseQR)
    exact = predicted(system, rows, DenseQR(), 0.0)[2]
    near = predicted(system, rows, BlockConjugateGradients(), 0.0)[2]
    best = float(dot(exact, exact))  # the blocks square the condition number
    assert best * (1 - 1e-12) <= float(dot(near, near)) <= best * (1 + 1e-6)
    both = FieldSystem(problem, field, collocate(problem, Points(8)))
    assert isinstance(linear.chosen(both), BlockConjugateGradients)
    table = FieldSystem(problem, field, collocate(problem, Points(8)), ["encoder/table"])
    assert isinstance(linear.chosen(table), ConjugateGradients)


class Priced(LinearSolver):
    """Costs what it is told to."""

    def __init__(self, cost, steps=1, iterative=False):
        self.cost, self.steps, self.iterative, self.name = cost, steps, iterative, "priced"

    def seconds(self, system, steps):
        return self.cost if steps is None or not self.iterative else self.cost * steps

    def solve(self, system, rows, damping, limits):
        return rows[0], LeastSquaresResult(rows[0], self.steps, 0.0, True, "tolerance", 0.0)


class Sized:
    """A system of some size."""

    def __init__(self, size):
        self.size, self.device = size, torch.device("cpu")


def test_the_cheapest_solver_is_taken_and_of_equal_ones_the_first():
    a, b, c = Priced(2.0), Priced(1.0), Priced(1.0)
    assert CheapestSolver([a, b, c]).chosen(Sized(1)) is b
    assert CheapestSolver([a, Priced(math.inf)]).chosen(Sized(1)) is a
    assert CheapestSolver([Priced(math.inf)]).seconds(Sized(1), None) == math.inf


def test_iterations_are_tried_until_a_factor_is_expected_to_cost_less():
    iterative, factor = Priced(1.0, steps=100, iterative=True), Priced(150.0)
    rule = CheapestSolver([iterative, factor])
    assert rule.expected(100) is None
    assert rule.chosen(Sized(100)) is iterative
    rule.solve(Sized(100), [torch.zeros(1)], 0.0, LIMITS)
    assert rule.expected(100) == 100
    assert rule.expected(400) == pytest.approx(200)
    assert rule.chosen(Sized(200)) is iterative
    assert rule.chosen(Sized(400)) is factor
    rule.solve(Sized(400), [torch.zeros(1)], 0.0, LIMITS)
    assert rule.expected(400) == pytest.approx(200)  # a factor's steps say nothing of iterations
    again = CheapestSolver([iterative, factor])
    again.restore(Entry(rule.state(), "a checkpoint"))
    assert again.expected(400) == rule.expected(400)
    assert again.expected(50) is None


class Halving(LinearSolver):
    """Halves the gradient with every step, and asks whether to stop."""

    name, iterative = "halving", True

    def seconds(self, system, steps):
        return 0.0 if steps is None else 1.0 * steps

    def solve(self, system, rows, damping, limits):
        steps = 1
        while 0.5**steps > limits.tol and not limits.stop(steps, 0.5**steps):
            steps += 1
        solved = 0.5**steps <= limits.tol
        return rows[0], LeastSquaresResult(
            rows[0], steps, 0.5**steps, solved, "tolerance" if solved else "callback", 0.0
        )


@pytest.mark.parametrize(("cost", "steps"), [(30.0, 50 + 2), (80.0, 100 + 2), (120.0, 200), (math.inf, 200)])
def test_an_iteration_that_takes_longer_than_a_factor_is_given_up_for_it(cost, steps):
    rule = CheapestSolver([Halving(), Priced(cost, steps=2)])
    limits = Limits(0.5**200, 5000, lambda steps, reduction: False)
    _, result = rule.solve(Sized(100), [torch.zeros(1)], 0.0, limits)
    assert result.steps == steps
    assert rule.expected(100) == pytest.approx(200)
    assert (rule.chosen(Sized(100)).name == "priced") == (cost < 200)


def test_a_run_that_is_stopped_does_not_begin_a_factor():
    rule = CheapestSolver([Halving(), Priced(1.0)])
    limits = Limits(0.5**200, 5000, lambda steps, reduction: steps >= 10)
    _, result = rule.solve(Sized(100), [torch.zeros(1)], 0.0, limits)
    assert (result.steps, result.reason) == (10, "callback")


def test_steps_are_expected_to_grow_as_they_grew():
    rule = CheapestSolver([Priced(1.0)])
    rule.steps_by_size = {100: 40, 400: 44, 1600: 44}
    assert rule.expected(500) == pytest.approx(44 * (5 / 4) ** math.log(1.1, 4))
    assert rule.expected(6400) == 44
    rule.steps_by_size = {100: 40, 200: 400}
    assert rule.expected(800) == 800  # with the root of the unknowns at most


def test_a_grid_gets_the_factor_that_was_asked_for():
    system = GRIDS["cubic"]()
    assert isinstance(grid_solver("banded").chosen(system), BandedCholesky)
    assert isinstance(grid_solver("auto").chosen(system), ConjugateGradients)  # nothing is known of iterations
    slow = grid_solver("auto")
    slow.restore(Entry({"steps_per_size": [[system.size, 10**7]], "without_modes": False}, "a checkpoint"))
    assert isinstance(slow.chosen(system), BandedCholesky)
    assert isinstance(grid_solver("cg").chosen(GRIDS["quintic"]()), BlockConjugateGradients)
    three = GridSystem(problems.helmholtz3d(a=1), "cubic", [(2, 2, 2)])
    slow.restore(Entry({"steps_per_size": [[three.size, 10**7]], "without_modes": False}, "a checkpoint"))
    assert isinstance(slow.chosen(three), FastDiagonalization)
    others = {"without_modes": False, "without_diagonalization": [three.size]}
    slow.restore(Entry({"steps_per_size": [[three.size, 10**7]], **others}, "a checkpoint"))
    assert isinstance(slow.chosen(three), SparseFactor)


def test_a_block_that_is_not_finite_has_no_scaling():
    normal = torch.eye(3, dtype=torch.float64)
    normal[1, 1] = torch.nan
    with pytest.raises(DivergedError, match="look for roots"):
        BlockScaling.from_normal(torch.ones(4, dtype=torch.float64), slice(1, 4), normal, 0.0)
