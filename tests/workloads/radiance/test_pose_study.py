"""The study of the ways to refine poses: its cases, what it keeps, and its tables."""

import dataclasses

import pytest

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.validation.poses import SCALES, WAYS, Case, Row, cases_of, compared, kept_row, run_case, to_markdown
from hermite_pinn.validation.poses import row as row_module
from hermite_pinn.validation.poses.__main__ import main

TINY = dataclasses.replace(
    SCALES["small"], size=10, train=6, test=2, levels=2, finest=8, samples=256, march_steps=16, cells=8, steps=3, rays=4
)
ROW = Row(10.0, 0.2, 0.5, 2.0, 0.05, 0.1, 1.5, 4.0, 25.0, 20.0, 26.0, 10.0, 4.0, 1000)


@pytest.fixture
def tiny(monkeypatch):
    """The small scale, made tiny."""
    scales = dict(SCALES) | {"small": TINY}
    for module in ("cases", "row"):
        monkeypatch.setattr(f"hermite_pinn.validation.poses.{module}.SCALES", scales)


def test_every_encoder_has_a_way_with_and_without_a_curriculum():
    for name in ("linear", "axis", "product", "through", "hermite"):
        plain, waiting = (Case(1, 0, 1e-3, way) for way in (name, f"{name}-levels"))
        assert plain.refinement.curriculum is None
        assert waiting.refinement.curriculum == (0.1, 0.5)
        assert plain.recipe == waiting.recipe


def test_encoders_have_the_same_resolutions_and_hermite_records_an_eighth_of_the_table():
    recipes = {name: Case(1, 0, 1e-3, name).recipe for name in WAYS}
    assert len({(r.levels, r.coarsest, r.finest) for r in recipes.values()}) == 1
    assert recipes["hermite"].table_size * 8 == recipes["linear"].table_size == recipes["through"].table_size


def test_known_poses_have_no_draw_and_poses_that_stay_no_rate():
    cases = cases_of([1, 2], [0, 1], [1e-3, 1e-2], ["known", "noisy", "linear"])
    count = {way: sum(c.way == way for c in cases) for way in ("known", "noisy", "linear")}
    assert count == {"known": 2, "noisy": 4, "linear": 8}


@pytest.mark.parametrize(
    "choice", [{"ways": ["smooth"]}, {"scale": "tiny"}, {"scenes": []}, {"rates": []}, {"draws": []}]
)
def test_what_is_no_study_is_refused(choice):
    given = {"scenes": [1], "draws": [0], "rates": [1e-3], "ways": ["linear"]} | choice
    with pytest.raises(InvalidArgumentError):
        cases_of(**given)


def test_rows_are_kept_and_read_where_the_same_is_asked(tiny, tmp_path, monkeypatch):
    case = Case(1, 0, 1e-3, "linear")
    row = run_case(case, tmp_path)
    assert (tmp_path / f"{case.name}.png").is_file()
    monkeypatch.setattr(row_module, "_fitted", lambda *_: pytest.fail("it was run again"))
    assert run_case(case, tmp_path) == row
    assert kept_row(dataclasses.replace(case, sigma=0.2), tmp_path) is None
    assert kept_row(case, None) is None
    (tmp_path / f"{case.name}.json").write_text("{}")
    with pytest.raises(CorruptFileError):
        kept_row(case, tmp_path)


def test_poses_that_are_kept_have_the_errors_of_the_noise(tiny):
    row = run_case(Case(1, 0, 1e-3, "noisy"))
    assert row.rotation == row.start_rotation > 1
    known = run_case(Case(1, 0, 1e-3, "known"))
    assert known.rotation < 1e-6
    assert known.psnr == known.placed_psnr


def test_ways_are_compared_with_linear_weights_in_the_same_case():
    rows = {}
    for scene, factor in ((1, 0.5), (2, 2.0)):
        rows[Case(scene, 0, 1e-3, "linear")] = ROW
        rows[Case(scene, 0, 1e-3, "through")] = dataclasses.replace(ROW, rotation=2.0 * factor)
    assert "| 1.00 (0.50, 2.00) |" in compared(rows)
    assert to_markdown(rows).count("10.00 → 2.00") == 2


def test_the_command_writes_its_tables(tiny, tmp_path, capsys):
    main(["--scenes", "1", "--draws", "0", "--rates", "0.001", "--ways", "linear", "--out", str(tmp_path)])
    assert "| linear | 0.001 | 1 |" in (tmp_path / "poses.md").read_text()
    assert "ms/step" in capsys.readouterr().out
