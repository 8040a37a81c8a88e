"""Compile the kernels with the system's C++ compiler and call them on CPU tensors."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import torch

from hermite_pinn.errors import BackendUnavailableError

from .cache import cached_file
from .failures import compile_failure

__all__ = ["address", "available", "compile_source", "compiler", "function"]

logger = logging.getLogger(__name__)

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fPIC", "-shared", "-pthread")


@lru_cache(maxsize=8)
def _found(choice: str | None) -> str | None:
    for name in [choice] if choice else ["g++", "c++", "clang++"]:
        path = shutil.which(name)
        if path:
            return path
    return None


def compiler() -> str:
    """Path of the C++ compiler: ``$CXX``, or the first of g++, c++, clang++.

    Raises
    ------
    BackendUnavailableError
        If there is none.
    """
    path = _found(os.environ.get("CXX"))
    if path is None:
        raise BackendUnavailableError(
            f"no C++ compiler found ({os.environ.get('CXX') or 'g++, c++ or clang++'}); install one "
            "(Debian: apt-get install g++, macOS: xcode-select --install) or set CXX to its path"
        )
    return path


def available() -> bool:
    """Whether a C++ compiler is there."""
    return _found(os.environ.get("CXX")) is not None


@lru_cache(maxsize=8)
def _machine(path: str) -> str:
    """What a binary built with ``-march=native`` depends on."""
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    flags = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        flags = next((line for line in cpuinfo.read_text().split("\n") if line.startswith(("flags", "Features"))), "")
    return "\n".join([version, platform.machine(), platform.processor(), flags])


def compile_source(source: str, flags: tuple[str, ...] = FLAGS) -> Path:
    """Path of the shared library for ``source``, compiled on first use and kept by a hash of text, flags and machine.

    Raises
    ------
    BackendUnavailableError
        If there is no compiler or it fails; the message shows the line of the source and the log.
    """
    path = compiler()

    def make(target: Path) -> None:
        text = target.with_suffix(".cpp")
        text.write_text(source, encoding="utf-8")
        logger.info("compiling a kernel with %s", path)
        done = subprocess.run([path, *flags, "-o", str(target), str(text)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise compile_failure(f"{path} could not compile a kernel", done.stderr, source)

    return cached_file([source, *flags, _machine(path)], ".so", make)


def _loaded(source: str) -> ctypes.CDLL:
    """The library of a source; one that is damaged is compiled again."""
    path = compile_source(source)
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        logger.warning("the compiled kernel %s cannot be loaded and is made again", path)
        path.unlink(missing_ok=True)
    try:
        return ctypes.CDLL(str(compile_source(source)))
    except OSError as error:
        raise BackendUnavailableError(
            f"a compiled kernel cannot be loaded ({error}); if {path.parent} is on a file system that forbids executables, set "
            "HERMITE_PINN_CACHE to a folder that allows them"
        ) from error


@lru_cache(maxsize=1024)
def function(source: str, name: str, arguments: str) -> ctypes._NamedFuncPointer:
    """An entry point of a compiled source; ``arguments`` spells its parameters: p pointer, i int, l int64, d double."""
    kinds = {"p": ctypes.c_void_p, "i": ctypes.c_int, "l": ctypes.c_int64, "d": ctypes.c_double}
    entry = getattr(_loaded(source), name)
    entry.argtypes = [kinds[a] for a in arguments]
    entry.restype = ctypes.c_int
    return entry


def address(tensor: torch.Tensor | None) -> int | None:
    """Where a tensor's elements begin."""
    return None if tensor is None else tensor.data_ptr()
