"""A run that something ends in the middle of a stage: the estimate that is reported is that of what is returned."""

import itertools

import pytest

import hermite_pinn as hp
from hermite_pinn import pi, sin
from hermite_pinn.errors import DivergedError
from hermite_pinn.methods.base import Outcome
from hermite_pinn.methods.course import Ending, run_to_end
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
