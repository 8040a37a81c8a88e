"""The progress bar: loss, error estimate and time left."""

from __future__ import annotations

import sys
from typing import TextIO, cast

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

from .progress_text import Lossy, spelled_time

__all__ = ["ProgressBar"]


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        return Text("" if left is None else f"{spelled_time(left)} left", style="cyan")


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
            console=Console(file=cast(TextIO, Lossy(sys.stderr))),
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
