"""Evolution problems step after step in time."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.gauss_newton.evolution import Evolution
from hermite_pinn.methods.gauss_newton.gmres import gmres
from hermite_pinn.methods.gauss_newton.march_plan import Past, coarser_plans, finer_plan, finest_that_fits
from hermite_pinn.methods.gauss_newton.options import GaussNewtonOptions
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.gauss_newton.step_choice import step_basis
from hermite_pinn.methods.gauss_newton.step_rows import stage_matrices
from hermite_pinn.methods.gauss_newton.step_system import SpaceModes, StepSystem
from hermite_pinn.methods.gauss_newton.stepping import Stepping
from hermite_pinn.methods.gauss_newton.time_slabs import time_orders
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.run.monitor import Monitor


def heat(rate=1.0, time=1.0, lengths=(1.0, 1.0)):
    """Decay of a mode in two axes of space."""
    a, b = (math.pi / n for n in lengths)
    k = rate / (a * a + b * b)

    def exact(x, y, t):
        return hp.sin(a * x) * hp.sin(b * y) * hp.exp(-rate * t)

    return hp.Problem(
        hp.Box(x=(0, lengths[0]), y=(0, lengths[1]), t=(0, time)),
        ["u"],
        lambda u: u.t - k * u.laplacian,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: exact(x, y, 0.0))],
        exact={"u": exact},
    )


def reaction(time=8.0):
    """A logistic equation with diffusion and transport in a periodic box, whose solution is known in the mean."""
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, time)),
        ["u", "v"],
        lambda u, v: {"u": u.t - 0.01 * u.laplacian - u * (1 - u) + 0 * v, "v": v.t - 0.02 * v.laplacian + u.x - u * v},
        [
            hp.Periodic("x", "y"),
            hp.Initial(u=lambda x, y: 0.5 + 0.2 * hp.sin(2 * math.pi * x) * hp.cos(2 * math.pi * y), v=0.0),
        ],
    )


def wave(time, speed=1.0):
    """A standing wave."""

    def exact(x, y, t):
        return hp.cos(math.pi * x) * hp.cos(math.pi * y) * hp.cos(math.sqrt(2) * math.pi * speed * t)

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, time)),
        ["u"],
        lambda u: u.tt - speed**2 * (u.xx + u.yy),
        [hp.Neumann(u=0.0), hp.Initial(u=lambda x, y: exact(x, y, 0.0)), hp.Initial(u_t=0.0)],
        exact={"u": exact},
    )


def grid_of(problem, basis="cubic"):
    return Discretization(problem, basis, None, torch.float64, torch.device("cpu"), source_scales(problem))


def task_of(problem, tol=None):
    return Task(problem, None, None, tol, 0, torch.device("cpu"), None, Monitor())


def test_gmres_solves_a_system_that_is_not_symmetric_within_as_many_steps_as_unknowns():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(12, 12, generator=generator, dtype=torch.float64) + 4.0 * torch.eye(12, dtype=torch.float64)
    b = torch.randn(12, generator=generator, dtype=torch.float64)
    x, steps, met = gmres(lambda v: a @ v, lambda r: r / 4.0, b, 1e-12, 20)
    assert met
    assert steps <= 12
    assert torch.allclose(a @ x, b, atol=1e-10)


def test_without_coupling_the_preconditioner_is_the_inverse():
    """One step of GMRES solves an equation with constant coefficients."""
    problem = heat()
    system = StepSystem(grid_of(problem), (4, 8), 0.0, 0.1, time_orders(problem), None, SpaceModes("cubic"))
    taken = system.solve(torch.zeros(system.shape, dtype=torch.float64), 1e-10, lambda: None)
    assert system.square
    assert taken.solved
    assert taken.inner == 1


@pytest.mark.parametrize("basis", ["cubic", "septic"])
def test_a_step_of_a_periodic_equation_converges_by_its_order(basis):
    """The state after a time, of a wave that travels: doubling steps and cells gains the order of the basis."""
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 0.5)),
        ["u"],
        lambda u: u.t + u.x,
        [hp.Periodic("x"), hp.Initial(u=lambda x: hp.sin(2 * math.pi * x + 0.4))],
    )
    errors = []
    for n in (8, 16):
        grid, orders, modes = grid_of(problem, basis), time_orders(problem), SpaceModes(basis)
        m, state = {"cubic": 2, "septic": 4}[basis], None
        for k in range(n):
            system = StepSystem(grid, (n,), 0.5 * k / n, 0.5 * (k + 1) / n, orders, state, modes)
            state = system.solve(torch.zeros(system.shape, dtype=torch.float64), 1e-12, lambda: None).coefficients
            state = state.narrow(2, m, m).clone()
        x = np.arange(n) / n
        errors.append(float(np.abs(state[0, ::m, 0].numpy() - np.sin(2 * math.pi * (x - 0.5) + 0.4)).max()))
    assert errors[0] > 0.4 * {"cubic": 4**2, "septic": 4**4}[basis] * errors[1]


def test_steps_of_waves_keep_the_energy_whatever_their_length():
    """The rows of the method of Gauss turn an oscillator, whether it does so slowly or fast."""
    for frequency in (0.1, 1.0, 10.0, 1e4):
        rows = stage_matrices(1.0)
        matrix = rows[2] + frequency**2 * rows[0]
        step = np.linalg.solve(matrix[:, 2:], -matrix[:, :2])
        sizes = np.abs(np.linalg.eigvals(step))
        assert np.allclose(sizes, 1.0, atol=1e-9 * max(1.0, frequency))


def test_decay_of_heat_is_met_with_an_estimate_that_holds():
    solution = hp.solve(heat(), tol=1e-4, progress=False)
    error = solution.error()["u"]["relative_l2"]
    assert solution.status is hp.Status.CONVERGED
    assert error <= 1e-4
    assert error <= 2.0 * solution.estimated_error
    assert "marches" in solution.stats


def test_units_of_space_time_and_fields_change_no_step():
    counts = []
    for lengths, rate, time in (((1.0, 1.0), 1.0, 1.0), ((1e-3, 1e-3), 1e6, 1e-6)):
        problem = heat(rate, time, lengths)
        course = Stepping(grid_of(problem), (8, 8), 1e-3, lambda time: None).run()
        counts.append((course.cells, course.steps, course.refused))
    assert counts[0] == counts[1]


@pytest.mark.slow
def test_a_wave_over_many_periods_stays_right():
    solution = hp.solve(wave(10.0), tol=1e-2, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.error()["u"]["relative_l2"] <= 1e-2


@pytest.mark.slow
def test_a_nonlinear_system_of_two_fields_meets_its_exact_solution():
    """On septics, as the box is periodic and much is asked for."""

    def u_exact(x, y, t):
        return 1.0 + 0.3 * hp.sin(2 * math.pi * (x - t)) * hp.cos(2 * math.pi * y)

    def v_exact(x, y, t):
        return hp.exp(-t) * (1.0 + 0.5 * hp.cos(2 * math.pi * x))

    k = 4 * math.pi**2

    def residual(u, v, x, y, t):
        a, b = u_exact(x, y, t), v_exact(x, y, t)
        moved = 0.3 * 2 * math.pi * hp.cos(2 * math.pi * (x - t)) * hp.cos(2 * math.pi * y)
        return {
            "u": u.t - 0.01 * u.laplacian + u * v * v - (-moved + 0.02 * k * (a - 1.0) + a * b * b),
            "v": v.t - 0.1 * v.laplacian - u * v - (-b + 0.1 * k * (b - hp.exp(-t)) - a * b),
        }

    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
        ["u", "v"],
        residual,
        [
            hp.Periodic("x", "y"),
            hp.Initial(u=lambda x, y: u_exact(x, y, 0.0), v=lambda x, y: v_exact(x, y, 0.0)),
        ],
        exact={"u": u_exact, "v": v_exact},
    )
    solution = hp.solve(problem, tol=5e-4, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert max(e["relative_l2"] for e in solution.error().values()) <= min(5e-4, 2.0 * solution.estimated_error)


def test_an_end_by_time_returns_what_the_march_has_reached():
    times = iter([0.0] * 12 + [1e6] * 10_000)
    task = task_of(reaction(100.0), 1e-6)
    task.monitor = Monitor(max_time=10.0, clock=lambda: next(times))
    outcome = hp.GaussNewton().run(task)
    assert outcome.status is hp.Status.MAX_TIME
    assert outcome.error is None
    assert "came to t=" in outcome.message


@pytest.mark.parametrize("limit", [150.0, 500.0, 700.0])
def test_an_end_by_time_leaves_an_estimate_that_holds(limit):
    ticks = itertools.count()
    problem = heat()
    task = task_of(problem, 1e-9)
    task.monitor = Monitor(max_time=limit, clock=lambda: float(next(ticks)))
    outcome = Evolution(task, "cubic").outcome()
    assert outcome.status is hp.Status.MAX_TIME
    assert len(outcome.stats["marches"]) > 1
    x = torch.rand(3, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = torch.sin(math.pi * x[0]) * torch.sin(math.pi * x[1]) * torch.exp(-x[2])
    error = float((outcome.field.evaluate(x, Channels.value(3))[0, 0] - exact).norm() / exact.norm())
    assert error <= outcome.error


def test_more_time_is_used():
    errors = []
    for limit in (150.0, 500.0):
        ticks = itertools.count()
        task = task_of(heat(), 1e-9)
        task.monitor = Monitor(max_time=limit, clock=lambda ticks=ticks: float(next(ticks)))
        errors.append(Evolution(task, "cubic").outcome().error)
    assert errors[1] < 0.5 * errors[0]


def test_axes_that_miss_nothing_keep_their_cells():
    past = Past(0.1, (16, 8), (1e-2, 1e-9), 1e-3, 1 / 16, 1.0)
    plan = finer_plan(past, 2.0, 4)
    assert plan.cells == (32, 8)
    assert plan.largest == 1 / 32
    assert finer_plan(Past(0.1, (16, 8), (1e-9, 1e-9), 1e-9, 1 / 16, 1.0), 2.0, 4).cells == (32, 16)


def test_a_march_fits_into_the_time_that_is_left():
    past = Past(0.1, (64, 64), (1e-2, 1e-2), 1e-3, 1 / 64, 10.0)
    for left in (15.0, 40.0, 70.0, 500.0):
        plan = finest_that_fits(past, 4, left)
        assert plan is None or plan.seconds <= left
    assert finest_that_fits(past, 4, 15.0) is None
    assert all(a < b for a, b in zip(coarser_plans(past, 4, 5.0)[0].cells, past.cells, strict=True))


def test_steps_are_for_whole_boxes_with_as_many_points_as_unknowns():
    options, robin = GaussNewtonOptions(), heat()
    assert step_basis(options, task_of(heat(), 1e-2), None) == "septic"  # the method of lines
    assert step_basis(options, task_of(reaction(), 1e-5), None) == "septic"
    assert step_basis(options, task_of(wave(1.0), 1e-3), None) == "septic"
    assert step_basis(options, task_of(hp.problems.heat(), 1e-2), None) == "septic"  # one axis of space
    assert step_basis(options, task_of(hp.problems.flow_mixing(), 1e-2), None) is None  # transport alone
    assert step_basis(GaussNewtonOptions(slabs=1), task_of(heat(), 1e-2), None) is None
    robin = hp.Problem(
        robin.domain, ["u"], lambda u: u.t - u.laplacian, [hp.Robin(u=(1.0, 1.0, 0.0)), hp.Initial(u=1.0)]
    )
    assert step_basis(options, task_of(robin, 1e-2), None) is None


def test_a_checkpoint_goes_on_after_the_last_march(tmp_path):
    file = tmp_path / "run.h5"
    first = hp.solve(heat(), tol=1e-2, progress=False, checkpoint=file)
    again = hp.solve(heat(), tol=1e-4, progress=False, resume=file)
    whole = hp.solve(heat(), tol=1e-4, progress=False)
    assert first.status is again.status is hp.Status.CONVERGED
    assert len(again.stats["marches"]) == len(whole.stats["marches"])
    assert max(again.estimated_error, whole.estimated_error) <= 1e-4  # states that are kept depend on the tolerance


def test_small_tolerances_of_simple_equations_are_for_levels():
    options = GaussNewtonOptions()
    assert step_basis(options, task_of(wave(1.0), 1e-8), None) is None
    assert step_basis(options, task_of(wave(100.0), 1e-8), None) == "cubic"  # it crosses the box too often
    assert step_basis(options, task_of(hp.problems.heat_multiscale(), None), None) is None
    assert step_basis(options, task_of(hp.problems.heat_multiscale(), 1e-3), None) == "septic"
