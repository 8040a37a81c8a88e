"""The suite of networks: the same problems for all codes, scripts in environments of their own, and what is kept."""

import ast
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError, OutputError
from hermite_pinn.validation.rivals import networks
from hermite_pinn.validation.rivals.networks import __main__ as command
from hermite_pinn.validation.rivals.networks import codes, environment, frame, report, script
from hermite_pinn.validation.rivals.networks.cases import Training

posix = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for an environment is a shell script")

#: Predicts the exact solution of the first problem times (1 + 1 / iteration), where it is told to.
FAKE = """
import os
import numpy as np
from frame import run


def diffusion(s, watch):
    for i in range(1, s.iterations + 1):
        watch.keep(i, lambda p: np.exp(-p[1]) * np.sin(np.pi * p[0]) * (1 + 1 / i))


assert os.environ["FAKE"] == "yes" and os.environ["OMP_NUM_THREADS"] == "1" and "PYTHONPATH" not in os.environ
run({"diffusion": diffusion}, "1.0")
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Makes a rival whose environment is the Python that runs here, and whose script is what the test says."""

    def made(text):
        rival = environment.Rival("fake", "Fake", ("fake==1.0",), {"FAKE": "yes"})
        python = rival.python(tmp_path)
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (tmp_path / "fake_problems.py").write_text(text)
        monkeypatch.setattr(script, "SCRIPTS", tmp_path)
        settings = frame.Settings(4, 2, 1, [3], "tanh", 0.1, 10, 0)
        case = replace(networks.CASES["diffusion"], trainings={"fake": Training(settings, "a test")})
        return case, codes.InOtherEnvironment(rival, tmp_path, False, 0)

    return made


# -- the problems ---
def test_every_rival_has_a_script_with_every_problem_and_a_training_for_it():
    for name in networks.RIVALS:
        tree = ast.parse((script.SCRIPTS / f"{name}_problems.py").read_text())
        written = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert set(networks.CASES) <= written
        assert all(name in case.trainings for case in networks.CASES.values())


@pytest.mark.parametrize(
    "name",
    ["diffusion", "heat", *(pytest.param(n, marks=pytest.mark.slow) for n in ("burgers", "hole", "coefficient"))],
)
def test_the_default_call_finds_what_the_codes_are_compared_with(name):
    row = networks.entrants(None, True, 0)[0].run(networks.CASES[name])
    assert row.status == hp.Status.CONVERGED.label
    assert row.marks[-1].error < 2e-6


def test_points_lie_inside_of_the_domains():
    for case in networks.CASES.values():
        if not case.parameter:
            points = case.points()
            assert case.statement().domain.contains(torch.as_tensor(points)).all()
            assert case.truth(points).shape == points[0].shape


# -- scripts ---
@posix
def test_errors_are_those_of_the_predictions_at_the_marks(fake):
    case, code = fake(FAKE)
    row = code.run(case)
    assert [m.iterations for m in row.marks] == [1, 2, 5, 10]
    assert np.allclose([m.error for m in row.marks], [1, 1 / 2, 1 / 5, 1 / 10])
    assert row.lines == 2
    assert row.settings == "3 tanh, 4 + 2 + 1 points, Adam 0.1 for 10; a test"


@posix
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('no such thing')", "ValueError: no such thing"),
        ("raise SystemExit(3)", "ended with 3: it says nothing"),
        ("", "left no result"),
        ("open('told.json', 'w').write('{}')", "left no result"),
    ],
)
def test_a_script_that_fails_is_told_and_not_kept(fake, tmp_path, text, said):
    case, code = fake(text)
    row = networks.run_row(case, code, tmp_path)
    assert said in row.reason
    assert not row.marks
    assert networks.kept_row(case, code, tmp_path) is None


@posix
def test_rows_are_kept_until_something_else_is_asked(fake, tmp_path):
    case, code = fake(FAKE)
    row = networks.run_row(case, code, tmp_path)
    (tmp_path / "fake_problems.py").unlink()
    assert networks.run_row(case, code, tmp_path) == row
    assert networks.kept_row(case, replace(code, seed=1), tmp_path) is None
    assert networks.kept_row(case, replace(code, quick=True), tmp_path) is None
    (tmp_path / "networks-diffusion-fake.json").write_text("{}")
    with pytest.raises(CorruptFileError):
        networks.kept_row(case, code, tmp_path)


