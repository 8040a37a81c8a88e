"""The comparison of coded fields and of compressed solutions."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn import cli
from hermite_pinn.validation.workloads import coded_fields, compression, compression_suite
from hermite_pinn.validation.workloads.coded_cases import CASES, Case
from hermite_pinn.validation.workloads.coded_fields import WAYS, CodedRow, decoding, measured, missed

SMALL = {"levels": 2, "coarsest": (32, 32), "steps": 3, "code_steps": 1, "points": 64, "features": 4, "width": 16}


#: Ways that make four features smaller.
SMALLER = [way for way in WAYS if way not in ("low-rank-4", "low-rank-8")]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(CASES["picture"].teacher, SMALL, CASES["picture"].scores)
    monkeypatch.setattr(coded_fields, "CASES", {"picture": case})


def test_every_way_has_a_row_that_is_kept_and_read_again(small: None, tmp_path: Path) -> None:
    rows = list(measured("picture", SMALLER, tmp_path))
    assert [row.way for row in rows] == SMALLER
    sizes = {row.way: row.bytes for row in rows}
    assert sizes["kmeans-6"] == pytest.approx(sizes["vqad-6"], abs=40)  # the text tells other scores
    assert sizes["vqad-4"] < sizes["vqad-6"] < sizes["half"] < sizes["uncompressed"]
    assert list(measured("picture", SMALLER, tmp_path)) == rows
    assert coded_fields.to_markdown(rows).count("\n") == len(rows) + 1
    assert hp.compression.load(tmp_path / "picture-vqad-6.vq", levels=1).field.layout.levels == 1
    assert (tmp_path / "picture-vqad-6-levels.png").is_file()


def test_the_command_writes_a_table_and_a_picture(small: None, tmp_path: Path) -> None:
    run = CliRunner().invoke(
        cli.app, ["validate", "--suite", "compression", "--only", "picture kmeans-4", "--out", str(tmp_path)]
    )
    assert run.exit_code == 0, run.output
    assert "| picture | kmeans-4 |" in (tmp_path / "compression.md").read_text()
    assert (tmp_path / "coded-picture.png").read_bytes().startswith(b"\x89PNG")
    unknown = CliRunner().invoke(cli.app, ["validate", "--suite", "compression", "--only", "nothing"])
    assert unknown.exit_code != 0


def test_a_case_whose_model_is_not_there_has_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"bunny": Case(lambda folder: None, SMALL, lambda field: {})}
    monkeypatch.setattr(coded_fields, "CASES", absent)
    assert list(measured("bunny", ["half"])) == []
    told = [line for line, _ in compression_suite.run(["bunny half"], None)]
    assert told == ["bunny: skipped, its files are not there"]


def test_decoding_measures_reading_and_both_fields(small: None) -> None:
    found = decoding("picture", points=1000)
    assert found is not None
    assert set(found) == {"reading", "compressed", "uncompressed"}
    slow = compression_suite.Told(times=(("picture", {"compressed": 3.0, "uncompressed": 1.0}),))
    assert slow.missed == ["picture: points take 3 times as long as of the uncompressed field"]


def test_what_is_missed_is_told() -> None:
    def row(case: str, way: str, size: int, **scores: float) -> CodedRow:
        return CodedRow(case, way, size, scores, 1.0)

    good = [
        row("scene", "uncompressed", 10_000, psnr=33.0), row("scene", "vqad-6", 200, psnr=32.0),
        row("scene", "kmeans-6", 200, psnr=29.0), row("scene", "vqad-4", 100, psnr=31.0),
        row("bunny", "uncompressed", 1000, iou=0.999, gradient_mae=0.1), row("bunny", "vqad-6", 20, iou=0.995, gradient_mae=0.12),
    ]  # fmt: skip
    assert missed(good) == []
    bad = [
        good[0], row("scene", "vqad-6", 400, psnr=31.0), row("scene", "kmeans-6", 200, psnr=30.0),
        row("bunny", "vqad-6", 20, iou=0.98, gradient_mae=0.2), good[4],
    ]  # fmt: skip
    assert len(missed(bad)) == 5


@pytest.mark.slow
def test_solutions_have_rows_that_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("zfpy", reason="zfpy is not installed")
    small = lambda: hp.solve(hp.problems.poisson2d(), levels=3, progress=False)
    monkeypatch.setattr(compression, "CASES", {"poisson": (small, True)})
    row = compression.run_case("poisson", tmp_path)
    assert compression.kept_row("poisson", tmp_path) == row
    assert "poisson" in compression.to_markdown([row])
    assert row.line.startswith("poisson")
