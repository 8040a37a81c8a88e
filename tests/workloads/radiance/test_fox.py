"""The real scene of issue 15, where it is."""

import os
from pathlib import Path

import pytest
import torch

from hermite_pinn.workloads.radiance import Scene

FOX = Path(os.environ.get("HERMITE_PINN_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "data" / "fox"
pytestmark = pytest.mark.skipif(not FOX.is_dir(), reason=f"{FOX} is not there; it is no part of the package")


@pytest.fixture(scope="module")
def fox():
    return Scene.load(FOX, downscale=2)


def test_the_fox_has_43_views_to_fit_and_7_held_out(fox):
    assert (len(fox.train), len(fox.test), len(fox.skipped)) == (43, 7, 17)
    assert fox.views[0].image.shape == (240, 135, 3)
    assert fox.lower.tolist() == [-2, -2, -2]


def test_intrinsics_of_the_fox_are_those_of_its_small_pictures(fox):
    intrinsics = fox.cameras[0].intrinsics
    assert (intrinsics.fl_x, intrinsics.fl_y) == (1375.52 / 8, 1374.49 / 8)
    assert (intrinsics.cx, intrinsics.cy) == pytest.approx((554.558 / 8, 965.268 / 8), rel=1e-14)


def test_distorted_rays_of_the_fox_return_to_their_pixels(fox):
    camera = fox.cameras[7]
    rays = camera.rays(dtype=torch.float64)
    pixels = camera.project(rays.at(torch.full((len(rays),), 2.0, dtype=torch.float64)))
    assert (pixels - camera.intrinsics.centres()).abs().max() < 1e-9


def test_cameras_of_the_fox_look_at_one_place(fox):
    """Its head: most cameras see the middle of the cameras' aims in their picture."""
    from hermite_pinn.workloads.radiance.placement import focus

    middle = torch.from_numpy(focus(fox.cameras.poses.numpy()))[None]
    seen = torch.cat([camera.project(middle) for camera in fox.cameras])
    inside = ((seen >= 0) & (seen <= torch.tensor([135, 240]))).all(1)
    assert inside.double().mean() > 0.9