def test_time_that_a_prediction_takes_is_not_counted(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(frame.time, "process_time", lambda: now[0])
    monkeypatch.setattr(frame.time, "perf_counter", lambda: 2 * now[0])

    def predict(points):
        now[0] += 100
        return points[0]

    watch = frame.Watch(np.ones((2, 3)), [1, 2])
    for i in (1, 2, 3):
        now[0] += 1
        watch.keep(i, predict, last=i == 3)
    watch.keep(3, predict, last=True)
    assert [r["seconds"] for r in watch.rows] == [1, 2, 3]
    assert [r["wall"] for r in watch.rows] == [2, 4, 6]
    assert len(watch.values) == 3


def test_lines_are_those_that_a_user_writes():
    def problem():
        """What it is."""
        # a comment
        a = [
            1,
        ]

        a.append(2)

    assert frame.lines(problem) == 4


# -- environments ---
@posix
def test_a_missing_environment_is_told_with_the_command_that_makes_it(tmp_path):
    rival = networks.RIVALS["pina"]
    assert "--environments" in rival.missing(None)
    assert f"environment pina {tmp_path}" in rival.missing(tmp_path)
    row = networks.run_row(networks.CASES["heat"], networks.entrants(tmp_path, True, 0)[-1], tmp_path)
    assert row.skipped
    assert "environment pina" in row.line
    with pytest.raises(InvalidArgumentError, match="--environments"):
        networks.entrants(None, True, 0)[-1].run(networks.CASES["heat"])


def test_an_environment_gets_the_version_of_pytorch_that_runs_here(tmp_path, monkeypatch, capsys):
    ran, constraints = [], []

    def run(words, **options):
        ran.append(words)
        if "-c" in words:
            constraints.append(Path(words[words.index("-c") + 1]).read_text())

    monkeypatch.setattr(environment.subprocess, "run", run)
    assert command.main(["environment", "deepxde", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(networks.RIVALS["deepxde"].python(tmp_path))
    assert constraints == [f"torch=={torch.__version__.split('+')[0]}\n"]
    assert ran[1][-2:] == ["torch", "deepxde==1.15.0"]
    with pytest.raises(InvalidArgumentError, match="deepxde, pina"):
        networks.make("none", tmp_path)


def test_a_failed_installation_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environment.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(OutputError, match="no-python"):
        networks.make("pina", tmp_path)
    assert command.main(["environment", "pina", str(tmp_path)]) == 1
    assert "error:" in capsys.readouterr().err


# -- table, picture, command ---
def rows():
    marks = (networks.Mark(1, 0.1, 0.2, 0.5), networks.Mark(2000, 1.0, 2.0, 1e-3))
    return [
        networks.Row("heat", "DeepXDE", "settings", 12, marks),
        networks.Row("heat", "PINA", "", reason="is | not\nthere", skipped=True),
    ]


def test_the_table_has_results_reasons_and_the_course_of_training():
    text = report.to_markdown(list(networks.CASES.values()), rows())
    assert "| Heat | DeepXDE | 12 | 2,000 | 1 | 2 | 1.0e-03 |  |" in text
    assert "| Heat | PINA | | | | | | is / not there |" in text
    assert "| Heat | DeepXDE | 5.0e-01 (0.1), 1.0e-03 (1) |" in text
    assert "Burgers" not in text


def test_the_suite_writes_table_data_and_picture_of_what_the_folder_knows(tmp_path, monkeypatch):
    class Stub:
        name, code = "stub", "Stub"

        def missing(self):
            return ""

        def asked(self, case):
            return {"problem": case.name}

        def run(self, case):
            return replace(rows()[0], case=case.name, code=self.code)

    monkeypatch.setattr("hermite_pinn.validation.rivals.networks.suite.entrants", lambda *asked: [Stub()])
    for name in ("heat", "burgers"):
        result = CliRunner().invoke(app, ["validate", "--suite", "networks", "--only", name, "--out", str(tmp_path)])
        assert result.exit_code == 0, result.output
        assert "error 1.0e-03 in 1 CPU s" in result.stdout
    found = json.loads((tmp_path / "networks.json").read_text())["results"]
    assert [r["case"] for r in found] == ["heat", "burgers"]
    assert "| Burgers, nu = 0.01/pi | Stub |" in (tmp_path / "networks.md").read_text()
    assert (tmp_path / "networks.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [["--only", "nothing"], ["--device", "cuda"]])
def test_what_makes_no_sense_ends_with_a_usage_error(words):
    assert CliRunner().invoke(app, ["validate", "--suite", "networks", *words]).exit_code == 2


# -- the rivals themselves ---
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(networks.RIVALS))
def test_rivals_train_on_every_problem(name):
    folder = Path(os.environ.get("HERMITE_PINN_RIVALS", "rivals-are-nowhere"))
    code = next(c for c in networks.entrants(folder, True, 0) if c.name == name)
    if code.missing():
        pytest.skip(f"HERMITE_PINN_RIVALS names no folder with it: {code.missing()}")
    for case in networks.CASES.values():
        row = code.run(case)
        assert not row.reason
        assert np.isfinite(row.marks[-1].error)
        assert row.marks[-1].iterations >= 20
