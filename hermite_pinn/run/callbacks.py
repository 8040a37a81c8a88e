"""What a run reports while it runs, and objects that listen."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import GridField

__all__ = ["Callback", "CSVLog", "RunState"]


@dataclass(frozen=True)
class RunState:
    """A moment of a run.

    Attributes
    ----------
    step
        Recorded steps so far: outer steps for ``gauss_newton``, optimiser steps for the other methods.
    time
        Seconds since the start.
    loss
        The weighted sum of squares that is minimised.
    terms
        RMS of every residual in the user's units, by name.
    level, unknowns
        Number of active levels and of unknowns.
    error
        Estimate of the relative L2 error, or None.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> class Watch(hp.Callback):
    ...     def on_step(self, state):
    ...         print(state.method, state.step, state.level, state.unknowns)
    >>> _ = hp.solve(hp.problems.poisson2d(), levels=1, callbacks=[Watch()], progress=False)
    gauss_newton 1 1 100
    """

    method: str
    step: int
    time: float
    loss: float
    terms: dict[str, float]
    level: int
    unknowns: int
    error: float | None = None
    _field: Callable[[], GridField] | None = field(default=None, repr=False, compare=False)

    @property
    def field(self) -> GridField:
        """The field at this moment (made when asked for)."""
        if self._field is None:
            raise InvalidArgumentError("this state was recorded without a field")
        return self._field()


class Callback:
    """Base of callbacks: override what you need.

    ``on_step`` may return a true value, best a string with the reason, to end the run; the solution is returned with
    ``Status.STOPPED``.  What a callback raises ends the run and is raised by ``solve`` as it is; from ``on_end`` with
    the result in the exception's attribute ``solution``.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> class Enough(hp.Callback):
    ...     def on_step(self, state):
    ...         return "two levels will do" if state.level == 2 else None
    >>> hp.solve(hp.problems.poisson2d(), callbacks=[Enough()], progress=False).status.name
    'STOPPED'
    """

    def on_start(self, state: RunState) -> None:
        """Called once before the first step."""

    def on_step(self, state: RunState) -> bool | str | None:
        """Called after every recorded step."""
        return None

    def on_end(self, solution: Any) -> None:
        """Called once with the result, a :class:`hermite_pinn.Solution`."""


class CSVLog(Callback):
    """Write every step's numbers to a CSV file as they come.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import hermite_pinn as hp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "run.csv"
    ...     _ = hp.solve(hp.problems.poisson2d(), levels=2, callbacks=[hp.CSVLog(path)], progress=False)
    ...     len(path.read_text().splitlines())   # a heading, and two levels
    3
    """

    def __init__(self, path: str | Path) -> None:
        self.path = checks.path("path", path)
        self._file: IO[str] | None = None

    def on_start(self, state: RunState) -> None:
        """Open the file and write the header."""
        try:
            self._file = self.path.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise InvalidArgumentError(f"the log {self.path} cannot be written: {error.strerror}") from error
        names = ["method", "step", "time", "loss", "level", "unknowns", "error", *(f"rms {n}" for n in state.terms)]
        csv.writer(self._file).writerow(names)

    def on_step(self, state: RunState) -> None:
        """Write one row."""
        assert self._file is not None
        numbers = [state.method, state.step, f"{state.time:.3f}", state.loss, state.level, state.unknowns, state.error]
        csv.writer(self._file).writerow([*numbers, *state.terms.values()])
        self._file.flush()

    def on_end(self, solution: Any) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
