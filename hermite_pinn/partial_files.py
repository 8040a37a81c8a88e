"""Hidden files and folders in which output is written before it gets its name.

They are called ``.NAME.PID-RANDOM.partial``, stand beside their target and are locked by their writer, so that one
whose writer is gone can be told from one that is being written.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["clean", "close", "create", "drop", "remove_folder", "share"]

logger = logging.getLogger(__name__)

_STALE = 86_400.0  # seconds after which a partial file is abandoned, where the file system knows no locks


def _prefix(target: Path) -> str:
    """How the names of the partial files of a target begin."""
    name = target.name
    if len(os.fsencode(name)) > 200:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}."


def create(target: Path, folder: bool = False) -> tuple[int, Path]:
    """A new partial file or folder beside the target, open and locked."""
    while True:
        draft = target.parent / f"{_prefix(target)}{os.getpid()}-{secrets.token_hex(4)}.partial"
        try:
            if folder:
                draft.mkdir()
                descriptor = _opened(draft)
            else:
                descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            continue
        # between the two calls another writer may have taken it for that of a killed one
        if _locked(descriptor) is not False and _is(descriptor, draft):
            return descriptor, draft
        close(descriptor)


def _opened(folder: Path) -> int:
    """A new folder, open; it is removed where that is impossible."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    except OSError:
        folder.rmdir()
        raise


def _locked(descriptor: int) -> bool | None:
    """Lock what is open; False if another has the lock, None if the file system knows no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def share(descriptor: int) -> None:
    """Let others lock what is open as readers do, such as those of HDF5: from now on it may be read under its name."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def clean(target: Path) -> None:
    """Remove the partial files of writers that are gone."""
    pattern = re.compile(re.escape(_prefix(target)) + r"\d+-[0-9a-f]{8}\.partial")
    with suppress(OSError):
        for name in filter(pattern.fullmatch, os.listdir(target.parent)):
            with suppress(OSError):
                _abandon(target.parent / name)


def _abandon(draft: Path) -> None:
    """Remove a partial file or folder unless its writer is alive."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        free = _locked(descriptor)
        if free is False or (free is None and time.time() - os.fstat(descriptor).st_mtime < _STALE):
            return
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            shutil.rmtree(draft)
        else:
            os.unlink(draft)
        logger.info("removed %s, which an earlier run left", draft)
    finally:
        close(descriptor)


def drop(draft: Path) -> None:
    """Remove a partial file, if it is there."""
    with suppress(OSError):
        os.unlink(draft)


def remove_folder(stage: Path) -> None:
    """Remove a staging folder with its files."""
    with suppress(OSError):
        for name in os.listdir(stage):
            drop(stage / name)
        stage.rmdir()
        return
    shutil.rmtree(stage, ignore_errors=True)  # a writer made folders in it


def close(descriptor: int) -> None:
    """Close what is open; a failure of that is none of the output."""
    with suppress(OSError):  # what was written has been flushed before
        os.close(descriptor)
