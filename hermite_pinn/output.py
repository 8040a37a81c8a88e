"""Files written whole or not at all.

A file appears under its name only when all of it is on the disk: it is written under a hidden name in the same folder,
``.NAME.PID-RANDOM.partial``, flushed, and then renamed, so that a full disk, a quota, a limit of file sizes, a killed
process or a loss of power leave the earlier file as it was.  The writer holds a lock on the partial file; one whose
writer is gone is removed by the next write to the same name.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InvalidArgumentError, OutputError

__all__ = ["append_file", "check_writable", "make_folder", "output_path", "staged", "write_file", "write_text"]

logger = logging.getLogger(__name__)

_BLOCK = 4096  # bytes of a trial
_PIECE = 1 << 26  # bytes given to the system at once
_STALE = 86_400.0  # seconds after which a partial file is abandoned, where the file system knows no locks

_ADVICE = {
    errno.ENOSPC: "free some space, or choose another folder",
    errno.EDQUOT: "free some space, or choose another folder",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f), or write less",
    errno.EROFS: "choose another folder",
    errno.EACCES: "choose another folder, or change the permissions",
    errno.EPERM: "choose another folder, or change the permissions",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def output_path(path: str | os.PathLike[str]) -> Path:
    """A path as the name of a file.

    Raises
    ------
    InvalidArgumentError
        If it is no path, is empty, or contains characters that no name has.

    Examples
    --------
    >>> output_path("run.h5").name
    'run.h5'
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise InvalidArgumentError(f"the name of a file is a string or a pathlib.Path, got {path!r}")
    if not text or "\0" in text:
        raise InvalidArgumentError(
            f"the name of a file must not {'contain a zero byte' if text else 'be empty'}, got {path!r}"
        )
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"the name of a file must be text that can be encoded, got {path!r}") from error
    return Path(text)


def check_writable(path: str | os.PathLike[str]) -> Path:
    """The path, if a file can be written there now; partial files of killed writers are removed.

    Raises
    ------
    OutputError
        If the folder does not exist, is full or cannot be written, or the path is a folder, a device or a pipe.
    InvalidArgumentError
        If it is no path.
    """
    given = output_path(path)
    with _reported(given):
        target = _resolved(given)
        _protected(target)
        descriptor, draft = _created(target)
        try:
            _write(descriptor, bytes(_BLOCK))
            os.fsync(descriptor)
        finally:
            _dropped(draft)
            _closed(descriptor)
    return given


def make_folder(path: str | os.PathLike[str]) -> Path:
    """A folder, made with those above it where it does not exist.

    Raises
    ------
    OutputError
        If it cannot be made.
    InvalidArgumentError
        If it is no path.
    """
    folder = output_path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be created: {error.strerror}; choose another") from error
    return folder


def write_file(path: str | os.PathLike[str], *pieces: bytes | bytearray | memoryview) -> Path:
    """Write a file, all of it or nothing.

    A new file has the permissions that the umask leaves; one that is replaced keeps its own.  A symbolic link stays,
    and the file that it leads to is written.

    Parameters
    ----------
    path
        Where.
    pieces
        The content, written one after the other and not copied.

    Returns
    -------
    Path
        The path given.

    Raises
    ------
    OutputError
        If the file cannot be written, for whatever reason; an earlier file is then as it was, and nothing else is left.
    InvalidArgumentError
        If it is no path.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_file(pathlib.Path(folder) / "data.bin", b"one", b"two")
    ...     path.read_bytes(), [p.name for p in path.parent.iterdir()]
    (b'onetwo', ['data.bin'])
    """
    given = output_path(path)
    with _reported(given):
        target = _resolved(given)
        existing = _protected(target)
        descriptor, draft = _created(target)
        try:
            if existing is not None:
                _keep(descriptor, existing)
            for piece in pieces:
                _write(descriptor, piece)
            os.fsync(descriptor)
            _share(descriptor)
            os.replace(draft, target)
        except BaseException:
            _dropped(draft)
            raise
        finally:
            _closed(descriptor)
        _sync_folder(target.parent)
    return given


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write text in UTF-8, all of it or nothing; see :func:`write_file`."""
    return write_file(path, text.encode())


def append_file(path: str | os.PathLike[str], piece: bytes) -> None:
    """Add to the end of a file that exists, all of it or nothing.

    Raises
    ------
    OutputError
        If that is impossible; the file is then as it was.
    """
    given = output_path(path)
    with _reported(given):
        descriptor = os.open(given, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            size = os.fstat(descriptor).st_size
            try:
                _write(descriptor, piece)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            _closed(descriptor)


@contextmanager
def staged(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A hidden folder beside a file, whose files are moved beside it when the block ends, and removed if it fails.

    For writers that need a name to write to, and for files that belong together: the earlier ones stay until all new
    ones are complete.

    Parameters
    ----------
    path
        A file that will be written; the folder carries its name.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    OutputError
        If the folder or a file in it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with staged(pathlib.Path(folder) / "a.txt") as stage:
    ...         _ = (stage / "a.txt").write_text("a"), (stage / "b.txt").write_text("b")
    ...     sorted(p.name for p in pathlib.Path(folder).iterdir())
    ['a.txt', 'b.txt']
    """
    given = output_path(path)
    with _reported(given):
        target = _resolved(given)
        _protected(target)
        descriptor, stage = _created(target, folder=True)
        try:
            yield stage
            _moved(stage, given.parent)
        except OutputError as error:  # of a file in the folder, which has another name for everybody else
            raise OutputError(str(error).replace(str(stage), str(given.parent))) from error
        finally:
            _closed(descriptor)  # before the folder is listed, which takes a descriptor: there may be no other
            _removed(stage)
        _sync_folder(target.parent)


