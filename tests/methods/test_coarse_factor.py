"""A factor of a coarse level as preconditioner: for the same answers, in few steps on every grid."""

import itertools
import math
import warnings
from dataclasses import replace

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.coarse_factor import CoarseFactor, FineColumns, FineModes
from hermite_pinn.methods.gauss_newton.coarse_scaling import CoarseFactorScaling, CoarseGrid, WithCoarseGrid
from hermite_pinn.methods.gauss_newton.sparse_factor import SparseFactor
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.least_squares.levenberg_marquardt import _Pace
from hermite_pinn.methods.least_squares.linear_solver import (
    CheapestSolver,
    ConjugateGradients,
    Limits,
    preconditioned_steps,
)
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.schema import Entry

LIMITS = Limits(1e-11, 3000, lambda steps, reduction: False)


def waves(k=9.0):
    """An indefinite Helmholtz equation whose speed varies."""
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)),
        ["u"],
        lambda u, x, y, z: u.laplacian + (k * (1 + 0.4 * hp.sin(3 * x + y) * hp.cos(2 * z))) ** 2 * u - x * y,
        [hp.Dirichlet(u=0.0)],
    )


def measured():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 2)),
        ["u", "v"],
        lambda u, v, x, y: (u.xx + u.yy + v.x - x, v.xx + v.yy - x * u.y + y),
        [
            hp.Dirichlet(u=0.0, v=0.0, on=["x-", "x+"]),
            hp.Robin(u=(1.0, 2.0, 0.3), v=(2.0, 1.0, 0.0), on=["y-", "y+"]),
            hp.Data([[0.1, 0.3], [0.12, 0.31], [0.8, 1.7]], u=[0.1, 0.2, 0.1]),
        ],
    )


def around():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.5)),
        ["u"],
        lambda u, x, y: u.t - (1 + 0.5 * hp.sin(2 * hp.pi * x) * y) * u.xx - u.yy + u.x - x * y,
        [hp.Periodic("x"), hp.Neumann(u=0.0, on=["y-", "y+"]), hp.Initial(u=0.0)],
    )


def unknown_number():
    k = hp.Parameter("k", init=0.7)
    points = list(itertools.product((0.2, 0.5, 0.7), repeat=2))
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y, k: u.xx + u.yy + k * hp.sin(hp.pi * x) * hp.sin(hp.pi * y),
        [hp.Dirichlet(u=0.0), hp.Data(points, u=[0.1 * math.sin(3 * a) * math.sin(3 * b) for a, b in points])],
        parameters=[k],
    )


CASES = [(waves, "cubic"), (measured, "cubic"), (measured, "quintic"), (around, "cubic"), (unknown_number, "cubic")]


def prepared(problem, basis="cubic", cells=(2, 4)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hp.HermitePinnWarning)
        grid = Discretization(problem, basis, None, torch.float64, torch.device("cpu"), source_scales(problem))
        system = grid.system([(n,) * problem.domain.dim for n in cells])
        vector = torch.zeros(system.size, dtype=torch.float64)
        rows = system.linearize(system.impose(vector))
    return system, [row.clone() for row in rows]


@pytest.mark.parametrize(("statement", "basis"), CASES)
def test_rows_by_the_functions_of_a_level_are_those_of_their_sums_on_the_finest(statement, basis):
    system, _ = prepared(statement(), basis)
    random = torch.Generator().manual_seed(1)
    direction = torch.zeros(system.size, dtype=torch.float64)
    own = system.pyramid.slices[0]
    direction[own] = torch.randn(own.stop, generator=random, dtype=torch.float64)
    product = torch.zeros(own.stop, dtype=torch.float64)
    for block in system.blocks:
        for columns, products in block.level_products(system.pyramid.resolutions[0]):
            parts = torch.bmm(products, direction[own][columns][:, :, None])[:, :, 0]
            product.index_add_(0, columns.reshape(-1), parts.reshape(-1))
    exact = system.adjoint([row.clone() for row in system.forward(direction.clone())])[own]
    assert float((product - exact).norm()) < 1e-11 * float(exact.norm())


