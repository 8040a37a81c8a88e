"""Compile the kernels with NVRTC through CuPy and launch them on PyTorch's current stream and device.

Nothing here imports CuPy before a CUDA tensor arrives.  Memory belongs to PyTorch; a launch neither allocates nor
synchronises.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from .failures import compile_failure, cupy_missing, device_failure
from .source import BLOCK

__all__ = ["cupy", "module", "readable", "start", "stream"]

OPTIONS = ("-std=c++17",)


@lru_cache(maxsize=1)
def cupy() -> Any:
    """The CuPy module.

    Raises
    ------
    BackendUnavailableError
        If CuPy is not installed or was built for another CUDA version.
    """
    try:
        import cupy as cp
    except Exception as error:  # an import error, or a missing CUDA library found while importing
        raise cupy_missing(error) from error
    return cp


@lru_cache(maxsize=256)
def module(source: str, device: int) -> Any:
    """The compiled module of a source text on one device; CuPy keeps the binary on disk.

    Raises
    ------
    BackendUnavailableError
        If it does not compile, with the line of the source and the log, or if the driver refuses it.
    OutOfMemoryError
        If the binary finds no memory.
    """
    cp = cupy()
    try:
        with cp.cuda.Device(device):
            compiled = cp.RawModule(code=source, options=OPTIONS, backend="nvrtc")
            compiled.compile()
    except cp.cuda.compiler.CompileException as error:
        raise compile_failure(f"NVRTC could not compile a kernel for cuda:{device}", str(error), source) from error
    except (RuntimeError, MemoryError) as error:
        raise device_failure(error, f"loading a kernel on cuda:{device}") from error
    return _Functions(compiled)


class _Functions:
    """A module that remembers its functions: CuPy asks the driver for them every time."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._found: dict[str, Any] = {}

    def get_function(self, name: str) -> Any:
        """A kernel by its name."""
        if name not in self._found:
            self._found[name] = self._compiled.get_function(name)
        return self._found[name]


def stream(device: int) -> Any:
    """PyTorch's current stream as a CuPy stream; CuPy would otherwise launch on its own."""
    return _external(torch.cuda.current_stream(device).cuda_stream, device)


@lru_cache(maxsize=64)
def _external(address: int, device: int) -> Any:
    with warnings.catch_warnings():  # CuPy 14 prefers streams that carry their own address, which PyTorch's do not yet
        warnings.simplefilter("ignore", DeprecationWarning)
        return cupy().cuda.ExternalStream(address, device)


def readable(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor whose elements lie as vector loads need them: contiguous, on a GPU from a multiple of 16 bytes."""
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.is_cuda and tensor.data_ptr() % 16 else tensor


def start(
    source: str, name: str, device: int, grid: tuple[int, int], arguments: Sequence[Any], threads: int = BLOCK
) -> None:
    """Launch a kernel on PyTorch's current stream; plain ints are passed with 64 bits.

    Raises
    ------
    BackendUnavailableError
        If the device or the driver fails; the message says what to do.
    OutOfMemoryError
        If the device has no memory left.
    """
    cp = cupy()
    kernel = module(source, device).get_function(name)

    def packed(a: Any) -> Any:
        if isinstance(a, torch.Tensor):
            return cp.uint64(a.data_ptr())
        if a is None:
            return cp.uint64(0)
        return np.int64(a) if isinstance(a, int) else np.float64(a) if isinstance(a, float) else a

    try:
        with cp.cuda.Device(device), stream(device):
            kernel(grid, (threads,), tuple(packed(a) for a in arguments))
    except (RuntimeError, MemoryError) as error:
        raise device_failure(error, f"launching {name} with {grid[0]} x {grid[1]} blocks on cuda:{device}") from error
