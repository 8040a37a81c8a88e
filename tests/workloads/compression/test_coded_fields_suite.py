"""The comparison of coded fields."""

from pathlib import Path

import pytest

from hermite_pinn.validation.workloads import coded_fields
from hermite_pinn.validation.workloads.coded_fields import CASES, WAYS, Case, decoding, main, measured
from hermite_pinn.workloads.compression.teachers import teacher_of

SMALL = {"levels": 2, "coarsest": (32, 32), "steps": 3, "points": 64, "features": 4, "width": 16}


#: Ways that make four features smaller.
SMALLER = [way for way in WAYS if way not in ("low-rank-4", "low-rank-8")]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        coded_fields, "CASES", {"picture": Case(CASES["picture"].model, SMALL, CASES["picture"].scores)}
    )


def test_every_way_has_a_row_that_is_kept_and_read_again(small: None, tmp_path: Path) -> None:
    rows = list(measured("picture", SMALLER, tmp_path))
    assert [row.way for row in rows] == SMALLER
    sizes = {row.way: row.bytes for row in rows}
    assert sizes["kmeans-6"] == pytest.approx(sizes["vqad-6"], abs=40)  # the text tells other scores
    assert sizes["vqad-4"] < sizes["vqad-6"] < sizes["half"] < sizes["uncompressed"]
    assert list(measured("picture", SMALLER, tmp_path)) == rows
    assert coded_fields.to_markdown(rows).count("\n") == len(rows) + 1


def test_the_command_writes_a_table_and_a_picture(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--ways", "half", "kmeans-4", "--plot", str(tmp_path / "rates.png")])
    assert "| picture | kmeans-4 |" in capsys.readouterr().out
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")


def test_a_case_whose_model_is_not_there_has_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"bunny": Case(lambda: None, SMALL, lambda field: {})}
    monkeypatch.setattr(coded_fields, "CASES", absent)
    assert list(measured("bunny", ["half"])) == []


def test_decoding_measures_reading_and_both_fields() -> None:
    assert set(decoding(1000)) == {"reading", "compressed", "uncompressed"}
    assert teacher_of(CASES["picture"].model()).names == ("value",)
