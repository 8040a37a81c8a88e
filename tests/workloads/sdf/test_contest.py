"""The comparison of distances: what is true, sizes that are equal, and a suite that goes on where it was."""

import math
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
from surfaces import MeshField, ball
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.geometry.mesh.parts import cube, sphere
from hermite_pinn.validation.workloads import contest, contest_figures, contest_report, contest_suite
from hermite_pinn.validation.workloads.contest_picture import draw_surfaces, window
from hermite_pinn.validation.workloads.contest_surfaces import BOX, SUBJECTS, Subject, torus_curvature
from hermite_pinn.validation.workloads.contest_ways import WAYS
from hermite_pinn.validation.workloads.ray_parity import inside_by_rays
from hermite_pinn.workloads import sdf


def made_ball(subdivisions=2):
    triangles = sphere(radius=0.36, subdivisions=subdivisions).triangles
    return hp.Mesh((triangles.vertices + 0.5, triangles.faces))


BALL = Subject("ball", "ball", made_ball, 1, 2.0, 1, lambda x: np.full(len(x), 1 / 0.36))


class Exact(MeshField):
    """The truth itself, on the box of the comparison."""

    def __init__(self, mesh):
        super().__init__(mesh)
        self.lower, self.upper = np.zeros(3), np.ones(3)


# -- truths ---
def test_rays_and_winding_numbers_agree_on_what_is_inside():
    for mesh in (cube((0.1, -0.2, 0.3), 0.7), sphere(radius=0.5, subdivisions=3)):
        x = np.random.default_rng(0).uniform(-1, 1, (3000, 3))
        triangles = mesh.triangles
        assert (inside_by_rays(triangles.vertices, triangles.faces, x) == mesh.contains(x.T)).all()


def test_what_is_inside_does_not_depend_on_the_order_of_the_points():
    triangles = sphere(radius=0.5, subdivisions=2).triangles
    rng = np.random.default_rng(1)
    x, order = rng.uniform(-1, 1, (500, 3)), rng.permutation(500)
    inside = inside_by_rays(triangles.vertices, triangles.faces, x)
    assert (inside_by_rays(triangles.vertices, triangles.faces, x[order]) == inside[order]).all()
    assert 0 < inside.sum() < 500


def test_the_truth_has_no_error_and_agrees_with_itself():
    found = contest_figures.measure(Exact(BALL.mesh), BALL)
    assert found.value_rms < 1e-12
    assert found.gradient_mae < 1e-6
    assert found.wrong_signs == 0.0
    assert found.iou == 1.0
    assert found.chamfer is not None
    assert found.chamfer < 2e-3


def test_inside_out_is_wrong_everywhere():
    class Turned(Exact):
        def jets(self, x, order):
            return -super().jets(x, order)

    found = contest_figures.measure(Turned(BALL.mesh), BALL)
    assert found.wrong_signs == 1.0
    assert found.iou == 0.0


def test_true_values_are_no_points():
    """A peer's IoU passed the true values where coordinates belong."""
    points = contest_figures.held_out(BALL)
    with pytest.raises((ValueError, IndexError, hp.InvalidArgumentError)):
        Exact(BALL.mesh).values(points.distance)
    with pytest.raises(hp.InvalidArgumentError, match="points are no values"):
        sdf.iou(points.box, np.where(points.inside, -1.0, 1.0))


def test_the_curvature_of_the_torus_is_that_of_its_exact_distance():
    centre, ring, tube = 0.5, 0.25, 0.11
    exact = sdf.FunctionField(
        lambda x, y, z: (
            ((((x - centre) ** 2 + (y - centre) ** 2) ** 0.5 - ring) ** 2 + (z - centre) ** 2) ** 0.5 - tube
        ),
        (0, 0, 0),
        (1, 1, 1),
    )
    surface = sdf.extract(exact, 40)
    assert np.abs(surface.mean_curvature - torus_curvature(surface.vertices)).max() < 1e-8


def test_a_smooth_field_has_its_curvature_and_a_field_without_second_derivatives_none():
    smooth = ball(0.36, (0.5, 0.5, 0.5))
    smooth.lower, smooth.upper = np.zeros(3), np.ones(3)
    found = contest_figures.measure(smooth, replace(BALL, make=lambda: made_ball(4)))
    assert found.curvature is not None
    assert found.curvature < 1e-8
    assert found.averaged is not None
    assert found.averaged < 0.05
    flat = hp.sdf.fit(BALL.mesh, box=BOX, levels=1, field=hp.Field(base=8, basis="linear"), progress=False)
    assert contest_figures.measure(contest_figures.LenientField(flat), BALL).curvature is None


# -- sizes ---
@pytest.mark.parametrize(("levels", "parameters"), [(2, 45_136), (3, 332_632), (5, 1_421_880), (5, 1_073_208)])
def test_grids_have_equal_numbers_of_parameters(levels, parameters):
    subject = replace(BALL, levels=levels)
    for way in WAYS.values():
        sized = contest.size_of(way, subject, parameters)
        if way.name == "siren":
            assert sized.parameters < parameters
        else:  # what docs/comparison/distances.md says of its surfaces, which have these grids
            beside_values = way.random and way.name not in ("hermite-siren", "dense-network")
            most = 0.113 if parameters == 1_421_880 and beside_values else 0.07
            assert abs(sized.parameters / parameters - 1) <= most, way.name


def test_a_size_is_that_of_the_field_that_is_made():
    for way in WAYS.values():
        if way.name != "hermite":
            sized = contest.size_of(way, BALL, 40_000)
            made = sized.field.build(BOX, ["d"], (False,) * 3, list(sized.levels))
            assert made.parameter_count == sized.parameters, way.name