def _moved(stage: Path, folder: Path) -> None:
    """Flush all files of a staging folder, then give them their names."""
    moves: list[tuple[Path, Path]] = []
    for part in sorted(stage.iterdir()):
        target = _resolved(folder / part.name, clean=False)
        existing = _protected(target)
        descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if existing is not None:
                _keep(descriptor, existing)
            os.fsync(descriptor)
        finally:
            _closed(descriptor)
        moves.append((part, target))
    for part, target in moves:
        os.replace(part, target)


# -- errors ---
@contextmanager
def _reported(given: Path) -> Iterator[None]:
    """Errors of the system as :class:`OutputError`, that of a limit of file sizes included."""
    try:
        with _limit_as_error():
            yield
    except OutputError:
        raise
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0)
        reason = error.strerror or str(error)
        raise OutputError(f"{given} cannot be written: {reason}{f'; {advice}' if advice else ''}") from error


@contextmanager
def _limit_as_error() -> Iterator[None]:
    """Python ignores SIGXFSZ, so that a write beyond the limit fails; a host that undid this would be killed by it."""
    number = signal.SIGXFSZ
    if signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        if number not in before and number in signal.sigpending():
            signal.sigwait({number})
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# -- the place ---
def _resolved(given: Path, clean: bool = True) -> Path:
    """The regular file to write, links followed; what killed writers left of it is removed."""
    try:
        mode = given.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise OutputError(f"{given} cannot be written: it is a folder; give the name of a file")
    if mode is not None and not stat.S_ISREG(mode):
        raise OutputError(f"{given} cannot be written: it is a device, a pipe or a socket; give the name of a file")
    target = Path(os.path.realpath(given))
    folder = target.parent
    if not folder.is_dir():
        raise OutputError(f"{given} cannot be written: the folder {folder} does not exist; create it first")
    if clean:
        _clean(target)
    return target


def _protected(target: Path) -> os.stat_result | None:
    """What is known of the file that is to be replaced, or None; an error if it is protected."""
    try:
        existing = target.stat()
    except FileNotFoundError:
        return None
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it is protected against writing")
    return existing


def _keep(descriptor: int, existing: os.stat_result) -> None:
    """Owner and permissions of the file that is replaced."""
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (existing.st_uid, existing.st_gid):
        with suppress(OSError):
            os.fchown(descriptor, existing.st_uid, existing.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(existing.st_mode))


# -- partial files ---
def _prefix(target: Path) -> str:
    """How the names of the partial files of a target begin."""
    name = target.name
    if len(os.fsencode(name)) > 200:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}."


def _created(target: Path, folder: bool = False) -> tuple[int, Path]:
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
        _closed(descriptor)


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


def _share(descriptor: int) -> None:
    """Let others lock what is open as readers do, such as those of HDF5: from now on it may be read under its name."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _clean(target: Path) -> None:
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
        _closed(descriptor)


def _dropped(draft: Path) -> None:
    with suppress(OSError):
        os.unlink(draft)


def _removed(stage: Path) -> None:
    """Remove a staging folder with its files."""
    with suppress(OSError):
        for name in os.listdir(stage):
            _dropped(stage / name)
        stage.rmdir()
        return
    shutil.rmtree(stage, ignore_errors=True)  # a writer made folders in it


def _closed(descriptor: int) -> None:
    with suppress(OSError):  # what was written has been flushed before
        os.close(descriptor)


# -- bytes ---
def _write(descriptor: int, piece: bytes | bytearray | memoryview) -> None:
    """Write all of it; a call of the system may take less than it is given."""
    view = memoryview(piece)
    view = view if view.nbytes == 0 else view.cast("B")
    while view.nbytes:
        count = os.write(descriptor, view[:_PIECE])
        if not count:
            raise OSError(errno.EIO, "nothing more can be written")
        view = view[count:]


def _sync_folder(folder: Path) -> None:
    """Make a new name last; the file is whole under its old or its new content in any case."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        logger.info("the folder %s cannot be flushed: %s", folder, error.strerror)
    finally:
        _closed(descriptor)
