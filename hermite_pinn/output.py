"""Files written whole or not at all.

A file appears under its name only when all of it is on the disk: it is written under a hidden name in the same folder,
``.NAME.PID-RANDOM.partial``, flushed, and then renamed, so that a full disk, a quota, a limit of file sizes, a killed
process or a loss of power leave the earlier file as it was.  The writer holds a lock on the partial file; one whose
writer is gone is removed by the next write to the same name.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InvalidArgumentError, OutputError
from .partial_files import clean, close, create, drop, remove_folder, share

__all__ = ["append_file", "check_writable", "make_folder", "output_path", "staged", "write_file", "write_text"]

logger = logging.getLogger(__name__)

_BLOCK = 4096  # bytes of a trial
_PIECE = 1 << 26  # bytes given to the system at once

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
        descriptor, draft = create(target)
        try:
            _write(descriptor, bytes(_BLOCK))
            os.fsync(descriptor)
        finally:
            drop(draft)
            close(descriptor)
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
        descriptor, draft = create(target)
        try:
            if existing is not None:
                _keep(descriptor, existing)
            for piece in pieces:
                _write(descriptor, piece)
            os.fsync(descriptor)
            share(descriptor)
            os.replace(draft, target)
        except BaseException:
            drop(draft)
            raise
        finally:
            close(descriptor)
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
            close(descriptor)


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
        descriptor, stage = create(target, folder=True)
        try:
            yield stage
            _moved(stage, given.parent)
        except OutputError as error:  # of a file in the folder, which has another name for everybody else
            raise OutputError(str(error).replace(str(stage), str(given.parent))) from error
        finally:
            close(descriptor)  # before the folder is listed, which takes a descriptor: there may be no other
            remove_folder(stage)
        _sync_folder(target.parent)


def _moved(stage: Path, folder: Path) -> None:
    """Flush all files of a staging folder, then give them their names."""
    moves: list[tuple[Path, Path]] = []
    for part in sorted(stage.iterdir()):
        target = _resolved(folder / part.name, tidy=False)
        existing = _protected(target)
        descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if existing is not None:
                _keep(descriptor, existing)
            os.fsync(descriptor)
        finally:
            close(descriptor)
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
def _resolved(given: Path, tidy: bool = True) -> Path:
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
    if tidy:
        clean(target)
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
        close(descriptor)
