"""The progress bar: loss, error estimate and time left."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TextIO, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

__all__ = ["ProgressBar"]


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        return Text("" if left is None else f"{_clock(left)} left", style="cyan")


def _clock(seconds: float) -> str:
    seconds = round(seconds)
    return (
        f"{seconds // 60}:{seconds % 60:02d}"
        if seconds < 3600
        else f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    )


class _Lossy:
    """A text file whose failures, as of a full disk or a closed terminal, are no reason to end a run."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand it on."""
        with suppress(OSError, ValueError):
            self._file.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal; a closed file is none."""
        try:
            return self._file.isatty()
        except ValueError:
            return False


class ProgressBar:
    """A bar on standard error, by rich."""

    def __init__(self) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
        )
        self._bar = Progress(
            *columns,
            _Left(),
            console=Console(file=cast(TextIO, _Lossy(sys.stderr))),
            transient=True,
            refresh_per_second=8,
        )
        self._task: TaskID | None = None

    def start(self, title: str) -> None:
        """Show the bar."""
        self._bar.start()
        self._task = self._bar.add_task(title, total=1.0, text="", left=None)

    def update(self, done: float, text: str, left: float | None) -> None:
        """Move it."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, text=text, left=left)

    def close(self) -> None:
        """Remove it."""
        self._bar.stop()
