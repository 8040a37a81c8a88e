"""Scenes in the files of NeRF, instant-ngp, nerfstudio and COLMAP."""

import json
import math

import numpy as np
import pytest
import torch
from scene_files import MODELS, poses, write_colmap, write_picture, write_transforms

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import FisheyeLens, PerspectiveLens, Scene, colmap

KEEP = {"placement": "none", "test_every": None}


def first(scene):
    return scene.cameras[0].intrinsics


def test_poses_and_pictures_of_instant_ngp_are_read(tmp_path):
    write_transforms(tmp_path)
    scene = Scene.load(tmp_path, **KEEP)
    assert torch.allclose(scene.cameras.poses, torch.tensor(poses()[:, :3]))
    assert scene.views.names[2] == "images/002.png"
    assert torch.allclose(scene.views[0].image, torch.tensor([200, 100, 50]) / 255)
    assert (first(scene).fl_x, first(scene).fl_y, first(scene).cx, first(scene).cy) == (15, 14, 6, 4)


def test_the_box_of_instant_ngp_is_taken(tmp_path):
    write_transforms(tmp_path, shared={"fl_x": 15.0, "aabb_scale": 4})
    scene = Scene.load(tmp_path / "transforms.json")
    assert scene.lower.tolist() == [-2, -2, -2]
    assert torch.allclose(scene.cameras.centres, 0.33 * torch.tensor(poses()[:, :3, 3]))
    assert scene.to_unit(torch.zeros(3)).tolist() == [0.5, 0.5, 0.5]
    write_transforms(tmp_path, shared={"fl_x": 15.0, "aabb_scale": 1, "scale": 0.1, "offset": [0.5, 0.6, 0.4]})
    moved = Scene.load(tmp_path).cameras.centres
    assert torch.allclose(moved, 0.1 * torch.tensor(poses()[:, :3, 3]) + torch.tensor([0, 0.1, -0.1]), atol=1e-12)


def test_blender_scenes_have_their_splits_and_angles(tmp_path):
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        content = write_transforms(tmp_path, f"transforms_{split}.json", count, split, {"camera_angle_x": 0.8})
        for frame in content["frames"]:
            frame["file_path"] = "./" + frame["file_path"].removesuffix(".png")
        (tmp_path / f"transforms_{split}.json").write_text(json.dumps(content))
    scene = Scene.load(tmp_path)
    assert (len(scene.train), len(scene.val), len(scene.test)) == (4, 0, 3)
    assert first(scene).fl_x == first(scene).fl_y == 12 / 2 / math.tan(0.4)
    assert len(Scene.load(tmp_path, splits=("val",)).val) == 2
    one = Scene.load(tmp_path / "transforms_test.json")
    assert len(one.test) == 3


def test_an_angle_along_each_axis_is_taken(tmp_path):
    write_transforms(tmp_path, shared={"camera_angle_x": 0.8, "camera_angle_y": 0.7})
    assert first(Scene.load(tmp_path)).fl_y == 8 / 2 / math.tan(0.35)
    write_transforms(tmp_path, shared={"x_fov": 60.0})
    assert first(Scene.load(tmp_path)).fl_x == pytest.approx(6 / math.tan(math.radians(30)))


def test_frames_of_nerfstudio_have_intrinsics_and_splits_of_their_own(tmp_path):
    shared = {
        "camera_model": "OPENCV_FISHEYE",
        "train_filenames": [f"images/{k:03d}.png" for k in (0, 2, 3)],
        "test_filenames": ["images/001.png"],
        "val_filenames": ["images/004.png", "images/005.png"],
    }
    write_transforms(tmp_path, shared=shared, frame=lambda k: {"fl_x": 10.0 + k, "w": 12, "h": 8, "k1": 0.01 * k})
    scene = Scene.load(tmp_path, splits=("train", "val", "test"))
    assert scene.splits == ("train", "test", "train", "train", "val", "val")
    assert [c.intrinsics.fl_x for c in scene.cameras] == [10, 11, 12, 13, 14, 15]
    assert scene.cameras[3].intrinsics.lens == FisheyeLens(0.03)
    assert len(Scene.load(tmp_path).views) == 4


def test_a_lens_of_instant_ngp_is_read(tmp_path):
    write_transforms(tmp_path, shared={"fl_x": 15.0, "k1": 0.1, "k2": 0.01, "p1": 0.001, "p2": -0.001, "k3": 0.02})
    assert first(Scene.load(tmp_path)).lens == PerspectiveLens(0.1, 0.01, 0.001, -0.001, 0.02)
    write_transforms(tmp_path, shared={"fl_x": 15.0, "k1": 0.1, "k4": 0.01, "is_fisheye": True})
    assert first(Scene.load(tmp_path)).lens == FisheyeLens(0.1, 0, 0, 0.01)


