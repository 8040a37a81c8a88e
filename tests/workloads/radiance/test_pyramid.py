"""Averages of blocks of pixels that are learned."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import GridLevels, Proposal, Scene, ZipNeRF, reduced
from hermite_pinn.workloads.radiance.zip_nerf.pyramid import Pyramid, shares

SCENE = Scene.render_synthetic(16, train=6, test=1, supersampling=1)
SMALL = ZipNeRF(
    levels=GridLevels(4, 16, 3, 2, 1 << 10),
    width=16,
    samples=8,
    rays=64,
    first=Proposal(8, GridLevels(4, 8, 2, 2, 1 << 10), 8, 0.05),
    second=Proposal(8, GridLevels(4, 8, 2, 2, 1 << 10), 8, 0.01),
)


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("count", [1, 5, 64, 511])
@pytest.mark.parametrize("scales", [(1,), (1, 2), (1, 3, 7), (1, 2, 4, 8)])
def test_every_scale_has_a_share_of_the_rays(count, scales):
    found = shares(count, scales)
    assert len(found) == len(scales)
    assert all(n > 0 for n in found)
    assert sum(found) == max(count, len(scales))
    assert list(found) == sorted(found, reverse=True)


def test_blocks_have_the_colours_of_averages_and_their_cones():
    draw = Pyramid(SCENE.train, (1, 4)).sample(200, generator())
    small, coarse = reduced(SCENE.train, 4), shares(200, (1, 4))[1]
    for ray, color, view, pixel in zip(
        draw.rays.radius[-coarse:], draw.colors[-coarse:], draw.views[-coarse:], draw.pixels[-coarse:], strict=True
    ):
        x, y = (int(c) for c in pixel)
        assert torch.equal(color, small.images[int(view)][y, x])
        known = small.cameras[int(view)].rays(pixel[None])
        assert float(ray) == pytest.approx(float(known.radius[0]), rel=1e-5)


def test_pixels_alone_are_drawn_as_without():
    found, known = Pyramid(SCENE.train, (1,)).sample(50, generator()), SCENE.train.sample(50, generator())
    assert torch.equal(found.rays.direction, known.rays.direction)
    assert torch.equal(found.colors, known.colors)


def test_blocks_move_with_poses():
    poses = SCENE.train.cameras.poses.clone().requires_grad_()
    draw = Pyramid(SCENE.train, (1, 2)).sample(32, generator(), poses)
    (slope,) = torch.autograd.grad(draw.rays.origin.square().sum(), poses)
    assert bool(slope[:, :, 3].any())


@pytest.mark.slow
def test_a_run_with_blocks_continues_as_one_that_was_not_interrupted(tmp_path):
    class Stop(hp.Callback):
        def on_step(self, state):
            return "enough"

    recipe = dataclasses.replace(SMALL, scales=(1, 2, 4))
    options = {"recipe": recipe, "steps": 120, "poses": "refine", "progress": False, "device": "cpu"}
    whole = hp.radiance.fit(SCENE, **options)
    hp.radiance.fit(SCENE, **options, callbacks=[Stop()], checkpoint=tmp_path / "run.h5")
    again = hp.radiance.fit(SCENE, **options, resume=tmp_path / "run.h5")
    assert all(torch.equal(v, whole.model.state_dict()[k]) for k, v in again.model.state_dict().items())
    again.save(tmp_path / "field.h5")
    assert hp.radiance.Radiance.load(tmp_path / "field.h5").model.recipe == again.model.recipe


@pytest.mark.parametrize("wrong", [(), (2,), (1, 1), (1, 4, 2), (1, 2.5), "1", 4, None])
def test_scales_that_do_not_rise_from_one_are_refused(wrong):
    with pytest.raises(hp.InvalidArgumentError, match="scales must be"):
        ZipNeRF(scales=wrong)


def test_blocks_larger_than_a_picture_are_refused_before_the_first_step():
    with pytest.raises(hp.InvalidProblemError, match="blocks of 32 pixels do not fit"):
        hp.radiance.fit(SCENE, recipe=ZipNeRF(scales=(1, 32)), steps=1, progress=False)
