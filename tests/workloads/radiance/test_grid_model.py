"""Radiance fields on grids: what a step and a picture take of the samples, and their gradients."""

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.rays.marching import march
from hermite_pinn.field.encoders import ENCODERS
from hermite_pinn.workloads.radiance import Rays, Scene
from hermite_pinn.workloads.radiance.setting import Setting

SMALL = {"levels": 3, "coarsest": 4, "finest": 16, "table_size": 2**10, "samples": 2048, "cells": 16, "spread": 0.3}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scene():
    return Scene.render_synthetic(16, train=6, test=1)


def made(recipe, setting, dtype=torch.float32, seed=0):
    return recipe.settled(setting, CPU).make(setting, torch.Generator().manual_seed(seed), dtype, CPU)


def drawn(scene, count=64, seed=1):
    draw = scene.train.sample(count, torch.Generator().manual_seed(seed))
    return draw.rays, draw.colors.T.contiguous()


def gradients(model, rays, target):
    losses = model.terms(rays, target, 0.5, torch.Generator().manual_seed(2))
    return torch.autograd.grad(losses["colour"], list(model.parameters()), allow_unused=True)


def test_samples_that_are_not_seen_change_no_gradient(scene):
    rays, target = drawn(scene)
    pairs = []
    for compaction in (True, False):
        model = made(hp.radiance.InstantNGP(**SMALL, density=30.0, compaction=compaction), Setting.of(scene))
        pairs.append(gradients(model, rays, target))
        counted = model.count
    assert counted > 2 * made_count(scene, rays, target)
    for one, other in zip(*pairs, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-7)


def made_count(scene, rays, target):
    model = made(hp.radiance.InstantNGP(**SMALL, density=30.0), Setting.of(scene))
    model.terms(rays, target, 0.5, torch.Generator().manual_seed(2))
    return model.count


def test_a_step_follows_the_rays_as_differences_say():
    # the rays begin in the box and see nothing of its end, so that samples stay where they are along them
    setting = Setting((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), None, False, True)
    options = {**SMALL, "cascades": 1, "cone": 0.0, "near": 0.0, "march_steps": 64}
    recipe = hp.radiance.Hermite(**options, density=40.0, least=0.0, compaction=False, background="constant")
    model = made(recipe, setting, torch.float64)
    generator = torch.Generator().manual_seed(3)
    origin = 0.2 * torch.rand(5, 3, generator=generator, dtype=torch.float64)
    direction = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator, dtype=torch.float64), dim=1)
    target = torch.rand(3, 5, generator=generator, dtype=torch.float64)

    def loss(o, d):
        rays = Rays(o, d, torch.zeros(5, dtype=torch.float64))
        return model.terms(rays, target, 0.5, torch.Generator().manual_seed(4))["colour"]

    origin.requires_grad_()
    direction.requires_grad_()
    by = torch.autograd.grad(loss(origin, direction), (origin, direction))
    step = 1e-6
    for index, (tensor, gradient) in enumerate(zip((origin, direction), by, strict=True)):
        for ray, axis in ((0, 0), (1, 1), (2, 2), (4, 0)):
            ends = []
            for sign in (1, -1):
                pair = [origin.detach().clone(), direction.detach().clone()]
                pair[index][ray, axis] += sign * step
                ends.append(float(loss(*pair).detach()))
            difference = (ends[0] - ends[1]) / (2 * step)
            assert difference == pytest.approx(float(gradient[ray, axis]), rel=1e-4, abs=1e-7), (tensor.shape, ray)


def block(model):
    """Make the field a cube of whole cells, outside of which there is nothing."""

    def hidden(points):
        inside = points.abs().amax(0) < 0.5
        first = torch.where(inside, 3.0, -90.0)[None]
        return torch.cat([first, 0.3 * points.sin().repeat(5, 1)])

    model.field.hidden = hidden
    model.field.density = lambda points: model.field.density_of(hidden(points))


def test_occupied_cells_show_the_picture_of_dense_marching(scene):
    model = made(hp.radiance.InstantNGP(**SMALL), Setting.of(scene))
    block(model)
    rays = scene.test[0].camera.rays()
    dense, all_samples = model.look(rays), len(march_of(model, rays))
    generator = torch.Generator().manual_seed(0)
    for step in range(0, 16 * 12, 16):
        model.advance(step, 0.0, generator)
    sparse, samples = model.look(rays), len(march_of(model, rays))
    assert samples < all_samples / 3
    assert torch.allclose(sparse.colour, dense.colour, atol=1e-6)
    assert torch.allclose(sparse.opacity, dense.opacity, atol=1e-6)


