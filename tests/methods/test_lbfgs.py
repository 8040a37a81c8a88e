"""L-BFGS: it converges, says why it stops, resumes bit for bit, chains, and keeps unknown numbers in their bounds."""

import itertools
import math
import os
import signal

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import DivergedError, InvalidArgumentError
from hermite_pinn.methods.training import full_batch
from hermite_pinn.methods.training.bounded_parameters import BoundedMap
from hermite_pinn.methods.training.minimizer import Evaluation
from hermite_pinn.methods.training.quasi_newton import QuasiNewton

LINEAR = {"levels": 3, "field": hp.Field()}
NETWORK = {"levels": 3, "field": hp.Field(head="siren", table_size=2**6, width=8, omega=1.0)}


pytestmark = pytest.mark.usefixtures("one_thread")


class Stop(hp.Callback):
    """End the run at a step: with a reason, or as Ctrl-C would."""

    def __init__(self, step, how="callback"):
        self.step, self.how = step, how

    def on_step(self, state):
        if state.step != self.step:
            return None
        if self.how == "signal":
            os.kill(os.getpid(), signal.SIGINT)
        return self.how == "callback" and "half way"


def same(a, b):
    return all(torch.equal(t, b.field.tensors()[k]) for k, t in a.field.tensors().items())


def rosenbrock(z):
    z = z.clone().requires_grad_()
    value = (100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()
    return Evaluation(float(value.detach()), torch.autograd.grad(value, z)[0], {})


# -- the optimiser ---
def test_steps_reach_the_minimum_of_a_curved_valley():
    solver = QuasiNewton(rosenbrock, torch.full((6,), -1.0, dtype=torch.float64), 10, 25, 1.0)
    values = [solver.current.value]
    while solver.step():
        values.append(solver.current.value)
    assert all(b < a for a, b in itertools.pairwise(values))
    assert torch.allclose(solver.z.detach(), torch.ones(6, dtype=torch.float64), atol=1e-6)
    assert solver.evaluations < 2 * len(values)


def test_saved_steps_continue_exactly():
    whole = QuasiNewton(rosenbrock, torch.full((6,), -1.0, dtype=torch.float64), 5, 25, 8.0)
    for _ in range(8):
        whole.step()
    other = QuasiNewton(rosenbrock, torch.zeros(6, dtype=torch.float64), 5, 25, 8.0)
    other.restore(whole.state())
    for _ in range(12):
        whole.step(), other.step()
        assert torch.equal(whole.z, other.z)
    assert other.evaluations == whole.evaluations


def test_the_factor_keeps_small_functions_curved():
    """PyTorch drops curvature below 1e-10; a loss that starts there is minimised all the same."""

    def tiny(z):
        found = rosenbrock(z)
        return Evaluation(found.value * 2.0**-60, found.gradient * 2.0**-60, {})

    start = torch.full((4,), -1.0, dtype=torch.float64)
    plain, scaled = (QuasiNewton(f, start, 10, 25, c) for f, c in ((rosenbrock, 1.0), (tiny, 2.0**60)))
    for _ in range(20):
        plain.step(), scaled.step()
    assert torch.equal(plain.z, scaled.z)


def test_walls_of_nan_are_not_crossed():
    def half(z):
        value = z.square().sum() - z[0] if z[0] < 0.7 else torch.tensor(math.nan)
        gradient = 2 * z
        gradient[0] -= 1
        return Evaluation(float(value), gradient, {})

    solver = QuasiNewton(half, torch.tensor([-50.0, 30.0], dtype=torch.float64), 5, 25, 1.0)
    while solver.step():
        pass
    assert torch.allclose(solver.z.detach(), torch.tensor([0.5, 0.0], dtype=torch.float64), atol=1e-6)


# -- as a method ---
def test_it_reaches_the_accuracy_of_the_grid():
    problem = problems.helmholtz2d(a=2)
    solution = hp.solve(problem, method=hp.LBFGS(steps=200), levels=3, field=hp.Field())
    best = hp.solve(problem, levels=3)
    assert solution.error()["u"]["relative_l2"] < 1.5 * best.error()["u"]["relative_l2"]
    assert solution.status is hp.Status.CONVERGED
    assert solution.stats["dtype"] == "float64"
    assert solution.stats["points"] == (3 * 16) ** 2
    assert (np.diff(solution.history["loss"]) < 0).all()
    assert solution.history["held-out pde"][-1] < 0.1 * solution.history["held-out pde"][0]


def test_units_of_the_jacobian_are_the_preconditioner():
    """The same steps end at least ten times closer to the solution than in plain coefficients."""
    errors = [
        hp.solve(problems.poisson2d(), method=hp.LBFGS(steps=60, probes=n), levels=4, field=hp.Field()).error()["u"][
            "relative_l2"
        ]
        for n in (16, 0)
    ]
    assert errors[0] < 0.1 * errors[1]


@pytest.mark.parametrize(
    ("options", "more", "reason", "status"),
    [
        ({"gtol": 1e-2}, {}, "gradient", hp.Status.CONVERGED),
        ({"ftol": 1e-2, "gtol": 0.0}, {}, "change", hp.Status.CONVERGED),
        ({"gtol": 0.0, "ftol": 0.0, "search_steps": 1}, {}, "line_search", hp.Status.STALLED),
        ({"steps": 3}, {}, "steps", hp.Status.COMPLETED),
        ({}, {"max_time": 1e-6}, "time", hp.Status.MAX_TIME),
        ({}, {"callbacks": Stop(10)}, "callback", hp.Status.STOPPED),
        ({}, {"callbacks": Stop(10, "signal")}, "interrupted", hp.Status.INTERRUPTED),
    ],
)
def test_every_end_has_its_reason(options, more, reason, status):
    solution = hp.solve(problems.poisson2d(), method=hp.LBFGS(**options), levels=2, field=hp.Field(), **more)
    words = {"time": "max_time", "callback": "half way", "line_search": "line search failed"}
    assert (solution.stats["reason"], solution.status) == (reason, status)
    assert words.get(reason, reason) in solution.message
    assert torch.isfinite(solution.field.table).all()
    if reason not in ("time", "callback", "interrupted"):
        assert solution.history["step"][-1] == solution.stats["steps"]


@pytest.mark.parametrize("options", [{"steps": 5}, {"gtol": 0.0, "ftol": 0.0, "search_steps": 1}])
def test_a_finished_run_stays_finished(tmp_path, options):
    path, method = tmp_path / "state.h5", hp.LBFGS(**options)
    first = hp.solve(problems.poisson2d(), method=method, levels=2, field=hp.Field(), checkpoint=path)
    again = hp.solve(problems.poisson2d(), method=method, levels=2, field=hp.Field(), resume=path)
    assert same(first, again)
    assert again.message == first.message
    assert len(again.history) == len(first.history)


def test_ctrl_c_before_the_first_step_returns_the_start(monkeypatch):
    def interrupted(self, flat):
        raise KeyboardInterrupt

    monkeypatch.setattr(full_batch._Run, "_units", interrupted)
    solution = hp.solve(problems.poisson2d(), method="lbfgs", **NETWORK)
    assert (solution.status, solution.stats["reason"]) == (hp.Status.INTERRUPTED, "interrupted")
    assert torch.isfinite(solution.field.table).all()


def test_memory_is_estimated_before_the_run(monkeypatch):
    monkeypatch.setattr(full_batch, "available_memory", lambda device: 1e6)
    with pytest.raises(hp.OutOfMemoryError, match="use a smaller memory"):
        hp.solve(problems.poisson2d(), method="lbfgs", **LINEAR)
    assert hp.solve(problems.poisson2d(), method=hp.LBFGS(memory=2, steps=2), **LINEAR).stats["steps"] == 2


@pytest.mark.slow_but("spec0")
@pytest.mark.parametrize(
    ("spec", "options"),
    [
        (LINEAR, {"steps": 40, "memory": 5}),
        (NETWORK, {"steps": 40, "points": 500, "face_points": 50, "rounds": 3}),
        (NETWORK, {"steps": 40, "points": 500, "face_points": 50, "rounds": 2, "adaptive": hp.RAD()}),
    ],
)
@pytest.mark.parametrize("how", ["callback", "signal"])
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(tmp_path, spec, options, how):
    problem, path = problems.convection(c=2), tmp_path / "state.h5"
    method = hp.LBFGS(check_every=5, **options)
    whole = hp.solve(problem, method=method, seed=5, **spec)
    half = hp.solve(problem, method=method, seed=5, checkpoint=path, callbacks=Stop(25, how), **spec)
    assert half.stats["steps"] == 25
    resumed = hp.solve(problem, method=method, seed=5, resume=path, **spec)
    assert same(whole, resumed)
    assert not same(whole, half)
    assert list(resumed.history["loss"]) == list(whole.history["loss"])
    assert resumed.message == whole.message
    assert resumed.stats["evaluations"] == whole.stats["evaluations"]


def test_rounds_take_new_points():
    problem = problems.helmholtz2d(a=1)
    one, two = (hp.LBFGS(steps=30, points=300, face_points=30, rounds=r, check_every=1) for r in (1, 2))
    a, b = (hp.solve(problem, method=m, **NETWORK) for m in (one, two))
    assert list(a.history["loss"][:15]) == list(b.history["loss"][:15])
    assert a.history["loss"][15] != b.history["loss"][15]
    assert (a.stats["rounds"], b.stats["rounds"]) == (1, 2)


def test_it_chains_both_ways():
    problem = problems.helmholtz2d(a=1)
    first = hp.Adam(steps=20, points=200, face_points=20, check_every=10) >> hp.LBFGS(steps=60)
    solution = hp.solve(problem, method=first, **LINEAR)
    rows = solution.stats["stages"]
    assert [r["method"] for r in rows] == ["adam", "lbfgs"]
    assert rows[0]["steps"] == 20
    assert all(r["seconds_per_step"] > 0 for r in rows)
    losses = solution.history["loss"]
    assert losses[-1] < 1e-2 * losses[1]
    assert solution.stats["dtype"] == "float64"
    best = hp.solve(problem, levels=3).error()["u"]["relative_l2"]
    before = hp.solve(problem, method=hp.LBFGS(steps=5) >> hp.GaussNewton(), **LINEAR)
    assert before.error()["u"]["relative_l2"] == pytest.approx(best, rel=0.05)
    after = hp.solve(problem, method=hp.GaussNewton() >> hp.LBFGS(steps=5), **LINEAR)
    assert after.error()["u"]["relative_l2"] < 1.5 * best


@pytest.mark.parametrize("stage", [1, 2])
def test_a_chain_is_resumed_in_its_stage(tmp_path, stage):
    class StopInStage(hp.Callback):
        def on_step(self, state):
            return state.method == ("adam", "lbfgs")[stage - 1] and state.step == 10

    path, problem = tmp_path / "state.h5", problems.helmholtz2d(a=1)
    method = hp.Adam(steps=20, points=200, face_points=20, check_every=5) >> hp.LBFGS(
        steps=20, points=300, face_points=30, check_every=5
    )
    whole = hp.solve(problem, method=method, **NETWORK)
    hp.solve(problem, method=method, checkpoint=path, callbacks=StopInStage(), **NETWORK)
    resumed = hp.solve(problem, method=method, resume=path, **NETWORK)
    assert same(whole, resumed)
    assert list(resumed.history["stage"]) == list(whole.history["stage"])
    assert [r["method"] for r in resumed.stats["stages"]] == ["adam", "lbfgs"]


def test_nan_at_the_start_names_the_term():
    problem = hp.Problem(
        hp.Box(x=(0, 1)), "u", lambda u, x: {"fine": u.xx, "broken": hp.log(-1.0 - u * u)}, [hp.Dirichlet(u=0.0)]
    )
    with pytest.raises(DivergedError, match="'broken'"):
        hp.solve(problem, method="lbfgs", levels=2)
    kept = hp.solve(problem, method="lbfgs", levels=2, throw=False)
    assert kept.status is hp.Status.DIVERGED
    assert torch.isfinite(kept.field.table).all()


def test_nan_in_a_later_round_keeps_the_state_before_it(monkeypatch):
    original = full_batch._Run._evaluate

    def poisoned(self, units, z):
        found = original(self, units, z)
        return Evaluation(math.nan, found.gradient, found.report) if self.round == 1 else found

    options = {"points": 300, "face_points": 30}
    good = hp.solve(problems.poisson2d(), method=hp.LBFGS(steps=10, **options), **NETWORK)
    monkeypatch.setattr(full_batch._Run, "_evaluate", poisoned)
    kept = hp.solve(problems.poisson2d(), method=hp.LBFGS(steps=20, rounds=2, **options), throw=False, **NETWORK)
    assert kept.status is hp.Status.DIVERGED
    assert same(kept, good)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hp.LBFGS(steps=0), "steps must be an integer of at least 1"),
        (lambda: hp.LBFGS(steps=2, rounds=3), "rounds=3 exceeds"),
        (lambda: hp.LBFGS(adaptive=hp.RAD()), "need their number"),
        (lambda: hp.LBFGS(gtol=-1.0), "must be a finite number of at least 0"),
        (lambda: hp.solve(problems.helmholtz2d(a=1), method="lbfgs", dtype="float32"), "float64"),
        (lambda: hp.solve(problems.helmholtz2d(a=1), method="lbfgs", tol=1e-3), "no estimate of the error"),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make()


# -- bounds ---
@pytest.mark.parametrize("bounds", [(-1.0, 3.0), (0.5, math.inf), (-math.inf, 2.0), (-math.inf, math.inf)])
def test_bounded_numbers_never_leave_and_are_reached(bounds):
    m = BoundedMap(*bounds, unit=0.3)
    for value in (0.7, 1.0, 1.9):
        assert float(m.bounded(torch.tensor(m.free(value), dtype=torch.float64))) == pytest.approx(value)
    q = torch.linspace(-30, 30, 1001, dtype=torch.float64, requires_grad=True)
    p = m.bounded(q)
    assert p.min() >= bounds[0]
    assert p.max() <= bounds[1]
    for bound in bounds:
        if math.isfinite(bound):
            start = torch.tensor(m.free(bound), dtype=torch.float64, requires_grad=True)
            (slope,) = torch.autograd.grad(m.bounded(start), start)
            assert slope.abs() > 0  # a start on the bound can move away
            assert (p - bound).abs().min() < 2e-3
