"""Families of problems, solved one from the other."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hermite_pinn as hp

FOLD = 3.513830719  # 8 sinh(a / 4) ** -2 with tanh(a / 4) = 4 / a


def heated(strength: float) -> hp.Problem:
    """Two solutions up to the fold, none beyond."""
    return hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u: u.xx + strength * hp.exp(u), [hp.Dirichlet(u=0.0)])


def by_height(height: float) -> hp.Problem:
    """The same on half of the axis, with the value in the middle given and the strength unknown."""
    conditions = [
        hp.Dirichlet(u=0.0, on="x-"),
        hp.Neumann(u=0.0, on="x+"),
        hp.Dirichlet(u=height, on="x+"),
    ]
    return hp.Problem(
        hp.Box(x=(0, 0.5)),
        ["u"],
        lambda u, strength: u.xx + strength * hp.exp(u),
        conditions,
        parameters=[hp.Parameter("strength", init=1.0)],
    )


def upper_height(strength: float) -> float:
    a = 25.0
    for _ in range(100):
        f = a - math.sqrt(2 * strength) * math.cosh(a / 4)
        a -= f / (1 - math.sqrt(2 * strength) / 4 * math.sinh(a / 4))
    return 2 * math.log(math.cosh(a / 4))


@pytest.mark.slow
def test_the_fold_of_a_branch_is_told() -> None:
    branch = hp.continuation(heated, [2.0, 3.0, 4.0], tol=1e-5)
    assert branch.status is hp.Status.STALLED
    assert "the branch turns back near 3.5" in branch.message
    assert branch.fold is not None
    assert abs(branch.fold - FOLD) < 0.02
    assert all(s.status.success for s in branch)
    assert branch.values.max() < FOLD + 0.01
    assert len(branch.refused) > 1


def test_an_upper_branch_is_followed() -> None:
    start = {"u": lambda x: 16 * x * (1 - x)}
    branch = hp.continuation(heated, [1.0, 0.4, 0.1], start=start)
    assert branch.status is hp.Status.CONVERGED
    assert abs(branch[-1].u(0.5) - upper_height(0.1)) < 1e-4


def test_an_amplitude_leads_around_a_fold() -> None:
    branch = hp.continuation(by_height, [0.6, 0.9, 1.1, 1.19, 1.3, 2.0], tol=1e-7)
    strengths = [s.parameters["strength"] for s in branch]
    assert branch.status is hp.Status.CONVERGED
    assert np.all(np.diff(strengths[:4]) > 0)
    assert np.all(np.diff(strengths[3:]) < 0)
    assert abs(max(strengths) - FOLD) < 1e-3


def test_the_secant_predicts_better_than_the_last_solution() -> None:
    options = {"values": [1.0, 1.3, 1.6], "tol": 1e-4}
    secant, last = (hp.continuation(heated, predictor=p, **options) for p in ("secant", "last"))
    assert secant[-1].stats["start"]["moved"] < 0.5 * last[-1].stats["start"]["moved"]


def test_a_branch_comes_back_from_its_folder(tmp_path: object) -> None:
    branch = hp.continuation(heated, [3.0, 4.0], tol=1e-3, halvings=1)
    branch.save(f"{tmp_path}/branch")
    again = hp.Branch.load(f"{tmp_path}/branch")
    assert again.values.tolist() == branch.values.tolist()
    assert (again.status, again.message, again.fold) == (branch.status, branch.message, branch.fold)
    assert again.refused == branch.refused
    assert again[-1].u(0.5) == branch[-1].u(0.5)


def test_a_damaged_branch_is_refused(tmp_path: object) -> None:
    hp.continuation(heated, [1.0], levels=2).save(f"{tmp_path}/branch")
    for text in ("no JSON", "[]", '{"values": "x"}', '{"values": [1.0], "status": "GOOD"}'):
        with open(f"{tmp_path}/branch/branch.json", "w", encoding="utf-8") as file:
            file.write(text)
        with pytest.raises(hp.CorruptFileError):
            hp.Branch.load(f"{tmp_path}/branch")


def test_a_family_without_a_first_solution_says_so() -> None:
    branch = hp.continuation(heated, [5.0, 4.0], tol=1e-3)
    assert branch.status is hp.Status.STALLED
    assert "no solution at the first value, 5" in branch.message
    assert len(branch) == 0


def test_the_time_is_for_all() -> None:
    branch = hp.continuation(heated, [1.0, 2.0, 3.0], max_time=1e-3)
    assert branch.status is hp.Status.MAX_TIME
    assert len(branch) < 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 1.0],), "1 twice in a row"),
        (([],), "values"),
        ((["a"],), "a value"),
    ],
)
def test_bad_values_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(hp.InvalidArgumentError, match=message):
        hp.continuation(heated, *arguments)


def test_bad_families_are_refused() -> None:
    with pytest.raises(hp.InvalidArgumentError, match="problem_of"):
        hp.continuation(heated(1.0), [1.0])
    with pytest.raises(hp.InvalidArgumentError, match="what problem_of returns"):
        hp.continuation(lambda value: value, [1.0])
    with pytest.raises(hp.InvalidArgumentError, match="continuation has no resume"):
        hp.continuation(heated, [1.0], resume="run.h5")
    with pytest.raises(hp.InvalidArgumentError, match="predictor"):
        hp.continuation(heated, [1.0], predictor="tangent")
