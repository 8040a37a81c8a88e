"""Environment variables, streams, limits and compilers with which a program is started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from .case import Bench

__all__ = ["SOLVE", "SURROUNDINGS", "Environment", "Surrounding"]

Environment = dict[str, str]

#: A program that solves a problem and writes what it finds, or the error.
SOLVE = """
import hermite_pinn as hp
exact = lambda x: hp.sin(3 * hp.pi * x)
problem = hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u, x: u.xx + 9 * hp.pi**2 * exact(x), [hp.Dirichlet(u=0.0)], exact={"u": exact})
try:
    solution = hp.solve(problem, levels=3)
    text = str(solution)
except hp.HermitePinnError as error:
    message = f"refused: {type(error).__name__}: {error}"
else:
    message = f"value: {solution.u(0.3):.12e}"
open(r"RESULT", "w", encoding="utf-8").write(message)
"""


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


def _set(name: str, value: str | None, **more: Any) -> Surrounding:
    return Surrounding(_variables({name: value}), **more)


#: Surroundings by name.
SURROUNDINGS: dict[str, Surrounding] = {
    "no home": _set("HOME", None, must_work=True),
    "no home and no cache named": Surrounding(_variables({"HOME": None, "HERMITE_PINN_CACHE": None, "XDG_CACHE_HOME": "{place}"})),
    "a home that is not there": Surrounding(_variables({"HOME": "/proc/nowhere", "HERMITE_PINN_CACHE": None})),
    "a home that is a file": Surrounding(_variables({"HOME": "/etc/passwd", "HERMITE_PINN_CACHE": None})),
    "an empty home": Surrounding(_variables({"HOME": "", "HERMITE_PINN_CACHE": None, "XDG_CACHE_HOME": "{place}"})),
    "a relative cache": _set("HERMITE_PINN_CACHE", "kernels"),
    "a folder for drafts that is not there": _set("TMPDIR", "/proc/nowhere", must_work=True),
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
    "a strict mask": Surrounding(_shell('umask 0777; exec "$@"')),
    "no interruptions": Surrounding(_shell("trap '' INT TERM; exec \"$@\""), must_work=True),
    "a compiler with its cache": Surrounding(_compiler('shift; exec g++ "$@"', "{place}/compiler g++"), must_work=True),
    "a compiler with options": Surrounding(_compiler(None, "g++ -O2"), must_work=True),
    "no compiler": Surrounding(_compiler(None, "/proc/nothing")),
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
