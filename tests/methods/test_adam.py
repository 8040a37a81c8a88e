"""First-order training: it learns, resumes bit for bit, follows the recipe, and ends as asked."""

import itertools
import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import DivergedError

SMALL = {
    "levels": 4,
    "field": hp.Field(head="siren", features=2, table_size=2**8, width=16, omega=1.0),
}


def method(**changes):
    given = {"steps": 60, "points": 400, "face_points": 60, "lr": 1e-2, "check_every": 20, "ema": 0.9} | changes
    return hp.Adam(**given)


def test_training_lowers_loss_and_error():
    problem = problems.helmholtz2d(a=1)
    solution = hp.solve(problem, method=method(steps=300, ema=0.95), **SMALL)
    loss = solution.history["loss"]
    assert loss[-1] < 0.05 * loss[0]
    assert solution.error()["u"]["relative_l2"] < 0.2
    assert solution.status is hp.Status.COMPLETED
    assert solution.stats["dtype"] == "float32"


@pytest.mark.parametrize("head", ["linear", "siren+linear"])
def test_every_head_trains(head):
    field = hp.Field(head=head, features=2 if head != "linear" else None, width=16, omega=1.0)
    solution = hp.solve(problems.helmholtz2d(a=1), method=method(), levels=3, field=field)
    assert solution.history["loss"][-1] < solution.history["loss"][0]


def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(tmp_path):
    problem, path = problems.convection(c=2), tmp_path / "state.h5"

    class Stop(hp.Callback):
        def on_step(self, state):
            return "half way" if state.step == 40 else None

    options = method(steps=80, schedule="cosine", balance_every=10, curriculum=((30, 2),), warmup=3)
    whole = hp.solve(problem, method=options, seed=5, **SMALL)
    half = hp.solve(problem, method=options, seed=5, checkpoint=path, callbacks=Stop(), **SMALL)
    assert half.status is hp.Status.STOPPED
    resumed = hp.solve(problem, method=options, seed=5, resume=path, **SMALL)
    for name, tensor in whole.field.tensors().items():
        assert torch.equal(tensor, resumed.field.tensors()[name]), name
    assert list(resumed.history["loss"]) == list(whole.history["loss"])


def test_seeds_decide():
    a, b, c = (hp.solve(problems.helmholtz2d(a=1), method=method(steps=5), seed=s, **SMALL) for s in (1, 1, 2))
    assert torch.equal(a.field.table, b.field.table)
    assert not torch.equal(a.field.table, c.field.table)


def test_the_curriculum_keeps_fine_levels_still():
    spec = SMALL["field"]
    problem = problems.helmholtz2d(a=1)
    options = method(steps=10, curriculum=((100, 2),), ema=0.0)
    trained = hp.solve(problem, method=options, **SMALL)
    fresh = spec.build(problem.domain, problem.fields, problem.periodic, 4, 0, torch.float32)
    start = fresh.layout.level_slices[2].start
    assert torch.equal(trained.field.table[start:], fresh.table[start:])
    assert not torch.equal(trained.field.table[:start], fresh.table[:start])


def test_differences_are_taken_over_cells_of_the_finest_trained_level(tmp_path):
    spec = hp.Field(encoder="trilinear_fd", head="siren", table_size=2**8, width=16, omega=1.0)
    given = {"field": spec, "levels": 4, "seed": 0, "progress": False}
    problem = problems.helmholtz2d(a=1)
    partial = hp.solve(problem, method=method(steps=10, curriculum=((100, 2),)), **given)
    assert partial.field.encoder.finest == 1
    partial.save(tmp_path / "partial.h5")
    assert hp.Solution.load(tmp_path / "partial.h5").field.encoder.finest == 1
    whole = hp.solve(problem, method=method(steps=10, curriculum=((5, 2),)), **given)
    assert whole.field.encoder.finest is None


def test_fine_levels_only_drift_after_the_warm_up():
    """The paper masks gradients, not steps: the moments of the warm-up, which trains all levels, fade away."""
    fine = []
    for steps in (1, 11, 21, 31):
        options = method(steps=steps, curriculum=((100, 2),), warmup=5, schedule="constant", ema=0.0)
        field = hp.solve(problems.helmholtz2d(a=1), method=options, **SMALL).field
        fine.append(field.table[field.layout.level_slices[2].start :])
    moved = [float((b - a).norm()) for a, b in itertools.pairwise(fine)]
    assert moved[0] > 0
    assert moved[1] < 0.5 * moved[0]
    assert moved[2] < 0.5 * moved[1]


def test_the_history_has_residuals_without_weights():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian - 3.0, [hp.Dirichlet(u=2.0, weight=7.0)]
    )
    options = hp.Adam(steps=1, points=50, face_points=20, weight=10.0, check_every=1, balance_every=0)
    row = hp.solve(problem, method=options, field=hp.Field(), levels=2).history[-1]
    assert row["rms pde"] == pytest.approx(3.0)
    assert row["rms u on boundary"] == pytest.approx(2.0)
    assert row["loss"] == pytest.approx(1.0 + 4 * 10.0 * 7.0 * 2.0**2)


