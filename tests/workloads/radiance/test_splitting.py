"""Pixels that are seen by several cones."""

from __future__ import annotations

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import Rays, Scene, Sight, reduced
from hermite_pinn.workloads.radiance.splitting import looked, pattern, split


def cones(n=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=dtype), dim=1)
    return Rays(torch.zeros(n, 3, dtype=dtype), direction, torch.full((n,), 0.01, dtype=dtype))


class Sky:
    """A model that sees a colour by the direction alone, and what is asked of it."""

    def __init__(self):
        self.asked = []

    def look(self, rays, background=None, normals=False):
        self.asked.append(len(rays))
        n = len(rays)
        faces = rays.direction.T if normals else None
        return Sight(rays.direction.T.abs(), torch.ones(n), torch.full((n,), 2.0), faces)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 16, 64])
def test_cones_have_the_moments_of_the_one_that_is_split(count):
    points = pattern(count)
    own = torch.eye(2, dtype=torch.float64) / (4 * count)
    assert torch.allclose(points.mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(points.T @ points / count + own, torch.eye(2, dtype=torch.float64) / 4, atol=1e-12)


@pytest.mark.parametrize("count", [4, 9])
def test_narrow_cones_lie_in_the_wide_one_and_share_its_area(count):
    whole = cones()
    parts = split(whole, count)
    angle = (parts.direction.reshape(5, count, 3) * whole.direction[:, None]).sum(2).clamp(max=1).acos()
    assert bool((angle < 1.2 * whole.radius[:, None]).all())
    assert torch.allclose((parts.radius**2).reshape(5, count).sum(1), whole.radius**2)
    assert torch.allclose(parts.direction.norm(dim=1), torch.ones(5 * count, dtype=torch.float64))
    mean = torch.nn.functional.normalize(parts.direction.reshape(5, count, 3).mean(1), dim=1)
    assert torch.allclose(mean, whole.direction, atol=1e-6)


def test_one_cone_is_the_pixel():
    whole = cones()
    assert split(whole, 1) is whole


def test_what_cones_see_is_averaged_pixel_by_pixel(monkeypatch):
    monkeypatch.setattr("hermite_pinn.workloads.radiance.splitting.PART", 12)
    sky, whole = Sky(), cones(7)
    found = looked(sky, whole, None, True, 4)
    assert sky.asked == [12, 12, 4]
    known = split(whole, 4).direction.reshape(7, 4, 3).abs().mean(1).T
    assert torch.allclose(found.colour, known)
    assert torch.equal(found.depth, torch.full((7,), 2.0))
    assert torch.allclose(found.normals, whole.direction.T, atol=1e-6)


def test_depth_is_that_of_what_is_there():
    sight = Sight(torch.zeros(3, 4), torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([3.0, *[torch.inf] * 3]))
    mean = sight.means(2)
    assert mean.depth.tolist() == [3.0, math.inf]
    assert mean.opacity.tolist() == [0.5, 0.0]


def test_no_rays_are_split_into_none():
    assert looked(Sky(), cones()[:0], None, False, 6).colour.shape == (3, 0)


@pytest.mark.parametrize("recipe", ["instant_ngp", "zip_nerf"])
def test_pictures_of_any_recipe_are_split(recipe):
    scene = Scene.render_synthetic(16, train=4, test=1, supersampling=1)
    found = hp.radiance.fit(scene, recipe=recipe, steps=2, progress=False, device="cpu")
    camera = scene.test[0].camera
    one, several = found.render(camera), found.render(camera, cones=6)
    assert several.image.shape == one.image.shape
    assert float((several.image - one.image).abs().max()) < 0.5
    assert set(found.evaluate(reduced(scene.test, 2), cones=3)) == {"psnr", "ssim"}
    for wrong in (0, 2, 1.5, "six"):
        with pytest.raises(hp.InvalidArgumentError, match="cones must be"):
            found.render(camera, cones=wrong)


def test_a_sharp_edge_is_as_bright_as_the_part_of_the_pixel_that_it_leaves():
    class Half(Sky):
        def look(self, rays, background=None, normals=False):
            bright = (rays.direction[:, 0] > 0.004).to(rays.direction)
            return Sight(bright.expand(3, -1), bright, torch.ones_like(bright))

    whole = Rays(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([0.01]))
    exact = (math.acos(0.4) - 0.4 * math.sqrt(1 - 0.4**2)) / math.pi
    found = [abs(float(looked(Half(), whole, cones=m).colour[0, 0]) - exact) for m in (1, 64, 1024)]
    assert found[0] > 0.2
    assert found[1] < 0.04
    assert found[2] < 0.01
