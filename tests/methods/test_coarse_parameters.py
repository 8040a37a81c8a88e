"""Levels that do not resolve a solution bend its parameters: standard errors and the end of a run know that."""

import numpy as np
import pytest

import hermite_pinn as hp


def spiral(seed, damping=0.6, turn=5.0, until=4.0):
    """A spiral with noisy positions, whose damping and turn are unknown; 16 cells bend it."""
    t = np.linspace(0.1, until, 40)
    noise = np.random.default_rng(seed).standard_normal((2, 40))
    x, y = np.exp(-damping * t) * np.stack([np.cos(turn * t), np.sin(turn * t)]) + 0.01 * noise
    return hp.Problem(
        hp.Box(t=(0, until)),
        ["x", "y"],
        lambda x, y, a, b: (x.t + a * x + b * y, y.t - b * x + a * y),
        [hp.Initial(x=1.0, y=0.0), hp.Data(t[:, None], x=x, y=y, noise=0.01)],
        parameters=[hp.Parameter("a", init=0.3), hp.Parameter("b", init=4.5)],
    )


@pytest.mark.slow_but("-0")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("levels", [3, None])
def test_errors_of_parameters_are_within_three_standard_errors(seed, levels):
    solution = hp.solve(spiral(seed), levels=levels, progress=False)
    assert solution.status is hp.Status.COMPLETED
    for name, true in (("a", 0.6), ("b", 5.0)):
        assert abs(solution.parameters[name] - true) < 3 * solution.stats["standard_errors"][name]


def test_a_run_by_itself_goes_on_until_it_resolves_what_moves_the_parameters():
    solution = hp.solve(spiral(0), progress=False)
    assert "not resolved" not in solution.message
    assert solution.stats["standard_errors"]["a"] < 0.01
