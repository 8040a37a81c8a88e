"""A run that something ends in the middle of a stage: the estimate that is reported is that of what is returned."""

import itertools
import signal
import sys

import pytest

import hermite_pinn as hp
from hermite_pinn import pi, sin
from hermite_pinn.errors import DivergedError
from hermite_pinn.methods.base import Outcome
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.run.monitor import Monitor, StopRun
from hermite_pinn.run.status import Status


def line(power):
    """u'' + u**power = f on a line, with a known solution; affine for power 1."""
    exact = lambda x: sin(3 * pi * x)
    residual = lambda u, x: u.xx + u**power + 9 * pi**2 * exact(x) - exact(x) ** power
    return hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)], exact={"u": exact})


def flow():
    """Transport solved slab after slab."""
    exact = lambda x, t: sin(2 * pi * (x - t))
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t + u.x,
        [hp.Periodic("x"), hp.Initial(u=lambda x: exact(x, 0.0))],
        exact={"u": exact},
    )


def true(solution):
    return solution.error()["u"]["relative_l2"]


def held(solution):
    """What must hold of a run however it ended, and whether it knows its error."""
    assert solution.estimated_error == (solution.history[-1]["error"] if len(solution.history) else None)
    if solution.estimated_error is None:
        return False
    assert solution.estimated_error >= 0.9 * true(
        solution
    )  # the estimate of a finished stage is right to a few percent
    return True


class Ends(hp.Callback):
    """Ends the run at a step."""

    def __init__(self, at):
        self.at = at

    def on_step(self, info):
        return info.step >= self.at


def test_a_callback_inside_a_stage_leaves_the_estimate_of_that_state():
    problem = line(3)
    whole = hp.solve(problem, levels=4, progress=False)
    levels = whole.history["level"]
    inside = [i + 1 for i, (a, b) in enumerate(itertools.pairwise(levels)) if a == b and a >= 3]
    assert inside
    for step in range(1, len(whole.history) + 1):
        solution = hp.solve(problem, levels=4, progress=False, callbacks=Ends(step))
        assert solution.status is Status.STOPPED
        assert held(solution) or levels[step - 1] <= 2
        if step in inside:
            assert solution.field.layout.levels == levels[step - 1]


@pytest.mark.parametrize("signal", ["time", "keyboard"])
@pytest.mark.parametrize("problem", [lambda: line(1), lambda: line(3), flow], ids=["affine", "nonlinear", "slabs"])
def test_a_limit_inside_a_stage_leaves_the_estimate_of_what_is_returned(problem, signal, monkeypatch):
    problem, looks, most = problem(), 0, 10**9

    def late(self):
        nonlocal looks
        looks += 1
        if looks > most and signal == "keyboard":
            raise KeyboardInterrupt
        return looks > most

    monkeypatch.setattr(Monitor, "out_of_time", property(late))
    options = {"levels": 4, "progress": False, "max_time": 1e9}
    whole = hp.solve(problem, **options)
    assert whole.status is Status.COMPLETED
    last, every = looks, max(1, looks // 12)
    ended, known = {"time": Status.MAX_TIME, "keyboard": Status.INTERRUPTED}[signal], []
    for limit in range(every, last - 1, every):
        looks, most = 0, limit
        solution = hp.solve(problem, **options)
        assert solution.status is ended
        known.append(held(solution))
    assert known == sorted(known)  # once it is known it is never lost again
    assert known[-1]


def test_a_run_from_the_field_of_another_knows_its_error_after_a_refinement():
    coarse = hp.GaussNewton(max_levels=3)
    solution = hp.solve(line(1), method=coarse >> hp.GaussNewton(), progress=False)
    assert solution.status is Status.CONVERGED
    assert held(solution)


# -- the end of any run ---
def outcome(ending):
    return Outcome(None, {}, ending.status, ending.message)


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("work", "status", "message"),
    [
        (lambda: Ending(Status.COMPLETED, "done"), Status.COMPLETED, "done"),
        (raising(StopRun(Status.STOPPED, "asked")), Status.STOPPED, "asked"),
        (raising(KeyboardInterrupt()), Status.INTERRUPTED, "a key"),
    ],
)
def test_every_end_but_a_divergence_is_settled_and_returned(work, status, message):
    settled = []

    def settle(ending):
        settled.append(ending)
        return ending

    result = run_to_end(work, outcome, interrupted=lambda: "a key", settle=settle, monitor=Monitor())
    assert (result.status, result.message) == (status, message)
    assert settled == [Ending(status, message)]


def test_a_divergence_carries_the_last_good_state():
    def settle(ending):
        raise DivergedError("after the last step")

    for work, after in ((raising(DivergedError("inside")), None), (lambda: Ending(Status.COMPLETED, ""), settle)):
        with pytest.raises(DivergedError) as caught:
            run_to_end(
                work, outcome, interrupted=str, monitor=Monitor(), **({} if after is None else {"settle": after})
            )
        assert caught.value.outcome.status is Status.DIVERGED
        assert caught.value.outcome.message == str(caught.value)