@pytest.mark.slow
def test_the_papers_recipe():
    paper = hp.Adam.paper()
    assert (paper.steps, paper.points, paper.face_points, paper.ema) == (200_000, 10_000, 5_000, 0.999)
    assert (paper.weight, paper.weight_cap, paper.shared_weight, paper.normalize) == (5_000, 50_000, True, False)
    assert paper.rate(0) == pytest.approx(1e-3)
    assert paper.rate(200_000) == pytest.approx(1e-6)
    assert [paper.active_levels(s, 8) for s in (-1, 0, 4_999, 5_000, 15_000)] == [8, 4, 4, 6, 8]
    spec = paper.default_field(problems.helmholtz2d())
    assert (spec.head, spec.features, spec.table_size, spec.width, spec.depth, spec.omega) == (
        "siren",
        2,
        2**14,
        128,
        2,
        0.5,
    )
    assert hp.Adam.paper(curriculum=()).active_levels(0, 8) == 8
    solution = hp.solve(problems.helmholtz2d(), method=hp.Adam.paper(steps=2, points=200, face_points=50, warmup=1))
    assert solution.field.layout.resolutions[-1] == (512, 512)
    assert solution.stats["steps"] == 2


def test_a_few_steps_of_the_papers_recipe_lower_the_loss_that_it_states():
    """The loss is the mean square of the residual, not divided by its source, and 5000 times that on every face."""
    method = hp.Adam.paper(steps=30, points=400, face_points=100, warmup=0, check_every=10, balance_every=0, lr=1e-2)
    solution = hp.solve(problems.poisson2d(), method=method, seed=2)
    for row in solution.history:
        faces = 4 * row["rms u on boundary"] ** 2
        assert row["weight u on boundary"] == 5000.0
        assert row["loss"] == pytest.approx(row["rms pde"] ** 2 + 5000.0 * faces, rel=1e-4)
    first, *_, last = (row["loss"] for row in solution.history)
    assert last < 0.5 * first
    assert "held" not in solution.stats


def test_step_schedule_halves():
    options = hp.Adam(schedule="step", lr=1.0, lr_every=10)
    assert [options.rate(s) for s in (0, 9, 10, 25)] == [1.0, 1.0, 0.5, 0.25]


def test_balancing_moves_weights_towards_the_ratio_of_gradients():
    problem = problems.helmholtz2d(a=2)
    solution = hp.solve(problem, method=method(steps=40, balance_every=5, weight=1.0), **SMALL)
    weights = solution.history["weight u on boundary"]
    assert weights[-1] != weights[0]
    assert (weights >= 1.0).all()
    fixed = hp.solve(problem, method=method(steps=40, balance_every=0, weight=3.0), **SMALL)
    assert set(fixed.history["weight u on boundary"]) == {3.0}


def test_unknown_parameters_train_and_stay_within_bounds():
    x = torch.linspace(0, 1, 20, dtype=torch.float64)[:, None].numpy()
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, k: u.x - k,
        [hp.Data(x, u=2.0 * x[:, 0])],
        parameters=[hp.Parameter("k", init=1.0, bounds=(0.5, 1.5))],
    )
    solution = hp.solve(problem, method=method(steps=300, lr=2e-2, ema=0.0), levels=2, field=hp.Field())
    assert 1.4 < solution.parameters["k"] <= 1.5  # the data ask for 2


def test_not_a_number_names_term_and_step_and_keeps_the_last_good_state():
    class Poison(hp.Callback):
        def on_step(self, state):
            state.field.table[:] = math.nan  # a snapshot: the run itself must not be harmed

    problem = hp.Problem(
        hp.Box(x=(0, 1)), "u", lambda u, x: {"fine": u.xx, "broken": hp.log(-1.0 - u * u)}, [hp.Dirichlet(u=0.0)]
    )
    with pytest.raises(DivergedError, match="'broken' is not finite at step 1"):
        hp.solve(problem, method=method(), **SMALL)
    solution = hp.solve(problem, method=method(), throw=False, **SMALL)
    assert solution.status is hp.Status.DIVERGED
    assert torch.isfinite(solution.field.table).all()
    unharmed = hp.solve(problems.helmholtz2d(a=1), method=method(), callbacks=Poison(), **SMALL)
    assert torch.isfinite(unharmed.field.table).all()


def test_ctrl_c_and_time_limits_return_the_state():
    class PressCtrlC(hp.Callback):
        def on_step(self, state):
            raise KeyboardInterrupt

    stopped = hp.solve(problems.helmholtz2d(a=1), method=method(), callbacks=PressCtrlC(), **SMALL)
    assert stopped.status is hp.Status.INTERRUPTED
    assert stopped.stats["steps"] == 20
    late = hp.solve(problems.helmholtz2d(a=1), method=method(steps=10**6), max_time=0.5, **SMALL)
    assert late.status is hp.Status.MAX_TIME
    assert torch.isfinite(late.field.table).all()


def test_methods_chain():
    chained = hp.Adam(steps=20, points=300, check_every=10) >> hp.GaussNewton()
    solution = hp.solve(problems.helmholtz2d(a=1), method=chained, levels=4, field=hp.Field())
    assert solution.error()["u"]["relative_l2"] < 1e-4
    assert solution.field.layout.levels == 4
    assert solution.estimated_error is None


def test_periodic_axes_are_exact_for_networks():
    solution = hp.solve(problems.convection(c=1), method=method(steps=5), **SMALL)
    for u in (solution.u, solution.u.x, solution.u.xx):
        assert u(0.0, 0.3) == u(2 * math.pi, 0.3)
