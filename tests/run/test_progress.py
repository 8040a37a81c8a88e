"""Where a run shows its progress: a bar on a terminal, lines elsewhere if they are asked for."""

import io
import itertools
import sys

import pytest

from hermite_pinn.run.progress import NoProgress, choose_progress
from hermite_pinn.run.progress_bar import ProgressBar
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
        (io.StringIO(), "auto", NoProgress),
        (io.StringIO(), True, ProgressLines),
        (io.StringIO(), False, NoProgress),
        (None, True, NoProgress),
    ],
)
def test_the_stream_decides_how_progress_is_shown(file, asked, kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", file)
    assert type(choose_progress(asked)) is kind


def test_a_notebook_shows_a_bar_if_it_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(choose_progress(True)) is ProgressBar
    assert type(choose_progress("auto")) is NoProgress


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


def test_a_file_that_is_closed_ends_no_run():
    now, file = [0.0], io.StringIO()
    lines = ProgressLines(file, lambda: now[0])
    lines.start("fit")
    file.close()
    now[0] = 2 * FIRST
    lines.update(0.5, "step 1", None)
    lines.close()
