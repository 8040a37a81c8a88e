"""Where a run shows its progress: a bar on a terminal, elsewhere lines in the log, or on standard error if asked."""

import io
import itertools
import logging
import sys
import types
import warnings

import pytest

import hermite_pinn as hp
from hermite_pinn.run.progress import NoProgress, choose_progress
from hermite_pinn.run.progress_bar import ProgressBar
from hermite_pinn.run.progress_display import ProgressDisplay
from hermite_pinn.run.progress_lines import FIRST, ProgressLines


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("file", "asked", "kind"),
    [
        (Terminal(), "auto", ProgressBar),
        (Terminal(), True, ProgressBar),
        (Terminal(), False, NoProgress),
        (io.StringIO(), "auto", ProgressLines),
        (io.StringIO(), True, ProgressLines),
        (io.StringIO(), False, NoProgress),
        (None, True, NoProgress),
    ],
)
def test_the_stream_decides_how_progress_is_shown(file, asked, kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", file)
    assert type(choose_progress(asked)) is kind


@pytest.mark.parametrize(("asked", "kind"), [(True, ProgressDisplay), ("auto", ProgressDisplay), (False, NoProgress)])
def test_a_notebook_shows_a_bar_unless_that_is_refused(asked, kind, monkeypatch):
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(choose_progress(asked)) is kind


def test_a_library_that_loads_ipython_makes_no_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(choose_progress("auto")) is ProgressLines


def test_a_notebook_has_one_output_that_is_replaced():
    shown, now = [], [0.0]
    bar = ProgressDisplay(lambda texts, again: shown.append(again), lambda: now[0])
    bar.start("fit")
    for tick in range(1, 1001):
        now[0] = 0.01 * tick
        bar.update(tick / 1000, "a < b", None)
    bar.close()
    assert shown[0] is False
    assert all(shown[1:])
    assert 20 < len(shown) < 60


def test_a_run_that_ends_at_once_shows_nothing_in_a_notebook():
    shown = []
    bar = ProgressDisplay(lambda texts, again: shown.append(texts), lambda: 0.0)
    bar.start("fit")
    bar.update(1.0, "step 1", None)
    bar.close()
    assert shown == []


def test_a_notebook_that_is_gone_ends_no_run():
    def gone(texts, again):
        raise OSError("closed")

    now = iter([0.0, 9.0, 10.0])
    bar = ProgressDisplay(gone, lambda: next(now))
    bar.start("fit")
    bar.update(0.5, "step 1", None)
    bar.close()


NOTEBOOK = """
import signal
import hermite_pinn as hp

class Interrupt(hp.Callback):
    def on_step(self, state):
        if state.step == 3:
            signal.raise_signal(signal.SIGINT)

from hermite_pinn.run import progress_display
progress_display.FIRST = progress_display.NEXT = 0.0
solution = hp.solve(hp.problems.poisson2d(), levels=6, callbacks=[Interrupt()])
print(solution.status.name, len(solution.history))
"""


@pytest.mark.slow
def test_a_notebook_that_is_interrupted_keeps_the_solution_and_one_line_of_progress():
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    shown = [o for o in outputs if o.output_type == "display_data"]
    printed = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
    assert printed.split() == ["INTERRUPTED", "3"]
    assert len(shown) == 1
    assert "step 3" in shown[0]["data"]["text/plain"]
    assert "%" not in shown[0]["data"]["text/plain"]


def test_lines_are_written_ever_more_rarely():
    now, file = [0.0], io.StringIO()
    lines = ProgressLines(file, lambda: now[0])
    lines.start("fit")
    written = []
    for second in range(1, 3601):
        now[0], before = float(second), file.getvalue()
        lines.update(second / 3600, f"step {second}", 3600.0 - second)
        if file.getvalue() != before:
            written.append(second)
    assert written[0] == FIRST
    gaps = [b - a for a, b in itertools.pairwise(written)]
    assert gaps == sorted(gaps)
    assert 20 < len(written) < 40


@pytest.mark.parametrize(
    ("asked", "logged", "written"), [("auto", True, False), (True, False, True), (False, False, False)]
)
def test_lines_go_to_the_log_unless_standard_error_is_asked_for(asked, logged, written, monkeypatch, caplog):
    file, now = io.StringIO(), iter([0.0, 2 * FIRST])
    monkeypatch.setattr(sys, "stderr", file)
    caplog.set_level(logging.INFO, logger="hermite_pinn")
    meter = choose_progress(asked)
    meter._clock = lambda: next(now)
    meter.start("heat")
    meter.update(0.5, "step 1", None)
    meter.close()
    line = f"heat: 50 %, step 1, 0:{2 * FIRST:.0f}"
    assert caplog.messages == [line] * logged
    assert file.getvalue() == (line + "\n") * written


def test_the_time_to_the_end_of_a_march_is_called_so():
    class Meter(NoProgress):
        def update(self, done, text, left):
            told.append((text, left))

    told = []
    hp.solve(hp.problems.burgers(), tol=1e-3, progress=Meter())
    marches = [(text, left) for text, left in told if text.startswith("steps to")]
    assert any(text.endswith("to the end of this march") for text, _ in marches)
    assert all(left is None for _, left in marches)


def test_a_file_that_is_closed_ends_no_run():
    now, file = [0.0], io.StringIO()
    lines = ProgressLines(file, lambda: now[0])
    lines.start("fit")
    file.close()
    now[0] = 2 * FIRST
    lines.update(0.5, "step 1", None)
    lines.close()
