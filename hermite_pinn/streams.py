"""Standard output and error of the command: JSON, one message per failure, pipes that close and disks that are full."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from .errors import BackendUnavailableError, DivergedError, HermitePinnError, InvalidArgumentError
from .run.interrupt import Signals, cause, terminable

__all__ = [
    "FAILURE", "USAGE", "close_quietly", "exit_code", "failure", "open_streams", "print_json", "reported", "tell", "tell_failure",
]  # fmt: skip

#: Exit codes: what was asked for cannot be done, a failure on the way, and a run that diverged.
USAGE, FAILURE, DIVERGED = 2, 1, 3


def open_streams() -> None:
    """Make sure that there are standard streams, and that no character of a name keeps a message from being shown."""
    for number in range(3):  # a file opened later must not become standard output
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def close_quietly() -> None:
    """Give up standard output after it broke, so that the end of the process says nothing more about it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # a stream without a file
        return


def tell(message: str) -> None:
    """Write one message to standard error; where that is closed or full, nobody is left to tell."""
    try:
        sys.stderr.write(f"hermite-pinn: {message}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def exit_code(error: BaseException) -> int:
    """What the command returns after an error.

    Examples
    --------
    >>> exit_code(InvalidArgumentError("unknown name")), exit_code(OSError("disk full"))
    (2, 1)
    """
    if isinstance(error, DivergedError):
        return DIVERGED
    asked = isinstance(error, (InvalidArgumentError, BackendUnavailableError, FileNotFoundError))
    return USAGE if asked else FAILURE


def failure(error: BaseException, message: str | None = None) -> dict[str, Any]:
    """What ``--json`` prints instead of a result.

    Examples
    --------
    >>> failure(InvalidArgumentError("unknown name"))
    {'error': {'kind': 'InvalidArgumentError', 'message': 'unknown name'}}
    """
    return {"error": {"kind": type(error).__name__, "message": str(error) if message is None else message}}


def print_json(value: Any) -> None:
    """Print a value as one line of JSON; numbers that are not finite, which JSON does not have, become null."""
    sys.stdout.write(json.dumps(_plain(value), allow_nan=False) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    """JSON's idea of a value.

    Examples
    --------
    >>> from pathlib import Path
    >>> _plain({"error": math.nan, "file": Path("u.h5"), "a": (1, 2)})
    {'error': None, 'file': 'u.h5', 'a': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


@contextmanager
def reported(as_json: bool = False) -> Iterator[Signals]:
    """Errors of the package as one message on standard error, and in JSON; signals that end the process likewise."""
    try:
        with terminable() as signals:
            yield signals
    except KeyboardInterrupt as error:
        code, message = signals.exit_code, cause()
        tell_failure(error, message, as_json)
        raise typer.Exit(code) from error
    except (HermitePinnError, FileNotFoundError) as error:
        tell_failure(error, str(error), as_json)
        raise typer.Exit(exit_code(error)) from error


def tell_failure(error: BaseException, message: str, as_json: bool) -> None:
    """Write the message of a failure to standard error, and with ``--json`` an object with it to standard output."""
    tell(message)
    if as_json:
        print_json(failure(error, message))
