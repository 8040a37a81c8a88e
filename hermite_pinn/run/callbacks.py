"""What a run reports while it runs, and objects that listen."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermite_pinn.errors import InvalidArgumentError, OutputError
from hermite_pinn.output import append_file, check_writable, output_path, write_file

if TYPE_CHECKING:
    from hermite_pinn.field.field import GridField
    from hermite_pinn.geometry import Domain
    from hermite_pinn.problem.problem import Problem

__all__ = ["Advance", "CSVLog", "Callback", "RunState", "tell_end"]

logger = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Advance:
    """A part of the times of an evolution problem that has just been solved.

    Attributes
    ----------
    since, until
        Its first and last time.
    domain
        The domain between these times.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> class Watch(hp.Callback):
    ...     reached = 0.0
    ...     def on_advance(self, state):
    ...         self.reached = max(self.reached, state.until)
    >>> watch = Watch()
    >>> _ = hp.solve(hp.problems.heat(), levels=2, method=hp.GaussNewton(slabs=2), callbacks=[watch], progress=False)
    >>> watch.reached
    1.0
    """

    since: float
    until: float
    domain: Domain
    _field: Callable[[], GridField] = field(repr=False, compare=False)

    @property
    def field(self) -> GridField:
        """The fields between these times (made when asked for)."""
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

    def check(self) -> None:
        """Called before the run starts; raises an error if the callback could not do its work later."""

    def prepare(self, problem: Problem) -> None:
        """Called before the run starts; raises an error if the callback could not do its work for this problem."""

    def on_start(self, state: RunState) -> None:
        """Called once before the first step."""

    def on_step(self, state: RunState) -> bool | str | None:
        """Called after every recorded step."""
        return None

    def on_advance(self, state: Advance) -> None:
        """Called after every time slab, and after steps in time; finer levels begin again at the start of time."""

    def on_end(self, solution: Any) -> None:
        """Called once with the result, a :class:`hermite_pinn.Solution`."""


def tell_end(callbacks: Sequence[Callback], solution: Any) -> None:
    """Tell all callbacks the result; what one of them raises is raised as it is, with the result in ``solution``."""
    failures = []
    for c in callbacks:
        try:
            c.on_end(solution)
        except Exception as error:
            failures.append(error)
    if failures:
        with suppress(AttributeError):  # exceptions with slots
            failures[0].solution = solution  # type: ignore[attr-defined]
        raise failures[0]


class CSVLog(Callback):
    """Write every step's numbers to a CSV file as they come.

    A file that cannot be written is an error before the first step.  If a row cannot be written later, because the
    disk is full, say, the run goes on: the log warns once, and writes the row with one of the next as soon as it can.

    Raises
    ------
    OutputError
        When the run starts, if the file cannot be written.

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
        self.path = output_path(path)
        self._pending = b""  # rows that are still to be written
        self._warned = False

    def check(self) -> None:
        """Raise an error now if the file could not be written later."""
        if not self.path.is_char_device():  # a terminal, or /dev/null
            check_writable(self.path)

    def on_start(self, state: RunState) -> None:
        """Write the heading in place of an earlier file."""
        names = ["method", "step", "time", "loss", "level", "unknowns", "error", *(f"rms {n}" for n in state.terms)]
        self._pending, self._warned = b"", False
        write = append_file if self.path.is_char_device() else write_file
        write(self.path, _line(names))

    def on_step(self, state: RunState) -> None:
        """Write one row."""
        numbers = [state.method, state.step, f"{state.time:.3f}", state.loss, state.level, state.unknowns, state.error]
        self._pending += _line([*numbers, *state.terms.values()])
        self._write()

    def on_end(self, solution: Any) -> None:
        """Write what could not be written before."""
        self._write()

    def _write(self) -> None:
        if not self._pending:
            return
        try:
            append_file(self.path, self._pending)
            self._pending = b""
        except OutputError as error:
            if not self._warned:
                logger.warning("%s; the run goes on, and its log is written as soon as that is possible", error)
            self._warned = True


def _line(values: Sequence[Any]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue().encode()