@pytest.mark.parametrize(
    "shared", [{"camera_model": "EQUIRECTANGULAR"}, {"ftheta_p0": 1.0}, {"k5": 0.1}, {"k4": 0.1}, {"is_latlong": True}]
)
def test_an_unknown_lens_is_refused(tmp_path, shared):
    write_transforms(tmp_path, shared={"fl_x": 15.0} | shared)
    with pytest.raises(hp.InvalidProblemError, match=r"known.*undistort"):
        Scene.load(tmp_path)


def test_intrinsics_of_larger_pictures_are_scaled(tmp_path):
    write_transforms(tmp_path, shared={"fl_x": 60.0, "fl_y": 50.0, "cx": 25.0, "cy": 15.0, "w": 48.0, "h": 32.0})
    found = first(Scene.load(tmp_path))
    assert (found.fl_x, found.fl_y, found.cx, found.cy, found.width) == (15, 12.5, 6.25, 3.75, 12)
    half = first(Scene.load(tmp_path, 2))
    assert (half.fl_x, half.cy, half.width, half.height) == (7.5, 1.875, 6, 4)


@pytest.mark.parametrize("kind", ["text", "binary"])
def test_models_of_colmap_are_read(tmp_path, kind):
    cameras, cloud = write_colmap(tmp_path, kind)
    scene = Scene.load(tmp_path, **KEEP)
    assert torch.allclose(scene.cameras.poses, torch.tensor(cameras[:, :3]), atol=1e-12)
    assert torch.allclose(scene.points, torch.tensor(cloud))
    assert (scene.point_colors[3] * 255).round().tolist() == [3, 10, 255]
    assert first(scene).fl_y == 14
    assert scene.views.names == tuple(f"{k:03d}.png" for k in range(6))


def test_text_and_binary_models_say_the_same(tmp_path):
    write_colmap(tmp_path / "a", "text")
    write_colmap(tmp_path / "b", "binary")
    one, other = Scene.load(tmp_path / "a"), Scene.load(tmp_path / "b/sparse/0")
    assert torch.allclose(one.cameras.poses, other.cameras.poses, atol=1e-12)
    assert torch.equal(one.points, other.points)


LENSES = {
    "SIMPLE_PINHOLE": ((15.0, 6.0, 4.0), PerspectiveLens()),
    "SIMPLE_RADIAL": ((15.0, 6.0, 4.0, 0.1), PerspectiveLens(0.1)),
    "RADIAL": ((15.0, 6.0, 4.0, 0.1, 0.02), PerspectiveLens(0.1, 0.02)),
    "OPENCV": ((15.0, 14.0, 6.0, 4.0, 0.1, 0.02, 0.003, 0.004), PerspectiveLens(0.1, 0.02, 0.003, 0.004)),
    "OPENCV_FISHEYE": ((15.0, 14.0, 6.0, 4.0, 0.1, 0.02, 0.003, 0.004), FisheyeLens(0.1, 0.02, 0.003, 0.004)),
    "SIMPLE_RADIAL_FISHEYE": ((15.0, 6.0, 4.0, 0.1), FisheyeLens(0.1)),
    "RADIAL_FISHEYE": ((15.0, 6.0, 4.0, 0.1, 0.02), FisheyeLens(0.1, 0.02)),
}


@pytest.mark.parametrize("kind", ["text", "binary"])
@pytest.mark.parametrize("model", LENSES)
def test_models_of_cameras_have_their_parameters(tmp_path, kind, model):
    parameters, lens = LENSES[model]
    write_colmap(tmp_path, kind, model, parameters)
    found = first(Scene.load(tmp_path))
    focal = parameters[1] if len(parameters) == 8 else 15.0
    assert (found.lens, found.fl_x, found.fl_y, found.cx, found.cy) == (lens, 15, focal, 6, 4)


def test_every_model_that_is_known_was_tried():
    assert {m.name for m in colmap.MODELS.values()} == set(LENSES) | {"PINHOLE"} == set(MODELS)


@pytest.mark.parametrize(("kind", "model"), [("text", "FULL_OPENCV"), ("binary", 6), ("text", "NONE")])
def test_unknown_models_of_cameras_are_refused(tmp_path, kind, model):
    write_colmap(tmp_path, kind, model, (15.0, 14.0, 6.0, 4.0, *[0.0] * 8))
    with pytest.raises(hp.InvalidProblemError, match=r"FULL_OPENCV|NONE.*known here are"):
        Scene.load(tmp_path)


def test_points_place_the_scene(tmp_path):
    write_colmap(tmp_path, "binary", points=500)
    scene = Scene.load(tmp_path)
    inside = (scene.points.abs() <= 1).all(1)
    assert inside.double().mean() > 0.9
    assert scene.points.abs().amax() > 0.85
    back = scene.placement.back(scene.cameras.centres.T.numpy()).T
    assert np.allclose(back, poses()[:, :3, 3])


