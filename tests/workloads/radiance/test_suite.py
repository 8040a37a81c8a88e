"""The suite radiance: kept rows, goals, tables, and samples counted."""

import dataclasses
import json

import pytest
import torch
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.validation import radiance
from hermite_pinn.validation.radiance import cases, report, row

SMALL = hp.radiance.InstantNGP(levels=4, table_size=2**10, samples=1024, cells=16, march_steps=64, warmup=2)


@pytest.fixture
def scene():
    return hp.radiance.Scene.render_synthetic(12, train=5, test=2, supersampling=2)


@pytest.fixture
def quick(monkeypatch, scene):
    """The suite with one case that takes a second."""
    case = dataclasses.replace(radiance.CASES["synthetic-0"], recipe=SMALL, steps=20)
    known = {case.name: case}
    for module in (radiance, report):
        monkeypatch.setattr(module, "CASES", known)
    monkeypatch.setattr(row, "scene_of", lambda name: scene)
    return case


@pytest.mark.slow
def test_rows_are_kept_and_drawn_and_a_missed_goal_is_a_failure(tmp_path, quick):
    words = ["validate", "--suite", "radiance", "--only", "synthetic", "--out", str(tmp_path)]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 1, "31 dB are not reached in 20 steps"
    assert "synthetic-0" in found.output
    names = {p.name for p in tmp_path.iterdir()}
    assert {"radiance.md", "radiance.json", "radiance-synthetic.png", "synthetic-0.json", "synthetic-0.png"} <= names
    assert "psnr ≥ 31 (missed)" in (tmp_path / "radiance.md").read_text(encoding="utf-8")
    again = CliRunner().invoke(app, [*words, "--json"])
    kept = json.loads(again.stdout)["results"][0]
    assert kept["seconds"] == radiance.run_case(quick, tmp_path).measured["seconds"], "it is not run again"


def test_a_row_is_kept_with_the_angle_of_normals_where_these_are_known(tmp_path, quick):
    found = radiance.run_case(quick, tmp_path)
    assert radiance.kept_row(quick, tmp_path) == found
    assert 0 <= found.measured[row.KNOWN] <= 180


def test_another_recipe_is_run_again(tmp_path, quick):
    radiance.run_case(quick, tmp_path)
    assert radiance.kept_row(quick, tmp_path) is not None
    other = dataclasses.replace(quick, recipe=dataclasses.replace(SMALL, rate=5e-3))
    assert radiance.kept_row(other, tmp_path) is None


def test_a_scene_whose_files_are_not_there_is_skipped(monkeypatch):
    monkeypatch.delenv("HERMITE_PINN_SHARED", raising=False)
    assert cases.scene_of("fox") is None
    found = CliRunner().invoke(app, ["validate", "--suite", "radiance", "--only", "fox"])
    assert found.exit_code == 0, found.output
    assert "skipped" in found.output


def test_an_unknown_case_is_refused():
    found = CliRunner().invoke(app, ["validate", "--suite", "radiance", "--only", "nothing"])
    assert found.exit_code == 2


def test_medians_decide_over_goals():
    case = radiance.CASES["synthetic-0"]
    measured = dict.fromkeys(row.MEASURES, 20.0)
    rows = [radiance.Row(f"synthetic-{k}", measured | {"psnr": psnr}) for k, psnr in enumerate((30.0, 31.5, 33.0))]
    assert radiance.missed(rows) == []
    assert "31.50 (30.00 to 33.00)" in radiance.to_markdown(rows)
    assert radiance.missed(rows[:1]) == [f"synthetic, {case.title}: psnr ≥ 31 is missed, 30"]


def test_encoders_have_as_many_parameters():
    from hermite_pinn.workloads.radiance.setting import Setting

    setting = Setting((-1.0,) * 3, (1.0,) * 3, (1.0,) * 3, False, False)
    cpu = torch.device("cpu")
    counts = []
    for recipe in {c.recipe for c in radiance.CASES.values() if c.group == "encoders"}:
        made = recipe.settled(setting, cpu).make(setting, torch.Generator().manual_seed(0), torch.float32, cpu)
        counts.append(made.parameter_count)
    assert max(counts) < 1.06 * min(counts)


def test_pictures_of_several_sizes_are_fitted_and_compared(scene):
    from hermite_pinn.workloads.radiance import Cameras, Views

    kinds = [
        camera.intrinsics.resized(size, size)
        for camera, size in zip(scene.cameras, [12, 16, 12, 20, 12, 14, 12], strict=True)
    ]
    pictures = [torch.full((kind.height, kind.width, 3), 0.5) for kind in kinds]
    mixed = hp.radiance.Scene(
        Views(Cameras(kinds, scene.cameras.poses), pictures), scene.splits, scene.lower, scene.upper
    )
    found = hp.radiance.fit(mixed, recipe=SMALL, steps=3, progress=False)
    assert [found.render(view.camera).image.shape[0] for view in mixed.test] == [14, 12]
    assert found.evaluate(mixed.test)["psnr"] > 5


def test_samples_are_counted_and_the_field_is_as_before(scene):
    found = hp.radiance.fit(scene, recipe=SMALL, steps=40, progress=False)
    model = found.model
    before = model.look(scene.train[0].camera.rays()).colour
    counts = row.samples_of(model, scene.train[0], every=1)
    assert counts["seen_samples"] <= counts["occupied_samples"] <= counts["dense_samples"]
    assert counts["dense_samples"] <= 64 * 1.01, "no more than steps through the box"
    assert counts["same_image"] > 60, "the shortcuts do not change the picture"
    assert counts["fewer_samples"] >= 1
    assert (model.look(scene.train[0].camera.rays()).colour == before).all()


def test_what_others_measure_is_told_with_its_goals(monkeypatch, tmp_path):
    from hermite_pinn.validation.performance import radiance as timing

    step = radiance.OTHERS["step"]
    parts = [timing.Row("Adam", 2, 1e-3, 1e-3), timing.Row("step", 2, 0.04, 0.03)]
    monkeypatch.setattr(timing, "measured", lambda model, scene, threads: iter(parts))
    monkeypatch.setattr(timing, "scene_of", lambda name: hp.radiance.Scene.render_synthetic(8, train=3, test=1))
    monkeypatch.setattr(type(step), "steps", 1)
    lines = []
    told = step.run(tmp_path, lines.append)
    assert told.missed == ("step: step_ms ≤ 15 is missed, 30",)
    assert len(lines) == 2
    assert step.known(tmp_path) == told, "it is kept"


def test_goals_of_poses_compare_with_known_ones():
    from hermite_pinn.validation import poses

    task = radiance.OTHERS["poses"]
    row = poses.Row(**dict.fromkeys(poses.Row.__dataclass_fields__, 1.0))
    known, found = (dataclasses.replace(row, psnr=psnr, rotation=0.9, translation=0.05) for psnr in (30.0, 28.5))
    told = task._of(dict(zip(task.cases, (known, found), strict=True)))
    assert told.measured["lost_psnr"] == 1.5
    assert told.missed == ("poses: translation ≤ 0.04 is missed, 0.05",)
