"""Unknown parameters that start far from what the data say."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hermite_pinn as hp


def oscillator(seed: int, told: float = 0.03) -> hp.Problem:
    """x'' + 5 x' + 300 x = 0 from 60 values with a noise of 0.03, with both coefficients unknown."""
    random = np.random.default_rng(seed)
    t = np.linspace(0.02, 2.0, 60)
    w = math.sqrt(300.0 - 6.25)
    x = np.exp(-2.5 * t) * (np.cos(w * t) + 2.5 / w * np.sin(w * t)) + 0.03 * random.standard_normal(60)
    return hp.Problem(
        hp.Box(t=(0, 2)),
        ["x"],
        lambda x, a, b: x.tt + a * x.t + b * x,
        [
            hp.Dirichlet(x=1.0, on="t-"),
            hp.Neumann(x=0.0, on="t-"),
            hp.Data(t[:, None], x=x, noise=told),
        ],
        parameters=[hp.Parameter("a", init=1.0), hp.Parameter("b", init=200.0)],
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_an_oscillator_is_found_within_three_standard_errors(seed: int) -> None:
    solution = hp.solve(oscillator(seed), progress=False)
    errors = solution.stats["standard_errors"]
    assert solution.status.success
    assert "data_emphasis" not in solution.stats
    for name, true in (("a", 5.0), ("b", 300.0)):
        assert abs(solution.parameters[name] - true) < 3.0 * errors[name]


@pytest.mark.slow
def test_a_noise_told_far_too_small_is_no_success() -> None:
    solution = hp.solve(oscillator(0, told=0.002), progress=False, max_time=120)
    assert not solution.status.success


def decay(init: float) -> hp.Problem:
    """u'' + k^2 u = 0 with u(0) = 0, u'(0) = 1: data of k = 6."""
    x = np.linspace(0.05, 1.0, 12)
    return hp.Problem(
        hp.Box(x=(0, 1)),
        ["u"],
        lambda u, k: u.xx + k**2 * u,
        [
            hp.Dirichlet(u=0.0, on="x-"),
            hp.Neumann(u=-1.0, on="x-"),
            hp.Data(x[:, None], u=np.sin(6 * x) / 6, noise=1e-3),
        ],
        parameters=[hp.Parameter("k", init=init, bounds=(0.5, 20.0))],
    )


@pytest.mark.slow
def test_the_best_of_several_starts_fits_the_data() -> None:
    solution = hp.solve(decay(19.0), starts=3, seed=7, progress=False, levels=4)
    rows = solution.stats["starts"]
    assert abs(solution.parameters["k"] - 6.0) < 0.05
    assert [row["seed"] for row in rows] == [7, 8, 9]
    assert rows[0]["start"] == {"k": 19.0}
    assert all(0.5 <= row["start"]["k"] <= 20.0 for row in rows)
    assert any(row["parameters"] == solution.parameters for row in rows)
    assert "the best of 3 starts" in solution.message


def test_the_same_seeds_draw_the_same_starts() -> None:
    rows = [hp.solve(decay(6.0), starts=2, seed=1, levels=1, progress=False).stats["starts"] for _ in range(2)]
    assert rows[0] == rows[1]


def test_starts_are_of_unknown_parameters() -> None:
    with pytest.raises(hp.InvalidArgumentError, match="starts draws values of unknown parameters"):
        hp.solve(hp.problems.poisson2d(), starts=2)
    with pytest.raises(hp.InvalidArgumentError, match="several starts has no checkpoint"):
        hp.solve(decay(6.0), starts=2, resume="run.h5")
    with pytest.raises(hp.InvalidArgumentError, match="starts"):
        hp.solve(decay(6.0), starts=0)
