"""What all that shows progress has in common: how times are spelled, and files that may break."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TextIO

__all__ = ["Lossy", "spelled_time"]


def spelled_time(seconds: float) -> str:
    """Minutes and seconds, with hours where there are some.

    Examples
    --------
    >>> spelled_time(75.2), spelled_time(7325.0)
    ('1:15', '2:02:05')
    """
    whole = round(seconds)
    minutes = f"{whole // 60}:{whole % 60:02d}"
    return minutes if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class Lossy:
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
