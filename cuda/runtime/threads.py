"""The threads of the host kernels are those of PyTorch.

PyTorch's OpenMP threads spin for milliseconds after each of its operations, so threads of another pool would get half
the time of their cores.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

import torch

__all__ = ["share_team"]


@lru_cache(maxsize=1)
def _team() -> ctypes.c_void_p:
    """Where the kernels read how threads are started: ``GOMP_parallel`` of the runtime that PyTorch is linked with.

    It is null where that is no such runtime (macOS, a build without OpenMP), and in the child of a fork, where its
    threads are not; the kernels start threads of their own then.
    """
    try:  # found in the library or in those it depends on, whatever the name of the runtime
        start = ctypes.cast(ctypes.CDLL(torch._C.__file__).GOMP_parallel, ctypes.c_void_p)
    except (AttributeError, OSError):
        start = ctypes.c_void_p()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: setattr(start, "value", None))
    return start


def share_team(library: ctypes.CDLL) -> None:
    """Let the kernels of a compiled library that includes ``parallel.hpp`` run on the threads of PyTorch."""
    try:
        place = ctypes.c_void_p.in_dll(library, "hp_team")
    except ValueError:  # a library without threads
        return
    place.value = ctypes.addressof(_team())
