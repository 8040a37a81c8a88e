"""An example that is run, and the file that keeps what came of it."""

from __future__ import annotations

import math
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.validation.kept import completed, read_kept, write_kept
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.version import installed_version

from .example import Example, Reference

__all__ = ["Row", "kept_row", "run_example"]

FORMAT = "examples row 1"
#: Random points at which a reference is compared.
POINTS = 4000


@dataclass(frozen=True)
class Row:
    """What came of an example.

    Attributes
    ----------
    name, origin
        Of the example.
    error
        The largest relative L2 error of a known field, or relative error of a parameter; NaN without an answer.
    right
        At most this is right.
    estimate
        Of the run; NaN if it has none.
    seconds
        CPU seconds of the call of ``solve``, one thread, without the compilation of kernels.
    status, message
        Of the solution, or the error that was raised.
    lines
        Of the statement.
    option
        What was given beside the problem; empty if nothing was.
    about
        What is different from the origin.
    """

    name: str
    origin: str
    error: float
    right: float
    estimate: float
    seconds: float
    status: str
    message: str
    lines: int
    option: str
    about: str

    @property
    def is_right(self) -> bool:
        """Whether the answer is right."""
        return self.error <= self.right

    @property
    def line(self) -> str:
        """For the terminal."""
        mark = "right" if self.is_right else "WRONG"
        return f"{self.name:<34} error {self.error:8.1e}  {self.seconds:7.2f} CPU s  {self.lines:2d} lines  {self.status:<12} {mark}"


def run_example(example: Example, folder: Path | None = None) -> Row:
    """Run an example, or read what a folder keeps of it.

    Parameters
    ----------
    example
        The example.
    folder
        Where its row is kept as ``NAME.json``; None keeps nothing.  A row of the same statement, processor and version
        of the package is not run again.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted; its row is not kept.
    CorruptFileError, OutputError
        If the file that should hold the row is damaged or cannot be written.
    """
    row = None if folder is None else kept_row(example, folder)
    if row is not None:
        return row
    row = _run(example)
    if folder is not None:
        write_kept(_file(example, folder), FORMAT, _asked(example), asdict(row))
    return row


def kept_row(example: Example, folder: Path) -> Row | None:
    """The row of an example that a folder keeps, or None: see :func:`run_example`."""
    found = read_kept(_file(example, folder), FORMAT, _asked(example))
    if found is None:
        return None
    told: dict[str, Any] = {n: found.at(n).text() for n in ("name", "origin", "status", "message", "option", "about")}
    told |= {n: found.at(n).number(finite=False) for n in ("error", "right", "estimate", "seconds")}
    return Row(**told, lines=found.at("lines").integer(0))


def _file(example: Example, folder: Path) -> Path:
    return folder / f"{re.sub('[^a-z0-9]+', '-', example.name.lower()).strip('-')}.json"


def _asked(example: Example) -> dict[str, Any]:
    """All that a row depends on."""
    return {
        "statement": example.code,
        "right": example.right,
        "options": repr(dict(example.options)),
        "seconds": example.seconds,
        "cpu": machine()["cpu"],
        "version": installed_version(),
    }


def _run(example: Example) -> Row:
    option = ", ".join(f"{name}={value!r}" for name, value in example.options.items())
    error, estimate, seconds = math.nan, math.nan, math.nan
    with one_thread():
        try:
            problem = example.statement()
            began = time.process_time()
            solution = hp.solve(problem, max_time=example.seconds, progress=False, **example.options)
            seconds = time.process_time() - began
            completed(solution)
            status, message = solution.status.label, solution.message
            estimate = math.nan if solution.estimated_error is None else solution.estimated_error
            error = max(_errors(example, problem, solution))
        except (hp.HermitePinnError, ValueError, TypeError, ImportError) as failure:
            status, message = type(failure).__name__, str(failure)
    return Row(
        example.name, example.origin, error, example.right, estimate, seconds, status, message, example.lines, option, example.about
    )  # fmt: skip


def _errors(example: Example, problem: hp.Problem, solution: hp.Solution) -> list[float]:
    """Relative errors of all that is known."""
    found = [abs(solution.parameters[p] / true - 1) for p, true in example.parameters.items()]
    if example.reference is not None:
        return found + _compared(example, example.reference(), problem, solution)
    if problem.exact:
        told = solution.error()
        found += [told[f]["relative_l2"] for f in (example.fields or told)]
    return found


def _compared(example: Example, reference: Reference, problem: hp.Problem, solution: hp.Solution) -> list[float]:
    points = example.points(problem, POINTS)
    known = reference(points)
    found = []
    for name in example.fields or known:
        values = getattr(solution, name)(*points.T)
        found.append(float(np.linalg.norm(values - known[name]) / np.linalg.norm(known[name])))
    return found
