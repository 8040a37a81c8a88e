"""Folders in which files cannot be written, from a moment on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .case import Bench, Skipped

__all__ = ["TROUBLES", "Trouble", "private_mounts", "small_disk"]

NOBODY = 65534
PAGE = 4096


@dataclass(frozen=True)
class Trouble:
    """A way in which writing fails.

    Attributes
    ----------
    folder
        A context with the folder to write to, which is still good.
    begins
        A context in which the folder is in trouble; ``size`` says how many bytes the good files need.
    keeps
        Whether the files that were there can be looked at afterwards.
    ends
        Whether it may end a run before its time, which must then say so.
    """

    folder: Callable[[Bench], contextlib.AbstractContextManager[Path]]
    begins: Callable[[Path, Bench, int], contextlib.AbstractContextManager[None]]
    keeps: bool = True
    ends: bool = False


@cache
def private_mounts() -> None:
    """Let file systems mounted from now on be seen by this process and its children alone.

    Raises
    ------
    Skipped
        If that is not allowed.
    """
    if os.geteuid() != 0:
        raise Skipped("only root mounts file systems")
    if ctypes.CDLL(None, use_errno=True).unshare(0x00020000):  # CLONE_NEWNS
        raise Skipped("this system allows no mounts of one's own")
    _mount("--make-rprivate", "/")


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped(f"mount {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def small_disk(bench: Bench, options: str = "size=8m") -> Iterator[Path]:
    """A file system of its own in memory."""
    private_mounts()
    folder = bench.place / "disk"
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", options, "torture", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@contextmanager
def _plain(bench: Bench) -> Iterator[Path]:
    folder = bench.place / "folder"
    folder.mkdir()
    yield folder


@contextmanager
def _file_limit(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    """No file may grow beyond a random size, as with a quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = bench.random.choice([0, 1, bench.random.randrange(2048), bench.random.randrange(max(1, size))])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _filled(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    """A disk with room for a part of what is written."""
    ballast = folder / "ballast"
    state = os.statvfs(folder)
    room = bench.random.choice([0, PAGE, bench.random.randrange(max(1, size))])
    ballast.write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - PAGE * -(-room // PAGE))))
    try:
        yield
    finally:
        ballast.unlink(missing_ok=True)


@contextmanager
def _read_only(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    _mount("-o", "remount,ro", str(folder))
    try:
        yield
    finally:
        _mount("-o", "remount,rw", str(folder))


@contextmanager
def _gone(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    shutil.rmtree(folder)
    yield


@contextmanager
def _file_instead(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    shutil.rmtree(folder)
    folder.write_text("no folder")
    yield


@contextmanager
def _no_descriptors(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    """No more files may be opened, or one or two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room, held = bench.random.randrange(3), [os.open("/dev/null", os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 2 + room, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        for _ in range(room):
            os.close(held.pop())
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def _forbidden(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    """A folder that belongs to someone else."""
    if os.geteuid() != 0:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            yield
        finally:
            folder.chmod(stat.S_IRWXU)
        return
    for path in (folder, bench.place, bench.place.parent, bench.shared):
        path.chmod(0o755)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def _full_device(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    """The files that are there are links to a device that is always full."""
    device = bench.place / "full"
    if os.geteuid() == 0:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    else:
        device.symlink_to("/dev/full")
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        path.unlink()
        path.symlink_to(device)
    yield
    if not stat.S_ISCHR(device.stat().st_mode):
        raise AssertionError("a device was replaced by a file")


@contextmanager
def _inodes(folder: Path, bench: Bench, size: int) -> Iterator[None]:
    """A disk with room, but for no more files."""
    made: list[Path] = []
    with contextlib.suppress(OSError):
        while len(made) < 100:
            path = folder / f"ballast{len(made)}"
            path.touch()
            made.append(path)
    try:
        yield
    finally:
        for path in made:
            path.unlink(missing_ok=True)


#: Troubles by name.
TROUBLES = {
    "file limit": Trouble(_plain, _file_limit),
    "full": Trouble(small_disk, _filled),
    "no inodes": Trouble(lambda bench: small_disk(bench, "size=8m,nr_inodes=40"), _inodes),
    "read-only": Trouble(small_disk, _read_only),
    "gone": Trouble(_plain, _gone, keeps=False),
    "a file instead": Trouble(_plain, _file_instead, keeps=False),
    "no descriptors": Trouble(_plain, _no_descriptors, ends=True),
    "forbidden": Trouble(_plain, _forbidden),
    "full device": Trouble(_plain, _full_device, keeps=False),
}