@pytest.mark.parametrize("foreign", [False, True])
def test_a_kernel_that_cannot_be_loaded_ends_a_run_with_the_best_state_unless_a_callback_raised_it(foreign):
    monitor, error = Monitor(), hp.BackendUnavailableError("no kernel")
    monitor.foreign = error if foreign else None

    def work():
        raise error

    def run(usable):
        return run_to_end(work, lambda ending: ending, interrupted=str, usable=lambda: usable, monitor=monitor)

    if foreign:
        with pytest.raises(hp.BackendUnavailableError):
            run(True)
        return
    assert run(True).status is hp.Status.INTERRUPTED
    assert "no kernel" in run(True).message
    with pytest.raises(hp.BackendUnavailableError):
        run(False)


@pytest.mark.parametrize("power", [1, 3], ids=["affine", "nonlinear"])
@pytest.mark.parametrize("error", [hp.BackendUnavailableError("no kernel"), MemoryError("no more")])
def test_what_fails_before_the_first_step_is_an_error_and_no_solution_of_zeros(error, power, monkeypatch):
    def failing(*arguments, **options):
        raise error

    monkeypatch.setattr(LevenbergMarquardt, "fit", failing)
    with pytest.raises(type(error)):
        hp.solve(line(power), levels=2, progress=False)


# -- what went before an error ---
class Broken(hp.GaussNewton):
    """Fails before its first step."""

    def run(self, task):
        raise self.error


def broken(error):
    method = Broken()
    object.__setattr__(method, "error", error)
    return method


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError("no more"), Status.MAX_SIZE),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Status.MAX_SIZE),
        (hp.BackendUnavailableError("no kernel"), Status.INTERRUPTED),
    ],
)
def test_a_method_that_lacks_something_at_its_start_leaves_the_result_of_the_one_before(error, status):
    alone = hp.solve(line(1), levels=3, progress=False)
    solution = hp.solve(line(1), method=hp.GaussNewton() >> broken(error) >> hp.GaussNewton(), levels=3, progress=False)
    assert solution.status is status
    assert str(error) in solution.message
    assert true(solution) == true(alone)
    assert [row["status"] for row in solution.stats["stages"]] == ["completed", status.label]


@pytest.mark.parametrize("error", [ValueError("of another library"), DivergedError("nothing is finite")])
def test_an_error_at_the_start_of_a_method_has_the_result_of_the_one_before(error):
    alone = hp.solve(line(1), levels=3, progress=False)
    with pytest.raises(type(error)) as caught:
        hp.solve(line(1), method=hp.GaussNewton() >> broken(error), levels=3, progress=False)
    assert caught.value is error
    assert not error.solution.status.success
    assert str(error) in error.solution.message
    assert true(error.solution) == true(alone)


@pytest.mark.parametrize(
    "method", [hp.GaussNewton(), hp.LBFGS(steps=30, points=64, check_every=1)], ids=["levels", "training"]
)
def test_an_error_of_a_callback_has_the_best_state(method):
    class Mistaken(hp.Callback):
        def on_step(self, state):
            if state.step == 3:
                raise LookupError("of the user")

    field = hp.Field(head="linear", table_size=None)
    with pytest.raises(LookupError, match="of the user") as caught:
        hp.solve(line(3), method=method, field=field, levels=4, callbacks=[Mistaken()], progress=False)
    assert caught.value.solution.status is Status.INTERRUPTED
    assert len(caught.value.solution.history) == 3


def test_a_signal_between_two_methods_keeps_the_result_of_the_first():
    class Signalled(hp.GaussNewton):
        def run(self, task):
            outcome = super().run(task)
            signal.raise_signal(signal.SIGTERM)  # put off: the work of this method is done
            return outcome

    alone = hp.solve(line(1), levels=3, progress=False)
    for second in (hp.GaussNewton(), hp.LBFGS(steps=2, points=64)):
        solution = hp.solve(line(1), method=Signalled() >> second, levels=3, progress=False)
        assert solution.status is Status.INTERRUPTED
        assert true(solution) == pytest.approx(true(alone), rel=1e-6)


# -- a result that cannot be judged ---
@pytest.mark.parametrize(
    ("error", "status"),
    [(OSError(24, "Too many open files"), Status.INTERRUPTED), (MemoryError(), Status.MAX_SIZE)],
    ids=["files", "memory"],
)
def test_a_result_that_could_not_be_judged_is_no_success(error, status, monkeypatch):
    def judged(problem, outcome):
        raise error

    monkeypatch.setattr(sys.modules["hermite_pinn.verbs.solve"], "judged", judged)
    solution = hp.solve(line(1), levels=3, progress=False)
    assert solution.status is status
    assert "it could not be checked" in solution.message
    assert true(solution) < 1e-2


def test_a_function_that_raises_where_a_result_is_judged_does_not_take_the_result_with_it(monkeypatch):
    def judged(problem, outcome):
        raise LookupError("of the user")

    monkeypatch.setattr(sys.modules["hermite_pinn.verbs.solve"], "judged", judged)
    with pytest.raises(LookupError, match="of the user") as caught:
        hp.solve(line(1), levels=3, progress=False)
    assert not caught.value.solution.status.success
    assert true(caught.value.solution) < 1e-2
