"""Marches that begin with a layer in time, on domains that shapes cut out and on boxes."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.graded_start import CELLS, GradedStart
from hermite_pinn.methods.gauss_newton.grid_solver import grid_solver
from hermite_pinn.methods.gauss_newton.initial_mismatch import incompatible
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.gauss_newton.time_slabs import time_orders
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.run.monitor import Monitor

LEVELS = [(4, 4, 4), (8, 8, 8), (16, 16, 16)]


def warmed(initial=0.0, **domain):
    """A plate that a hole warms at a constant rate: its heat grows like time."""
    box = hp.Box(**(domain or {"x": (-1, 1), "y": (-1, 1), "t": (0, 1)}))
    return hp.Problem(
        box - hp.Disk((0.0, 0.0), 0.4, name="hole"),
        "u",
        lambda u: u.t - u.laplacian,
        [
            hp.Neumann(u=1.0, on="hole"),
            hp.Neumann(u=0.0, on=["x-", "x+", "y-", "y+"]),
            hp.Initial(u=initial),
        ],
    )


def heat(solution, t):
    """Integral over the plate, by midpoints."""
    middles = (np.arange(300) + 0.5) / 150 - 1
    x, y = (v.ravel() for v in np.meshgrid(middles, middles))
    chosen = np.hypot(x, y) > 0.4
    x, y = x[chosen], y[chosen]
    return float(solution.u(x, y, np.full_like(x, t)).mean()) * (4 - math.pi * 0.4**2)


@pytest.mark.slow
def test_heat_that_comes_in_stays_in():
    solution = hp.solve(warmed(), levels=LEVELS)
    rate = 2 * math.pi * 0.4
    for t in (0.3, 0.6, 1.0):
        assert heat(solution, t) == pytest.approx(rate * t, rel=2e-3)


@pytest.mark.slow
def test_a_symmetric_problem_stays_symmetric():
    solution = hp.solve(warmed(), levels=LEVELS[:2])
    x, y, t = np.array([0.5, 0.9, 0.2]), np.array([0.3, 0.7, 0.95]), np.array([0.05, 0.4, 1.0])
    u = solution.u(x, y, t)
    for other in (solution.u(-x, y, t), solution.u(x, -y, t), solution.u(y, x, t)):
        assert np.allclose(u, other, rtol=3e-3)  # points on the circle are not quite symmetric


@pytest.mark.parametrize(
    ("initial", "wanted"), [(0.0, True), (lambda x, y: hp.log(hp.sqrt(x**2 + y**2)) * -0.4, False)]
)
def test_a_contradiction_at_the_start_is_noticed(initial, wanted):
    """The second state has the slope that the hole asks for."""
    sides = hp.Dirichlet(u=initial, on=["x-", "x+", "y-", "y+"])
    problem = warmed().replace(conditions=[hp.Neumann(u=1.0, on="hole"), sides, hp.Initial(u=initial)])
    grid = Discretization(problem, "cubic", None, torch.float64, torch.device("cpu"), source_scales(problem))
    assert incompatible(grid.system([(16, 16, 2)])) is wanted


def test_fields_that_pass_through_zero_are_no_instability(caplog):
    exact = lambda x, t: hp.sin(x + 0.3) * hp.sin(t)
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 12.5)),
        "u",
        lambda u, x, t: u.t - u.xx - hp.sin(x + 0.3) * (hp.cos(t) + hp.sin(t)),
        [hp.Dirichlet(u=exact), hp.Initial(u=0.0)],
    )
    with caplog.at_level("INFO"):
        hp.solve(problem, levels=[(8, 64)], method=hp.GaussNewton(slabs=32))
    assert "grow" not in caplog.text


def test_parts_end_where_the_grid_does_and_agree_with_it():
    """A state that is linear in time is taken over exactly, however the parts are divided."""
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)) - hp.Disk((0.5, 0.5), 0.2),
        "u",
        lambda u, x: u.t - u.laplacian - x,
        [hp.Dirichlet(u=lambda x, t: x * t), hp.Initial(u=0.0)],
    )
    grid = Discretization(problem, "cubic", None, torch.float64, torch.device("cpu"), source_scales(problem))
    solver = LevenbergMarquardt(
        grid_solver(), inner_tol=1e-12, near_tol=1e-12, inner_steps=3000, outer_steps=1, damping=0.0, change=None,
        monitor=Monitor(),
    )  # fmt: skip
    start = GradedStart(grid, (4, 4, 8), time_orders(problem), solver)
    parts = start.solve(3, lambda system, fit: None)
    assert parts[-1].end == pytest.approx(CELLS / 8)
    assert start.depth(parts[0].end) == 3
    found = start.taken_over(parts)
    system = grid.system([(4, 4, CELLS)], problem.restricted(t=(0, CELLS / 8)))
    rows = system.linearize_at(found, {})
    assert max(float(r.abs().max()) for r in rows) < 1e-3


def decaying(rate):
    """Heat that decays as a single mode: nothing happens at the start."""
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t - rate / math.pi**2 * u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.sin(math.pi * x))],
        exact={"u": lambda x, t: hp.sin(math.pi * x) * hp.exp(-rate * t)},
    )


@pytest.mark.parametrize(("basis", "slabs"), [("cubic", 2), ("septic", "auto")])
@pytest.mark.parametrize("rate", [4.0, 16.0])
def test_a_solution_that_decays_begins_with_no_layer(basis, slabs, rate, caplog):
    """Septics march in slabs only where these are stable, which "auto" finds out."""
    field = hp.Field(head="linear", basis=basis)
    with caplog.at_level("INFO"):
        solution = hp.solve(decaying(rate), levels=3, field=field, method=hp.GaussNewton(slabs=slabs), progress=False)
    assert "begins with a layer" not in caplog.text
    assert solution.error()["u"]["relative_l2"] < 1e-3
    assert solution.status.success


def test_parts_too_short_for_the_order_are_given_up():
    """The fastest mode decays first; what is left of it looks like a layer, of the size of rounding."""
    field = hp.Field(head="linear", basis="septic")
    solution = hp.solve(hp.problems.heat(), levels=3, field=field, progress=False)
    assert solution.error()["u"]["relative_l2"] < 1e-7
    assert solution.estimated_error < 1e-6
    assert solution.status.success


def test_a_jump_at_the_start_is_a_layer_though_the_solution_decays(caplog):
    """The values at the sides contradict the initial state."""
    problem = decaying(4.0).replace(conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.cos(math.pi * x) + 2.0)])
    with caplog.at_level("INFO"):
        hp.solve(problem, levels=[(8, 16)], method=hp.GaussNewton(slabs=4), progress=False)
    assert "begins with a layer" in caplog.text
