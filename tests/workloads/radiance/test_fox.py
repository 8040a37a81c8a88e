"""The real scene of issue 15, where it is."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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


def test_rays_of_the_fox_are_those_of_its_file_by_another_way(fox):
    """NumPy, from the pixels that were calibrated, 1080 x 1920, by OpenCV's fixed-point iteration."""
    told = json.loads((FOX / "transforms.json").read_text())
    frames = {frame["file_path"]: np.array(frame["transform_matrix"]) for frame in told["frames"]}
    column, row = np.meshgrid(np.arange(135), np.arange(240))
    seen = np.stack([8 * column.ravel() + 4.0, 8 * row.ravel() + 4.0], 1)  # middles of squares of 8 x 8 pixels
    distorted = (seen - [told["cx"], told["cy"]]) / [told["fl_x"], told["fl_y"]]
    plane = distorted.copy()
    for _ in range(60):
        x, y = plane.T
        square = x * x + y * y
        shift = np.stack(
            [
                2 * told["p1"] * x * y + told["p2"] * (square + 2 * x * x),
                told["p1"] * (square + 2 * y * y) + 2 * told["p2"] * x * y,
            ],
            1,
        )
        plane = (distorted - shift) / (1 + told["k1"] * square + told["k2"] * square**2)[:, None]
    local = np.stack([plane[:, 0], -plane[:, 1], -np.ones(len(plane))], 1)
    for k in (0, 21, 49):
        pose = frames[fox.views.names[k]]
        known = local @ pose[:3, :3].T
        rays = fox.cameras[k].rays(dtype=torch.float64)
        assert np.abs(rays.origin.numpy() - 0.33 * pose[:3, 3]).max() < 1e-12
        assert np.abs(rays.direction.numpy() - known / np.linalg.norm(known, axis=1, keepdims=True)).max() < 1e-6


def test_pixels_of_the_fox_are_means_of_squares(fox):
    with Image.open(FOX / fox.views.names[3]) as stored:
        pixels = np.asarray(stored.convert("RGB"), dtype=np.float64) / 255
    means = pixels.reshape(240, 2, 135, 2, 3).mean((1, 3))
    assert np.abs(fox.views[3].image.numpy() - means).max() < 1e-6


def test_cameras_of_the_fox_look_at_one_place(fox):
    """Its head: most cameras see the middle of the cameras' aims in their picture."""
    from hermite_pinn.workloads.radiance.placement import focus

    middle = torch.from_numpy(focus(fox.cameras.poses.numpy()))[None]
    seen = torch.cat([camera.project(middle) for camera in fox.cameras])
    inside = ((seen >= 0) & (seen <= torch.tensor([135, 240]))).all(1)
    assert inside.double().mean() > 0.9