@pytest.mark.slow
def test_every_surface_is_of_the_same_size_around_the_middle():
    for subject in SUBJECTS.values():
        if not subject.missing:
            lower, upper = subject.mesh.bounds
            assert (upper - lower).max() == pytest.approx(0.72, abs=1e-6)
            assert (lower + upper) / 2 == pytest.approx(np.full(3, 0.5), abs=1e-6)


def test_without_the_shared_meshes_scans_are_skipped_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("HERMITE_PINN_SHARED", str(tmp_path))
    subject = replace(SUBJECTS["bunny"])
    entries = list(contest_suite.run_pairs([(subject, WAYS["hermite"], 0), (subject, WAYS["siren"], 0)]))
    assert all(e.skipped and "bunny.obj is needed and is not there" in e.reason for e in entries)
    assert [e.way for e in entries] == ["hermite", "siren"]
    assert "is not there" in contest_report.to_markdown(entries)


# -- clock ---
def test_the_clock_ends_a_run_and_tells_what_a_step_takes(monkeypatch):
    now = iter([0.0, 3.0, 4.0, 5.0, 9.0])
    monkeypatch.setattr(contest, "time", SimpleNamespace(process_time=lambda: next(now)))
    clock = contest.CpuClock(6.0)
    told = [clock.on_step(SimpleNamespace(step=step)) for step in (10, 20, 30, 70)]
    assert told == [None, None, None, "6 CPU seconds are over"]
    assert math.isclose(clock.per_step, 0.1)
    assert math.isclose(clock.before, 2.0)
    assert clock.steps == 70


# -- suite ---
def test_an_entry_is_run_once_and_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(contest_suite, "SUBJECTS", {"ball": BALL})
    monkeypatch.setattr(contest_report, "SUBJECTS", {"ball": BALL})
    monkeypatch.setattr("hermite_pinn.validation.workloads.contest_picture.SUBJECTS", {"ball": BALL})
    pairs = [(BALL, WAYS["hermite"], 0)]
    first = list(contest_suite.run_pairs(pairs, tmp_path))
    monkeypatch.setattr(contest_suite, "run_entry", lambda *given: pytest.fail("it was run again"))
    again = list(contest_suite.run_pairs(pairs, tmp_path))
    assert again == first == contest_suite.known_entries(tmp_path, [])
    assert first[0].figures is not None
    assert first[0].parameters == 8 * 9**3
    table = contest_report.to_markdown(first)
    assert "**ball**" in table
    assert "| Hermite | 5,832 | 8 |" in table
    (picture,) = draw_surfaces(first, tmp_path)
    assert picture.name == "distances-ball.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 200_000


@pytest.mark.parametrize("way", ["hermite", "trilinear4"])
def test_an_entry_of_another_weight_of_values_is_not_taken(way, tmp_path, monkeypatch):
    asked = contest_suite._asked(BALL, WAYS[way], 0)
    kept = contest.Entry("ball", way, 0, reason="kept")
    contest_suite.write_kept(tmp_path / f"{kept.name}.json", contest_suite.FORMAT, asked, asdict(kept))
    assert contest_suite.kept_entry(BALL, WAYS[way], 0, tmp_path) == kept
    monkeypatch.setattr(contest, "UNIT" if way == "hermite" else "LONGEST", 0.123)
    assert contest_suite.kept_entry(BALL, WAYS[way], 0, tmp_path) is None


def test_the_best_median_is_bold_and_ranges_are_told():
    def entry(way, seed, error):
        figures = contest_figures.Figures(error, 0.1, 0.0, 0.9, None, None, 0.5)
        return contest.Entry("sphere", way, seed, figures, levels=(8,), parameters=1)

    entries = [entry("hermite", 0, 2e-3), *(entry("siren", k, e) for k, e in enumerate((1e-3, 3e-3, 9e-3)))]
    table = contest_report.to_markdown(entries)
    assert "**2.0e-03**" in table
    assert "| 3.0e-03 (1.0e-03 to 9.0e-03) |" in table
    assert "none" in table


def test_pictures_are_cut_to_what_some_of_them_show():
    white = np.ones((30, 30, 4))
    dark = white.copy()
    dark[12, 20, :3] = 0.0
    assert window([white, dark], 0) == (slice(12, 13), slice(20, 21))
    assert window([white], 0) == (slice(0, 30), slice(0, 30))


@pytest.mark.slow
def test_a_network_gets_its_steps_from_the_clock_and_its_rate_once(tmp_path, monkeypatch):
    monkeypatch.setattr(contest_suite, "SUBJECTS", {"ball": BALL})
    monkeypatch.setattr(contest_suite, "RATED", "ball")
    monkeypatch.setattr(contest, "RATES", (1e-3,))
    monkeypatch.setattr(contest, "PILOT", 12)
    pairs = [(BALL, WAYS[name], seed) for name in ("hermite-siren", "trilinear4") for seed in (0, 1)][:3]
    hermite, again, linear = contest_suite.run_pairs(pairs, tmp_path)
    assert hermite.rate == again.rate == 1e-3
    assert hermite.steps >= contest.TIMED
    assert hermite.seconds > 0
    assert linear.rate is None
    assert all(e.figures is not None and e.figures.iou > 0.5 for e in (hermite, again, linear))
    assert (tmp_path / "rate-hermite-siren.json").exists()


def test_the_suite_names_what_there_is_and_compares_on_the_cpu():
    runner = CliRunner()
    told = runner.invoke(app, ["validate", "--suite", "distances", "--only", "nothing"])
    assert told.exit_code == 2
    assert "bunny-hermite" in told.output
    assert runner.invoke(app, ["validate", "--suite", "distances", "--device", "cuda"]).exit_code == 2
