"""Networks that hold conditions exactly while they are trained, and the numbers that are chosen for them."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import pi, sin
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.training.defaults import Numbers

CPU = "cpu"
SMALL = hp.Field(head="siren", features=2, width=16, depth=2)
SHORT = {"points": 100, "face_points": 20, "check_every": 50}


def in_a_disc():
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), y=(-1, 1)) & hp.Disk((0.1, 0.0), 0.8),
        fields=["u"],
        residual=lambda u: u.laplacian + 4.0,
        conditions=[hp.Dirichlet(u=lambda x, y: 1.0 + x)],
        exact={"u": lambda x, y: 1.0 + x + 0.64 - (x - 0.1) ** 2 - y**2},
    )


def heat():
    return hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t - 0.1 * u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x))],
    )


def on_a_circle(count=50):
    angle = np.linspace(0, 2 * np.pi, count)
    return 0.1 + 0.8 * np.cos(angle), 0.8 * np.sin(angle)


@pytest.mark.parametrize("method", [hp.Adam, hp.SOAP])
def test_a_network_in_a_disc_meets_its_condition_and_improves(method):
    problem, errors = in_a_disc(), []
    for steps in (10, 300):
        solution = hp.solve(
            problem, method=method(steps=steps, lr=1e-2, hard=True, **SHORT), field=SMALL, levels=2, progress=False
        )
        x, y = on_a_circle()
        assert np.abs(np.asarray(solution.u(x, y)) - 1.0 - x).max() < 1e-6
        errors.append(solution.error()["u"]["relative_l2"])
    assert errors[1] < 0.2 * errors[0]


def test_lbfgs_meets_the_condition_in_double_precision():
    method = hp.LBFGS(steps=40, points=200, face_points=20, hard=True)
    solution = hp.solve(in_a_disc(), method=method, field=SMALL, levels=2, progress=False)
    x, y = on_a_circle()
    assert np.abs(np.asarray(solution.u(x, y)) - 1.0 - x).max() < 1e-14


def test_heat_keeps_its_start_and_its_ends_without_any_option():
    solution = hp.solve(heat(), method=hp.Adam(steps=100, **SHORT), progress=False)
    x = np.linspace(0, 1, 33)
    assert np.abs(np.asarray(solution.u(x, 0 * x)) - np.sin(np.pi * x)).max() < 1e-6
    assert np.abs(np.asarray(solution.u(0 * x + 1, x))).max() < 1e-6
    assert solution.stats["defaults"]["levels"] == 4
    assert "points" not in solution.stats["defaults"]


def test_a_field_of_hashed_levels_holds_conditions_too():
    field = hp.Field(head="siren+linear", table_size=2**8, width=16, depth=1)
    solution = hp.solve(heat(), method=hp.Adam(steps=50, hard=True, **SHORT), field=field, levels=4, progress=False)
    assert abs(float(solution.u(0.5, 0.0)) - 1.0) < 1e-6


def test_a_chain_goes_on_with_what_is_held():
    chain = hp.Adam(steps=20, **SHORT) >> hp.LBFGS(steps=5, points=200, face_points=20)
    solution = hp.solve(heat(), method=chain, dtype="float64", progress=False)
    assert abs(float(solution.u(0.5, 0.0)) - 1.0) < 1e-14


def test_a_file_keeps_what_is_held(tmp_path):
    solution = hp.solve(in_a_disc(), method=hp.Adam(steps=5, hard=True, **SHORT), field=SMALL, levels=2, progress=False)
    solution.save(tmp_path / "u.h5")
    again = hp.Solution.load(tmp_path / "u.h5")
    x, y = on_a_circle()
    assert np.array_equal(np.asarray(again.u(0.5 * x, 0.5 * y)), np.asarray(solution.u(0.5 * x, 0.5 * y)))


def test_what_cannot_be_held_is_refused_with_the_reason():
    problem = hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t - u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=1.0)],
    )
    with pytest.raises(InvalidProblemError, match="where they meet"):
        hp.solve(problem, method=hp.Adam(steps=2, hard=True, **SHORT), progress=False)
    soft = hp.solve(problem, method=hp.Adam(steps=2, **SHORT), progress=False)
    assert abs(float(soft.u(0.0, 0.5))) < 1e-6


def test_the_paper_is_as_it_was():
    paper = asdict(hp.Adam.paper())
    assert paper == asdict(
        hp.Adam(
            steps=200_000, lr=1e-3, lr_end=1e-6, schedule="cosine", points=10_000, face_points=5_000, weight=5_000.0,
            weight_cap=50_000.0, balance_every=100, shared_weight=True, curriculum=((5_000, 4), (15_000, 6)), ema=0.999,
            warmup=20, normalize=False, hard=False, march=0.0, defaults="paper",
        )
    )  # fmt: skip
    task = Task(heat(), None, None, None, 0, torch.device(CPU), None, None)
    method, settled = hp.Adam.paper().settled(task)
    assert method == hp.Adam.paper()
    assert settled.field is None
    field = method.default_field(task.problem)
    assert (field.width, field.depth, field.table_size, method.default_levels(task)) == (128, 2, 2**14, 8)


def test_options_that_are_given_are_never_changed():
    given = hp.Adam(steps=7, points=11, face_points=3, lr=0.1, lr_end=0.01, ema=0.5, march=0.0)
    task = Task(heat(), None, 2, None, 0, torch.device(CPU), None, None)
    method, settled = given.settled(task)
    assert method == given
    assert settled.levels == 2
    method, settled = given.settled(Task(heat(), SMALL, None, None, 0, torch.device(CPU), None, None))
    assert settled.field is SMALL
    assert settled.levels is None


def test_numbers_follow_the_device_and_the_problem():
    task = Task(heat(), None, None, None, 0, torch.device(CPU), None, None)
    method, _ = hp.Adam().settled(task)
    other, _ = hp.Adam().settled(Task(heat(), None, None, None, 0, torch.device("meta"), None, None))
    assert (other.points, other.steps, other.ema) == (10_000, 20_000, 0.999)
    assert method.points < other.points
    assert method.steps < other.steps
    assert method.ema == Numbers.ema(method.steps)


def test_nonsense_is_refused():
    with pytest.raises(InvalidArgumentError, match="march"):
        hp.Adam(march=2.0)
    with pytest.raises(InvalidArgumentError, match="hard"):
        hp.Adam(hard="yes")
    with pytest.raises(InvalidArgumentError, match="defaults"):
        hp.Adam(defaults="mine")


@pytest.mark.slow
def test_a_start_whose_derivatives_overflow_is_weighted_or_refused():
    problem = hp.Problem(
        domain=hp.Box(x=(0, 10), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t - 1e-3 * u.xx - u * (1 - u),
        conditions=[hp.Neumann(u=0.0), hp.Initial(u=lambda x: 1 / (1 + hp.exp((x - 2) / 0.05)))],
    )
    solution = hp.solve(problem, method=hp.Adam(steps=2, **SHORT), field=None, progress=False)
    assert "not finite in float32" in solution.stats["not_held"]["u at t-"]
    assert all(np.isfinite(value) for value in solution.residuals.values())
    with pytest.raises(InvalidProblemError, match="tanh"):
        hp.solve(problem, method=hp.Adam(steps=2, hard=True, **SHORT), progress=False)