@pytest.mark.parametrize(("statement", "basis"), CASES)
def test_steps_are_those_of_a_factor_of_the_finest_level(statement, basis):
    system, rows = prepared(statement(), basis)
    solver = CoarseFactor(FineColumns(most=2000))
    step, result = solver.solve(system, rows, 0.0, LIMITS)
    other, _ = SparseFactor().solve(system, rows, 0.0, LIMITS)
    assert result.converged
    difference = system.forward(step - other)
    assert math.sqrt(float(system.inner(difference, difference))) < 1e-7 * math.sqrt(float(system.inner(rows, rows)))
    assert torch.allclose(system.finest(step), system.finest(other), rtol=1e-5, atol=1e-6 * float(other.abs().max()))


@pytest.mark.parametrize("fine", [pytest.param(FineColumns(), marks=pytest.mark.slow), FineModes()])
def test_indefinite_waves_take_as_few_steps_on_fine_grids(fine):
    limits = replace(LIMITS, tol=1e-8)
    taken, plain = [], []
    for cells in ((4, 8), (4, 8, 16)):
        system, rows = prepared(waves(), cells=cells)
        grid = CoarseGrid(system, (cells[-2],) * 3, 0.0)
        both, change = WithCoarseGrid(system, grid), CoarseFactorScaling(fine.scaling(system, 0.0), grid, 0.0)
        _, result = preconditioned_steps(both, rows, both.column_scale(), change, 0.0, limits)
        assert result.converged
        taken.append(result.steps)
        plain.append(ConjugateGradients().solve(system, rows, 0.0, limits)[1].steps)
    assert taken[1] < 1.3 * taken[0]
    assert 2 * taken[1] < plain[1]


@pytest.mark.parametrize("fine", [FineColumns(), FineModes()])
def test_the_transpose_is_one(fine):
    system, _ = prepared(waves())
    grid = CoarseGrid(system, (2, 2, 2), 0.0)
    change = CoarseFactorScaling(fine.scaling(system, 0.0), grid, 0.0)
    random = torch.Generator().manual_seed(2)
    x, y = torch.randn(2, system.size + grid.size, generator=random, dtype=torch.float64)
    assert float(change.apply(x) @ y) == pytest.approx(float(x @ change.transposed(y)), rel=1e-10)


def test_a_damped_step_is_the_least_one():
    system, rows = prepared(waves())
    both = WithCoarseGrid(system, CoarseGrid(system, (2, 2, 2), 0.1))
    change = CoarseFactorScaling(FineColumns().scaling(system, 0.1), both.grid, 0.1)
    columns = both.column_scale()
    step, result = preconditioned_steps(both, rows, columns, change, 0.1, LIMITS)
    weight = torch.where(columns > 0, columns, torch.inf).square().reciprocal() * 0.1
    left = [r + d for r, d in zip(rows, both.forward(step), strict=True)]
    start = both.adjoint([r.clone() for r in rows]) * columns
    gradient = (both.adjoint([r.clone() for r in left]) + weight * step) * columns
    assert float(gradient.norm()) < 1e-8 * float(start.norm())
    fallen = float(system.inner(rows, rows) - system.inner(left, left) - (weight * step * step).sum())
    assert result.decrease == pytest.approx(fallen, rel=1e-6)
    assert float((both.whole(step) - CoarseFactor(FineColumns()).solve(system, rows, 0.1, LIMITS)[0]).norm()) < 1e-6


def test_a_factor_serves_again_for_what_has_changed_little(monkeypatch):
    made = []
    before = CoarseGrid.__init__
    monkeypatch.setattr(CoarseGrid, "__init__", lambda self, *args: (made.append(args), before(self, *args))[1])
    solver = CoarseFactor(FineColumns())
    for k in (9.0, 9.05):
        system, rows = prepared(waves(k), cells=(4, 8))
        step, result = solver.solve(system, rows, 0.0, LIMITS)
        assert result.converged
    assert len(made) == 1
    exact = SparseFactor().solve(system, rows, 0.0, LIMITS)[0]
    assert torch.allclose(system.finest(step), system.finest(exact), rtol=1e-5, atol=1e-7 * float(exact.abs().max()))
    assert solver.state()
    solver.solve(system, rows, 0.0, LIMITS)  # a checkpoint keeps no factor
    assert len(made) == 2


