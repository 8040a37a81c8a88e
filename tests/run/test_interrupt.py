"""SIGTERM ends a run like Ctrl-C: with the state saved and the solution returned; handlers are as before afterwards."""

import importlib
import os
import signal
import threading

import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.run.interrupt import Terminated, terminable, uninterrupted

OPTIONS = {"levels": 2, "progress": False}
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def line():
    residual = lambda u, x: u.xx + u**3 + hp.sin(9 * x)
    return hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)])


@pytest.fixture(autouse=True)
def handlers():
    """They are the same after every test."""
    before = [signal.getsignal(n) for n in SIGNALS]
    yield
    assert [signal.getsignal(n) for n in SIGNALS] == before


class Send(hp.Callback):
    """Sends a signal to this process at a row of the history."""

    def __init__(self, number, row=2):
        self.number, self.row, self.rows = number, row, 0

    def on_step(self, state):
        self.rows += 1
        if self.rows == self.row:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "method", [hp.GaussNewton(), hp.Adam(steps=9, check_every=3, points=32, face_points=8)], ids=lambda m: m.name
)
def test_a_signal_ends_the_run_and_saves_it(method, number, tmp_path, one_thread):
    options, path = OPTIONS | {"method": method}, tmp_path / "run.h5"
    whole = hp.solve(line(), **options)
    ended = hp.solve(line(), checkpoint=hp.Checkpoint(path, seconds=1e9), callbacks=Send(number), **options)
    assert ended.status is hp.Status.INTERRUPTED
    cause = "interrupted from the keyboard" if number == signal.SIGINT else f"terminated by {number.name}"
    assert ended.message.startswith(cause)
    assert hp.solve(line(), resume=path, **options).u(0.3) == whole.u(0.3)


def test_ctrl_c_ends_a_run_where_a_library_left_it_to_the_system(tmp_path, one_thread):
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # as Gmsh does
    try:
        path = tmp_path / "run.h5"
        ended = hp.solve(line(), checkpoint=hp.Checkpoint(path, seconds=1e9), callbacks=Send(signal.SIGINT), **OPTIONS)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.status is hp.Status.INTERRUPTED
    assert ended.message.startswith("interrupted from the keyboard")
    assert path.exists()


class Heard(hp.Callback):
    """Remembers the result, and sends a signal when it gets it."""

    def __init__(self, number=None):
        self.number, self.result = number, None

    def on_end(self, result):
        self.result = result
        if self.number is not None:
            os.kill(os.getpid(), self.number)


def late(monkeypatch, module, name, *numbers):
    """Send signals at the first call of a function of a module."""
    module, left = importlib.import_module(module), list(numbers)
    original = getattr(module, name)

    def sending(*given, **options):
        while left:
            os.kill(os.getpid(), left.pop(0))
        return original(*given, **options)

    monkeypatch.setattr(module, name, sending)


LATE = [
    ("hermite_pinn.methods.gauss_newton.nested_iteration", "determined"),
    ("hermite_pinn.verbs.solve", "residual_rms"),
]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("place", LATE, ids=[name for _, name in LATE])
def test_a_signal_when_the_steps_are_done_loses_no_result(place, number, monkeypatch):
    late(monkeypatch, *place, number)
    heard = Heard()
    solution = hp.solve(line(), callbacks=heard, **OPTIONS)
    cause = "interrupted from the keyboard" if number == signal.SIGINT else f"terminated by {number.name}"
    assert solution.status is hp.Status.COMPLETED
    assert solution.message.endswith(f"{cause} when the run was over")
    assert heard.result is solution


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_callbacks_get_the_result_loses_it_neither(number):
    heard = Heard(number)
    assert hp.solve(line(), callbacks=heard, **OPTIONS) is heard.result


def test_the_second_signal_after_the_steps_is_not_put_off(monkeypatch):
    late(monkeypatch, *LATE[1], signal.SIGTERM, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        hp.solve(line(), **OPTIONS)


def test_a_signal_between_two_methods_ends_the_run(monkeypatch):
    late(monkeypatch, *LATE[0], signal.SIGTERM)
    chain = hp.GaussNewton() >> hp.LBFGS(steps=3, points=32)
    solution = hp.solve(line(), method=chain, **OPTIONS)
    assert solution.status is hp.Status.INTERRUPTED
    assert "terminated by SIGTERM" in solution.message


def test_a_handler_of_the_user_stays_and_decides():
    seen = []

    def handler(number, frame):
        seen.append(number)
        if len(seen) == 2:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handler)
    try:
        assert hp.solve(line(), callbacks=Send(signal.SIGTERM), **OPTIONS).status.success
        ended = hp.solve(line(), callbacks=Send(signal.SIGTERM), **OPTIONS)
        assert ended.status is hp.Status.INTERRUPTED
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(seen) == 2


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert hp.solve(line(), callbacks=Send(signal.SIGHUP), **OPTIONS).status.success
    finally:
        signal.signal(signal.SIGHUP, before)


def interrupted_step(done, numbers):
    """A step that gets signals; what it did is appended."""
    with uninterrupted():
        for number in numbers:
            os.kill(os.getpid(), number)
            with uninterrupted():
                done.append(number)


def test_the_first_signal_waits_for_the_end_of_a_step_and_the_second_does_not():
    for numbers in ([signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM], [signal.SIGINT, signal.SIGHUP]):
        done = []
        with terminable() as signals, pytest.raises(KeyboardInterrupt):
            interrupted_step(done, numbers)
        assert done == numbers[:1]
        assert signals.exit_code == 128 + numbers[-1]


def test_after_a_signal_the_saving_is_not_protected_from_the_next():
    with terminable():
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Terminated), uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)


def test_other_threads_leave_signals_alone():
    solutions = []
    thread = threading.Thread(target=lambda: solutions.append(hp.solve(line(), **OPTIONS)))
    thread.start()
    thread.join()
    assert solutions[0].status.success


@pytest.mark.parametrize("number", SIGNALS)
def test_the_command_writes_what_it_has_and_says_which_signal_ended_it(number, tmp_path, monkeypatch):
    original = hp.solve
    monkeypatch.setattr(hp, "solve", lambda *a, **o: original(*a, **(o | {"callbacks": Send(number, row=1)})))
    result = CliRunner().invoke(app, ["solve", "heat", "--levels", "3", "--out", str(tmp_path), "--json"])
    assert result.exit_code == 128 + number
    assert '"status": "interrupted"' in result.stdout
    assert hp.Solution.load(tmp_path / "heat.h5").status is hp.Status.INTERRUPTED


def test_the_command_reports_also_what_it_cannot_write(tmp_path):
    (tmp_path / "heat.h5").mkdir()
    result = CliRunner().invoke(app, ["solve", "heat", "--levels", "1", "--out", str(tmp_path), "--json"])
    assert result.exit_code == 1
    assert '"status": "completed"' in result.stdout
    assert "is a folder" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["heat.h5", "heat.png", "heat.vti", "heat_history.png"]


def test_a_signal_before_the_first_step_ends_the_command_with_its_code(monkeypatch):
    monkeypatch.setattr(hp, "solve", lambda *a, **o: os.kill(os.getpid(), signal.SIGTERM))
    result = CliRunner().invoke(app, ["solve", "heat"])
    assert result.exit_code == 143
    assert "terminated by SIGTERM" in result.stderr
