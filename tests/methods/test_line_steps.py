"""Marches along one axis of space by implicit steps of high order."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.line_choice import line_basis
from hermite_pinn.methods.gauss_newton.line_equations import line_equations
from hermite_pinn.methods.gauss_newton.line_radau import RadauSteps, radau_method
from hermite_pinn.methods.gauss_newton.line_rates import LineRates
from hermite_pinn.methods.gauss_newton.line_scales import first_scales
from hermite_pinn.methods.gauss_newton.time_slabs import time_orders


class Scalar:
    """``2 y' = 2 (linear (y - cos t) - sin t)`` with y = cos t."""

    band, steady, affine = 0, True, True

    def __init__(self, linear: float) -> None:
        self.linear, self.mass = linear, np.full((1, 1), 2.0)

    def rates(self, times, states):
        return 2.0 * (self.linear * (states - np.cos(times)[:, None]) - np.sin(times)[:, None])

    def jacobian(self, time, state):
        return np.full((1, 1), 2.0 * self.linear)

    def times_mass(self, states):
        return 2.0 * states


def left_by(linear: float, stages: int, count: int) -> tuple[float, float]:
    """Error of y at t = 2, and what the steps say at most."""
    system = Scalar(linear)
    steps = RadauSteps(system, radau_method(stages))
    h, y, told = 2.0 / count, np.ones(1), 0.0
    slope = steps.slope(0.0, y)
    for k in range(count):
        taken = steps.take(k * h, h, y, slope, 1e-14, lambda change, length: float(np.abs(change).max()))
        assert taken is not None
        y, slope, told = taken.state, taken.slopes[-1], max(told, float(np.abs(taken.error).max()))
    return abs(float(y[0]) - math.cos(2.0)), told


@pytest.mark.parametrize(("stages", "count"), [(3, 4), (5, 2)])
def test_steps_are_of_the_order_of_radau_and_say_more_than_they_miss(stages, count):
    coarse, fine = left_by(-1.0, stages, count), left_by(-1.0, stages, 2 * count)
    assert coarse[0] / fine[0] > 2.0 ** (2 * stages - 1.7)
    assert fine[1] > fine[0]


def test_steps_far_longer_than_decay_follow_the_slow_solution():
    assert left_by(-1e8, 5, 2)[0] < 1e-8


def rates_of(problem: hp.Problem, cells: int) -> LineRates:
    orders = time_orders(problem)
    equations = line_equations(problem, orders)
    assert equations is not None
    return LineRates(problem, "septic", equations, next(iter(orders.values())), cells)


def coupled(periodic: bool) -> hp.Problem:
    """Two fields with products, coefficients that vary and, without periods, faces that move."""
    side = hp.Periodic("x") if periodic else hp.Dirichlet(u=lambda t: hp.sin(t), v=lambda t: 1.0 + t)
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        ["u", "v"],
        lambda u, v, x, t: {
            "a": (2.0 + hp.sin(2 * hp.pi * x)) * u.t - (1.0 + 0.1 * t) * u.xx + u * v.x - v**2,
            "b": v.t - 0.3 * v.xx + u.x * v - hp.cos(t),
        },
        [side, hp.Initial(u=lambda x: hp.sin(2 * hp.pi * x), v=1.0)],
    )


@pytest.mark.parametrize("periodic", [False, True])
def test_the_jacobian_is_the_derivative_of_the_rates(periodic):
    rates = rates_of(coupled(periodic), 6)
    rng = np.random.default_rng(0)
    state, way = rng.standard_normal((2, rates.size))
    step = 1e-6
    ends = rates.rates(np.array([0.3, 0.3]), np.stack([state + step * way, state - step * way]))
    found = rates.as_sparse(rates.jacobian(0.3, state)) @ way
    assert np.allclose(found, (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-6 * np.abs(found).max())


def test_transport_keeps_the_square_on_periodic_axes():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        ["u"],
        lambda u: u.t + 3.0 * u.x,
        [hp.Periodic("x"), hp.Initial(u=lambda x: hp.sin(2 * hp.pi * x))],
    )
    rates = rates_of(problem, 7)
    jacobian = rates.as_sparse(rates.jacobian(0.0, np.zeros(rates.size))).toarray()
    assert np.allclose(jacobian, -jacobian.T, atol=1e-12 * np.abs(jacobian).max())


def diffusion(**given: object) -> hp.Problem:
    parts = {"strength": 0.1, "start": lambda x: hp.sin(hp.pi * x), "source": lambda x, t: 0.0} | given
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        ["u"],
        lambda u, x, t: u.t - parts["strength"] * u.xx - parts["source"](x, t),
        [hp.Dirichlet(u=0.0), hp.Initial(u=parts["start"])],
    )