def test_too_many_steps_are_another_solvers():
    system, rows = prepared(waves(30.0), cells=(4, 8))
    solver = CoarseFactor(FineColumns(most=5))
    assert solver.solve(system, rows, 0.0, LIMITS)[1].reason == "unsuitable"
    assert solver.seconds(system, None) == math.inf
    step, result = CheapestSolver([CoarseFactor(FineColumns(most=5)), SparseFactor()]).solve(system, rows, 0.0, LIMITS)
    assert result.converged
    exact = SparseFactor().solve(system, rows, 0.0, LIMITS)[0]
    assert torch.allclose(step, exact, rtol=1e-6, atol=1e-9)


def test_what_rounding_ends_early_is_another_solvers():
    flow = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.5)),
        ["u", "v", "p"],
        lambda u, v, p, y: (u.t + p.x - 0.1 * u.laplacian, v.t + p.y - 0.1 * v.laplacian - y, u.x + v.y),
        [hp.Periodic("x", "y"), hp.Initial(u=0.0, v=1.0), hp.Gauge("p")],
    )
    system, rows = prepared(flow, cells=(2, 4))  # whose modes are singular: the pressure is free
    assert CoarseFactor(FineModes()).seconds(system, None) == math.inf
    choice = CoarseFactor(FineColumns())._chosen(system, None)
    for fine in (FineModes(trial=1000), FineColumns(trial=1000, most=1000)):
        solver = CoarseFactor(fine)
        solver._chosen = lambda *_: choice
        _, result = solver.solve(system, rows, 0.0, replace(LIMITS, tol=1e-6))
        assert (result.reason == "unsuitable") == bool(solver.failed)
        assert result.reason == "unsuitable" or (result.converged and result.reduction < 1e-3)


def test_a_checkpoint_keeps_what_is_known_of_steps():
    system, rows = prepared(waves(), cells=(4, 8))
    solver, resumed = (CoarseFactor(FineColumns()) for _ in range(2))
    solver.solve(system, rows, 0.0, LIMITS)
    solver.failed.append((17, 8.0))
    resumed.restore(Entry.of(solver.state(), "the checkpoint"))
    assert resumed.failed == [(17, 8.0)]
    assert resumed.seconds(system, None) == solver.seconds(system, None)


def cut():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.5), 0.2), ["u"], lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)]
    )


def broken():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), breaks={"x": [0.5]}), ["u"], lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)]
    )


def test_where_there_is_no_coarse_level_it_is_not_chosen():
    solver = CoarseFactor(FineColumns())
    assert math.isfinite(solver.seconds(prepared(waves())[0], None))
    assert solver.seconds(prepared(waves(), cells=(3,))[0], None) == math.inf
    assert solver.seconds(prepared(cut(), cells=(4, 8))[0], None) == math.inf
    assert solver.seconds(prepared(broken(), cells=(4, 8))[0], None) == math.inf


def test_a_step_is_timed_without_what_came_before_it():
    now = [0.0]
    monitor = Monitor(max_time=100.0, clock=lambda: now[0])
    pace = _Pace(monitor)
    now[0] = 60.0  # a factor, or an iteration that was given up
    for steps in (1, 2, 3):
        assert not pace.late(steps, 0.5)
        now[0] += 1.0
    assert monitor.ahead == pytest.approx(3.0)
    now[0] = 80.0
    assert not pace.late(1, 0.5)  # another iteration
    now[0] = 82.0
    assert not pace.late(2, 0.5)
    assert monitor.ahead == pytest.approx(6.0)
    now[0] = 98.0
    assert pace.late(10, 0.5)
