import math
from dataclasses import replace

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.validation.examples import (
    EXAMPLES,
    Example,
    kept_row,
    lines_of,
    references,
    run_example,
    to_json,
    to_markdown,
)

# They end at their time limit (docs/results.md), and at a shorter one with as much to say.
UNFINISHED = {"Beltrami flow", "Navier and Stokes from values", "reaction from values"}
QUICK = [
    "ode system",
    "Lotka-Volterra",
    "Volterra",
    "Poisson 1-D, operator at points",
    "Poisson 1-D, Robin",
    "heat",
    "diffusion and reaction",
]


def line(slope=1.0):
    def statement():
        """One line."""
        # that counts
        return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.x - slope, [hp.Dirichlet(u=0.0, on="x-")])

    return statement


@pytest.mark.parametrize("name", QUICK)
def test_quick_examples_come_out_right(name):
    row = run_example(EXAMPLES[name])
    assert row.is_right, row.message
    assert row.status in ("converged", "completed")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in EXAMPLES if n not in QUICK and EXAMPLES[n].reference is None])
def test_no_example_says_converged_of_a_wrong_answer(name):
    example = EXAMPLES[name]
    row = run_example(replace(example, seconds=30.0) if name in UNFINISHED else example)
    assert row.is_right or row.status not in ("converged", "completed"), row.line


def test_comments_and_documentation_are_no_lines():
    assert lines_of(line()) == 1


def test_statements_take_seven_lines_on_average():
    assert np.mean([e.lines for e in EXAMPLES.values()]) <= 7


def test_rows_are_kept_and_read_again(tmp_path):
    example = Example("a line", "none.py", line(), reference=lambda: lambda points: {"u": points[:, 0]})
    row = run_example(example, tmp_path)
    assert kept_row(example, tmp_path) == row
    assert row.error < 1e-10
    changed = Example("a line", "none.py", lambda: line()(), reference=example.reference)
    assert kept_row(changed, tmp_path) is None
    other = Example("a line", "none.py", line(), right=1e-9, reference=example.reference)
    assert kept_row(other, tmp_path) is None


def test_an_error_stands_in_the_row():
    example = Example("broken", "none.py", lambda: hp.Problem(hp.Box(x=(0, 1)), "u", lambda v: v))
    row = run_example(example)
    assert row.status == "InvalidProblemError"
    assert math.isnan(row.error)
    assert not row.is_right
    assert to_json([row])[0]["error"] is None
    assert "broken is not right" in to_markdown([row])


@pytest.mark.slow
def test_references_agree_with_themselves():
    points = np.random.default_rng(3).random((200, 2)) * [2, 1] - [1, 0]
    fine, coarse = references.allen_cahn(400)(points)["u"], references.allen_cahn(300)(points)["u"]
    assert np.abs(fine - coarse).max() < 1e-5


def test_parts_of_a_domain_are_compared():
    put = EXAMPLES["American put"]
    points = put.points(put.statement(), 50)
    assert points.shape == (50, 2)
    assert points[:, 0].min() >= 0.1
    assert (points[:, 1] == 1.0).all()
