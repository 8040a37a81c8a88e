"""The table of first-order methods beside another code."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.training import CASES, Row, rivals_of, to_markdown


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
