"""Lines that tell the progress where there is no terminal: in a pipe, a log, a batch job."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from typing import TextIO, cast

from .progress_text import Lossy, spelled_time

__all__ = ["LogFile", "ProgressLines"]

#: Seconds until the first line and, at least, between two; and the part of the time so far that lies between two.
FIRST, PART = 10.0, 0.2


class LogFile(io.TextIOBase):
    """A text file whose lines are messages of a log at level INFO.

    Parameters
    ----------
    logger
        Of the log.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def write(self, text: str) -> int:
        """Log a line."""
        self._logger.info("%s", text.rstrip("\n"))
        return len(text)


class ProgressLines:
    """A line now and then, ever more rarely: a run of an hour has about thirty.

    Parameters
    ----------
    file
        Where they are written.
    clock
        Tells the seconds.

    Examples
    --------
    >>> import io
    >>> file, seconds = io.StringIO(), iter([0.0, 5.0, 15.0, 20.0, 40.0])
    >>> lines = ProgressLines(file, lambda: next(seconds))
    >>> lines.start("helmholtz")
    >>> for step in range(1, 5):
    ...     lines.update(step / 4, f"step {step}", 4.0 - step)
    >>> print(file.getvalue(), end="")
    helmholtz: 50 %, step 2, 0:15, 0:02 left
    helmholtz: 100 %, step 4, 0:40, 0:00 left
    """

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.perf_counter) -> None:
        self._file, self._clock = cast(TextIO, Lossy(file)), clock
        self._title, self._began, self._next = "", 0.0, FIRST

    def start(self, title: str) -> None:
        """Begin to count."""
        self._title, self._began, self._next = title, self._clock(), FIRST

    def update(self, done: float, text: str, left: float | None) -> None:
        """Write a line if it is time for one."""
        elapsed = self._clock() - self._began
        if elapsed < self._next:
            return
        self._next = elapsed + max(FIRST, PART * elapsed)
        ends = "" if left is None else f", {spelled_time(left)} left"
        self._file.write(f"{self._title}: {100 * done:.0f} %, {text}, {spelled_time(elapsed)}{ends}\n")
        self._file.flush()

    def close(self) -> None:
        """Nothing is left to be done."""
