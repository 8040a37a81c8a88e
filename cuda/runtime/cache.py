"""The folder of compiled kernels: keyed by content, verified before use, safe when many processes compile at once."""

from __future__ import annotations

import atexit
import errno
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from hermite_pinn.errors import BackendUnavailableError

from .failures import MEND

__all__ = ["cache_folder", "cached_file", "compile_clock", "newest_file"]

logger = logging.getLogger(__name__)

#: A list that collects the seconds spent compiling, set by whoever wants to know.
compile_clock: ContextVar[list[float] | None] = ContextVar("compile_clock", default=None)

DIGEST = ".sha256"  # ends the name of the file with the digest of another
PATIENCE = 15.0  # seconds between two lines in the log while another process compiles
LONGEST = 600.0  # seconds after which it is waited for no longer
STALE = 86400.0  # seconds after which what a killed process left is removed
ADVICE = "set HERMITE_PINN_CACHE to a folder that can be written"


class _Unusable(Exception):  # noqa: N818 - why another folder is taken, not an error
    """Nothing can be kept in the cache folder."""


def _chosen() -> Path:
    """Where the folder should be."""
    chosen, base = os.environ.get("HERMITE_PINN_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(os.path.abspath(chosen))
    if base and os.path.isabs(base):  # others are to be ignored: XDG Base Directory Specification
        return Path(base) / "hermite_pinn"
    try:
        return Path.home() / ".cache" / "hermite_pinn"
    except RuntimeError as error:
        raise _Unusable("there is no home folder to keep compiled kernels in") from error


def _existing() -> Path:
    """The folder, made if need be.

    Raises
    ------
    BackendUnavailableError
        If others can change what is in it.
    """
    folder = _chosen()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise _Unusable(f"compiled kernels cannot be kept in {str(folder)!r} ({error.strerror})") from error
    if status.st_uid not in (os.geteuid(), 0):
        reason, advice = f"it belongs to the user with the number {status.st_uid}", ""
    elif status.st_mode & 0o022:
        reason, advice = (
            "other users can write there",
            f"run chmod go-w {str(folder)!r} if you trust what is in it, or ",
        )
    else:
        return folder
    raise BackendUnavailableError(
        f"the folder of compiled kernels {str(folder)!r} is refused, since code is loaded from it and {reason}; "
        f"{advice}set HERMITE_PINN_CACHE to a folder of your own"
    )


def cache_folder() -> Path:
    """Folder of compiled kernels: ``$HERMITE_PINN_CACHE``, or ``hermite_pinn`` in the user's cache folder.

    It is made if it is not there, for its owner alone.  Where that cannot be done kernels are kept in a temporary
    folder of the process.

    Raises
    ------
    BackendUnavailableError
        If there can be no such folder, or it is refused because it belongs to another user (but root) or others can
        write there.
    """
    try:
        return _existing()
    except _Unusable as reason:
        raise BackendUnavailableError(f"{reason}; {ADVICE}") from reason


def cached_file(parts: Sequence[str], suffix: str, make: Callable[[Path], None], *, anew: bool = False) -> Path:
    """Path of the file for the content ``parts``, made by ``make(path)`` if it is not there yet.

    The last of ``parts`` is a variant: :func:`newest_file` finds the file without it.  ``make`` writes to a temporary
    place; what it made is written through to the disk and moved into the cache, with its SHA-256 digest beside it,
    under a lock for that name: each file is made once however many processes ask for it, and one that is not what was
    written is made again.  Nothing is written where the file is there.  Where nothing can be written, the process keeps
    its files in a temporary folder, and says so once.

    Parameters
    ----------
    anew
        Whether to make it again if it is there.

    Raises
    ------
    BackendUnavailableError
        If the folder is refused, or there is no place for a temporary file either.
    """
    name = f"{_hashed(parts[:-1])}-{_hashed(parts[-1:])[:8]}{suffix}"
    folder, reason = _folder()
    for place in (folder, _private_folder(os.getpid(), make=False)):
        if place is not None and not anew and _verified(place / name):
            return place / name
    began = time.perf_counter()
    try:
        target = _made(folder, name, make, reason, anew)
    finally:
        clock = compile_clock.get()
        if clock is not None:
            clock.append(time.perf_counter() - began)
    return target


def newest_file(parts: Sequence[str], suffix: str) -> Path | None:
    """The newest whole file for a content, whatever its variant, or None."""
    folder, _ = _folder()
    found = [] if folder is None else list(folder.glob(f"{_hashed(parts)}-*{suffix}"))
    whole = [path for path in found if _verified(path)]
    return max(whole, key=lambda path: path.stat().st_mtime, default=None)


def _hashed(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _folder() -> tuple[Path | None, str]:
    """The cache folder, or None and why there is none."""
    try:
        return _existing(), ""
    except _Unusable as error:
        return None, str(error)


def _verified(path: Path) -> bool:
    """Whether a file is there and as it was written."""
    try:
        content = path.read_bytes()
        told = path.with_name(path.name + DIGEST).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return False
    whole = hashlib.sha256(content).hexdigest() == told
    if not whole:
        logger.warning("the compiled kernel %r is damaged and is made again", str(path))
    return whole


# -- making ---
def _made(folder: Path | None, name: str, make: Callable[[Path], None], reason: str, anew: bool) -> Path:
    """The new file in the cache folder, or else in that of the process."""
    if folder is not None:
        try:
            with _locked(folder / name):
                if anew or not _verified(folder / name):
                    content = _content(name, make, folder)
                    try:
                        _publish(content, folder / name)
                    except OSError as error:
                        return _kept(content, name, _cannot(folder, error))
                _clean(folder)
                return folder / name
        except _Unusable as error:
            reason = str(error)
    try:
        content = _content(name, make, None)
    except BackendUnavailableError as error:
        raise BackendUnavailableError(f"{reason}; {error}") from error
    return _kept(content, name, reason)


def _cannot(folder: Path, error: OSError) -> str:
    return f"compiled kernels cannot be kept in {str(folder)!r} ({error.strerror})"


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the lock of a file; who holds it for very long is not waited for, since files appear whole anyway."""
    lock, waited = FileLock(str(target.with_suffix(".lock"))), 0.0
    while waited < LONGEST:
        try:
            lock.acquire(timeout=PATIENCE)
            break
        except Timeout:
            waited += PATIENCE
            logger.warning("waiting for another process that compiles the same kernel (%.0f s so far)", waited)
        except NotImplementedError:  # a file system without locks
            break
        except OSError as error:
            raise _Unusable(_cannot(target.parent, error)) from error
    try:
        yield
    finally:
        lock.release()


def _content(name: str, make: Callable[[Path], None], folder: Path | None) -> bytes:
    """What ``make`` writes: in the system's folder of temporary files, or else in the cache folder."""
    failed: OSError | None = None
    for place in (None, folder) if folder else (None,):
        try:
            with tempfile.TemporaryDirectory(prefix="hermite_pinn-", dir=place, ignore_cleanup_errors=True) as scratch:
                draft = Path(scratch) / name
                make(draft)
                return draft.read_bytes()
        except OSError as error:
            failed = error
    assert failed is not None
    advice = "make room in the folder of temporary files, or set TMPDIR to a folder that can be written"
    if failed.errno in (errno.EMFILE, errno.ENFILE):
        advice = MEND
    raise BackendUnavailableError(
        f"there is no place to compile a kernel ({failed.strerror or failed}); {advice}"
    ) from failed


def _publish(content: bytes, target: Path) -> None:
    """Write a file and its digest, each whole or not at all."""
    digest = hashlib.sha256(content).hexdigest() + "\n"
    for path, data in ((target, content), (target.with_name(target.name + DIGEST), digest.encode("ascii"))):
        number, draft = tempfile.mkstemp(prefix=path.name, suffix=".partial", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(number)
            os.chmod(draft, 0o644)
            os.replace(draft, path)
        finally:
            Path(draft).unlink(missing_ok=True)
    number = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError:  # some file systems cannot do this to a folder
        pass
    finally:
        os.close(number)


def _kept(content: bytes, name: str, reason: str) -> Path:
    """The file in the folder of the process."""
    try:
        folder = _private_folder(os.getpid())
        assert folder is not None
        _say_once(reason, str(folder))
        _publish(content, folder / name)
    except OSError as error:
        raise BackendUnavailableError(
            f"{reason}, and not in a temporary folder either ({error.strerror or error}); {ADVICE}"
        ) from error
    return folder / name


@lru_cache(maxsize=16)
def _say_once(reason: str, folder: str) -> None:
    logger.warning("%s: this process compiles its own in %r; %s", reason, folder, ADVICE)


_private: dict[int, Path] = {}  # by process, since a child must not lose what its parent removes


def _private_folder(process: int, make: bool = True) -> Path | None:
    """The temporary folder of a process, which goes with it."""
    if process not in _private and make:
        _private[process] = folder = Path(tempfile.mkdtemp(prefix="hermite_pinn-"))

        def remove() -> None:
            if os.getpid() == process:
                shutil.rmtree(folder, ignore_errors=True)

        atexit.register(remove)
    return _private.get(process)


@lru_cache(maxsize=8)
def _clean(folder: Path) -> None:
    """Remove what processes that were killed while they compiled have left, here and among the temporary files."""
    now = time.time()
    try:
        left = [*folder.glob("tmp????????"), *folder.glob("hermite_pinn-*"), *folder.glob("*.partial")]
        left += Path(tempfile.gettempdir()).glob("hermite_pinn-????????")
    except OSError:  # the next process will
        return
    for path in left:
        try:
            status = path.lstat()
            if now - status.st_mtime < STALE or status.st_uid != os.geteuid():
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        except OSError:
            continue
