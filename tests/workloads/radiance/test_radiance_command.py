"""The commands ``hermite-pinn radiance``."""

import json

import numpy as np
import pytest
from PIL import Image
from scene_files import poses, write_transforms
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app

QUICK = ["--steps", "4", "--frames", "2", "--resolution", "8"]


def run(*words):
    return CliRunner().invoke(app, ["radiance", *map(str, words)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scene of eight pictures of 12 pixels, in the files of NeRF."""
    place = tmp_path_factory.mktemp("scenes") / "spheres"
    scene = hp.radiance.Scene.render_synthetic(12, train=7, test=1, supersampling=2)
    for split, views in (("train", scene.train), ("test", scene.test)):
        frames = []
        for view in views:
            name = f"{split}/{view.name}"
            (place / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.rint(view.image.numpy() * 255).astype(np.uint8)).save(place / f"{name}.png")
            pose = np.vstack([view.camera.pose.numpy(), [0, 0, 0, 1]])
            frames.append({"file_path": f"./{name}", "transform_matrix": pose.tolist()})
        angle = 2 * np.arctan(6 / scene.cameras.kinds[0].fl_x)
        content = {"camera_angle_x": angle, "frames": frames, "aabb_scale": 2, "scale": 1.0, "offset": [0.5, 0.5, 0.5]}
        (place / f"transforms_{split}.json").write_text(json.dumps(content))
    return place


@pytest.fixture(scope="module")
def fitted(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("fitted")
    found = run("fit", folder, "--out", out, *QUICK, "--json")
    assert found.exit_code == 0, found.output
    return out, json.loads(found.stdout)


def test_a_fit_writes_the_field_and_all_that_shows_it(fitted):
    out, report = fitted
    names = {"spheres.h5", "spheres_views.png", "spheres_test", "spheres.vti"}
    assert names <= {p.name for p in out.iterdir()}
    assert all((out / file).exists() for file in report["files"])
    assert report["fit"]["steps"] == 4
    assert report["test"]["views"][0]["psnr"] == report["test"]["psnr"] > 5
    told = any("spheres.ply" in note for note in report["notes"])
    assert told != (out / "spheres.ply").exists(), "a surface is written, or it is told why not"


def test_a_saved_field_renders_what_was_measured(folder, fitted, tmp_path):
    out, report = fitted
    found = run("render", out / "spheres.h5", "--scene", folder, "--out", tmp_path, "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["test"]["psnr"] == pytest.approx(report["test"]["psnr"], abs=1e-6)


def test_an_orbit_of_a_saved_field_has_the_asked_pixels(fitted, tmp_path):
    found = run("render", fitted[0] / "spheres.h5", "--frames", 3, "--width", 10, "--height", 6, "--out", tmp_path)
    assert found.exit_code == 0, found.output
    files = sorted((tmp_path / "spheres_orbit").iterdir())
    assert [f.name for f in files] == ["0000.png", "0001.png", "0002.png"]
    with Image.open(files[0]) as image:
        assert image.size == (10, 6)


def test_without_ffmpeg_the_orbit_is_pictures_and_this_is_told(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("hermite_pinn.workloads.radiance.video.can_write_videos", lambda: False)
    found = run("fit", folder, "--out", tmp_path, "--steps", 2, "--frames", 2, "--resolution", 0)
    assert found.exit_code == 0, found.output
    assert "hermite_pinn[video]" in found.output
    assert len(list((tmp_path / "spheres_orbit").iterdir())) == 2


def test_refined_poses_are_drawn(folder, tmp_path):
    words = ["fit", folder, "--poses", "refine", "--out", tmp_path, "--steps", 2, "--frames", 0, "--resolution", 0]
    found = run(*words)
    assert found.exit_code == 0, found.output
    assert (tmp_path / "spheres_poses.png").is_file()
    assert "poses are refined" in found.output


def test_a_scene_without_test_views_is_fitted_and_told(tmp_path):
    write_transforms(tmp_path)
    words = ["fit", tmp_path, "--out", tmp_path / "out", "--test-every", 0, "--steps", 2, "--frames", 0]
    found = run(*words, "--resolution", 0, "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert any("no test views" in note for note in report["notes"])
    assert report["test"] == {}


def test_a_scene_is_told(tmp_path):
    content = write_transforms(tmp_path)
    (tmp_path / "images/003.png").unlink()
    found = run("scene", tmp_path, "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["views"] == {"train": 4, "test": 1}
    assert report["skipped"] == [{"name": "images/003.png", "reason": "there is no such file"}]
    assert report["cameras"][0]["fl_x"] == content["fl_x"]
    plain = run("scene", tmp_path).output
    assert "4 train, 1 test" in plain
    assert "skipped images/003.png" in plain


def test_the_scene_that_is_rendered_here_is_told():
    report = json.loads(run("scene", "synthetic", "--downscale", 10, "--json").stdout)
    assert report["views"] == {"train": 40, "test": 8}
    assert report["cameras"][0]["width"] == 10


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fit", "nowhere"], "nowhere"),
        (["fit", "SCENE", "--recipe", "magic"], "recipe"),
        (["fit", "SCENE", "--encoder", "magic"], "encoder"),
        (["fit", "SCENE", "--poses", "magic"], "poses"),
        (["fit", "SCENE", "--background", "magic"], "--background"),
        (["fit", "SCENE", "--placement", "magic"], "placement"),
        (["fit", "SCENE", "--test-every", "1"], "test_every"),
        (["fit", "SCENE", "--downscale", "0"], "downscale"),
        (["fit", "SCENE", "--steps", "0"], "steps"),
        (["fit", "SCENE", "--time", "-1"], "--time"),
        (["fit", "SCENE", "--frames", "-1"], "--frames"),
        (["fit", "SCENE", "--resolution", "9999"], "--resolution"),
        (["fit", "SCENE", "--images", "nowhere"], "images"),
        (["fit", "synthetic", "--downscale", "99"], "--downscale"),
        (["scene", "nowhere"], "nowhere"),
        (["scene", ""], "the path"),
        (["render", "nowhere.h5"], "nowhere.h5"),
    ],
)
def test_what_cannot_work_is_told_in_one_message(tmp_path, words, told):
    (tmp_path / "scene").mkdir()
    write_transforms(tmp_path / "scene")
    given = [str(tmp_path / "scene") if word == "SCENE" else word for word in words]
    found = run(*given, *([] if words[0] == "scene" else ["--out", tmp_path / "out"]))
    assert found.exit_code == 2, found.output
    assert told in found.output
    assert "Traceback" not in found.output


def test_damage_of_a_scene_is_a_failure_that_json_tells(tmp_path):
    content = write_transforms(tmp_path)
    matrix = poses()[0]
    matrix[0, 0] = np.nan
    content["frames"][0]["transform_matrix"] = matrix.tolist()
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    found = run("scene", tmp_path, "--json")
    assert found.exit_code == 2
    assert "images/000.png" in json.loads(found.stdout)["error"]["message"]
