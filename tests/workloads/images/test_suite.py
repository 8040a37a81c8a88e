"""The suite images: goals, kept rows, tables and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hermite_pinn.cli import app
from hermite_pinn.validation import images
from hermite_pinn.validation.images import row


@pytest.mark.parametrize("name", [n for n, c in images.CASES.items() if c.source == "made" and c.goal is not None])
def test_direct_solutions_reach_their_goals(name: str) -> None:
    found, pixels = images.run_case(images.CASES[name])
    assert found.reached
    assert found.psnr > 200
    assert pixels.shape == (256, 256)


def test_rows_are_kept_and_drawn(tmp_path: Path) -> None:
    only = ["--only", "made-256-gradients-mean", "--out", str(tmp_path)]
    runner = CliRunner()
    result = runner.invoke(app, ["validate", "--suite", "images", *only])
    assert result.exit_code == 0
    assert "made-256-gradients-mean-noise" in result.stdout
    assert (tmp_path / "images-made.png").is_file()
    table = (tmp_path / "images.md").read_text(encoding="utf-8")
    assert table.count("| made 256² |") == 2
    again = runner.invoke(app, ["validate", "--suite", "images", *only, "--json"])
    kept = json.loads(again.stdout)["results"]
    first = images.run_case(images.CASES["made-256-gradients-mean"], 0, tmp_path)[0]
    assert kept[0]["seconds"] == first.seconds  # not run again


def test_an_unknown_case_is_refused() -> None:
    result = CliRunner().invoke(app, ["validate", "--suite", "images", "--only", "nothing"])
    assert result.exit_code == 2


def test_trained_fields_have_as_many_parameters() -> None:
    from hermite_pinn.validation.images.cases import ENTRANTS
    from hermite_pinn.workloads.images.pixels import Pixels

    counts = [
        e.field.build(Pixels(256, 256).box, ("u",), (False, False), e.levels).parameter_count for e in ENTRANTS.values()
    ]
    assert max(counts) < 1.05 * min(counts)


@pytest.mark.slow
def test_a_training_is_measured_at_its_final_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row, "BUDGET", 0.3)
    case = images.CASES["train-gradients-hermite"]
    monkeypatch.setattr(row, "picture", lambda source, size: np.tile(np.linspace(0, 1, 16), (16, 1)))
    found, pixels = images.run_case(case)
    assert found.steps >= 1
    assert pixels.shape == (16, 16)