@pytest.mark.filterwarnings("ignore:.*ill-posed:hermite_pinn.HermitePinnWarning")
def test_marches_are_for_problems_that_are_sound():
    assert line_basis(diffusion(), "auto") == "septic"
    assert line_basis(diffusion(), "quintic") == "quintic"
    assert line_basis(diffusion(strength=-0.1), "auto") is None  # heat that runs backwards
    contradicting = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.cos(x))]
    assert line_basis(diffusion().replace(conditions=contradicting), "auto") == "septic"  # beside known layers
    varying = hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u, x: u.t - (1 + x) * u.xx, contradicting)
    assert line_basis(varying, "auto") is None
    assert line_basis(hp.problems.allen_cahn(), "auto") is None  # has a kink at the ends of its period
    assert line_basis(hp.problems.heat(), "cubic") is None


def test_cells_and_steps_see_narrow_sources():
    problem = diffusion(source=lambda x, t: hp.exp(-(((x - 0.3) / 1e-3) ** 2) - ((t - 0.6) / 1e-2) ** 2))
    equations = line_equations(problem, {"u": 1})
    assert equations is not None
    cells, steps = first_scales(problem, equations, 8, 16, 7, 5)
    assert cells >= 64
    assert steps >= 32
    assert first_scales(diffusion(), line_equations(diffusion(), {"u": 1}), 8, 16, 7, 5) == (8, 16)


@pytest.mark.parametrize("name", ["heat", "wave", "convection", "kuramoto_sivashinsky"])
def test_runs_end_as_converged_with_an_estimate_above_the_error(name):
    solution = hp.solve(getattr(hp.problems, name)(), tol=1e-5, progress=False)
    assert solution.status.name == "CONVERGED"
    assert len(solution.stats["marches"]) > 1
    error = solution.error()["u"]["relative_l2"]
    assert error < solution.estimated_error < 1e-5


def test_a_front_is_followed():
    solution = hp.solve(hp.problems.burgers(nu=0.02), tol=1e-5, progress=False)
    assert solution.status.name == "CONVERGED"
    assert solution.error()["u"]["relative_l2"] < solution.estimated_error < 1e-5


def test_units_change_nothing():
    def stated(meter: float, second: float, kelvin: float) -> hp.Problem:
        return hp.Problem(
            hp.Box(x=(0, meter), t=(0, second)),
            ["u"],
            lambda u: u.t - 0.05 * meter**2 / second * u.xx + u * u.x * (0.2 * meter / second / kelvin),
            [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: kelvin * hp.sin(2 * hp.pi * x / meter))],
        )

    runs = [
        hp.solve(stated(*units), tol=1e-4, progress=False) for units in ((1.0, 1.0, 1.0), (2.0**-10, 2.0**20, 2.0**30))
    ]
    x, t = np.random.default_rng(3).uniform(size=(2, 50))
    values = [
        np.asarray(s.u(x * a, t * b)) / c
        for s, (a, b, c) in zip(runs, ((1, 1, 1), (2.0**-10, 2.0**20, 2.0**30)), strict=True)
    ]
    assert np.allclose(*values, rtol=0, atol=1e-12)
    assert runs[0].stats["resolution"] == runs[1].stats["resolution"]


def test_a_field_that_is_at_rest_at_first_is_found():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 2)),
        ["u"],
        lambda u, x, t: u.tt - u.xx - (hp.pi**2 - 4.0) * hp.sin(hp.pi * x) * hp.sin(2.0 * t),
        [hp.Dirichlet(u=0.0), hp.Initial(u=0.0, u_t=lambda x: 2.0 * hp.sin(hp.pi * x))],
        exact={"u": lambda x, t: hp.sin(hp.pi * x) * hp.sin(2.0 * t)},
    )
    solution = hp.solve(problem, tol=1e-6, progress=False)
    assert solution.status.name == "CONVERGED"
    assert solution.error()["u"]["relative_l2"] < 1e-6


def test_faces_that_move_are_followed():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        ["u"],
        lambda u, x, t: u.t - 0.1 * u.xx - (1.0 - 0.1) * hp.exp(x + t),
        [hp.Dirichlet(u=lambda x, t: hp.exp(x + t)), hp.Initial(u=lambda x: hp.exp(x))],
        exact={"u": lambda x, t: hp.exp(x + t)},
    )
    solution = hp.solve(problem, tol=1e-7, progress=False)
    assert solution.status.name == "CONVERGED"
    assert solution.error()["u"]["relative_l2"] < 1e-9


def test_states_are_kept_as_tensors_of_double_precision():
    rates = rates_of(coupled(False), 4)
    assert torch.as_tensor(rates.start()[0]).dtype is torch.float64
