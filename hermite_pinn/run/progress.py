"""Where a run shows its progress."""

from __future__ import annotations

import logging
import sys
from typing import Protocol, TextIO, cast

from hermite_pinn.checks import flag

from .progress_display import ProgressDisplay, running_kernel
from .progress_lines import LogFile, ProgressLines

__all__ = ["NoProgress", "ProgressMeter", "choose_progress"]

logger = logging.getLogger(__name__)


class ProgressMeter(Protocol):
    """What a run tells about its progress; pass your own as ``progress=``."""

    def start(self, title: str) -> None:
        """The run begins."""

    def update(self, done: float, text: str, left: float | None) -> None:
        """A fraction ``done`` in [0, 1] of the run, or of the part that ``text`` names, is complete.

        ``left`` is the expected time to the end of the run in seconds, None where only that of a part is known.
        """

    def close(self) -> None:
        """The run is over."""


class NoProgress:
    """Shows nothing."""

    def start(self, title: str) -> None:
        """Do nothing."""

    def update(self, done: float, text: str, left: float | None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def choose_progress(progress: bool | str | ProgressMeter) -> ProgressMeter:
    """A meter from the argument of ``solve``.

    ``"auto"`` shows a bar on terminals and in notebooks, and elsewhere gives lines to the log at level INFO; True
    writes these lines to standard error.
    Without a standard error, as in a program without a console, nothing is shown.
    """
    if not isinstance(progress, type) and all(
        callable(getattr(progress, k, None)) for k in ("start", "update", "close")
    ):
        return progress  # type: ignore[return-value] # whatever has its methods is a meter
    terminal, notebook = _terminal(), running_kernel() is not None
    if isinstance(progress, str) and progress == "auto":
        if not terminal and not notebook:
            return ProgressLines(cast(TextIO, LogFile(logger)))
        progress = True
    shown = flag("progress", progress, otherwise="'auto' or an object with start, update and close")
    if shown and notebook:
        return ProgressDisplay()
    if not shown or sys.stderr is None:
        return NoProgress()
    if not terminal:
        return ProgressLines(sys.stderr)
    from .progress_bar import ProgressBar  # rich is needed on a terminal only

    return ProgressBar()


def _terminal() -> bool:
    """Whether standard error is a terminal; it may be closed, or not be there at all."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:
        return False
