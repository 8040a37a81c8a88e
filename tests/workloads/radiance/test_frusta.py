"""Points in cones have the moments of the cones."""

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import Rays
from hermite_pinn.workloads.radiance.zip_nerf.frusta import moments, multisample

NEAR, FAR, RADIUS = 2.0, 3.5, 0.05
MEAN, ALONG, ACROSS = 2.883064516, 0.173422867, 0.005303427


def axis(direction=(0.0, 0.0, 1.0), n=1):
    d = torch.tensor(direction, dtype=torch.float64)
    d = (d / d.norm()).expand(n, 3).clone()
    return Rays(torch.zeros(n, 3, dtype=torch.float64), d, torch.full((n,), RADIUS, dtype=torch.float64))


def integrated(near, far, power):
    """The mean of t^power in a cone's slice, whose area grows as t^2."""
    volume = (far**3 - near**3) / 3
    return (far ** (power + 3) - near ** (power + 3)) / (power + 3) / volume


@pytest.mark.parametrize("count", [4, 6])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_points_have_the_exact_moments_of_the_slice(count, seed):
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    edges = torch.tensor([[NEAR, FAR, FAR + 0.5]], dtype=torch.float64)
    x, y, t = multisample(axis(), edges, count, generator).positions[:, 0, 0]
    assert float(t.mean()) == pytest.approx(MEAN, abs=1e-9)
    assert float(t.var(correction=0)) == pytest.approx(ALONG, abs=1e-9)
    assert float((x**2 + y**2).mean() / 2) == pytest.approx(ACROSS, abs=1e-9)
    angle = torch.atan2(y, x)
    for lean in (angle.cos(), angle.sin(), t * angle.cos(), t * angle.sin()):
        assert abs(float(lean.sum())) < 1e-12


@pytest.mark.parametrize(("near", "far"), [(NEAR, FAR), (0.0, 1.0), (1.0, 1.0 + 1e-6), (1e-3, 1e3)])
def test_moments_are_those_of_the_integrals(near, far):
    mean, std = moments(torch.tensor([near, far], dtype=torch.float64))
    assert float(mean) == pytest.approx(integrated(near, far, 1), rel=1e-9)
    if far - near > 1e-3:
        assert float(std**2) == pytest.approx(integrated(near, far, 2) - integrated(near, far, 1) ** 2, rel=1e-9)
    else:
        assert float(std) == pytest.approx((far - near) / math.sqrt(12), rel=1e-6)


@pytest.mark.parametrize("direction", [(0.0, 0.0, -1.0), (1.0, 2.0, -3.0), (1.0, 0.0, 0.0), (1e-9, 0.0, -1.0)])
def test_the_cone_follows_its_ray(direction):
    rays = axis(direction)
    points = multisample(rays, torch.tensor([[NEAR, FAR]], dtype=torch.float64)).positions[:, 0, 0]
    t = rays.direction[0] @ points
    away = points - rays.direction[0][:, None] * t
    assert torch.allclose(away.norm(dim=0), math.sqrt(0.5) * RADIUS * t)
    assert torch.allclose(away.mean(1), torch.zeros(3, dtype=torch.float64), atol=1e-2)
    assert torch.allclose(t.mean(), t.new_tensor(MEAN))


def test_without_random_numbers_neighbours_go_opposite_ways():
    edges = torch.linspace(1, 2, 5, dtype=torch.float64)[None]
    x, y, t = multisample(axis(), edges).positions[:, 0]
    angle = torch.atan2(y, x)
    around = (angle - angle[:, :1]).remainder(2 * math.pi)
    assert torch.allclose(around[0], around[2])
    assert not torch.allclose(around[0], around[1])
    assert bool((t.diff(dim=1) > 0).all())
    turn = float((angle[1].flip(0) - angle[0]).remainder(2 * math.pi)[0])
    assert turn == pytest.approx(math.pi / 6)


def test_random_turns_are_uniform_and_come_from_the_generator():
    edges = torch.linspace(1, 2, 2001, dtype=torch.float64)[None]
    x, y, _ = multisample(axis(), edges, 6, torch.Generator().manual_seed(3)).positions[:, 0, :, 0]
    angle = torch.atan2(y, x)
    assert float(torch.exp(1j * angle).mean().abs()) < 0.1
    again = multisample(axis(), edges, 6, torch.Generator().manual_seed(3)).positions[0, 0, :, 0]
    assert torch.equal(again, x)


def test_gradients_by_rays_are_those_of_differences():
    generator = torch.Generator().manual_seed(0)
    origin = torch.randn(2, 3, dtype=torch.float64, generator=generator).requires_grad_()
    direction = torch.randn(2, 3, dtype=torch.float64, generator=generator)
    direction = (direction / direction.norm(dim=1, keepdim=True)).requires_grad_()
    edges = torch.tensor([[1.0, 1.5, 3.0], [0.0, 0.1, 2.0]], dtype=torch.float64)
    radius = torch.tensor([0.1, 0.2], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda o, d: multisample(Rays(o, d, radius), edges).positions, (origin, direction))


@pytest.mark.parametrize("count", [0, 5, "6", None])
def test_other_numbers_of_points_are_refused(count):
    with pytest.raises(hp.InvalidArgumentError, match="count"):
        multisample(axis(), torch.tensor([[1.0, 2.0]], dtype=torch.float64), count)


def test_edges_of_other_rays_are_refused():
    with pytest.raises(hp.InvalidArgumentError, match="edges"):
        multisample(axis(n=2), torch.tensor([[1.0, 2.0]], dtype=torch.float64))


@pytest.mark.parametrize(("count", "wide"), [(1, 1.0), (4, 1.5), (6, 1.5)])
def test_points_with_what_they_stand_for_are_as_wide_as_the_pixel_or_half_as_much_again(count, wide):
    edges = torch.tensor([[NEAR, NEAR + 1e-6]], dtype=torch.float64)
    found = multisample(axis(), edges, count)
    x, y, _ = found.positions[:, 0, 0]
    variance = (x**2 + y**2).mean() / 2 + found.std[0, 0].square().mean()
    assert float(variance) == pytest.approx(wide * (RADIUS * NEAR) ** 2 / 4, rel=1e-5)
