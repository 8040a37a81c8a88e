"""The tests that need a GPU, run as part of a report."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from .rows import Budget, Row

__all__ = ["rows_of_tests", "verdicts"]

REPORTING = 5  # seconds kept for the report
_LINE = re.compile(r"^(\S+::.*?) (PASSED|FAILED|ERROR)\b", re.MULTILINE)


def verdicts(text: str) -> tuple[int, list[str]]:
    r"""How many tests passed, and the names of those that did not, from the verbose output of pytest.

    Examples
    --------
    >>> verdicts("tests/test_a.py::test_b[cuda-2] PASSED [ 50%]\ntests/test_a.py::test_c FAILED [100%]\n")
    (1, ['tests/test_a.py::test_c'])
    """
    outcomes = _LINE.findall(text)
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
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-vv",
        "-m",
        "gpu",
        "--maxfail=20",
        "--continue-on-collection-errors",
        "-p",
        "no:cacheprovider",
    ]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            code = subprocess.run(
                [*command, str(folder)],
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=budget.left - REPORTING,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
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
