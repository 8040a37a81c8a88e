"""Runs work and the command line in child processes, which may die."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import runpy
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .case import Bench, Fault, Kind

__all__ = ["Child", "Ended", "run_program"]


class Child:
    """A function in a child of this process, made by ``fork``; what it returns comes back.

    Parameters
    ----------
    work
        What the child does.  What it raises is a fault of the case.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self.answers, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.answers)
            _serve(work, answer)
        os.close(answer)
        self.status: int | None = None

    def kill(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def result(self) -> Any:
        """Wait for the end; what was returned, or None if a signal ended it.

        Raises
        ------
        Fault
            If it raised an exception or crashed.
        """
        with os.fdopen(self.answers, "rb") as pipe:
            data = pipe.read()
        _, self.status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT, signal.SIGILL):
                raise Fault(Kind.CRASH, f"the process ended by {signal.Signals(number).name}")
            return None
        if not data:
            return None
        succeeded, value = pickle.loads(data)
        if not succeeded:
            raise value
        return value

    @property
    def signalled(self) -> bool:
        """Whether a signal ended it."""
        return self.status is not None and os.WIFSIGNALED(self.status)


def _serve(work: Callable[[], Any], answer: int) -> None:
    """The life of a child; it never returns to the caller's code."""
    code = 0
    try:
        try:
            message: tuple[bool, Any] = (True, work())
        except BaseException as error:
            kind = error.kind if isinstance(error, Fault) else Kind.RAW
            message = (False, _Found(kind, f"{type(error).__name__}: {error}"))
        with os.fdopen(answer, "wb") as pipe:
            pipe.write(pickle.dumps(message))
    except BaseException:
        code = 70
    finally:
        os._exit(code)


class _Found(Fault):
    """A fault that can be sent to another process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, str(self))


@dataclass(frozen=True)
class Ended:
    """What a program left: exit code (negative: a signal), standard output and errors."""

    arguments: Sequence[str]
    code: int
    output: str
    errors: str
    seconds: float

    def check(self) -> None:
        """Raise a fault for crashes, tracebacks, and output that is no JSON where that was asked for."""
        if self.code < 0:
            raise Fault(Kind.CRASH, f"ended by {signal.Signals(-self.code).name}: {self.errors[-200:]}")
        if "Traceback (most recent call last)" in self.errors + self.output:
            raise Fault(Kind.RAW, f"a traceback: {self.errors.strip().splitlines()[-1]}")
        if "--json" in self.arguments and (self.output.strip() or not self.code):
            try:
                json.loads(self.output)
            except ValueError as error:
                raise Fault(Kind.RAW, f"the output is not one JSON value ({error}): {self.output[:100]!r}") from error


def run_program(
    arguments: Sequence[str],
    bench: Bench,
    prepare: Callable[[], Any] = lambda: None,
    signals: tuple[float, int] | None = None,
) -> Ended:
    """Run ``hermite-pinn`` with some arguments in a child process.

    Parameters
    ----------
    prepare
        Called in the child before the program starts.
    signals
        Seconds after which the child gets a signal, and which.
    """
    pipes = os.pipe(), os.pipe()
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        _become(arguments, [write for _, write in pipes], prepare)
    for _, write in pipes:
        os.close(write)
    with ThreadPoolExecutor(2) as readers:
        told = [readers.submit(_all_of, read) for read, _ in pipes]
        if signals is not None:
            time.sleep(signals[0])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signals[1])
        _, status = os.waitpid(pid, 0)
        output, errors = (t.result() for t in told)
    return Ended(arguments, os.waitstatus_to_exitcode(status), output, errors, time.perf_counter() - began)


def _all_of(pipe: int) -> str:
    with os.fdopen(pipe, "rb") as stream:
        return stream.read().decode(errors="replace")


def _become(arguments: Sequence[str], streams: Sequence[int], prepare: Callable[[], Any]) -> None:
    code = 70
    try:
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        sys.argv = ["hermite-pinn", *arguments]
        prepare()
        code = _exit_code()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        code = code or 71
    finally:
        os._exit(code)


def _exit_code() -> int:
    try:
        runpy.run_module("hermite_pinn.cli", run_name="__main__")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0