def march_of(model, rays):
    return march(rays.origin.T.contiguous(), rays.direction.T.contiguous(), model.occupied.grid, model.marching)


def test_pictures_do_not_depend_on_the_order_of_rays(scene):
    model = made(hp.radiance.InstantNGP(**SMALL), Setting.of(scene))
    rays = scene.test[0].camera.rays()
    order = torch.randperm(len(rays), generator=torch.Generator().manual_seed(0))
    plain, shuffled = model.look(rays), model.look(rays[order])
    assert torch.allclose(shuffled.colour, plain.colour[:, order], atol=1e-6)
    assert torch.allclose(shuffled.opacity, plain.opacity[order], atol=1e-6)


def test_normals_are_unit_vectors_out_of_a_ball(scene):
    model = made(hp.radiance.Hermite(**SMALL), Setting.of(scene))

    def hidden(points):
        return torch.cat([40 * (0.4 - points.norm(dim=0, keepdim=True)), points.repeat(5, 1)])

    model.field.hidden = hidden
    seen = model.look(scene.test[0].camera.rays(), normals=True)
    solid = seen.opacity > 0.99
    points = scene.test[0].camera.rays().at(seen.depth)[solid]
    away = torch.nn.functional.normalize(points, dim=1)
    assert solid.sum() > 5
    assert float((seen.normals.T[solid] * away).sum(1).min()) > 0.99


def test_no_cell_that_a_camera_sees_is_hidden(scene):
    recipe = hp.radiance.InstantNGP(**{**SMALL, "cells": 64})
    model = recipe.build(scene, torch.Generator().manual_seed(0), torch.float32, CPU)
    rays, _ = drawn(scene, 2000)
    before = len(march_of(model, rays))
    model.occupied.grid.bits.fill_(255)
    assert len(march_of(model, rays)) == before


def test_cells_that_no_camera_sees_are_hidden_and_stay_so():
    # cameras in a corner that look at a wall
    poses = torch.stack(
        [torch.from_numpy(hp.radiance.look_at((0.6, 0.6 + 0.01 * k, 0.6), (1, 1, 1))) for k in range(3)]
    )
    cameras = hp.radiance.Cameras(hp.radiance.Intrinsics.of_view_angle(8, 8, 0.5), poses)
    views = hp.radiance.Views(cameras, [torch.zeros(8, 8, 3)] * 3)
    scene = Scene(views, ("train",) * 3, torch.full((3,), -1.0).double(), torch.ones(3).double())
    recipe = hp.radiance.InstantNGP(**{**SMALL, "cascades": 1})
    model = recipe.build(scene, torch.Generator().manual_seed(0), torch.float32, CPU)
    hidden = model.occupied.values < 0
    assert hidden.float().mean() > 0.5
    for step in (16, 32):
        model.advance(step, 0.0, torch.Generator().manual_seed(0))
    assert bool((model.occupied.values[hidden] == -1).all())
    assert not bool(model.occupied.grid.occupied()[hidden].any())


@pytest.mark.parametrize(
    "encoder", [*(n for n, kind in ENCODERS.items() if "siren" in (kind.heads or {"siren"})), "linear"]
)
def test_every_encoder_takes_part_by_its_name(scene, encoder):
    model = made(hp.radiance.InstantNGP(**SMALL, encoder=encoder), Setting.of(scene))
    rays, target = drawn(scene)
    loss = model.terms(rays, target, 0.0, torch.Generator().manual_seed(0))["colour"]
    loss.backward()
    reached = [p.grad is not None and bool(torch.isfinite(p.grad).all()) for g in model.groups() for p in g.parameters]
    assert math.isfinite(float(loss.detach()))
    assert all(reached)


def test_tables_in_half_precision_give_nearly_the_same_picture_and_normals(scene):
    kinds = [hp.Field(basis="linear", head="siren", half=half) for half in (False, True)]
    setting, rays = Setting.of(scene), scene.test[0].camera.rays()
    full, half = (
        made(hp.radiance.InstantNGP(**SMALL, encoder=kind), setting).look(rays, normals=True) for kind in kinds
    )
    assert half.colour.isfinite().all()
    assert half.normals.isfinite().all()
    assert torch.allclose(full.colour, half.colour, atol=5e-3)


def test_a_random_background_is_that_of_the_target(scene):
    setting = Setting((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), None, True, False)
    model = made(hp.radiance.InstantNGP(**SMALL, density=1e-6), setting)
    rays, target = drawn(scene)
    clear = torch.cat([target, torch.zeros(1, target.shape[1])])
    assert float(model.terms(rays, clear, 0.0, torch.Generator().manual_seed(0))["colour"].detach()) < 1e-6
