"""The table of first-order methods beside another code."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.training import CASES, Row, rivals_of, to_markdown
from hermite_pinn.validation.training.__main__ import main
from hermite_pinn.validation.training.fronts import FRONTS, VISCOSITY
from hermite_pinn.validation.training.rival import SETTINGS


@pytest.mark.parametrize("name", CASES)
def test_the_known_solution_has_the_values_at_the_start(name):
    case = CASES[name]
    start = next(t for t in case.statement().terms if t.name == "u at t-")
    x = np.linspace(case.lower, 1.0, 9)
    wanted = start.trace.program.run({("coordinate", "x"): torch.as_tensor(x)})[0].numpy()
    assert np.abs(case.exact(x, 0 * x) - wanted).max() < 1e-12


def test_the_error_of_the_known_solution_of_heat_is_zero():
    case = CASES["heat"]
    found = hp.solve(case.statement(), tol=1e-5, progress=False)
    assert case.error(found) < 1e-4


def test_rows_of_another_code_stand_beside_ours(tmp_path):
    path = tmp_path / "other.json"
    path.write_text(json.dumps([{"case": "heat", "seed": 0, "error": 5e-4, "cpu": 110.0}]))
    text = to_markdown([Row("heat", "Adam", 0, 2e-4, 10.0, 20.0, "COMPLETED"), *rivals_of(path)])
    assert "| heat | DeepXDE | 1 | 5.00e-04 | 5.00e-04 to 5.00e-04 | 110.0 |" in text
    assert "| heat | Adam | 1 | 2.00e-04 | 2.00e-04 to 2.00e-04 | 10.0 | completed |" in text


def test_a_file_of_another_form_is_refused(tmp_path):
    path = tmp_path / "other.json"
    path.write_text("[{}]")
    with pytest.raises(InvalidArgumentError, match="JSON list"):
        rivals_of(path)


@pytest.mark.parametrize("case", FRONTS.values(), ids=list(FRONTS))
def test_known_fronts_satisfy_their_problem(case):
    """Burgers' equation holds by differences; the manufactured solution vanishes at both ends."""
    x, t = np.linspace(-0.9, 0.9, 19), np.linspace(0.05, 0.9, 7)
    x, t = (v.ravel() for v in np.meshgrid(x, t))
    h = 1e-3
    u, ahead, behind = (case.exact(x + d, t) for d in (0.0, h, -h))
    later, earlier = case.exact(x, t + h), case.exact(x, t - h)
    u_t, u_x, u_xx = (later - earlier) / (2 * h), (ahead - behind) / (2 * h), (ahead - 2 * u + behind) / h**2
    if case.name == "allen_cahn":
        assert np.abs(case.exact(np.array([-1.0, 1.0]), np.array([0.3, 0.7]))).max() < 1e-12
    else:
        assert np.abs(u_t + u * u_x - VISCOSITY * u_xx).max() < 5e-3 * np.abs(u_x).max()


def test_the_command_runs_methods_and_trials_in_a_few_steps(tmp_path, capsys):
    asked = ["--quick", "--seeds", "0", "--out", str(tmp_path)]
    assert main([*asked, "--cases", "diffusion_1d", "--methods", "LBFGS"]) == 0
    assert main([*asked, "--choose", "--fronts", "travelling", "--trials", "LBFGS"]) == 0
    told = capsys.readouterr().out
    assert "| diffusion_1d | LBFGS | 1 |" in told
    assert "| travelling | LBFGS | 1 |" in told
    assert (tmp_path / "training.md").exists()


def test_without_an_environment_deepxde_says_how_to_make_one(tmp_path, capsys):
    asked = ["--cases", "heat", "--methods", "--seeds", "0", "--environments", str(tmp_path)]
    assert main(asked) == 1
    assert "environment deepxde" in capsys.readouterr().err


def test_every_example_of_deepxde_has_its_settings():
    assert set(SETTINGS) == set(CASES)
    assert SETTINGS["Burgers"][1].end == CASES["Burgers"].end
