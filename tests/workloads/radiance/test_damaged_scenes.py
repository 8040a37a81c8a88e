"""Scenes that are damaged, do not fit together or are too large."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
import torch
from scene_files import poses, write_colmap, write_picture, write_transforms

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import Cameras, Intrinsics, Scene, Views
from hermite_pinn.workloads.radiance.recording import MOST_FRAMES


def changed(folder, change):
    content = write_transforms(folder)
    change(content)
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder


def with_matrix(value):
    def change(content):
        content["frames"][3]["transform_matrix"] = value

    return change


MATRIX = poses()[3]
SCALED, MIRRORED, SHEARED, NAN = (MATRIX.copy() for _ in range(4))
SCALED[:3, :3] *= 2.0
MIRRORED[:3, 0] *= -1
SHEARED[:3, 0] += 0.1 * SHEARED[:3, 1]
NAN[1, 2] = np.nan


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        (lambda c: c.pop("frames"), hp.CorruptFileError, "no entry frames"),
        (lambda c: c.update(frames=[]), hp.CorruptFileError, "a list of 1"),
        (lambda c: c.update(frames={"a": 1}), hp.CorruptFileError, "a list"),
        (lambda c: c.pop("fl_x") and c.pop("fl_y"), hp.CorruptFileError, "no focal length.*camera_angle_x"),
        (lambda c: c.update(fl_x=-3.0), hp.CorruptFileError, "fl_x is -3.0"),
        (lambda c: c.update(fl_x="wide"), hp.CorruptFileError, "fl_x is 'wide'"),
        (lambda c: c.update(w=1e9, h=8), hp.CorruptFileError, "w is 1000000000.0"),
        (lambda c: c.update(w=12.5, h=8), hp.CorruptFileError, "whole pixels"),
        (lambda c: c.update(w=24, h=8), hp.InvalidProblemError, r"000\.png.*12 x 8.*24 x 8"),
        (lambda c: c.update(camera_angle_x=7.0), hp.CorruptFileError, "camera_angle_x"),
        (lambda c: c.update(aabb_scale=0), hp.CorruptFileError, "aabb_scale"),
        (lambda c: c.update(aabb_scale=4, offset=[0, 1]), hp.CorruptFileError, "a list of 3"),
        (lambda c: c.update(k1=-40.0), hp.InvalidProblemError, "k1=-40.* cannot be undone"),
        (lambda c: c["frames"][2].pop("file_path"), hp.CorruptFileError, "frames/2/file_path"),
        (lambda c: c["frames"][2].update(file_path=3), hp.CorruptFileError, "frames/2/file_path is 3"),
        (lambda c: c["frames"][2].update(file_path=""), hp.CorruptFileError, "no name of a picture"),
        (lambda c: c["frames"][2].pop("transform_matrix"), hp.CorruptFileError, "frames/2/transform_matrix"),
        (with_matrix(MATRIX[:2].tolist()), hp.CorruptFileError, "frames/3/transform_matrix"),
        (with_matrix(MATRIX[:, :3].tolist()), hp.CorruptFileError, "frames/3/transform_matrix/0"),
        (with_matrix(SCALED.tolist()), hp.InvalidProblemError, "frames/3.*length 2, so it is scaled"),
        (with_matrix(MIRRORED.tolist()), hp.InvalidProblemError, "frames/3.*mirrors"),
        (with_matrix(SHEARED.tolist()), hp.InvalidProblemError, "frames/3.*lengths 1.00"),
        (with_matrix(NAN.tolist()), hp.InvalidProblemError, "frames/3.*1 of 16 numbers are NaN"),
        (with_matrix(MATRIX.T.tolist()), hp.InvalidProblemError, "last row.*transposed"),
    ],
)
def test_damage_of_a_file_of_cameras_is_told(tmp_path, change, error, told):
    with pytest.raises(error, match=told):
        Scene.load(changed(tmp_path, change))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "[" * 100_000, '{"frames": ' + "[" * 50_000, "\0", "\xff"])
def test_what_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "transforms.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(hp.CorruptFileError, match=r"transforms\.json"):
        Scene.load(tmp_path)


def test_ten_million_frames_are_refused_by_size_before_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "transforms.json"
    with path.open("wb") as file:
        file.truncate(10_000_000 * 700)  # takes no room on the disk
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(hp.CorruptFileError, match="7000000000 bytes"):
        Scene.load(path)


def test_too_many_small_frames_are_refused_before_they_are_parsed(tmp_path, monkeypatch):
    (tmp_path / "transforms.json").write_text('{"frames": [' + "{}," * (9 * MOST_FRAMES) + "{}]}")
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(hp.CorruptFileError, match="more than 100000 frames"):
        Scene.load(tmp_path)


def test_a_pipe_is_no_scene_and_no_picture(tmp_path):
    write_transforms(tmp_path)
    (tmp_path / "images/000.png").unlink()
    os.mkfifo(tmp_path / "images/000.png")
    assert len(Scene.load(tmp_path).skipped) == 1
    (tmp_path / "transforms.json").unlink()
    os.mkfifo(tmp_path / "transforms.json")
    with pytest.raises(hp.InvalidArgumentError, match=r"no transforms\.json"):
        Scene.load(tmp_path)


@pytest.mark.parametrize(
    "name", ["../" * 300 + "a.png", "x" * 5000, "a\0b.png", "\ud800.png"], ids=["up", "long", "zero", "half"]
)
def test_names_that_no_file_has_are_skipped_or_refused(tmp_path, name, caplog):
    content = write_transforms(tmp_path)
    content["frames"][0]["file_path"] = name
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    try:
        skipped = len(Scene.load(tmp_path).skipped)
    except hp.CorruptFileError as error:
        skipped = str(error).count("name")
    assert skipped >= 1
    assert caplog.text.encode("utf-8").decode("utf-8") == caplog.text, "what is logged can be written"


def test_no_pictures_at_all_is_an_error(tmp_path):
    write_transforms(tmp_path, picture=False)
    with pytest.raises(hp.InvalidArgumentError, match=r"names 6 pictures, and none is there.*images/000\.png.*images="):
        Scene.load(tmp_path)


def test_a_damaged_picture_is_an_error_that_names_it(tmp_path):
    write_transforms(tmp_path)
    path = tmp_path / "images/003.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(hp.CorruptFileError, match=r"003\.png"):
        Scene.load(tmp_path)


def test_pictures_larger_than_the_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    write_transforms(tmp_path)
    monkeypatch.setattr("hermite_pinn.memory.available_memory", lambda device: 1000)
    monkeypatch.setattr("hermite_pinn.workloads.radiance.loading._colors", None)
    with pytest.raises(hp.OutOfMemoryError, match=r"6 pictures.*downscale="):
        Scene.load(tmp_path)


def test_a_scene_that_no_camera_sees_is_refused(tmp_path):
    content = write_transforms(tmp_path, shared={"fl_x": 15.0, "aabb_scale": 1})
    for frame in content["frames"]:
        matrix = np.array(frame["transform_matrix"])
        matrix[:3, 1:3] *= -1  # as if the axes were those of OpenCV
        frame["transform_matrix"] = matrix.tolist()
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(hp.InvalidProblemError, match=r"no camera looks.*another convention"):
        Scene.load(tmp_path)


def test_cameras_that_see_nothing_in_common_are_refused(tmp_path):
    content = write_transforms(tmp_path, shared={"fl_x": 400.0, "aabb_scale": 8})
    for k, frame in enumerate(content["frames"]):
        matrix = np.eye(4)
        matrix[0, 3], matrix[2, 3] = k, 5.0  # side by side, and narrow
        frame["transform_matrix"] = matrix.tolist()
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(hp.InvalidProblemError, match=r"no two of the 6 cameras.*in common"):
        Scene.load(tmp_path)


def test_a_camera_that_sees_what_no_other_does_is_told(caplog):
    matrices = poses(3)[:, :3]
    matrices[2, :, 1:3] *= -1
    views = Views(Cameras(Intrinsics.of_view_angle(4, 2, 1.0), matrices), [torch.zeros(2, 4, 3)] * 3)
    Scene(views, ("train",) * 3, [-1, -1, -1], [1, 1, 1])
    assert "1 of 3 views see no place of the box that another one sees: '2'" in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"downscale": 0.5}, {"downscale": float("nan")}, {"downscale": "2"}, {"background": "green"}, {"background": (2, 0, 0)},
        {"placement": "best"}, {"test_every": 1}, {"test_every": 2.5}, {"splits": "train"}, {"splits": ()}, {"splits": ("all",)},
        {"images": "nowhere"}, {"placement": "points"},
    ],
)  # fmt: skip
def test_wrong_options_are_refused(tmp_path, options):
    write_transforms(tmp_path)
    with pytest.raises(hp.InvalidArgumentError, match=next(iter(options))):
        Scene.load(tmp_path, **options)


@pytest.mark.parametrize("source", ["nowhere", "", 3, None, b"x\0"])
def test_what_is_no_scene_is_refused(source):
    with pytest.raises(hp.InvalidArgumentError, match="source"):
        Scene.load(source)


def test_an_empty_folder_and_another_file_are_no_scenes(tmp_path):
    with pytest.raises(hp.InvalidArgumentError, match="sparse/0"):
        Scene.load(tmp_path)
    write_picture(tmp_path / "a.png")
    with pytest.raises(hp.InvalidArgumentError, match="JSON"):
        Scene.load(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("kind", ["text", "binary"])
def test_every_cut_of_a_model_is_read_or_refused(tmp_path, kind, name):
    write_colmap(tmp_path, kind, points=3, count=2)
    path = tmp_path / "sparse/0" / f"{name}.{'txt' if kind == 'text' else 'bin'}"
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        try:
            Scene.load(tmp_path)
        except (hp.InvalidArgumentError, hp.InvalidProblemError, hp.CorruptFileError):
            refused += 1
    assert refused == len(range(0, len(whole), 5)) if kind == "binary" else refused > 0


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_announced_numbers_are_compared_with_the_size(tmp_path, name):
    write_colmap(tmp_path, "binary")
    path = tmp_path / f"sparse/0/{name}.bin"
    path.write_bytes(struct.pack("<Q", 2**40) + path.read_bytes()[8:])
    with pytest.raises(hp.CorruptFileError, match="announces 1099511627776 entries"):
        Scene.load(tmp_path)


def test_more_than_the_announced_entries_is_damage(tmp_path):
    write_colmap(tmp_path, "binary")
    with (tmp_path / "sparse/0/images.bin").open("ab") as file:
        file.write(b"abc")
    with pytest.raises(hp.CorruptFileError, match="3 bytes follow"):
        Scene.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("cameras", "7 PINHOLE 12 8 15.0 14.0 6.0", "3 parameters, and PINHOLE has 4"),
        ("cameras", "7 PINHOLE 12 8 -15.0 14.0 6.0 4.0", "focal length is not positive"),
        ("cameras", "7 PINHOLE 12 8 nan 14.0 6.0 4.0", "not finite"),
        ("cameras", "7 PINHOLE twelve 8 15.0 14.0 6.0 4.0", "line 1"),
        ("images", "1 0.9 0 0 0 0 0 1 7 000.png", "quaternion of '000.png' has the length 0.9"),
        ("images", "1 1 0 0 0 0 0 1 8 000.png", "the camera 8, which is none"),
        ("images", "1 1 0 0 0 0 0 000.png", "line 1"),
        ("images", "1 1 0 0 0 0 0 inf 7 000.png", "finite"),
        ("images", "# nothing", "no images"),
        ("points3D", "1 0 0 0 300 0 0 0.5", "line 1.*colour"),
        ("points3D", "1 nan 0 0 30 0 0 0.5", "not finite"),
    ],
)
def test_damage_of_a_text_is_told(tmp_path, name, line, told):
    write_colmap(tmp_path, "text")
    (tmp_path / f"sparse/0/{name}.txt").write_text(line + "\n\n")
    with pytest.raises(hp.CorruptFileError, match=told):
        Scene.load(tmp_path)


def test_a_model_without_points_is_one(tmp_path):
    write_colmap(tmp_path, "text")
    (tmp_path / "sparse/0/points3D.txt").unlink()
    assert Scene.load(tmp_path).points.shape == (0, 3)


def test_images_and_cameras_fit_together():
    cameras = Cameras(Intrinsics.of_view_angle(4, 2, 1.0), poses(2)[:, :3])
    good = torch.zeros(2, 4, 3)
    for images, told in (
        ([good], "got 2, 1 and 1"),
        ([good, good.mT], "image 1"),
        ([good, torch.zeros(2, 4, 4)], "alpha or none"),
        ([good, good.double()], "one type"),
        ([good, "image"], "tensor"),
    ):
        with pytest.raises(hp.InvalidArgumentError, match=told):
            Views(cameras, images)


def test_nothing_is_drawn_from_no_views(tmp_path):
    write_transforms(tmp_path)
    with pytest.raises(hp.InvalidArgumentError, match="no pictures to draw from"):
        Scene.load(tmp_path, test_every=None).test.sample(10)


def test_a_scene_needs_a_box_and_as_many_splits():
    views = Views(Cameras(Intrinsics.of_view_angle(4, 2, 1.0), poses(1)[:, :3]), [torch.zeros(2, 4, 3)])
    for arguments, told in (
        ((("train", "test"), [-1, -1, -1], [1, 1, 1]), "got 2 and 1"),
        ((("all",), [-1, -1, -1], [1, 1, 1]), "splits"),
        ((("train",), [1, 1, 1], [1, 1, 1]), "below"),
        ((("train",), [-1, -1], [1, 1, 1]), "lower"),
        ((("train",), [-1, -1, np.nan], [1, 1, 1]), "lower"),
    ):
        with pytest.raises(hp.InvalidArgumentError, match=told):
            Scene(views, *arguments)


def test_parts_of_views_share_their_pixels():
    images = [torch.full((2, 4, 3), k / 4) for k in range(5)]
    views = Views(Cameras(Intrinsics.of_view_angle(4, 2, 1.0), poses(5)[:, :3]), images)
    part = views.take([3, 1])
    assert part.images[0].untyped_storage().data_ptr() == views.images[0].untyped_storage().data_ptr()
    draw = part.sample(200, torch.Generator().manual_seed(0))
    assert torch.equal(draw.colors[:, 0], torch.tensor([0.75, 0.25])[draw.views])
    assert part.images[0].untyped_storage().nbytes() == 5 * 2 * 4 * 3 * 4


def test_pictures_of_a_file_are_held_once(tmp_path):
    write_transforms(tmp_path)
    scene = Scene.load(tmp_path)
    scene.train.sample(10)
    places = {
        image.untyped_storage().data_ptr() for view in (scene.views, scene.train, scene.test) for image in view.images
    }
    assert len(places) == 1


def test_cameras_at_one_place_are_told(tmp_path, caplog):
    def still(content):
        for frame in content["frames"]:
            frame["transform_matrix"] = content["frames"][0]["transform_matrix"]

    Scene.load(changed(tmp_path, still))
    assert "stand at one place" in caplog.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda image: image * float("nan"), "the image 000.* from nan to nan"),
        (lambda image: 255 * image, "from .* to 200"),
        (lambda image: (255 * image).to(torch.uint8), "torch.uint8; divide"),
    ],
)
def test_what_are_no_colours_is_refused(tmp_path, change, told):
    write_transforms(tmp_path)
    views = Scene.load(tmp_path).views
    with pytest.raises(hp.InvalidArgumentError, match=told):
        Views(views.cameras, [change(image) for image in views.images], ["000", *views.names[1:]])


def test_a_picture_that_would_fill_the_memory_is_not_read(tmp_path):
    """The header of a file of some bytes announces billions of pixels."""
    write_transforms(tmp_path)
    path = tmp_path / "images/003.png"
    header = bytearray(path.read_bytes())
    header[16:24] = struct.pack(">II", 30_000, 30_000)
    header[29:33] = struct.pack(">I", zlib.crc32(bytes(header[12:29])))
    path.write_bytes(header)
    with pytest.raises(hp.CorruptFileError, match=r"003\.png.*more than [0-9,]+ pixels; make it smaller"):
        Scene.load(tmp_path)
