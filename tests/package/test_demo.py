"""The demonstration: every example runs, its files are there, and the page shows what was measured."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.demo import EXAMPLES, knot, tour
from hermite_pinn.demo.cooling import NOISE, TRUTH, measured, start
from hermite_pinn.demo.knot import trefoil
from hermite_pinn.errors import InvalidArgumentError

NAMES = [example.name for example in EXAMPLES]


class Links(HTMLParser):
    """What a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href")]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in ("channel", "cooling") else []) for n in NAMES]
)
def test_an_example_writes_its_files_and_the_page_shows_them(name, tmp_path):
    told = []
    (stop,) = tour(tmp_path, [name], quick=True, tell=told.append)
    page = (tmp_path / "index.html").read_text()
    written = {file.name for file in tmp_path.iterdir()} - {"index.html"}
    assert {f.name for f in stop.shown.files} <= written
    assert set(Links(page).found) == {f.name for f in stop.shown.files}
    assert {".png", ".h5"} <= {f.suffix for f in stop.shown.files}
    assert stop.shown.solution.status.label in page
    for value in stop.shown.facts.values():
        assert html.escape(value) in page
        assert any(value in line for line in told)
    assert hp.Solution.load(tmp_path / f"{name}.h5").fields == stop.shown.solution.fields


def test_an_unknown_example_is_refused_before_anything_is_solved(tmp_path):
    with pytest.raises(InvalidArgumentError, match="did you mean 'channel'"):
        tour(tmp_path, ["channels"], tell=str)
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_where_the_page_is(tmp_path):
    done = CliRunner().invoke(app, ["demo", "--quick", "--only", "helmholtz", "--out", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "new" / "index.html") in done.output


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_the_code_that_is_shown_is_python(example):
    compile(example.code, example.name, "exec")
    assert "hp." in example.code


def test_the_measurements_are_those_of_a_rod_that_cools():
    """The values satisfy the start and the ends up to noise, and the noise has the size that is told."""
    places, values = measured(20_000, seed=1)
    x, t = places.T
    early = t < 1e-3
    assert np.max(np.abs(values[early] - [start(float(v)) for v in x[early]])) < 5 * NOISE + 1e-2
    again = measured(20_000, seed=1)[1]
    assert np.array_equal(values, again)
    late = (t > 0.9) & (np.minimum(x, 1 - x) < 1e-2)
    assert abs(np.std(values[late]) / NOISE - 1) < 0.3
    assert set(TRUTH) == {"a", "k"}


def test_the_knot_is_a_closed_surface_that_faces_outwards():
    assert trefoil(60, 8).notes == ()


def test_without_libigl_a_coarser_knot_is_fitted_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(knot, "libigl", lambda: None)
    (stop,) = tour(tmp_path, ["knot"], tell=str)
    assert "hermite_pinn[mesh]" in stop.shown.facts["coarse"]
    assert stop.shown.solution.stats["parameters"] < 100_000


@pytest.mark.slow
def test_every_example_ends_well_in_its_full_size(tmp_path):
    """What the page promises: statuses that are a success, an error below its bound, constants within their spread."""
    stops = {stop.example.name: stop for stop in tour(tmp_path, tell=str)}
    assert list(stops) == NAMES
    assert all(stop.success for stop in stops.values())
    assert stops["helmholtz"].shown.solution.error()["u"]["relative_l2"] < 1e-6
    cooling = stops["cooling"].shown.solution
    for name, true in TRUTH.items():
        assert abs(cooling.parameters[name] - true) < 4 * cooling.stats["standard_errors"][name]
    flows = [float(number) for number in re.findall(r"[\d.]+\d", stops["channel"].shown.facts["what flows in and out"])]
    assert abs(flows[0] - flows[1]) < 1e-3