def test_cameras_place_the_scene(tmp_path):
    matrices = write_transforms(tmp_path)
    shift = np.array([10.0, -20.0, 30.0])
    for frame in matrices["frames"]:
        for row, value in zip(frame["transform_matrix"], shift, strict=False):
            row[3] += value
    (tmp_path / "transforms.json").write_text(json.dumps(matrices))
    scene = Scene.load(tmp_path)  # all look at the shifted origin from distance 3
    assert torch.allclose(scene.cameras.centres, torch.tensor(poses()[:, :3, 3]) / 3, atol=1e-9)
    assert scene.upper.tolist() == [1, 1, 1]
    kept = Scene.load(tmp_path, placement="none")
    assert torch.allclose((kept.lower + kept.upper) / 2, torch.tensor(shift))


def test_rotations_rounded_in_a_file_are_mended(tmp_path):
    content = write_transforms(tmp_path)
    for frame in content["frames"]:
        frame["transform_matrix"] = np.round(frame["transform_matrix"], 4).tolist()
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    turn = Scene.load(tmp_path).cameras.poses[:, :, :3]
    assert (turn.mT @ turn - torch.eye(3)).abs().max() < 1e-14


def test_every_eighth_picture_is_held_out(tmp_path):
    write_transforms(tmp_path, count=17)
    scene = Scene.load(tmp_path)
    assert [k for k, s in enumerate(scene.splits) if s == "test"] == [0, 8, 16]
    assert len(Scene.load(tmp_path, test_every=None).test) == 0
    assert len(Scene.load(tmp_path, test_every=2).test) == 9


def test_missing_pictures_are_skipped_and_told(tmp_path, caplog):
    write_transforms(tmp_path)
    (tmp_path / "images/001.png").unlink()
    (tmp_path / "images/004.png").unlink()
    (tmp_path / "images/004.png").mkdir()
    scene = Scene.load(tmp_path, **KEEP)
    assert [(s.name, s.reason) for s in scene.skipped] == [
        ("images/001.png", "there is no such file"),
        ("images/004.png", "it is no regular file"),
    ]
    assert "2 of 6 pictures" in caplog.text
    assert torch.allclose(scene.cameras.poses, torch.tensor(poses()[[0, 2, 3, 5], :3]))


def test_pictures_in_another_folder_are_found(tmp_path):
    write_transforms(tmp_path, picture=False)
    write_colmap(tmp_path / "colmap", "text")
    with pytest.raises(hp.InvalidArgumentError, match=r"none is there.*images="):
        Scene.load(tmp_path / "transforms.json")
    assert len(Scene.load(tmp_path / "transforms.json", images=tmp_path / "colmap/images").views) == 6


def test_pictures_may_have_several_sizes(tmp_path):
    write_transforms(tmp_path, shared={"camera_angle_x": 0.8})
    write_picture(tmp_path / "images/002.png", 24, 10, (0, 0, 255))
    scene = Scene.load(tmp_path, **KEEP)
    assert scene.views[2].image.shape == (10, 24, 3)
    draw = scene.views.sample(5000, torch.Generator().manual_seed(0))
    blue = draw.colors[:, 2] > 0.9
    assert torch.equal(blue, draw.views == 2)
    assert float(blue.double().mean()) == pytest.approx(240 / (240 + 5 * 96), abs=0.03)


@pytest.mark.parametrize(("background", "known"), [("white", 0.75), ("black", 0.25), ((0.5, 0.5, 0.5), 0.5)])
def test_alpha_is_put_in_front_of_a_background(tmp_path, background, known):
    write_transforms(tmp_path)
    for k in range(6):
        write_picture(tmp_path / f"images/{k:03d}.png", color=(128, 128, 128), alpha=127)
    image = Scene.load(tmp_path, background=background).views[0].image
    assert image.shape == (8, 12, 3)
    assert float(image.mean()) == pytest.approx(known, abs=4e-3)


def test_alpha_is_kept_if_asked_for(tmp_path):
    write_transforms(tmp_path)
    write_picture(tmp_path / "images/000.png", color=(10, 20, 30), alpha=51)
    scene = Scene.load(tmp_path, 2, background=None)
    assert torch.allclose(scene.views[0].image[0, 0], torch.tensor([10, 20, 30, 51]) / 255)
    assert float(scene.views[1].image[..., 3].min()) == 1


def test_a_scene_of_two_pictures_is_one(tmp_path):
    write_transforms(tmp_path, count=2)
    scene = Scene.load(tmp_path, test_every=2)
    assert (len(scene.train), len(scene.test)) == (1, 1)
    write_transforms(tmp_path, count=1)
    assert len(Scene.load(tmp_path, test_every=None).train) == 1
