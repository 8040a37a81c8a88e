"""How much memory there is."""

from __future__ import annotations

import os
import resource
import sys

import torch

__all__ = ["available_memory", "peak_memory", "spelled_size"]


def available_memory(device: torch.device) -> int | None:
    """Free bytes on a device, or None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def peak_memory(device: torch.device) -> int:
    """Largest number of bytes used so far: of this process, or of PyTorch's allocator on a GPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor


def spelled_size(count: float) -> str:
    """Bytes in the largest fitting unit.

    Examples
    --------
    >>> spelled_size(3.5 * 2**30)
    '3.5 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
