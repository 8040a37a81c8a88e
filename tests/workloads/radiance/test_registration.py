"""Views that are placed and registered in a field that stays, and poses that are refined in a fit."""

import dataclasses

import numpy as np
import pytest
import torch
from support.light_field import SCENE, SMALL, LightField, views_of

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry.similarity import Similarity
from hermite_pinn.workloads.radiance import (
    Cameras,
    GridLevels,
    InstantNGP,
    PoseRefinement,
    Proposal,
    ZipNeRF,
    draw_poses,
    fit,
    perturbed,
    placed,
    pose_errors,
    registered,
)

COARSE = GridLevels(4, 8, 2, 2, 1 << 10)
ZIP = ZipNeRF(levels=COARSE, width=16, samples=8, rays=64, first=Proposal(8, COARSE, 8, 0.05), second=None)


@pytest.mark.parametrize("side", ["world", "camera"])
def test_views_are_registered_where_their_pictures_were_taken(side):
    model, true = LightField(), SCENE.test.cameras
    views = views_of(model, true)
    noisy = views.moved(perturbed(true, 0.02, 0).poses)
    found = registered(model, noisy, PoseRefinement(rate=2e-3, decay=1.0, side=side), steps=400, rays=48)
    unmoved = Similarity(1.0, np.eye(3), np.zeros(3))
    before, after = (pose_errors(v.cameras, true, unmoved) for v in (noisy, found))
    assert float(after.rotation.mean()) < 0.1 * float(before.rotation.mean())
    assert float(after.translation.mean()) < 0.1 * float(before.translation.mean())


def test_a_field_is_the_same_after_views_were_registered_in_it():
    model = LightField()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    registered(model, views_of(model, SCENE.test.cameras), steps=3, rays=4)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert model.waves.requires_grad
    assert model.waves.grad is None


def test_no_steps_leave_poses_where_they_are():
    views = views_of(LightField(), SCENE.test.cameras)
    assert torch.allclose(registered(LightField(), views, steps=0).cameras.poses, views.cameras.poses, atol=1e-15)


def test_placed_views_are_those_of_the_other_world():
    move = Similarity.turn(3, 40.0, "x").after(Similarity.scaling(3, 3.0))
    errors = pose_errors(placed(SCENE.train, move).cameras, SCENE.train.cameras)
    assert float(errors.rotation.max()) < 1e-6
    assert errors.similarity.scale == pytest.approx(1 / 3, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"steps": -1}, "steps"), ({"rays": 0}, "rays"), ({"seed": -1}, "seed"), ({}, "there are no views to register")],
)
def test_what_cannot_be_registered_is_refused(options, told):
    with pytest.raises(InvalidArgumentError, match=told):
        registered(LightField(), SCENE.test if options else SCENE.test[:0], **options)


# -- fits ---
def noisy_scene(sigma):
    poses = SCENE.cameras.poses.clone()
    poses[:8] = perturbed(SCENE.train.cameras, sigma, 1).poses
    return dataclasses.replace(SCENE, views=SCENE.views.moved(poses))


def test_a_fit_that_refines_poses_returns_them_with_their_way():
    scene = noisy_scene(0.05)
    found = fit(scene, recipe=SMALL, poses=PoseRefinement(hold=0.0, curriculum=(0.0, 0.5)), steps=30, progress=False)
    assert isinstance(found.cameras, Cameras)
    assert found.trail.shape == (11, 8, 3, 4)
    assert torch.allclose(found.trail[0], scene.train.cameras.poses, atol=1e-15)
    assert torch.allclose(found.trail[-1], found.cameras.poses, atol=1e-15)
    assert float((found.trail[1:] - found.trail[:-1]).abs().amax((1, 2, 3)).min()) > 0


def test_a_fit_with_fixed_poses_keeps_them():
    found = fit(SCENE, recipe=SMALL, steps=3, progress=False)
    assert found.cameras.poses is SCENE.train.cameras.poses or torch.equal(
        found.cameras.poses, SCENE.train.cameras.poses
    )
    assert found.trail is None


def test_poses_that_are_held_stay_and_move_afterwards():
    scene = noisy_scene(0.05)
    found = fit(scene, recipe=SMALL, poses=PoseRefinement(hold=0.5), steps=20, progress=False)
    start = scene.train.cameras.poses
    assert all(torch.allclose(poses, start, atol=1e-15) for poses in found.trail[:6])
    assert float((found.trail[6] - start).abs().max()) > 0


@pytest.mark.parametrize("recipe", [SMALL, ZIP], ids=lambda recipe: recipe.name)
def test_colours_learn_of_directions_only_after_their_part_of_a_run(recipe):
    for part, learned in ((0.99, False), (0.5, True)):
        model = fit(SCENE, recipe=recipe, poses=PoseRefinement(directions=part), steps=8, progress=False).model
        weights, columns = model.directions()
        assert len(range(*columns.indices(weights.shape[1]))) == 15
        assert bool((weights[:, columns] != 0).any()) is learned
        assert bool((weights[:, :5] != 0).any())


def test_the_first_pose_stays_in_a_fit_if_asked():
    scene = noisy_scene(0.05)
    found = fit(scene, recipe=SMALL, poses=PoseRefinement(fix_first=True), steps=10, progress=False)
    assert torch.equal(found.cameras.poses[0], scene.train.cameras.poses[0])


@pytest.mark.parametrize("poses", ["refined", 3, PoseRefinement])
def test_unknown_ways_with_poses_are_refused(poses):
    with pytest.raises(InvalidArgumentError, match="poses must be 'fixed', 'refine' or a"):
        fit(SCENE, recipe=SMALL, poses=poses, steps=1, progress=False)


@pytest.mark.slow
def test_refined_poses_are_nearer_to_the_true_ones():
    scene = hp.radiance.Scene.render_synthetic(32, train=30, test=2, seed=1)
    true, poses = scene.train.cameras, scene.cameras.poses.clone()
    poses[:30] = perturbed(true, 0.05, 1).poses
    recipe = InstantNGP(levels=5, coarsest=4, finest=48, table_size=2**12, samples=4096, cells=16, march_steps=96)
    noisy = dataclasses.replace(scene, views=scene.views.moved(poses))
    found = fit(noisy, recipe=recipe, poses=PoseRefinement(curriculum=None), steps=500, progress=False)
    before, after = (pose_errors(c, true) for c in (noisy.train.cameras, found.cameras))
    assert float(after.rotation.mean()) < 0.6 * float(before.rotation.mean())
    assert float(after.translation.mean()) < 0.6 * float(before.translation.mean())


@pytest.mark.parametrize("shape", [(3, 4), (2, 5, 3, 4), (2, 8, 4, 4)])
def test_what_is_no_way_of_poses_is_not_drawn(shape, tmp_path):
    for trail in (torch.zeros(shape), np.zeros((2, 8, 3, 4)), None):
        with pytest.raises(InvalidArgumentError, match=r"trail must be poses \(k, 8, 3, 4\)"):
            draw_poses(tmp_path / "poses.png", trail, SCENE.train.cameras)
