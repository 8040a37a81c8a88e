"""The tests that need a GPU, run as part of a report."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from .rows import Budget, Row

__all__ = ["rows_of_tests", "verdicts"]

REPORTING = 5  # seconds kept for the report
WORKERS = 8  # that share one GPU
_LINE = re.compile(r"^(\S+::.*?) (PASSED|FAILED|ERROR)\b", re.MULTILINE)
_WORKERS_LINE = re.compile(r"^\[gw\d+\] \[ *\d+%\] (PASSED|FAILED|ERROR) (\S+::.*?)(?:@\S+)? *$", re.MULTILINE)


def verdicts(text: str) -> tuple[int, list[str]]:
    r"""How many tests passed, and the names of those that did not, from the verbose output of pytest.

    Examples
    --------
    >>> verdicts("tests/test_a.py::test_b[cuda-2] PASSED [ 50%]\ntests/test_a.py::test_c FAILED [100%]\n")
    (1, ['tests/test_a.py::test_c'])

    Where workers of pytest-xdist share the tests:

    >>> verdicts("[gw1] [ 50%] PASSED test_a.py::test_b[cuda 2] \n[gw0] [100%] FAILED test_a.py::test_c@group \n")
    (1, ['test_a.py::test_c'])
    """
    outcomes = _LINE.findall(text) + [(name, verdict) for verdict, name in _WORKERS_LINE.findall(text)]
    return sum(v == "PASSED" for _, v in outcomes), list(dict.fromkeys(name for name, v in outcomes if v != "PASSED"))


def rows_of_tests(budget: Budget, folder: Path | None = None) -> list[Row]:
    """Tests marked ``gpu`` of a checkout: how many fail; those that do not end in time are left.

    Parameters
    ----------
    budget
        What is left of it is the time they have.
    folder
        Of the tests; ``None``: ``tests`` below the current folder.
    """
    folder = Path.cwd() / "tests" if folder is None else folder
    if not folder.is_dir():
        return [Row("tests on the GPU", None, note="there is no folder tests here")]
    if budget.left < 30:
        return [Row("tests on the GPU", None, note=budget.lacks(30))]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        code = _ended([*_pytest(), str(folder)], log, budget.left - REPORTING)
        log.seek(0)
        text = log.read()
    passed, failed = verdicts(text)
    last = ([line.strip() for line in text.splitlines() if line.strip()] or ["no output"])[-1]
    if not passed and not failed:
        return [Row("tests on the GPU", None, note="none ended in time" if code is None else last)]
    note = f"{passed} passed" + (
        "; the others did not end in time" if code is None else f"; pytest: {last.strip('= ')}"
    )
    return [
        Row("tests on the GPU that fail", float(len(failed)), "", 0.0, note="; ".join([*failed[:5], note]), details={"failed": failed})
    ]  # fmt: skip


def _pytest() -> list[str]:
    """The command without what is tested, on several workers where pytest-xdist is installed."""
    command = [sys.executable, "-P", "-m", "pytest", "-vv", "-m", "gpu", "--maxfail=20"]
    command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
    if importlib.util.find_spec("xdist") is not None:
        workers = min(WORKERS, os.cpu_count() or 1)
        command += ["-p", "xdist.plugin", "-n", str(workers), "--dist", "loadgroup"]
    return command


def _ended(command: list[str], log: IO[str], seconds: float) -> int | None:
    """The exit code of a command; None where it and its workers were killed because they did not end in time.

    Plugins of pytest that happen to be installed are left out: their warnings would be errors.  Modules are not looked
    for in the current folder, also by the workers: that of a checkout has a folder ``cuda``.
    """
    surroundings = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONSAFEPATH": "1"}
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=surroundings, start_new_session=True)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
