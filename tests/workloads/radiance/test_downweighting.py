"""What is left of levels for points that stand for Gaussians."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance.zip_nerf.downweighting import ERF_ERROR, downweighting, scale_features

RATIOS = torch.logspace(-3, 3, 20001, dtype=torch.float64)


def test_the_approximation_of_erf_is_as_close_as_it_says():
    exact, near = (downweighting(RATIOS, [1.0], kind)[0] for kind in ("erf", "approximate"))
    off = float((exact - near).abs().max())
    assert 0.00628 < off <= ERF_ERROR


def test_the_weight_is_the_share_of_the_gaussian_in_a_cell():
    std, cells = 0.07, 5.0
    within = 0.5 * (1 / cells) / std
    share = math.erf(within / math.sqrt(2))
    assert float(downweighting(torch.tensor(std, dtype=torch.float64), [cells])[0]) == pytest.approx(share)


def test_the_weight_is_what_a_pixel_leaves_of_unrelated_values_along_an_axis():
    """Of a function that is linear between unrelated values, whose correlation is the cubic B-spline."""
    x = torch.linspace(0, 40, 400_001, dtype=torch.float64)
    spline = torch.where(x < 1, 2 / 3 - x**2 + x**3 / 2, (2 - x).clamp_min(0) ** 3 / 6)
    inside = torch.cat([x.new_zeros(1), ((spline[1:] + spline[:-1]) / 2 * x.diff()).cumsum(0)])
    half = torch.arange(1_000, 400_001, 1_000)
    left = inside[half] / x[half] / (2 / 3)
    weight = downweighting(2 * x[half] / math.sqrt(12), [1.0])[0]
    assert float((left - weight).abs().max()) < 0.08


@pytest.mark.parametrize("kind", ["erf", "approximate", "gaussian", "none"])
def test_weights_fall_from_one_and_are_never_negative(kind):
    weights = downweighting(RATIOS, [1.0], kind)[0]
    assert float(weights[0]) == pytest.approx(1, abs=1e-5)
    assert bool((weights.diff() <= 0).all())
    assert bool((weights >= 0).all())
    assert torch.isfinite(downweighting(torch.tensor([0.0, torch.inf]), [1.0, 1e4], kind)).all()


def test_the_gaussian_weight_is_how_much_a_wave_fades():
    std, frequency = 0.3, 1.7
    x = np.random.default_rng(0).normal(size=(3, 400_000)) * std
    wave = np.cos(frequency * np.array([1.0, 1.0, 1.0]) @ x)
    weight = float(downweighting(torch.tensor(std, dtype=torch.float64), [frequency], "gaussian")[0])
    assert wave.mean() == pytest.approx(weight, abs=5e-3)


def test_levels_come_first():
    weights = downweighting(torch.full((4, 2), 0.01), torch.tensor([1.0, 10.0, 100.0]))
    assert weights.shape == (3, 4, 2)
    assert bool((weights[:-1] >= weights[1:]).all())


def test_scale_features_have_the_unit_of_the_tables():
    size = torch.tensor([0.0, 3.0], requires_grad=True)
    features = scale_features(torch.tensor([[1.0], [0.0]], requires_grad=True), size, 1.0)
    assert features.flatten().tolist() == [1.0, -2.0]
    features.sum().backward()
    assert size.grad is None


def test_unknown_weights_are_refused():
    with pytest.raises(hp.InvalidArgumentError, match="kind must be one of 'erf'"):
        downweighting(torch.ones(1), [1.0], "gauss")
