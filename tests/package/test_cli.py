"""The command line as a user meets it."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn import validation
from hermite_pinn.cli import app
from hermite_pinn.validation import SUITES, rivals
from hermite_pinn.validation.ablations import compact

KEYS = {
    "problem", "settings", "method", "status", "seconds", "steps", "parameters", "device", "dtype", "errors", "residuals", "files",
}  # fmt: skip


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_solve_prints_one_json_object():
    done = subprocess.run(
        [sys.executable, "-m", "hermite_pinn.cli", "solve", "helmholtz2d", "--set", "a=2,3", "--levels", "4", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert set(found) == KEYS
    assert found["problem"] == "helmholtz2d"
    assert found["settings"] == {"a": [2, 3]}
    assert found["method"] == "gauss_newton"
    assert found["status"] == "completed"
    assert isinstance(found["parameters"], int)
    assert found["errors"]["u"]["relative_l2"] < 1e-2
    assert set(found["errors"]["u"]) == {"relative_l2", "max"}
    assert set(found["residuals"]) == {"pde", "u on boundary"}
    assert found["files"] == []


def test_solve_writes_its_files(tmp_path):
    folder = tmp_path / "new" / "out"
    result = run("solve", "convection", "--set", "c=2", "--tol", "1e-2", "--out", str(folder))
    assert result.exit_code == 0
    names = {"convection.h5", "convection.vti", "convection.png", "convection_history.png"}
    assert {f.name for f in folder.iterdir()} == names
    assert all(str(folder / n) in result.stdout for n in names)
    assert "converged" in result.stdout
    picture = run("plot", str(folder / "convection.h5"), str(tmp_path / "again.png"))
    assert picture.exit_code == 0
    assert (tmp_path / "again.png").exists()
    assert run("plot", "--history", str(folder / "convection.h5"), str(tmp_path / "h.png")).exit_code == 0
    exported = run("export", str(folder / "convection.h5"), str(tmp_path / "u.vtu"), "--resolution", "5")
    assert exported.exit_code == 0
    assert (tmp_path / "u.vtu").exists()


def test_methods_and_checkpoints(tmp_path):
    state = tmp_path / "state.h5"
    first = run(
        "solve",
        "helmholtz2d",
        "--method",
        "adam",
        "--steps",
        "2",
        "--levels",
        "2",
        "--checkpoint",
        str(state),
        "--json",
    )
    assert json.loads(first.stdout)["steps"] == 2
    second = run(
        "solve", "helmholtz2d", "--method", "adam", "--steps", "4", "--levels", "2", "--resume", str(state), "--json"
    )
    assert json.loads(second.stdout)["steps"] == 4
    limited = run("solve", "poisson2d", "--time", "0.2", "--tol", "1e-14", "--json")
    assert json.loads(limited.stdout)["status"] == "max_time"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solve", "burger"], "no problem 'burger'; did you mean 'burgers'"),
        (["solve", "helmholtz2d", "--set", "b=1"], "no setting 'b'; it has a, k"),
        (["solve", "helmholtz2d", "--set", "a"], "name=value"),
        (["solve", "helmholtz2d", "--method", "sgd"], "unknown method 'sgd'"),
        (["solve", "helmholtz2d", "--steps", "3"], "--steps belongs to adam"),
        (["solve", "helmholtz2d", "--device", "cuda:7"], "no GPU|does not exist"),
        (["solve", "helmholtz2d", "--out", "/proc/nothing/here"], "cannot be"),
        (["plot", "missing.h5", "u.png"], "there is no file missing.h5"),
        (["export", "missing.h5", "u.vti"], "there is no file"),
        (["validate", "--suite", "huge"], "unknown suite 'huge'"),
        (["validate", "--suite", "compact", "--only", "9 x 9"], "no way of the suite compact contains '9 x 9'"),
        (["bench", "--suite", "huge"], "unknown suite"),
    ],
)
def test_mistakes_are_one_message_and_exit_code_2(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    import re

    assert re.search(message, result.stderr)
    assert "Traceback" not in result.stderr


def test_list_shows_every_problem():
    from hermite_pinn.problems import PROBLEMS

    result = run("list")
    assert all(name in result.stdout for name in PROBLEMS)
    assert json.loads(run("list", "--json").stdout)["helmholtz2d"]["a"] == 10


def test_doctor_tells_what_is_there():
    result = run("doctor")
    assert "C++ compiler" in result.stdout
    assert "kernel cache" in result.stdout
    findings = json.loads(run("doctor", "--json").stdout)
    assert {"subject", "state", "detail", "advice"} == set(findings[0])


def test_doctor_says_how_to_mend(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    result = run("doctor")
    assert result.exit_code == 1
    assert "BROKEN  C++ compiler" in result.stdout
    assert "apt-get install g++" in result.stdout


def test_the_compact_comparison_writes_its_table(tmp_path, monkeypatch):
    method = hp.JointGaussNewton(stages=(hp.JointStage("readout", 1, 16),), frequencies=(8.0,), held_out=100)
    field = hp.Field(head="siren+linear", width=16, depth=1, features=2, table_size=2**12)
    variants = tuple(compact.Variant(name, method, field, (4, 8, 16)) for name in ("one way", "another"))
    monkeypatch.setattr(compact, "VARIANTS", variants)
    result = run("validate", "--suite", "compact", "--only", "one", "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "one way" in result.output
    assert "another" not in result.output
    found = json.loads((tmp_path / "compact.json").read_text())["results"]
    assert [r["name"] for r in found] == ["one way"]
    assert found[0]["error"] > 0
    assert "| one way |" in (tmp_path / "compact.md").read_text()


def test_cases_of_the_geometry_suite_run_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HERMITE_PINN_SHARED", str(tmp_path))
    result = run("validate", "--suite", "geometry", "--only", "distances", "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "bunny.obj is needed and is not there" in result.output
    assert json.loads((tmp_path / "geometry.json").read_text())["results"][0]["outcome"] == "skipped"
    assert (tmp_path / "geometry.md").read_text().count("\n") == 3
    assert run("validate", "--suite", "geometry", "--only", "nothing").exit_code == 2


def test_cases_of_the_pinnacle_suite_run_once(tmp_path):
    for _ in range(2):
        result = run("validate", "--suite", "pinnacle", "--only", "pnd-5", "--out", str(tmp_path))
        assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "pinnacle.json").read_text())["results"]
    assert [r["name"] for r in found] == ["pnd-5"]
    assert "PNd, 5 axes" in (tmp_path / "pinnacle.md").read_text()
    assert run("validate", "--suite", "pinnacle", "--only", "nothing").exit_code == 2


def test_contests_of_the_suite_of_rivals_run_once(tmp_path, monkeypatch):
    def made():
        solve = lambda setting: rivals.Answer(lambda p: np.ones(3) + 1 / setting, 1)
        entrants = tuple(rivals.Entrant(code, "m", (1, 2), solve) for code in ("hermite_pinn", "other"))
        return rivals.Contest(
            "any", "Any", "inverse", "u = 1", lambda: np.zeros(1), lambda p: np.ones(3), (0.7,), entrants
        )

    monkeypatch.setattr(rivals, "CONTESTS", {"any": made})
    for _ in range(2):
        result = run("validate", "--suite", "rivals", "--out", str(tmp_path))
        assert result.exit_code == 0, result.output
        assert result.stdout.count("5.0e-01 in") == 2
    found = json.loads((tmp_path / "rivals.json").read_text())["results"]
    assert [c["code"] for c in found[0]["curves"]] == ["hermite_pinn", "other"]
    assert "| Any | 0.7 |" in (tmp_path / "rivals.md").read_text()
    assert (tmp_path / "rivals.png").read_bytes().startswith(b"\x89PNG")
    assert run("validate", "--suite", "rivals", "--only", "nothing").exit_code == 2
    assert run("validate", "--suite", "rivals", "--device", "cuda").exit_code == 2


def test_validate_quick_reaches_its_limits(tmp_path):
    result = run("validate", "--suite", "quick", "--out", str(tmp_path))
    assert result.exit_code == 0, result.stdout
    assert result.stdout.count("reached") == len(SUITES["quick"])
    report = json.loads((tmp_path / "quick.json").read_text())
    assert all(r["reached"] for r in report["results"])
    assert (tmp_path / "quick.md").read_text().startswith("| case |")
    assert (tmp_path / "quick.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_bench_prints_kernels(monkeypatch):
    few = {"time_kernels": {"points": 5000, "reference_points": 500}, "time_products": {"points": 500}}
    for name, points in few.items():
        monkeypatch.setattr(validation, name, partial(getattr(validation, name), **points))
    result = run("bench", "--suite", "none", "--json")
    found = json.loads(result.stdout)
    assert {"jets", "adjoint", "reference", "speedup", "adjoint_ratio"} <= set(found["kernels"][0])
    times = [v for row in found["products"] + found["orders"] for v in row.values() if not isinstance(v, str)]
    assert times
    assert all(v > 0 for v in times)


def test_validate_trains_by_other_methods(tmp_path, monkeypatch):
    monkeypatch.setitem(SUITES, "quick", SUITES["quick"][:2])
    result = run(
        "validate", "--suite", "quick", "--method", "adam", "--time", "0.1", "--seeds", "2", "--out", str(tmp_path)
    )
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "quick-adam.json").read_text())["results"]
    assert len(report) == 2
    assert all(len(r["errors"]) == 2 and r["rate"] > 0 for r in report)
    assert (tmp_path / "quick-adam.md").read_text().count("\n") == 4


def test_the_package_runs_as_the_command():
    done = subprocess.run([sys.executable, "-m", "hermite_pinn", "list"], capture_output=True, text=True, check=True)
    assert "helmholtz2d" in done.stdout
