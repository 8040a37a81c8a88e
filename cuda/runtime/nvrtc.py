"""Compile CUDA sources with NVRTC directly: a check of the kernels on machines without a GPU."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hermite_pinn.errors import BackendUnavailableError

from .device import OPTIONS as OURS
from .failures import compile_failure

__all__ = ["ARCHITECTURES", "Compiled", "compile_for", "version"]

#: What CuPy passes to NVRTC: our options, and its own.
OPTIONS = (*OURS, "-ftz=true", "--device-as-default-execution-space")

#: Compute capabilities the kernels are checked for: Turing to Blackwell.
ARCHITECTURES = ("75", "80", "86", "89", "90", "100", "120")


@dataclass(frozen=True)
class Compiled:
    """Outcome of a compilation.

    Attributes
    ----------
    registers
        Per thread.
    spilled
        Bytes of registers that are kept in memory, per thread.
    size
        Bytes of the binary.
    stack
        Bytes of local memory per thread: arrays with indices known at run time only, and spilled registers.
    shared
        Bytes of shared memory per block.
    """

    registers: int
    spilled: int
    size: int
    stack: int = 0
    shared: int = 0


def _candidates() -> list[Path]:
    folders = [Path("/usr/local/cuda/lib64")]
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec else []:
        folders += sorted(Path(root).glob("*/lib"), reverse=True)
    return [f for folder in reversed(folders) for f in sorted(folder.glob("libnvrtc.so.*"))]


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    for path in _candidates():
        try:
            for part in path.parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(part), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    name = ctypes.util.find_library("nvrtc")
    if name:
        return ctypes.CDLL(name)
    raise BackendUnavailableError("NVRTC is not installed; pip install nvidia-cuda-nvrtc (it needs no GPU)")


def version() -> str:
    """Version of NVRTC, or an error that says how to install it."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def compile_for(source: str, architecture: str) -> Compiled:
    """Compile a source to machine code for a compute capability such as ``"90"``.

    Raises
    ------
    BackendUnavailableError
        If NVRTC is missing or the source does not compile; the message shows the line and the log.
    """
    with _program(source, f"sm_{architecture}", "--ptxas-options=-v") as (library, program, log):
        size = ctypes.c_size_t()
        library.nvrtcGetCUBINSize(program, ctypes.byref(size))

        def most(pattern: str) -> int:
            return max((int(n) for n in re.findall(pattern, log)), default=0)

        return Compiled(
            most(r"Used (\d+) registers"),
            most(r"(\d+) bytes spill stores"),
            size.value,
            most(r"(\d+) bytes stack frame"),
            most(r"(\d+) bytes smem"),
        )


@contextmanager
def _program(source: str, architecture: str, *more: str) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p, str]]:
    """The library, a compiled program and its log."""
    library, program = _library(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    try:
        options = [f"--gpu-architecture={architecture}", *OPTIONS, *more]
        array = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
        failed = library.nvrtcCompileProgram(program, len(options), array)
        size = ctypes.c_size_t()
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, buffer)
        log = buffer.value.decode(errors="replace")
        if failed:
            raise compile_failure(f"NVRTC could not compile for {architecture}", log, source)
        yield library, program, log
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))
