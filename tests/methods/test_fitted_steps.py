"""Steps in time of systems in which some fields have no derivative in time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.gauss_newton.fitted_steps import FittedSteps, radau_rule
from hermite_pinn.methods.gauss_newton.fourier_factor import FourierFactor, _Waves
from hermite_pinn.methods.gauss_newton.options import GaussNewtonOptions
from hermite_pinn.methods.gauss_newton.sparse_factor import SparseFactor
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.gauss_newton.step_choice import step_basis
from hermite_pinn.methods.gauss_newton.time_slabs import time_orders
from hermite_pinn.residuals.scales import row_scales, source_norms
from hermite_pinn.run.monitor import Monitor


def stokes(nu=0.1, time=1.0, speed=1.0):
    """A vortex between walls that a force drives, with its pressure."""

    def u(x, y, t):
        return speed * hp.sin(math.pi * x) ** 2 * hp.sin(2 * math.pi * y) * hp.exp(-t)

    def v(x, y, t):
        return -speed * hp.sin(2 * math.pi * x) * hp.sin(math.pi * y) ** 2 * hp.exp(-t)

    def p(x, y, t):
        return speed * hp.cos(math.pi * x) * hp.cos(math.pi * y) * hp.cos(2 * t)

    def bend(x, y, t):
        """The Laplacian of u."""
        a, two = math.pi, 2 * math.pi
        return speed * 2 * a * a * hp.exp(-t) * hp.sin(two * y) * (hp.cos(two * x) - 2 * hp.sin(a * x) ** 2)

    def residual(u, v, p, x, y, t):
        a, z = math.pi, speed * hp.cos(2 * t)
        own, other = speed * hp.exp(-t), -bend(y, x, t)
        along = -own * hp.sin(a * x) ** 2 * hp.sin(2 * a * y) - nu * bend(x, y, t)
        across = own * hp.sin(2 * a * x) * hp.sin(a * y) ** 2 - nu * other
        return {
            "x": u.t - nu * u.laplacian + p.x - along + a * hp.sin(a * x) * hp.cos(a * y) * z,
            "y": v.t - nu * v.laplacian + p.y - across + a * hp.cos(a * x) * hp.sin(a * y) * z,
            "volume": u.x + v.y,
        }

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, time)),
        ["u", "v", "p"],
        residual,
        [
            hp.Dirichlet(u=0.0, v=0.0),
            hp.Initial(u=lambda x, y: u(x, y, 0.0), v=lambda x, y: v(x, y, 0.0)),
            hp.Gauge("p"),
        ],
        exact={"u": u, "v": v, "p": p},
    )


def grid_of(problem, basis="cubic"):
    scales = row_scales(problem, source_norms(problem))
    return Discretization(problem, basis, None, torch.float64, torch.device("cpu"), scales)


def first_step(problem, cells, length, basis="cubic", start=0.0):
    """The factory of steps, and the coefficients of the first one."""
    steps = FittedSteps(grid_of(problem, basis), time_orders(problem))
    step = steps.make((cells,) * 2, start, start + length, None)
    guess = torch.zeros(step.shape, dtype=torch.float64)
    state = step.system.impose(guess.reshape(-1)).view(step.shape)
    state.narrow(3, step.m, 1).copy_(state.narrow(3, 0, 1))
    return steps, step, step.solve(state, 1e-6, lambda: None)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
def test_the_rule_of_radau_ends_with_the_step_and_is_exact_for_its_degree(count):
    points, weights = radau_rule(count)
    assert points[-1] == 1.0
    for degree in range(2 * count - 1):
        assert np.sum(weights * points**degree) == pytest.approx(1.0 / (degree + 1), abs=1e-13)


def test_a_march_is_chosen_for_flows_in_two_axes():
    def chosen(problem, **options):
        task = Task(problem, None, None, 1e-2, 0, torch.device("cpu"), None, Monitor())
        return step_basis(GaussNewtonOptions(**options), task, None)

    assert chosen(hp.problems.taylor_green()) == "cubic"
    assert chosen(stokes()) == "cubic"
    assert chosen(stokes(), slabs=4) is None


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(stokes(), marks=pytest.mark.slow, id="between walls"),
        pytest.param(hp.problems.taylor_green(nu=0.1, time=0.5), id="periodic"),
    ],
)
def test_flow_and_pressure_meet_the_tolerance(problem):
    tol = 2e-2
    solution = hp.solve(problem, tol=tol, progress=False)
    assert solution.status is hp.Status.CONVERGED
    worst = max(error["relative_l2"] for error in solution.error().values())
    assert worst <= solution.estimated_error <= tol


def test_equations_that_all_have_derivatives_in_time_are_for_levels():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
        ["u", "w"],
        lambda u, w: {"one": u.t - u.laplacian + w, "two": u.t + w.laplacian},
        [hp.Dirichlet(u=0.0, w=0.0), hp.Initial(u=0.0)],
    )
    task = Task(problem, None, None, 1e-2, 0, torch.device("cpu"), None, Monitor())
    assert step_basis(GaussNewtonOptions(), task, None) is None


def test_the_pressure_does_not_depend_on_the_length_of_the_step():
    ends = []
    for length in (1e-2, 1e-4, 1e-6):
        _, step, taken = first_step(stokes(), 8, length)
        assert taken.solved
        ends.append(taken.coefficients[2].select(2, step.m))
    size = ends[0].norm()
    assert max(float((end - ends[0]).norm() / size) for end in ends) < 0.1  # an impulse would be 1e4 times as large


def test_units_of_the_flow_change_nothing():
    (_, _, one), (_, _, other) = (first_step(stokes(speed=s), 4, 0.05) for s in (1.0, 1e-6))
    assert torch.allclose(other.coefficients * 1e6, one.coefficients, rtol=1e-5, atol=1e-5)


def test_waves_are_a_change_of_variables_and_its_transpose():
    _, step, _ = first_step(hp.problems.taylor_green(), 6, 0.1)
    waves = _Waves(step.system)
    generator = torch.Generator().manual_seed(0)
    y, z = torch.randn(2, step.system.size, dtype=torch.float64, generator=generator)
    assert float(waves.apply(y) @ z) == pytest.approx(float(y @ waves.transposed(z)), rel=1e-10)


def test_steps_of_periodic_flows_hardly_depend_on_the_cells():
    counts = []
    for cells in (8, 16):
        steps, _, taken = first_step(hp.problems.taylor_green(), cells, 0.05)
        assert isinstance(steps.linear, FourierFactor)
        assert taken.solved
        counts.append(taken.inner)
    assert counts[1] <= counts[0] + 6
    assert isinstance(first_step(stokes(), 4, 0.05)[0].linear, SparseFactor)
