"""Inverse problems under the methods that train at points: numbers are recovered from data and stay in their bounds."""

import numpy as np
import pytest
import torch

import hermite_pinn as hp

METHODS = {
    "adam": hp.Adam(steps=400, lr=3e-2, lr_end=1e-3, points=100, face_points=1, ema=0.9, weight=10.0, balance_every=0),
    "lbfgs": hp.LBFGS(steps=150),
}
DIGITS = {"adam": 2e-2, "lbfgs": 1e-3}


@pytest.fixture(autouse=True)
def one_thread():
    """Small vectors gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def decay(bounds, init=1.0, noise=0.0):
    """u' = -k u with k = 2, from the initial value and twenty measurements."""
    t = np.linspace(0, 1, 20)[:, None]
    measured = np.exp(-2 * t[:, 0]) + noise * np.random.default_rng(0).standard_normal(20)
    return hp.Problem(
        hp.Box(t=(0, 1)),
        "u",
        lambda u, k: u.t + k * u,
        [hp.Initial(u=1.0), hp.Data(t, u=measured)],
        parameters=[hp.Parameter("k", init=init, bounds=bounds)],
    )


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bounds", [(0.0, 5.0), (0.0, np.inf), (-np.inf, np.inf)])
def test_a_rate_is_recovered_from_data(name, bounds):
    solution = hp.solve(decay(bounds), method=METHODS[name], levels=3, field=hp.Field())
    assert solution.parameters["k"] == pytest.approx(2.0, rel=DIGITS[name])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bounds", [(0.5, 1.5), (2.5, 4.0)])
def test_bounds_hold_and_are_reached_where_the_data_ask_for_more(name, bounds):
    nearest = min(bounds, key=lambda b: abs(b - 2.0))
    for init in (bounds[0], sum(bounds) / 2, bounds[1]):
        problem = decay(bounds, init)
        solution = hp.solve(problem, method=METHODS[name], levels=3, field=hp.Field())
        assert bounds[0] <= solution.parameters["k"] <= bounds[1]
        assert solution.parameters["k"] == pytest.approx(nearest, abs=2e-2)


@pytest.mark.parametrize("name", METHODS)
def test_noise_moves_the_rate_by_no_more_than_its_size(name):
    solution = hp.solve(decay((0.0, 5.0), noise=0.01), method=METHODS[name], levels=3, field=hp.Field())
    assert 1e-4 < abs(solution.parameters["k"] - 2.0) < 0.1


def test_a_chain_hands_the_parameters_on():
    method = METHODS["adam"] >> hp.LBFGS(steps=1)
    handed = hp.solve(decay((0.0, 5.0)), method=method, levels=3, field=hp.Field())
    fresh = hp.solve(decay((0.0, 5.0)), method=hp.LBFGS(steps=1), levels=3, field=hp.Field())
    assert abs(handed.parameters["k"] - 2.0) < 0.05 < abs(fresh.parameters["k"] - 2.0)
