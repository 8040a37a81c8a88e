"""Histograms along rays, and losses between them."""

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve

import hermite_pinn as hp
from hermite_pinn.workloads.radiance.zip_nerf.distortion import distortion_loss
from hermite_pinn.workloads.radiance.zip_nerf.histograms import masses, resample, schlick, volume_weights
from hermite_pinn.workloads.radiance.zip_nerf.interlevel import (
    INTERLEVEL_LOSSES,
    blurred_masses,
    shortfall,
    spline_loss,
)
from hermite_pinn.workloads.radiance.zip_nerf.spacing import Spacing, ladder, ladder_inverse


def drawn(n=5, k=7, seed=0, low=0.0, high=1.0):
    """Random histograms in float64."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.rand(n, k, dtype=torch.float64, generator=generator) + 0.05
    edges = torch.cat([torch.zeros(n, 1, dtype=torch.float64), lengths.cumsum(1)], 1)
    edges = low + (high - low) * edges / edges[:, -1:]
    weights = torch.rand(n, k, dtype=torch.float64, generator=generator)
    return edges, 0.9 * weights / weights.sum(1, keepdim=True)


# -- the power ladder ---
POWERS = [-torch.inf, -1.5, -0.25, 0.0, 0.5, 1.0, 2.0, torch.inf]


@pytest.mark.parametrize("power", POWERS)
def test_the_ladder_has_an_inverse_and_the_slope_one_at_zero(power):
    x = torch.logspace(-6, 0.7, 100, dtype=torch.float64)
    assert torch.allclose(ladder_inverse(ladder(x, power), power), x, rtol=1e-10)
    assert float(ladder(x, power)[0] / x[0]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("power", "near"), [(1.0, 1 - 1e-9), (0.0, 1e-9), (-torch.inf, -1e7)])
def test_the_ladder_is_continuous_in_its_power(power, near):
    x = torch.linspace(0, 5, 50, dtype=torch.float64)
    assert torch.allclose(ladder(x, power), ladder(x, near), rtol=1e-5)


@pytest.mark.parametrize("power", [-1.5, -0.25, 0.0, 1.0])
def test_spacing_goes_from_end_to_end(power):
    spacing = Spacing(power, 2.0)
    near, far = torch.tensor([0.2, 1.0]), torch.tensor([100.0, 2.0])
    s = torch.linspace(0, 1, 9).expand(2, 9)
    t = spacing.distance(s, near, far)
    assert torch.allclose(t[:, 0], near)
    assert torch.allclose(t[:, -1], far, rtol=1e-5)
    assert torch.allclose(spacing.share(t, near, far), s, atol=1e-4)


# -- resampling ---
def test_edges_follow_the_histogram():
    edges, weights = drawn()
    count = 4000
    new = resample(edges, weights, count)
    wanted = weights / weights.sum(1, keepdim=True)
    found = torch.stack([torch.histogram(row, e)[0] for row, e in zip(new, edges, strict=True)]) / count
    assert torch.allclose(found, wanted, atol=3e-3)


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(1)])
@pytest.mark.parametrize("weights", ["random", "none", "one"])
@pytest.mark.parametrize("count", [1, 2, 33])
def test_edges_rise_within_the_histogram(generator, weights, count):
    edges, w = drawn(64, 9, 2)
    w = {"random": w, "none": torch.zeros_like(w), "one": torch.eye(9, dtype=w.dtype)[torch.arange(64) % 9]}[weights]
    new = resample(edges, w, count, 1.0, generator)
    assert new.shape == (64, count + 1)
    assert bool((new.diff() >= 0).all())
    assert bool((new >= edges[:, :1]).all())
    assert bool((new <= edges[:, -1:]).all())


def test_the_power_zero_ignores_weights():
    _edges, weights = drawn(3, 8)
    even = torch.linspace(0, 1, 9, dtype=torch.float64).expand(3, 9)
    assert torch.allclose(resample(even, weights, 8, 0.0), even)


def test_one_random_number_shifts_all_points_of_a_ray():
    even = torch.linspace(0, 1, 9, dtype=torch.float64).expand(2, 9)
    new = resample(even, torch.ones(2, 8, dtype=torch.float64), 8, 1.0, torch.Generator().manual_seed(0))
    shifts = new[:, 1:-1] - even[:, 1:-1]
    assert torch.allclose(shifts, shifts[:, :1].expand_as(shifts))
    assert not torch.allclose(shifts[0], shifts[1])


def test_no_gradient_goes_through_edges():
    edges, weights = drawn()
    assert not resample(edges, weights.requires_grad_(), 4).requires_grad


def test_the_bias_goes_from_zero_to_one():
    assert schlick(0.0) == 0.0
    assert schlick(1.0) == 1.0
    values = [schlick(p / 10) for p in range(11)]
    assert values == sorted(values)
    assert schlick(0.3, 1.0) == pytest.approx(0.3)


def test_weights_and_what_comes_through_are_everything():
    sigma, lengths = torch.rand(2, 3, 8, dtype=torch.float64).mul(5).unbind(0)
    through = torch.exp(-(sigma * lengths).sum(1))
    assert torch.allclose(volume_weights(sigma, lengths).sum(1) + through, torch.ones(3, dtype=torch.float64))


def test_masses_of_the_own_edges_are_the_weights():
    edges, weights = drawn()
    assert torch.allclose(masses(edges, weights, edges), weights)
    assert torch.allclose(masses(edges, weights, drawn(seed=1)[0]).sum(1), weights.sum(1))


def test_shapes_that_do_not_fit_are_refused():
    edges, weights = drawn()
    for wrong in ((edges, weights[:, 1:]), (edges[0], weights[0]), (edges[1:], weights)):
        with pytest.raises(hp.InvalidArgumentError, match="histogram"):
            resample(*wrong, 3)


# -- blurred histograms ---
@pytest.mark.parametrize("half_width", [1e-4, 0.003, 0.03, 0.7])
def test_blurring_keeps_mass_and_sign(half_width):
    edges, weights = drawn(50, 32, 3)
    weights[::3, ::2] = 0
    wide = torch.linspace(-1, 2, 40, dtype=torch.float64).expand(50, 40)
    blurred = blurred_masses(edges, weights, wide, half_width)
    assert bool((blurred >= 0).all())
    assert torch.allclose(blurred.sum(1), weights.sum(1))


def test_blurring_is_the_convolution_with_a_box():
    edges, weights = drawn(1, 5, 4)
    half_width, fine = 0.05, torch.linspace(-0.5, 1.5, 200_001, dtype=torch.float64)[None]
    step = float(fine[0, 1] - fine[0, 0])
    mass = masses(edges, weights, fine)[0]
    width = 2 * round(half_width / step)
    full = torch.from_numpy(fftconvolve(mass.numpy(), np.full(width, 1 / width)))
    blurred = full[width // 2 - 1 : width // 2 + len(mass)]
    at = torch.linspace(-0.2, 1.2, 15, dtype=torch.float64)[None]
    heights = torch.cat([blurred.new_zeros(1), blurred.cumsum(0)])
    known = heights[((at[0] + 0.5) / step).round().long()].diff()
    assert torch.allclose(blurred_masses(edges, weights, at, half_width)[0], known, atol=1e-4)


def test_blurring_little_changes_little():
    edges, weights = drawn()
    at = drawn(seed=9)[0]
    assert torch.allclose(blurred_masses(edges, weights, at, 1e-7), masses(edges, weights, at), atol=1e-5)


def test_in_single_precision_masses_are_as_good_as_its_edges():
    edges, weights = drawn(200, 32, 5)
    at = drawn(200, 64, 6)[0].float()
    rounded = blurred_masses(edges.float(), weights.float(), at, 0.003)
    known = blurred_masses(edges.float().double(), weights.float().double(), at.double(), 0.003)
    assert float((rounded - known).abs().max()) < 1e-7


# -- losses ---
@pytest.mark.parametrize("kind", INTERLEVEL_LOSSES)
def test_gradients_by_proposals_are_those_of_differences(kind):
    edges, weights = drawn()
    proposed, guess = drawn(5, 9, 1)
    loss = INTERLEVEL_LOSSES[kind]
    assert torch.autograd.gradcheck(lambda g: loss(edges, weights, proposed, g, 0.03), (guess.requires_grad_(),))


@pytest.mark.parametrize("kind", INTERLEVEL_LOSSES)
def test_fields_get_no_gradient_from_proposals(kind):
    edges, weights = drawn()
    loss = INTERLEVEL_LOSSES[kind](edges, weights.requires_grad_(), *drawn(seed=1), 0.03)
    assert not loss.requires_grad


@pytest.mark.parametrize("kind", INTERLEVEL_LOSSES)
def test_losses_are_least_where_the_proposal_is_the_blurred_histogram(kind):
    edges, weights = drawn()
    proposed, other = drawn(5, 9, 1)
    best = blurred_masses(edges, weights, proposed, 0.03)
    loss = INTERLEVEL_LOSSES[kind]
    assert float(loss(edges, weights, proposed, best, 0.03)) == pytest.approx(0, abs=1e-9)
    assert float(loss(edges, weights, proposed, other, 0.03)) > 1e-4


def test_a_proposal_with_more_weight_costs_nothing():
    edges, weights = drawn()
    proposed = drawn(5, 9, 1)[0]
    more = blurred_masses(edges, weights, proposed, 0.03) + 0.1
    assert float(spline_loss(edges, weights, proposed, more, 0.03)) == 0


def test_the_shortfall_is_what_the_proposal_does_not_cover():
    edges, weights = drawn()
    assert float(shortfall(edges, weights, edges, weights)) == pytest.approx(0, abs=1e-12)
    assert float(shortfall(edges, weights, edges, torch.zeros_like(weights))) == pytest.approx(0.9)
    coarse = edges[:, [0, -1]]
    assert float(shortfall(edges, weights, coarse, weights.sum(1, keepdim=True))) == 0


def test_the_distortion_is_the_double_sum():
    edges, weights = drawn(6, 12)
    middles, lengths = (edges[:, 1:] + edges[:, :-1]) / 2, edges.diff()
    pairs = weights[:, :, None] * weights[:, None] * (middles[:, :, None] - middles[:, None]).abs()
    known = (pairs.sum((1, 2)) + (weights**2 * lengths).sum(1) / 3).mean()
    assert float(distortion_loss(edges, weights)) == pytest.approx(float(known), rel=1e-12)


def test_the_distortion_does_not_change_with_the_origin_and_splitting():
    edges, weights = drawn(6, 12)
    known = float(distortion_loss(edges, weights))
    assert float(distortion_loss(edges + 1e4, weights)) == pytest.approx(known, rel=1e-9)
    middles = (edges[:, 1:] + edges[:, :-1]) / 2
    split = torch.cat([edges, middles], 1).sort(1).values
    assert float(distortion_loss(split, weights.repeat_interleave(2, 1) / 2)) == pytest.approx(known, rel=1e-9)


def test_gradients_of_the_distortion_are_those_of_differences():
    edges, weights = drawn(3, 6)
    inputs = (edges.requires_grad_(), weights.requires_grad_())
    assert torch.autograd.gradcheck(distortion_loss, inputs)


def test_gradients_of_weights_are_those_of_differences():
    sigma, lengths = (torch.rand(3, 6, dtype=torch.float64).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(volume_weights, (sigma, lengths))
