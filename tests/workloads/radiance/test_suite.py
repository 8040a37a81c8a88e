"""The suite radiance: kept rows, goals, tables, and samples counted."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.validation import radiance
from hermite_pinn.validation.radiance import cases, report, row
from hermite_pinn.validation.radiance.samples import count_samples

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
    words = ["validate", "--suite", "radiance", "--out", str(tmp_path)]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 1, "31 dB are not reached in 20 steps"
    assert "synthetic-0" in found.output
    names = {p.name for p in tmp_path.iterdir()}
    assert {"radiance.md", "radiance.json", "radiance-synthetic.png", "synthetic-0.json", "synthetic-0.png"} <= names
    assert "psnr ≥ 31 (missed)" in (tmp_path / "radiance.md").read_text(encoding="utf-8")
    again = CliRunner().invoke(app, [*words, "--json"])
    kept = json.loads(again.stdout)["results"][0]
    assert kept["seconds"] == radiance.run_case(quick, tmp_path).measured["seconds"], "it is not run again"


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
    import torch

    from hermite_pinn.workloads.radiance.setting import Setting

    setting = Setting((-1.0,) * 3, (1.0,) * 3, (1.0,) * 3, False, False)
    cpu = torch.device("cpu")
    counts = []
    for recipe in {c.recipe for c in radiance.CASES.values() if c.group == "encoders"}:
        made = recipe.settled(setting, cpu).make(setting, torch.Generator().manual_seed(0), torch.float32, cpu)
        counts.append(made.parameter_count)
    assert max(counts) < 1.06 * min(counts)


def test_samples_are_counted_and_the_field_is_as_before(scene):
    found = hp.radiance.fit(scene, recipe=SMALL, steps=40, progress=False)
    model = found.model
    before = model.look(scene.train[0].camera.rays()).colour
    counts = count_samples(model, scene.train[0])
    assert counts.seen <= counts.occupied <= counts.dense
    assert counts.dense <= 64 * 1.01, "no more than steps through the box"
    assert counts.same > 60, "the shortcuts do not change the picture"
    assert (model.look(scene.train[0].camera.rays()).colour == before).all()
