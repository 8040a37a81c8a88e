"""Compile CUDA sources with NVRTC directly: a check of the kernels on machines without a GPU."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hermite_pinn.errors import BackendUnavailableError

from .device import OPTIONS

__all__ = ["ARCHITECTURES", "Compiled", "compile_for", "version"]

#: Compute capabilities the kernels are checked for: Turing to Blackwell.
ARCHITECTURES = ("75", "80", "86", "89", "90", "100", "120")


@dataclass(frozen=True)
class Compiled:
    """Outcome of a compilation: registers and bytes of spilled registers per thread, and the size of the binary."""

    registers: int
    spilled: int
    size: int


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
        If NVRTC is missing or the source does not compile; the message holds the log.
    """
    library, program = _library(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    try:
        options = [f"--gpu-architecture=sm_{architecture}", *OPTIONS, "--ptxas-options=-v"]
        array = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
        failed = library.nvrtcCompileProgram(program, len(options), array)
        size = ctypes.c_size_t()
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, buffer)
        log = buffer.value.decode(errors="replace")
        if failed:
            raise BackendUnavailableError(f"NVRTC could not compile for sm_{architecture}:\n{log[:4000]}")
        library.nvrtcGetCUBINSize(program, ctypes.byref(size))
        registers = [int(n) for n in re.findall(r"Used (\d+) registers", log)]
        spilled = [int(n) for n in re.findall(r"(\d+) bytes spill stores", log)]
        return Compiled(max(registers, default=0), max(spilled, default=0), size.value)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))
