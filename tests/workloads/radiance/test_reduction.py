"""Pictures with fewer pixels."""

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import Scene
from hermite_pinn.workloads.radiance.reduction import reduced


@pytest.mark.parametrize(("size", "factor"), [(16, 2), (16, 4), ((24, 16), 8)])
@pytest.mark.parametrize("background", ["white", None])
def test_reduced_views_are_those_of_a_camera_with_fewer_pixels(size, factor, background):
    large = Scene.render_synthetic(size, train=3, test=0, supersampling=1, background=background).views
    sides = tuple(s // factor for s in size) if isinstance(size, tuple) else size // factor
    small = Scene.render_synthetic(
        sides, train=3, test=0, supersampling=factor, background=background, poses=large.cameras.poses
    ).views
    found = reduced(large, factor)
    for a, b in zip(found, small, strict=True):
        assert a.camera.intrinsics == b.camera.intrinsics
        assert torch.allclose(a.image, b.image, atol=1e-5)


def test_what_fills_no_square_is_cut_off_at_both_sides():
    views = Scene.render_synthetic(21, train=2, test=0).views
    found = reduced(views, 8)
    assert found[0].image.shape == (2, 2, 3)
    assert torch.allclose(found[0].image[0, 0], views[0].image[2:10, 2:10].mean((0, 1)))
    at = torch.tensor([[6.0, 6.0]])
    ray = views[0].camera.rays(at)
    same = found[0].camera.rays((at - 2) / 8)
    assert torch.allclose(same.direction, ray.direction)
    assert torch.allclose(same.radius, 8 * ray.radius)


def test_a_square_larger_than_a_picture_is_refused():
    with pytest.raises(hp.InvalidArgumentError, match="factor"):
        reduced(Scene.render_synthetic(8, train=1, test=0).views, 9)
