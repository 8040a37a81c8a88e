"""Diffusion from a state that conditions on the sides contradict."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import erfc

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.start_layer import StartLayer
from hermite_pinn.methods.gauss_newton.start_layers import beside_layers
from hermite_pinn.run.status import Status

THICK, DIFFUSIVITY, TIMES, FULL = 50e-6, 5e-14, 6 * 3600.0, 1200.0
ODD = 2 * np.arange(1500) + 1


def uptake(value, tol=None, **options):
    """Diffusion into a layer from one side, in SI units."""
    problem = hp.Problem(
        hp.Box(x=(0, THICK), t=(0, TIMES)),
        "c",
        lambda c: c.t - DIFFUSIVITY * c.xx,
        [hp.Dirichlet(c=value, on="x-"), hp.Neumann(c=0.0, on="x+"), hp.Initial(c=0.0)],
    )
    return hp.solve(problem, progress=False, **({} if tol is None else {"tol": tol}), **options)


def decaying(x, t, parts):
    """A sum over the odd eigenfunctions of a layer, with a factor for each."""
    waves = ODD * math.pi / (2 * THICK)
    return np.array(
        [
            np.sum(4 / math.pi / ODD * np.sin(waves * a) * parts(b, DIFFUSIVITY * waves**2))
            for a, b in zip(x, t, strict=True)
        ]
    )


def scattered(domain, count=1000):
    random = np.random.default_rng(0)
    return [a + (b - a) * random.random(count) for a, b in zip(domain.lower, domain.upper, strict=True)]


def missed(found, true):
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def tells_its_error(solution, name, true):
    x, t = scattered(solution.problem.domain)
    error = missed(getattr(solution, name)(x, t), true(x, t))
    assert solution.status.success
    assert error < 1e-6
    assert error < 3.0 * solution.estimated_error + 1e-9


def heated(residual, conditions, times=0.2):
    box = hp.Box(x=(0, 1), t=(0, times))
    return hp.solve(hp.Problem(box, "u", residual, conditions), progress=False)


def cooling(x, t):
    waves = ODD * math.pi
    return np.array(
        [np.sum(4 / waves * np.sin(waves * a) * np.exp(-(waves**2) * b)) for a, b in zip(x, t, strict=True)]
    )


def test_a_value_that_jumps_at_the_start_is_solved_for_by_default():
    solution = uptake(FULL)
    tells_its_error(solution, "c", lambda x, t: FULL * (1 - decaying(x, t, lambda b, rate: np.exp(-rate * b))))
    assert solution.field.parameter_count < 10_000


@pytest.mark.slow
@pytest.mark.parametrize("scale", [300.0, 3600.0])
def test_a_value_whose_slope_jumps_is_solved_for_by_default(scale):
    def parts(b, rate):
        return (np.exp(-b / scale) - np.exp(-rate * b)) / (rate * scale - 1.0)

    solution = uptake(lambda t: FULL * (1 - hp.exp(-t / scale)))
    tells_its_error(solution, "c", lambda x, t: FULL * (1 - np.exp(-t / scale) - decaying(x, t, parts)))


def test_both_sides_may_jump():
    solution = heated(lambda u: u.t - u.xx, [hp.Dirichlet(u=0.0), hp.Initial(u=1.0)])
    tells_its_error(solution, "u", cooling)


def test_axes_may_be_in_any_order():
    box = hp.Box(t=(0, 0.2), x=(0, 1))
    conditions = [hp.Dirichlet(u=0.0), hp.Initial(u=1.0)]
    solution = hp.solve(hp.Problem(box, "u", lambda u: u.t - u.xx, conditions), progress=False)
    tells_its_error(solution, "u", lambda t, x: cooling(x, t))


def test_layers_that_decay_are_known():
    solution = heated(lambda u: u.t - u.xx + 4 * u, [hp.Dirichlet(u=0.0), hp.Initial(u=1.0)])
    tells_its_error(solution, "u", lambda x, t: cooling(x, t) * np.exp(-4 * t))


@pytest.mark.slow
def test_layers_that_drift_are_known():
    drift = 2.0
    conditions = [hp.Dirichlet(u=1.0, on="x-"), hp.Dirichlet(u=0.0, on="x+"), hp.Initial(u=0.0)]
    solution = heated(lambda u: u.t - u.xx + drift * u.x, conditions, 1e-3)

    def far(x, t):  # from the other side
        root = 2 * np.sqrt(t)
        return 0.5 * (erfc((x - drift * t) / root) + np.exp(drift * x) * erfc((x + drift * t) / root))

    tells_its_error(solution, "u", far)


def test_a_flux_that_is_switched_on_is_solved_for():
    conditions = [hp.Neumann(u=1.0, on="x-"), hp.Dirichlet(u=0.0, on="x+"), hp.Initial(u=0.0)]
    solution = heated(lambda u: u.t - u.xx, conditions)
    waves = ODD * math.pi / 2

    def true(x, t):
        return np.array(
            [
                1 - a - np.sum(2 / waves**2 * np.cos(waves * a) * np.exp(-(waves**2) * b))
                for a, b in zip(x, t, strict=True)
            ]
        )

    tells_its_error(solution, "u", true)


@pytest.mark.parametrize("degree", range(6))
@pytest.mark.parametrize(("inward", "time"), [(1, 1), (-1, 0)])
def test_a_layer_solves_its_equation(degree, inward, time):
    diffusivity, drift, decay = 0.3, 0.7, -0.4
    growth = inward * drift / (2 * diffusivity), -(drift**2 / (4 * diffusivity) + decay)
    layer = StartLayer((1.0, 2.0), time, inward, diffusivity, degree, 1e-12, growth)
    x = torch.tensor(layer.point, dtype=torch.float64)[:, None] + torch.rand(2, 50, dtype=torch.float64) * 0.8
    x[1 - time] = layer.point[1 - time] + inward * (x[1 - time] - layer.point[1 - time])
    x[time] += 0.02
    orders = [(0, 0), (1, 0), (2, 0), (0, 1)]
    u, u_x, u_xx, u_t = layer.jets(x, Channels(2, tuple(((1.0, o if time else o[::-1]),) for o in orders)))
    assert float((u_t - diffusivity * u_xx + drift * u_x + decay * u).abs().max()) < 1e-12


def test_nothing_of_a_layer_is_infinite_at_its_corner():
    layer = StartLayer((0.0, 0.0), 1, 1, 1.0, 0, 1e-16)
    jets = layer.jets(torch.zeros(2, 1, dtype=torch.float64), Channels.jet(2, 2))
    assert bool(torch.isfinite(jets).all())


def test_states_that_agree_have_no_layers():
    conditions = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.sin(math.pi * x))]
    problem = hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.t - u.xx, conditions)
    assert beside_layers(problem)[1] is None


def test_a_solution_with_layers_is_the_same_from_a_file(tmp_path):
    solution = uptake(FULL, 1e-3)
    solution.save(tmp_path / "c.h5")
    x, t = scattered(solution.problem.domain, 20)
    assert np.array_equal(hp.Solution.load(tmp_path / "c.h5").c(x, t), solution.c(x, t))


@pytest.mark.slow
def test_local_cells_that_become_too_small_end_the_run():
    solution = uptake(FULL, 1e-3, method=hp.GaussNewton(refine="local"))
    assert solution.status is Status.MAX_SIZE
    assert "smallest size" in solution.message
