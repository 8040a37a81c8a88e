"""The commands ``hermite-pinn sdf``."""

import json

import meshio
import numpy as np
import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.geometry.mesh.parts import sphere
from hermite_pinn.workloads.sdf.facets import curvature_scale


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    problem = hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)),
        "d",
        lambda d: d.laplacian - 6,
        [hp.Dirichlet(d=lambda x, y, z: x**2 + y**2 + z**2 - 0.25)],
    )
    path = tmp_path_factory.mktemp("sdf") / "ball.h5"
    hp.solve(problem, levels=1, progress=False).save(path)
    return path


def run(*words):
    return CliRunner().invoke(app, ["sdf", "extract", *map(str, words), "--width", "64"])


def test_surface_picture_and_table_are_written(saved, tmp_path):
    mesh = tmp_path / "part.ply"
    sphere(radius=0.5, subdivisions=4).save(mesh)
    found = run(saved, "--out", tmp_path / "out", "--resolution", 24, "--mesh", mesh, "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    names = {f"ball{ending}" for ending in (".vtp", ".ply", ".obj", ".png", ".md")}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    assert report["surface"]["closed"] is True
    assert report["surface"]["iou"] > 0.98
    assert report["surface"]["chamfer"] < 2e-3
    assert report["surface"]["normal_consistency"] > 0.99
    read = meshio.read(tmp_path / "out" / "ball.ply")
    assert np.abs(read.point_data["mean_curvature"] - 2).max() < 1e-3
    assert "| normal consistency | 0.99" in (tmp_path / "out" / "ball.md").read_text()


def test_points_with_normals_are_fitted(tmp_path):
    normals = np.random.default_rng(0).normal(size=(1000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.savetxt(tmp_path / "scan.xyz", np.concatenate([0.5 * normals, -normals], 1))
    words = ["sdf", "fit", str(tmp_path / "scan.xyz"), "--out", str(tmp_path / "out"), "--levels", "2"]
    found = CliRunner().invoke(app, [*words, "--resolution", "24", "--width", "64", "--json"])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["fit"]["status"] == "completed"
    assert report["surface"]["closed"] is True
    assert abs(report["surface"]["volume"] / (4 / 3 * np.pi * 0.125) - 1) < 0.03
    assert any("pointed inwards" in note for note in report["notes"])


def test_a_mesh_is_fitted_and_its_surface_extracted(tmp_path):
    mesh = tmp_path / "part.stl"
    sphere(radius=0.5, subdivisions=3).save(mesh)
    words = ["sdf", "fit", str(mesh), "--out", str(tmp_path / "out"), "--levels", "2", "--resolution", "24"]
    found = CliRunner().invoke(app, [*words, "--width", "64", "--json"])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["fit"]["status"] == "completed"
    names = {f"part{ending}" for ending in (".h5", ".vtp", ".ply", ".obj", ".png", ".md")}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    assert report["surface"]["closed"] is True
    assert report["surface"]["iou"] > 0.97
    assert hp.Solution.load(tmp_path / "out" / "part.h5").d(0.0, 0.0, 0.0) < -0.45


def test_without_a_mesh_curvatures_are_exact(saved, tmp_path):
    found = run(saved, "--out", tmp_path, "--resolution", 12)
    assert found.exit_code == 0, found.output
    assert "curvature scale      none" in found.stdout
    read = meshio.read(tmp_path / "ball.ply")
    assert np.abs(read.point_data["gaussian_curvature"] - 4).max() < 1e-4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--field", "u"], "has no field"),
        (["--resolution", "2"], "resolution must be"),
        (["--up", "w"], "up must be"),
        (["--mesh", "nothing.stl"], "nothing.stl"),
        (["--scale", "0"], "scale"),
    ],
)
def test_what_cannot_work_is_told_and_nothing_is_written(saved, tmp_path, words, told):
    found = run(saved, "--out", tmp_path, *words)
    assert found.exit_code == 2
    assert told in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_scale_of_curvature_follows_the_edges_of_a_mesh_but_not_far():
    fine = sphere(radius=0.5, subdivisions=5)
    assert curvature_scale(fine) == pytest.approx(3 * np.median(fine.triangles.longest))
    assert curvature_scale(sphere(radius=0.5, subdivisions=1)) == pytest.approx(0.1, rel=0.1)
    assert curvature_scale(fine.scaled(7.0)) == pytest.approx(7 * curvature_scale(fine))
