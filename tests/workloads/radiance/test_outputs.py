"""What is written of radiance fields: pictures, videos, orbits, volumes, surfaces, and how near pictures are."""

import math
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import Cameras, Intrinsics, look_at, scattered_poses
from hermite_pinn.workloads.radiance.export import density_level, density_surface, write_density
from hermite_pinn.workloads.radiance.metrics import compare, psnr, ssim
from hermite_pinn.workloads.radiance.picture_files import depth_colors, normal_colors, write_png
from hermite_pinn.workloads.radiance.sheets import Shown, draw_views
from hermite_pinn.workloads.radiance.video import can_write_videos, orbit, write_frames, write_video

videos = pytest.mark.skipif(not can_write_videos(), reason="imageio and its ffmpeg, the extra video, are not installed")


def noise(height=16, width=20, seed=0):
    return torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed))


def fog(x):
    return torch.exp(4 - 8 * x.norm(dim=0))


# -- metrics ---
def test_the_psnr_is_that_of_the_mean_square_error():
    true = noise()
    found = (true + 0.05 * (noise(seed=1) - 0.5)).clamp(0, 1)
    error = (found.double() - true.double()).square().mean()
    assert math.isclose(psnr(found, true), float(-10 * error.log10()), rel_tol=1e-12)
    assert psnr(true, true) == math.inf


def test_found_colours_are_clipped_before_they_are_compared():
    assert psnr(torch.full((4, 4, 3), 1.5), torch.ones(4, 4, 3)) == math.inf


