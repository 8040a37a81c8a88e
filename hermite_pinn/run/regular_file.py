"""Files that are opened for reading only if they are files: a pipe or a device would wait, or never end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError

__all__ = ["file_path", "opened"]


def file_path(path: str | Path) -> Path:
    """A path as the name of a file to read.

    Raises
    ------
    InvalidArgumentError
        If it is none.
    """
    if not isinstance(path, str | os.PathLike) or not str(path) or "\0" in str(path):
        raise InvalidArgumentError(f"the name of a file is a text or a pathlib.Path, got {path!r}")
    return Path(path)


def _not_regular(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"),
    )  # fmt: skip
    return next((name for test, name in kinds if test(mode)), "")


@contextmanager
def opened(source: Path) -> Iterator[tuple[int, int]]:
    """Descriptor and size of a file.  It is looked at before it is opened, and again then: a pipe would wait for ever.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If it cannot be read, or is no regular file.
    """
    try:
        what = _not_regular(os.stat(source).st_mode)
        if not what:
            descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {source}") from None
    except OSError as error:
        raise CorruptFileError(f"{source} cannot be read: {error.strerror or error}") from error
    if what:
        raise CorruptFileError(f"{source} cannot be read: it is a {what}, not a file")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CorruptFileError(f"{source} cannot be read: it is a {_not_regular(status.st_mode)}, not a file")
        yield descriptor, status.st_size
    finally:
        os.close(descriptor)
