"""Caches of kernels that are damaged, foreign, full or read-only."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock

from .case import Bench, Skipped
from .surroundings import SOLVE, Environment, Surrounding
from .troubles import NOBODY, private_mounts, small_disk

__all__ = ["CACHES"]

LIBRARIES = ("*.so", "*.dylib")


def _cache(
    change: Callable[[Path, Bench], None], private: bool = False
) -> Callable[[Bench, Environment], AbstractContextManager[Sequence[str]]]:
    """A copy of the kernels that are needed, changed."""

    @contextmanager
    def prepare(bench: Bench, environment: Environment) -> Iterator[Sequence[str]]:
        folder = bench.place / "kernels"
        shutil.copytree(_kernels(bench), folder)
        environment["HERMITE_PINN_CACHE"] = str(folder)
        if private:
            private_mounts()
        change(folder, bench)
        try:
            yield ()
        finally:
            if private:
                os.system(f"umount -l '{folder}' 2>/dev/null")

    return prepare


def _kernels(bench: Bench) -> Path:
    """A cache with the kernels of the program and no others, filled once."""
    folder = bench.shared / "kernels"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            draft = bench.shared / "kernels.draft"
            environment = dict(os.environ) | {"HERMITE_PINN_CACHE": str(draft)}
            command = SOLVE.replace("RESULT", str(bench.place / "first.txt"))
            subprocess.run([sys.executable, "-c", command], env=environment, check=True, capture_output=True)
            draft.rename(folder)
    return folder


def _libraries(folder: Path) -> list[Path]:
    return sorted(p for pattern in LIBRARIES for p in folder.glob(pattern))


def _each(change: Callable[[Path, Bench], None]) -> Callable[[Path, Bench], None]:
    """The same done to every library, or to one of them."""

    def apply(folder: Path, bench: Bench) -> None:
        found = _libraries(folder)
        if not found:
            raise Skipped("the cache holds no libraries")
        for path in found if bench.random.random() < 0.5 else [bench.random.choice(found)]:
            change(path, bench)

    return apply


def _truncate(path: Path, bench: Bench) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: bench.random.choice([1, 64, 4096, len(data) // 2, len(data) - 8])])


def _holes(path: Path, bench: Bench) -> None:
    """The length is right and the blocks are missing, as after a crash of the machine."""
    data = path.read_bytes()
    half = bench.random.choice([0, 4096, len(data) // 2 // 4096 * 4096])
    path.write_bytes(data[:half] + bytes(len(data) - half))


def _flip(path: Path, bench: Bench) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(20):
        data[bench.random.randrange(len(data))] ^= 0xFF
    path.write_bytes(data)


def _foreign(path: Path, bench: Bench) -> None:
    """A good library, of something else."""
    others = [p for p in Path("/usr/lib").rglob("lib*.so.*") if p.is_file() and p.stat().st_size < 200_000]
    if not others:
        raise Skipped("no other library at hand")
    shutil.copyfile(others[0], path)


def _exchanged(folder: Path, bench: Bench) -> None:
    found = _libraries(folder)
    if len(found) < 2:
        raise Skipped("one library only")
    data = [p.read_bytes() for p in found]
    for path, other in zip(found, data[1:] + data[:1], strict=True):
        path.write_bytes(other)


def _other_machine(path: Path, bench: Bench) -> None:
    data = bytearray(path.read_bytes())
    data[18] ^= 0xB7  # e_machine of the ELF header
    path.write_bytes(data)


def _to_folder(path: Path, bench: Bench) -> None:
    path.unlink()
    path.mkdir()


def _to_dangling_link(path: Path, bench: Bench) -> None:
    path.unlink()
    path.symlink_to("nowhere.so")


def _empty(path: Path, bench: Bench) -> None:
    path.write_bytes(b"")


def _mode(mode: int) -> Callable[[Path, Bench], None]:
    return lambda folder, bench: folder.chmod(mode)


def _owner(folder: Path, bench: Bench) -> None:
    if os.geteuid() != 0:
        raise Skipped("only root gives files away")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)


def _gone(folder: Path, bench: Bench) -> None:
    shutil.rmtree(folder)


def _emptied(folder: Path, bench: Bench) -> None:
    _gone(folder, bench)
    folder.mkdir()


def _to_file(folder: Path, bench: Bench) -> None:
    _gone(folder, bench)
    folder.write_text("no folder")


def _to_link(folder: Path, bench: Bench) -> None:
    other = folder.with_name("other")
    folder.rename(other)
    folder.symlink_to(other)


def _bound(options: str) -> Callable[[Path, Bench], None]:
    def change(folder: Path, bench: Bench) -> None:
        if os.system(f"mount --bind '{folder}' '{folder}' && mount -o remount,bind,{options} '{folder}'"):
            raise Skipped("mounts of a folder are not allowed")

    return change


def _emptied_and_bound(folder: Path, bench: Bench) -> None:
    _emptied(folder, bench)
    _bound("ro")(folder, bench)


@contextmanager
def _full(bench: Bench, environment: Environment) -> Iterator[Sequence[str]]:
    """No room for a kernel."""
    with small_disk(bench, "size=64k") as folder:
        environment["HERMITE_PINN_CACHE"] = str(folder)
        yield ()


@contextmanager
def _limited(bench: Bench, environment: Environment) -> Iterator[Sequence[str]]:
    """No file of more than 4 KiB: a compiler that is cut off."""
    environment["HERMITE_PINN_CACHE"] = str(bench.place / "kernels")
    yield ("sh", "-c", 'ulimit -f 8; exec "$@"', "sh")


def _locks_as_folders(folder: Path, bench: Bench) -> None:
    _emptied(folder, bench)
    for path in _kernels(bench).iterdir():
        if path.suffix == ".lock":
            (folder / path.name).mkdir()


def _old_drafts(folder: Path, bench: Bench) -> None:
    for number in range(5):
        (folder / f"tmp{number}").mkdir()
        (folder / f"tmp{number}" / "kernel.cpp").write_text("int main(")


def _writable_by_others(folder: Path, bench: Bench) -> None:
    folder.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)


#: Caches by name.
CACHES: dict[str, Surrounding] = {
    "complete": Surrounding(_cache(lambda folder, bench: None), must_work=True),
    "read-only and complete": Surrounding(_cache(_bound("ro"), True), must_work=True),
    "read-only and empty": Surrounding(_cache(_emptied_and_bound, True)),
    "read-only by its mode": Surrounding(_cache(_mode(0o555)), must_work=True),
    "without permission to run": Surrounding(_cache(_bound("noexec"), True)),
    "full": Surrounding(_full),
    "limited": Surrounding(_limited),
    "gone": Surrounding(_cache(_gone), must_work=True),
    "a file": Surrounding(_cache(_to_file)),
    "a link": Surrounding(_cache(_to_link)),
    "truncated": Surrounding(_cache(_each(_truncate)), times=2, must_work=True),
    "with holes": Surrounding(_cache(_each(_holes)), times=2, must_work=True),
    "with bytes changed": Surrounding(_cache(_each(_flip)), times=2, must_work=True),
    "of empty files": Surrounding(_cache(_each(_empty)), times=2, must_work=True),
    "of another library": Surrounding(_cache(_each(_foreign)), times=2, must_work=True),
    "of another machine": Surrounding(_cache(_each(_other_machine)), times=2, must_work=True),
    "exchanged": Surrounding(_cache(_exchanged), times=2, must_work=True),
    "of folders": Surrounding(_cache(_each(_to_folder)), times=2),
    "of links to nothing": Surrounding(_cache(_each(_to_dangling_link)), times=2),
    "writable by others": Surrounding(_cache(_writable_by_others), must_refuse=True),
    "writable by a group": Surrounding(_cache(_mode(0o775))),
    "of another user": Surrounding(_cache(_owner), must_refuse=True),
    "with folders as locks": Surrounding(_cache(_locks_as_folders)),
    "with old drafts": Surrounding(_cache(_old_drafts), must_work=True),
}