def test_the_ssim_is_that_of_the_formula():
    true, found = noise(seed=2).double(), noise(seed=3).double()
    radius = 5
    place = np.arange(-radius, radius + 1)
    line = np.exp(-(place**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    values = []
    for channel in range(3):
        for row in range(radius, 16 - radius):
            for column in range(radius, 20 - radius):
                part = slice(row - radius, row + radius + 1), slice(column - radius, column + radius + 1)
                a, b = found[(*part, channel)].numpy(), true[(*part, channel)].numpy()
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                var_a, var_b = (window * a * a).sum() - mean_a**2, (window * b * b).sum() - mean_b**2
                both = (window * a * b).sum() - mean_a * mean_b
                values.append(
                    (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
                    / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
                )  # fmt: skip
    assert math.isclose(ssim(found, true), np.mean(values), rel_tol=1e-9)


@pytest.mark.parametrize("measure", [psnr, ssim, compare])
@pytest.mark.parametrize(
    ("found", "told"),
    [
        (torch.zeros(16, 21, 3), r"one shape, got \(16, 21, 3\) and \(16, 20, 3\)"),
        (torch.zeros(16, 20, 4), r"\(height, width, 3\), got the shape \(16, 20, 4\).*alpha"),
        (torch.full((16, 20, 3), math.nan), "finite"),
        ("picture", "got str"),
        (torch.zeros(0, 20, 3), "shape"),
    ],
)
def test_what_cannot_be_compared_is_refused(measure, found, told):
    with pytest.raises(hp.InvalidArgumentError, match=told):
        measure(found, noise())


def test_a_picture_smaller_than_the_window_has_no_ssim():
    with pytest.raises(hp.InvalidArgumentError, match=r"11 pixels.*10 x 20"):
        ssim(noise(10), noise(10))
    assert math.isnan(compare(noise(10), noise(10))["ssim"])


# -- pictures ---
def test_a_png_has_the_colours(tmp_path):
    colors = noise()
    with Image.open(write_png(tmp_path / "a.png", colors)) as image:
        assert np.abs(np.asarray(image) / 255 - colors.numpy()).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("colors", [torch.zeros(3, 4), torch.full((2, 2, 3), math.inf), np.array([["a"]])])
def test_what_are_no_colours_is_not_written(tmp_path, colors):
    with pytest.raises(hp.InvalidArgumentError, match="colours"):
        write_png(tmp_path / "a.png", colors)
    assert not list(tmp_path.iterdir())


def test_depths_grow_darker_and_nothing_is_white():
    colors = depth_colors(torch.tensor([[1.0, 2.0, 3.0, math.inf]]), 1.0, 3.0)
    brightness = colors[0].sum(1)
    assert brightness[0] > brightness[1] > brightness[2]
    assert brightness[3] == 3
    assert (depth_colors(torch.full((2, 2), math.inf)) == 1).all()


def test_normals_are_white_where_there_is_none():
    assert normal_colors(torch.zeros(1, 1, 3)).tolist() == [[[1, 1, 1]]]
    assert normal_colors(torch.tensor([[[0.0, -1.0, 0.0]]])).tolist() == [[[0.5, 0, 0.5]]]


def test_a_sheet_is_drawn_with_and_without_depth(tmp_path):
    plain = Shown("a", noise(), noise(seed=1))
    full = Shown("b", noise(), noise(seed=1), torch.full((16, 20), math.inf), torch.zeros(16, 20, 3))
    for name, views in (("plain", [plain]), ("both", [plain, full])):
        with Image.open(draw_views(tmp_path / f"{name}.png", views)) as image:
            assert min(image.size) > 50
    with pytest.raises(hp.InvalidArgumentError, match="1 to 40 views, got 0"):
        draw_views(tmp_path / "none.png", [])
    with pytest.raises(hp.InvalidArgumentError, match="one shape"):
        draw_views(tmp_path / "odd.png", [Shown("a", noise(), noise(12))])


# -- videos ---
@videos
@pytest.mark.parametrize(("height", "width"), [(16, 20), (15, 21)])
def test_a_video_has_the_frames(tmp_path, height, width):
    import imageio_ffmpeg

    path = write_video(tmp_path / "a.mp4", [torch.full((height, width, 3), level) for level in (0.1, 0.5, 0.9)], 12)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    run = subprocess.run(command, capture_output=True, check=True)
    assert b"12 fps" in run.stderr
    found = np.frombuffer(run.stdout, np.uint8).reshape(3, height + height % 2, width + width % 2, 3)
    assert (found.mean((1, 2, 3)) / 255).round(1).tolist() == [0.1, 0.5, 0.9]
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@videos
@pytest.mark.parametrize(
    ("frames", "told"),
    [([], "no frames"), ([noise(), noise(12)], "of one size"), ([noise(), torch.zeros(3)], "shape")],
)
def test_frames_that_make_no_video_are_refused_and_leave_nothing(tmp_path, frames, told):
    with pytest.raises(hp.InvalidArgumentError, match=told):
        write_video(tmp_path / "a.mp4", frames)
    assert not list(tmp_path.iterdir())


def test_without_ffmpeg_a_video_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("hermite_pinn.workloads.radiance.video.can_write_videos", lambda: False)
    with pytest.raises(hp.BackendUnavailableError, match=r"hermite_pinn\[video\].*PNG"):
        write_video(tmp_path / "a.mp4", [noise()])
    with pytest.raises(hp.InvalidArgumentError, match=r"\.mp4"):
        write_video(tmp_path / "a.gif", [noise()])
    assert len(write_frames(tmp_path / "frames", [noise(), noise()])) == 2


# -- orbits ---
def test_cameras_around_a_scene_are_gone_around():
    cameras = Cameras(Intrinsics.of_view_angle(20, 10, 1.0), scattered_poses(30, 3.0))
    found = orbit(cameras, 36, height=30)
    pixel = torch.stack([camera.project(torch.zeros(1, 3))[0] for camera in found])
    assert torch.allclose(pixel, torch.tensor([10.0, 15.0], dtype=torch.float64), atol=1e-6), "all look at the middle"
    turns = torch.atan2(found.centres[:, 1], found.centres[:, 0])
    assert float(torch.diff(torch.sort(turns).values).max()) < 2 * math.pi / 36 + 0.1


def test_cameras_on_one_side_are_moved_between():
    eyes = [(3 * math.cos(t), 3 * math.sin(t), 0.5) for t in np.linspace(-0.5, 0.5, 9)]
    cameras = Cameras(Intrinsics.of_view_angle(20, 10, 1.0), np.stack([look_at(eye) for eye in eyes]))
    found = orbit(cameras, 40)
    turns = torch.atan2(found.centres[:, 1], found.centres[:, 0])
    assert -0.51 < float(turns.min()) < -0.45
    assert 0.45 < float(turns.max()) < 0.51
    step = torch.linalg.norm(torch.roll(found.centres, 1, 0) - found.centres, dim=1)
    assert float(step.max()) < 0.4, "the way is closed"


def test_an_orbit_needs_cameras():
    cameras = Cameras(Intrinsics.of_view_angle(20, 10, 1.0), np.zeros((0, 3, 4)))
    with pytest.raises(hp.InvalidArgumentError, match="no cameras"):
        orbit(cameras)


# -- volumes and surfaces ---
def test_a_surface_is_where_the_density_has_its_level_with_normals_of_its_gradient():
    surface = density_surface(fog, (-1, -1, -1), (1, 1, 1), 24, level=2.0)
    radius = (4 - math.log(2.0)) / 8
    assert np.abs(np.linalg.norm(surface.vertices, axis=1) - radius).max() < 1e-5
    assert np.abs(surface.normals - surface.vertices / radius).max() < 1e-4
    assert surface.is_closed
    assert surface.volume > 0, "normals and triangles point outwards"


@pytest.mark.parametrize("ending", ["vtp", "ply", "obj"])
def test_a_surface_of_a_density_is_written_without_curvatures(tmp_path, ending):
    path = density_surface(fog, (-1, -1, -1), (1, 1, 1), 8, level=1.0).save(tmp_path / f"a.{ending}")
    assert b"curvature" not in path.read_bytes()


def test_the_level_halves_the_light_in_an_eighth_of_the_box():
    assert math.isclose(math.exp(-density_level((0, 0, 0), (1, 2, 4)) * 4 / 8), 0.5)


def test_a_density_that_does_not_cross_the_level_is_told():
    with pytest.raises(hp.InvalidArgumentError, match=r"no surface of density 1000.*another level"):
        density_surface(fog, (-1, -1, -1), (1, 1, 1), 8, level=1000.0)
    with pytest.raises(hp.InvalidArgumentError, match="not finite"):
        density_surface(lambda x: fog(x) * math.nan, (-1, -1, -1), (1, 1, 1), 8, level=1.0)


def test_a_volume_has_the_density_at_its_points(tmp_path):
    pyvista = pytest.importorskip("pyvista")
    path = write_density(tmp_path / "fog.vti", fog, (-1, -1, 0), (1, 1, 1), 6)
    grid = pyvista.read(path)
    assert grid.dimensions == (7, 7, 4)
    known = fog(torch.as_tensor(grid.points.T.copy()).float()).numpy()
    assert np.allclose(grid["density"], known, rtol=1e-5)


@pytest.mark.parametrize("options", [{"resolution": 2}, {"resolution": 1e9}, {"lower": (0, 0)}, {"upper": (-2, 0, 0)}])
def test_wrong_boxes_and_resolutions_are_refused(tmp_path, options):
    good = {"lower": (-1, -1, -1), "upper": (1, 1, 1), "resolution": 8}
    for make in (lambda **o: density_surface(fog, **o), lambda **o: write_density(tmp_path / "a.vti", fog, **o)):
        with pytest.raises(
            hp.InvalidArgumentError, match=next(iter(options)).replace("upper", "lower must be below upper")
        ):
            make(**(good | options))
    assert not list(tmp_path.iterdir())


def test_a_grid_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hermite_pinn.memory.available_memory", lambda device: 1000)
    with pytest.raises(hp.OutOfMemoryError, match="lower resolution"):
        write_density(tmp_path / "a.vti", fog, (-1, -1, -1), (1, 1, 1), 64)
    with pytest.raises(hp.OutOfMemoryError, match="lower resolution"):
        density_surface(fog, (-1, -1, -1), (1, 1, 1), 64)
