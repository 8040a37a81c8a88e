"""The suite antialiasing: kept rows, tables, gains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation import antialiasing
from hermite_pinn.validation.antialiasing import anatomy, cases, row
from hermite_pinn.validation.antialiasing.anatomy import silhouettes
from hermite_pinn.validation.antialiasing.report import gains
from hermite_pinn.workloads.radiance import Camera, Intrinsics, Scene, View, fitted_levels, look_at
from hermite_pinn.workloads.radiance.zip_nerf.model import ZipModel

FLAT = (20.0,) * 4


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene.render_synthetic(16, train=4, test=1, supersampling=1)
    monkeypatch.setattr(row, "scene_of", lambda: scene)
    monkeypatch.setattr(row, "_steps", lambda case, scene: 2)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_rows_are_kept_and_told(tmp_path: Path) -> None:
    only = ["validate", "--suite", "antialiasing", "--only", "60s-0", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, only)
    assert result.exit_code == 0, result.output
    assert "zip-60s-0" in result.stdout
    table = (tmp_path / "antialiasing.md").read_text(encoding="utf-8")
    assert table.count("\n|") == 2 * (len(cases.VARIANTS) + 1) + 1
    first = antialiasing.kept_row(antialiasing.CASES["zip-60s-0"], tmp_path)
    again = CliRunner().invoke(app, [*only, "--json"])
    kept = {r["name"]: r for r in json.loads(again.stdout)["results"]}
    assert first is not None
    assert kept["zip-60s-0"]["seconds"] == first.seconds  # not run again


@pytest.mark.usefixtures("quick")
def test_a_case_that_is_interrupted_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, steps = cases.CASES["zip-60s-0"], []

    def advance(self: ZipModel, *of: object) -> None:
        steps.append(of)
        if len(steps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ZipModel, "advance", advance)
    with pytest.raises(KeyboardInterrupt):
        antialiasing.run_case(case, tmp_path)
    assert not list(tmp_path.iterdir())


def test_gains_compare_equal_seeds_and_times() -> None:
    rows = [
        antialiasing.Row(f"{variant}-60s-{seed}", (psnr, *FLAT[1:]), FLAT, FLAT, 1.0, 1, 1)
        for variant, seed, psnr in (("zip", 0, 30.0), ("zip", 1, 31.0), ("plain", 0, 29.0), ("plain", 2, 10.0))
    ]
    assert gains(rows, "zip", 60.0) == (1.0, 0.0, 0.0, 0.0)
    assert gains(rows, "zip", 310.0) == ()


def test_variants_differ_in_one_thing_and_those_with_blocks_in_how_they_know_scales_too() -> None:
    recipe = cases.RECIPE
    for name, (_, other) in cases.VARIANTS.items():
        different = {f for f in recipe.__dataclass_fields__ if getattr(recipe, f) != getattr(other, f)}
        if name in cases.BLOCKS:
            assert different == {"scales", "antialiasing"}
        else:
            assert len(different) == (name != cases.ZIP)


@pytest.mark.slow
def test_the_fitted_variant_is_fitted_to_the_scene() -> None:
    assert fitted_levels(cases.scene_of()).finest == cases.FITTED


def test_a_depth_that_jumps_within_a_block_is_a_silhouette() -> None:
    depth = torch.full((4, 6), 2.0)
    depth[:, 4:], depth[0, 0] = torch.inf, 1.0
    camera = Camera(Intrinsics.of_view_angle(6, 4, 1.0), look_at((0, -3, 0)))
    view = View("v", camera, torch.zeros(4, 6, 3), depth)
    edge, seen = silhouettes(view, 2)
    assert edge.tolist() == [[True, False, False], [False, False, False]]
    assert seen.tolist() == [[True, True, False]] * 2
    wide, _ = silhouettes(View("v", camera, view.image, depth.roll(1, 1)), 2)
    assert wide.tolist() == [[True, False, True], [True, False, True]]
    with pytest.raises(InvalidArgumentError, match="must have depths"):
        silhouettes(View("v", camera, view.image), 2)


def test_a_field_is_taken_to_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    scene = Scene.render_synthetic(16, train=4, test=1, supersampling=1)
    monkeypatch.setattr(anatomy, "scene_of", lambda: scene)
    found = hp.radiance.fit(scene, recipe=cases.RECIPE, steps=2, progress=False, device="cpu")
    found.save(tmp_path / "zip.h5")
    anatomy.main([str(tmp_path / "zip.h5")])
    table = capsys.readouterr().out
    assert table.count("\n| ") == 8 + 1 + 6 + 1
    whole = anatomy.errors_of(found, scene.test, 2)
    assert 0 < whole.pixels < 1
    assert 0 < whole.share < 1
