"""The command line on cut domains: what a solve writes, and what is made of its file."""

import json

import meshio
import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("out")
    done = run("solve", "four_discs", "--levels", 1, "--out", made, "--json")
    assert done.exit_code == 0, done.output
    files = [made / f"four_discs{end}" for end in (".h5", ".vtu", ".png", "_history.png")]
    assert json.loads(done.stdout)["files"] == [str(f) for f in files]
    assert sorted(made.iterdir()) == sorted(files)
    return made


def test_the_written_volume_is_the_domain(folder):
    mesh = meshio.read(folder / "four_discs.vtu")
    solution = hp.Solution.load(folder / "four_discs.h5")
    assert solution.inside(mesh.points[:, :2]).all()
    assert solution.domain == hp.problems.four_discs().domain


@pytest.mark.parametrize("name", ["u.vtu", "u.vtp", "u.vti"])
def test_a_saved_solution_is_exported(folder, tmp_path, name):
    done = run("export", folder / "four_discs.h5", tmp_path / name, "--resolution", 12)
    assert done.exit_code == 0, done.output
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert f"wrote {tmp_path / name}" in done.stdout


def test_a_saved_solution_is_drawn(folder, tmp_path):
    done = run("plot", folder / "four_discs.h5", tmp_path / "u.png", "--resolution", 50)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "u.png").stat().st_size > 10_000


def test_what_cannot_be_drawn_is_told(folder, tmp_path):
    pytest.importorskip("pyvista", reason="pyvista is not installed (the extra viz)")
    done = run("plot", folder / "four_discs.h5", tmp_path / "u.png", "--backend", "pyvista")
    assert done.exit_code == 2
    assert "three space axes" in done.stderr
    assert list(tmp_path.iterdir()) == []
