"""Compile the kernels with the system's C++ compiler and call them on CPU tensors."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import platform
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import torch

from hermite_pinn.errors import BackendUnavailableError

from .cache import cache_folder, cached_file, newest_file
from .failures import MEND, compile_failure
from .threads import share_team

__all__ = ["address", "available", "compile_source", "compiler", "function", "version"]

logger = logging.getLogger(__name__)

FLAGS = ("-std=c++17", "-O2", "-march=native", "-fno-math-errno", "-fPIC", "-shared", "-pthread")
PATIENCE = 15.0  # seconds of a compiler's silence after which the log says so
LONGEST = 300.0  # seconds after which a compiler is stopped
FULL = ("No space left on device", "Disk quota exceeded", "File too large", "Read-only file system")


@lru_cache(maxsize=8)
def _found(choice: str | None) -> tuple[str, ...] | None:
    for name in [choice] if choice else ["g++", "c++", "clang++"]:
        path = shutil.which(name)
        if path:
            return (path,)
    try:
        words = shlex.split(choice or "")
    except ValueError:
        return None
    path = shutil.which(words[0]) if words else None
    return (path, *words[1:]) if path else None


def _choice() -> str | None:
    return os.environ.get("CXX", "").strip() or None


def compiler() -> tuple[str, ...]:
    """The C++ compiler as the words of a command: ``$CXX``, or the first of g++, c++, clang++.

    Words of ``$CXX`` after the first are arguments, as in ``ccache g++`` or ``g++ -m64``.

    Raises
    ------
    BackendUnavailableError
        If there is none.
    """
    command = _found(_choice())
    if command is None:
        raise BackendUnavailableError(
            f"no C++ compiler found ({_choice() or 'g++, c++ or clang++'}); install one "
            "(Debian: apt-get install g++, macOS: xcode-select --install) or set CXX to its path"
        )
    return command


@lru_cache(maxsize=8)
def _any_kept(choice: str | None, folder: str | None) -> bool:
    try:
        return next(cache_folder().glob("*.so"), None) is not None
    except BackendUnavailableError:
        return False


def available() -> bool:
    """Whether kernels can be used: a C++ compiler is there, or was when the cache was filled."""
    choice = _choice()
    return _found(choice) is not None or _any_kept(choice, os.environ.get("HERMITE_PINN_CACHE"))


@lru_cache(maxsize=1)
def _machine() -> str:
    """What a binary built with ``-march=native`` depends on."""
    flags = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n")
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return "\n".join([platform.machine(), platform.processor(), flags])


@lru_cache(maxsize=8)
def version(command: tuple[str, ...]) -> str:
    """The first line that a compiler tells of itself.

    Raises
    ------
    BackendUnavailableError
        If it cannot be started or does not answer.
    """
    return _output([*command, "--version"], None, PATIENCE)[1].split("\n")[0]


def _output(command: Sequence[str], scratch: Path | None, longest: float) -> tuple[int, str, str]:
    """Exit status, output and errors of a compiler, in English; it and its children end with this call."""
    environment = os.environ | {"LC_ALL": "C"} | ({"TMPDIR": str(scratch)} if scratch else {})
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)  # type: ignore[call-overload]
    except OSError as error:
        raise BackendUnavailableError(
            f"the C++ compiler {shlex.join(command[:1])} cannot be started ({error.strerror}); set CXX to another one"
        ) from error
    waited = 0.0
    try:
        while True:
            try:
                output, errors = process.communicate(timeout=PATIENCE)
                return process.returncode, output.decode(errors="replace"), errors.decode(errors="replace")
            except subprocess.TimeoutExpired:
                waited += PATIENCE
            if waited >= longest:
                raise BackendUnavailableError(
                    f"the C++ compiler {shlex.join(command[:1])} did not finish within {waited:.0f} s and was stopped; set CXX to another one"
                )
            logger.warning(
                "the C++ compiler %s has not finished a kernel after %.0f s; it is stopped after %.0f s",
                command[0],
                waited,
                longest,
            )
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def compile_source(source: str, flags: tuple[str, ...] = FLAGS, *, anew: bool = False) -> Path:
    """Path of the shared library for ``source``, compiled on first use and kept by a hash of text, flags and machine.

    Without a compiler what another one made earlier is taken.

    Parameters
    ----------
    anew
        Whether to compile it again if it is there.

    Raises
    ------
    BackendUnavailableError
        If there is no compiler or it fails; the message shows the line of the source and the log.
    """
    parts = [source, *flags, _machine()]
    if _found(_choice()) is None:
        kept = None if anew else newest_file(parts, ".so")
        if kept is not None:
            return kept
    command = compiler()

    def make(target: Path) -> None:
        text = target.with_suffix(".cpp")
        text.write_text(source, encoding="utf-8")
        logger.info("compiling a kernel with %s", shlex.join(command))
        status, _, log = _output([*command, *flags, "-o", str(target), str(text)], target.parent, LONGEST)
        if status and any(reason in log for reason in FULL):
            raise OSError(errno.ENOSPC, next(reason for reason in FULL if reason in log))
        if status:
            raise compile_failure(
                f"{shlex.join(command)} could not compile a kernel (exit status {status})", log, source
            )
        if not target.is_file():
            raise BackendUnavailableError(f"{shlex.join(command)} made no library; set CXX to a C++ compiler")

    return cached_file([*parts, "\n".join([*command[1:], version(command)])], ".so", make, anew=anew)


def _loaded(source: str) -> ctypes.CDLL:
    """The library of a source, with the threads of PyTorch."""
    library = _opened(source)
    share_team(library)
    return library


def _opened(source: str) -> ctypes.CDLL:
    """The library of a source; one that cannot be loaded is compiled again."""
    path = compile_source(source)
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        logger.warning("the compiled kernel %r cannot be loaded and is made again", str(path))
    path = compile_source(source, anew=True)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise BackendUnavailableError(
            f"a compiled kernel cannot be loaded ({error}); if {str(path.parent)!r} is on a file system that forbids executables, set "
            "HERMITE_PINN_CACHE to a folder that allows them"
        ) from error


@lru_cache(maxsize=1024)
def function(source: str, name: str, arguments: str) -> ctypes._NamedFuncPointer:
    """An entry point of a compiled source; ``arguments`` spells its parameters: p pointer, i int, l int64, d double."""
    kinds = {"p": ctypes.c_void_p, "i": ctypes.c_int, "l": ctypes.c_int64, "d": ctypes.c_double}
    try:
        entry = getattr(_loaded(source), name)
    except OSError as error:  # of the system: no more descriptors, a folder that is gone
        raise BackendUnavailableError(f"a compiled kernel cannot be loaded: {error}; {MEND}") from error
    entry.argtypes = [kinds[a] for a in arguments]
    entry.restype = ctypes.c_int
    return entry


def address(tensor: torch.Tensor | None) -> int | None:
    """Where a tensor's elements begin."""
    return None if tensor is None else tensor.data_ptr()
