"""Environment variables, streams, limits and caches of kernels in which a program is started."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .case import Bench, Skipped
from .troubles import NOBODY, private_mounts, small_disk

__all__ = ["CACHES", "SURROUNDINGS", "Surrounding"]

Environment = dict[str, str]
LIBRARIES = ("*.so", "*.dylib")


@dataclass(frozen=True)
class Surrounding:
    """Where a program is started.

    Attributes
    ----------
    prepare
        A context, given the environment to change, that tells what stands before the command.
    options
        Of the interpreter.
    must_work, must_refuse
        Whether an error, or a solution, would be a fault.
    times
        How often the program is started.
    """

    prepare: Callable[[Bench, Environment], AbstractContextManager[Sequence[str]]]
    options: Sequence[str] = ()
    must_work: bool = False
    must_refuse: bool = False
    times: int = 1


def _variables(
    changes: Mapping[str, str | None],
) -> Callable[[Bench, Environment], AbstractContextManager[Sequence[str]]]:
    @contextmanager
    def prepare(bench: Bench, environment: Environment) -> Iterator[Sequence[str]]:
        for name, value in changes.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value.format(place=bench.place)
        yield ()

    return prepare


def _shell(line: str) -> Callable[[Bench, Environment], AbstractContextManager[Sequence[str]]]:
    """The command as ``"$@"`` in a line of the shell."""

    @contextmanager
    def prepare(bench: Bench, environment: Environment) -> Iterator[Sequence[str]]:
        yield ("sh", "-c", line.format(place=bench.place), "sh")

    return prepare


def _compiler(
    script: str | None, name: str = "{place}/compiler"
) -> Callable[..., AbstractContextManager[Sequence[str]]]:
    """An own script as compiler, and an empty cache."""

    @contextmanager
    def prepare(bench: Bench, environment: Environment) -> Iterator[Sequence[str]]:
        environment["HERMITE_PINN_CACHE"] = str(bench.place / "kernels")
        if script is not None:
            path = bench.place / "compiler"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        environment["CXX"] = name.format(place=bench.place)
        yield ()

    return prepare


def _set(name: str, value: str | None, **more: bool) -> Surrounding:
    return Surrounding(_variables({name: value}), **more)


#: Surroundings by name.
SURROUNDINGS: dict[str, Surrounding] = {
    "no home": _set("HOME", None, must_work=True),
    "no home and no cache named": Surrounding(_variables({"HOME": None, "HERMITE_PINN_CACHE": None, "XDG_CACHE_HOME": "{place}"})),
    "a home that is not there": Surrounding(_variables({"HOME": "/no/such/folder", "HERMITE_PINN_CACHE": None})),
    "a home that is a file": Surrounding(_variables({"HOME": "/etc/passwd", "HERMITE_PINN_CACHE": None})),
    "an empty home": Surrounding(_variables({"HOME": "", "HERMITE_PINN_CACHE": None, "XDG_CACHE_HOME": "{place}"})),
    "a relative cache": _set("HERMITE_PINN_CACHE", "kernels"),
    "a folder for drafts that is not there": _set("TMPDIR", "/no/such/folder", must_work=True),
    "no path": _set("PATH", "", must_work=True),
    "the plainest language": Surrounding(_variables({"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}), must_work=True),
    "output in ASCII": _set("PYTHONIOENCODING", "ascii", must_work=True),
    "no documentation": Surrounding(_variables({}), ("-OO",), must_work=True),
    "warnings as errors": Surrounding(_variables({}), ("-W", "error"), must_work=True),
    "an isolated interpreter": Surrounding(_variables({}), ("-X", "dev"), must_work=True),
    "no threads": _set("OMP_NUM_THREADS", "0"),
    "many threads": _set("OMP_NUM_THREADS", "64", must_work=True),
    "threads that are no number": _set("OMP_NUM_THREADS", "many"),
    "a picture on no screen": Surrounding(_variables({"MPLBACKEND": "tkagg", "DISPLAY": ":99"}), must_work=True),
    "output closed": Surrounding(_shell('"$@" >&-'), must_work=True),
    "errors closed": Surrounding(_shell('"$@" 2>&-'), must_work=True),
    "input closed": Surrounding(_shell('"$@" <&-'), must_work=True),
    "everything closed": Surrounding(_shell('"$@" <&- >&- 2>&-'), must_work=True),
    "output full": Surrounding(_shell('"$@" >/dev/full'), must_work=True),
    "errors full": Surrounding(_shell('"$@" 2>/dev/full'), must_work=True),
    "a reader that goes": Surrounding(_shell('"$@" 2>&1 | true'), must_work=True),
    "a terminal that is a file": Surrounding(_shell('"$@" 2>{place}/errors'), must_work=True),
    "few files": Surrounding(_shell('ulimit -n 24; exec "$@"')),
    "a small stack": Surrounding(_shell('ulimit -s 512; exec "$@"')),
    "no core of its own": Surrounding(_shell('exec nice -n 19 "$@"'), must_work=True),
    "a folder that is gone": Surrounding(_shell('mkdir {place}/gone; cd {place}/gone; rmdir {place}/gone; exec "$@"'), must_work=True),
    "a strict mask": Surrounding(_shell('umask 0777; exec "$@"')),
    "no interruptions": Surrounding(_shell("trap '' INT TERM; exec \"$@\""), must_work=True),
    "a compiler with its cache": Surrounding(_compiler('shift; exec g++ "$@"', "{place}/compiler g++"), must_work=True),
    "a compiler with options": Surrounding(_compiler(None, "g++ -O2"), must_work=True),
    "no compiler": Surrounding(_compiler(None, "/no/such/compiler")),
    "no compiler named": Surrounding(_compiler(None, "")),
    "spaces as a compiler": Surrounding(_compiler(None, "  ")),
    "a compiler with a quote": Surrounding(_compiler(None, "g++ '")),
    "a compiler that fails": Surrounding(_compiler("echo internal error >&2; exit 1"), must_refuse=True),
    "a compiler that makes nothing": Surrounding(_compiler("exit 0"), must_refuse=True),
    "a compiler that makes text": Surrounding(
        _compiler('while [ "$1" != "-o" ]; do shift; done; echo text > "$2"'), must_refuse=True
    ),
    "a compiler that dies": Surrounding(_compiler("kill -9 $$"), must_refuse=True),
    "a compiler that says much": Surrounding(_compiler("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1"), must_refuse=True),
    "a compiler that may not run": Surrounding(_compiler(None, "/etc/passwd")),
    "a compiler that is a folder": Surrounding(_compiler(None, "/tmp")),
}  # fmt: skip


# -- caches ---
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
    import subprocess
    import sys

    from filelock import FileLock

    from .environments import SOLVE

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
