"""How runs of the default method end: errors, limits, callbacks, checkpoints."""

import numpy as np
import pytest
import torch
from manufactured import error, manufactured

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import DivergedError, InvalidProblemError, OutOfMemoryError


def test_a_residual_that_becomes_nan_names_the_term_and_keeps_the_last_state():
    residual = lambda u, x: {"fine": u.xx, "broken": 0 * x + hp.sqrt(u - 1.0) * u}
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)])
    with pytest.raises(DivergedError, match=r"'broken' is not finite at .* at step 1") as caught:
        hp.solve(problem, levels=2)
    assert caught.value.solution.status is hp.Status.DIVERGED
    kept = hp.solve(problem, levels=2, throw=False)
    assert kept.status is hp.Status.DIVERGED
    assert np.isfinite(kept.u(0.5))


def test_ctrl_c_returns_the_last_complete_level():
    class PressCtrlC(hp.Callback):
        def on_step(self, state):
            if state.level == 3:
                raise KeyboardInterrupt

    solution = hp.solve(problems.helmholtz2d(a=2), levels=5, callbacks=PressCtrlC())
    assert solution.status is hp.Status.INTERRUPTED
    assert solution.field.layout.levels == 3
    assert error(solution) < 1e-2


def test_callbacks_see_the_run_and_can_stop_it(tmp_path):
    seen = []

    class Watch(hp.Callback):
        def on_start(self, state):
            seen.append("start")

        def on_step(self, state):
            seen.append((state.level, state.unknowns, state.field.layout.levels))
            return "enough" if state.level == 2 else None

        def on_end(self, solution):
            seen.append(solution.status)

    log = hp.CSVLog(tmp_path / "log.csv")
    solution = hp.solve(problems.helmholtz2d(a=2), levels=5, callbacks=[Watch(), log])
    assert seen == ["start", (1, 100, 1), (2, 424, 2), hp.Status.STOPPED]
    assert "enough" in solution.message
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert rows[0].startswith("method,step,time,loss")
    assert len(rows) == 2  # the callback before it stopped the run in the second step


def test_limits_of_time_and_size():
    late = hp.solve(problems.poisson2d(), tol=1e-13, max_time=0.3)
    assert late.status is hp.Status.MAX_TIME
    assert late.stats["seconds"] < 10
    assert np.isfinite(late.u(0.5, 0.5))
    small = hp.solve(problems.helmholtz2d(a=10), method=hp.GaussNewton(max_unknowns=5000))
    assert small.status is hp.Status.MAX_SIZE
    assert "max_unknowns=5,000" in small.message
    assert "5,0" not in small.stats["resolution"]


def test_levels_that_do_not_fit_into_memory_are_refused_before_the_run():
    with pytest.raises(OutOfMemoryError, match=r"coefficients and need about .* are free"):
        hp.solve(problems.helmholtz3d(a=1), levels=12)


def test_a_condition_that_samples_no_points_is_an_error():
    problem = manufactured(lambda u: [hp.Dirichlet(u=u, where=lambda x, y: x > 5)])
    with pytest.raises(InvalidProblemError, match="applies to none of"):
        hp.solve(problem, levels=2)


def test_a_resumed_run_ends_as_if_it_had_not_stopped(tmp_path):
    problem, path = problems.poisson2d(), tmp_path / "state.h5"

    class Stop(hp.Callback):
        def on_step(self, state):
            return "enough" if state.level == 4 else None

    whole = hp.solve(problem, tol=1e-5)
    hp.solve(problem, tol=1e-5, checkpoint=path, callbacks=Stop())
    resumed = hp.solve(problem, tol=1e-5, resume=path)
    assert resumed.status is hp.Status.CONVERGED
    assert torch.equal(resumed.field.table, whole.field.table)
    assert list(resumed.history["level"]) == list(whole.history["level"])


def test_a_checkpoint_of_another_problem_is_refused(tmp_path):
    path = tmp_path / "state.h5"
    hp.solve(problems.helmholtz2d(a=2), levels=2, checkpoint=path)
    with pytest.raises(hp.InvalidArgumentError, match="its problem differs"):
        hp.solve(problems.helmholtz2d(a=3), levels=2, resume=path)


def test_runs_are_reproducible():
    a, b = (hp.solve(problems.poisson2d(), levels=5) for _ in range(2))
    assert torch.equal(a.field.table, b.field.table)


@pytest.mark.filterwarnings("ignore:.*ill-posed:hermite_pinn.HermitePinnWarning")
def test_a_solution_that_grows_without_bound_is_called_that():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 0.3)), "u", lambda u: u.t + u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.sin(hp.pi * x) + hp.sin(9 * hp.pi * x))],
    )  # fmt: skip
    with pytest.raises(DivergedError, match=r"times as large at t = .*grows without bound.*signs") as caught:
        hp.solve(problem, progress=False)
    assert "not finite" not in str(caught.value)
    assert caught.value.solution.status is hp.Status.DIVERGED
