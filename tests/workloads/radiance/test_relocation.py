"""Views that have gone astray while poses are refined, and are looked for again."""

import pytest
import torch
from support.light_field import SCENE, LightField, views_of

from hermite_pinn.workloads.radiance import PoseRefinement, perturbed
from hermite_pinn.workloads.radiance.photometry import misfits
from hermite_pinn.workloads.radiance.pose_refinement import RefinedPoses
from hermite_pinn.workloads.radiance.relocation import relocated, strays

TRUE = SCENE.train.cameras
MODEL = LightField()
VIEWS = views_of(MODEL, TRUE)


def twists_with_one_astray(k, size):
    """Small twists of a run that began at the true places, but for one view."""
    twists = 0.01 * torch.randn(len(TRUE), 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    twists[k] = size
    return twists


def test_views_far_above_the_median_are_astray_the_worst_first_and_no_more_than_a_fifth():
    errors = torch.ones(20)
    errors[[3, 7]] = torch.tensor([5.0, 9.0])
    assert strays(errors) == [7, 3]
    errors[:9] = torch.arange(10.0, 19.0)
    assert strays(errors) == [8, 7, 6, 5]
    assert strays(torch.full((20,), 0.1)) == []


def test_errors_of_views_are_zero_where_they_were_taken():
    assert float(misfits(MODEL, VIEWS, 100).max()) < 1e-9
    moved = VIEWS.moved(perturbed(TRUE, 0.1, 0).poses)
    assert float(misfits(MODEL, moved, 100).min()) > 1e-4


@pytest.mark.parametrize("side", ["world", "camera"])
def test_a_view_that_has_gone_astray_is_found_and_others_stay(side):
    twists = twists_with_one_astray(5, 0.2)
    found = relocated(MODEL, VIEWS, twists, side, 0, torch.Generator().manual_seed(0))
    others = [k for k in range(len(TRUE)) if k != 5]
    assert torch.equal(found[others], twists[others])
    assert float(found[5].abs().max()) < 0.1 * float(twists[5].abs().max())


def test_a_view_that_is_held_is_not_looked_for():
    twists = twists_with_one_astray(0, 0.2)
    assert torch.equal(relocated(MODEL, VIEWS, twists, "world", 1, torch.Generator()), twists)


def test_the_field_is_the_same_afterwards():
    before = {name: tensor.clone() for name, tensor in MODEL.state_dict().items()}
    relocated(MODEL, VIEWS, twists_with_one_astray(2, 0.2), "world", 0, torch.Generator())
    assert all(torch.equal(before[name], tensor) for name, tensor in MODEL.state_dict().items())


def test_views_are_looked_for_once_at_every_part_of_the_run_that_is_asked_for():
    poses = RefinedPoses(TRUE.poses, PoseRefinement(searches=(0.7, 0.2)))
    astray = twists_with_one_astray(5, 0.2)
    for progress, looked in ((0.0, False), (0.1, False), (0.25, True), (0.5, False), (0.9, True), (1.0, False)):
        poses.twists.data.copy_(astray)
        poses.revise(progress, MODEL, VIEWS, torch.Generator().manual_seed(0))
        assert torch.equal(poses.twists, astray) is not looked
