"""Files that keep the rows of a suite, so that an interrupted suite goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hermite_pinn.errors import CorruptFileError
from hermite_pinn.output import write_text
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry

__all__ = ["completed", "read_kept", "write_kept"]


class _Run(Protocol):
    """What a run ends with."""

    @property
    def status(self) -> Status:
        """How it ended."""

    @property
    def message(self) -> str:
        """Why."""


Run = TypeVar("Run", bound=_Run)


def completed(found: Run) -> Run:
    """A result of which a row may be kept.

    Raises
    ------
    KeyboardInterrupt
        If its run was interrupted: it ends the suite, and the case is run again.
    """
    if found.status is Status.INTERRUPTED:
        raise KeyboardInterrupt(found.message)
    return found


def write_kept(path: Path, kind: str, asked: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Write a row with what was asked.

    Parameters
    ----------
    path
        The JSON file.
    kind
        What the file holds, with the version of its form.
    asked
        All that the row depends on.
    row
        Plain data.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_text(path, json.dumps({"format": kind, "asked": dict(asked), "row": dict(row)}, indent=1) + "\n")


def read_kept(path: Path, kind: str, asked: Mapping[str, Any]) -> Entry | None:
    """A row from its file; None if there is none, or something else was asked then.

    Raises
    ------
    CorruptFileError
        If the file holds no such row.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise CorruptFileError(f"{path} cannot be read: {error}; remove it to run its case again") from error
    try:
        found = Entry.of(json.loads(text), str(path))
    except ValueError as error:
        raise CorruptFileError(f"{path} is no JSON: {error}; remove it to run its case again") from error
    found.at("format").text([kind])
    return found.at("row") if found.at("asked").value == dict(asked) else None
