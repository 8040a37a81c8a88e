"""How much memory there is."""

from __future__ import annotations

import os
import resource
import sys

import torch

from .errors import OutOfMemoryError

__all__ = ["available_memory", "check_fits", "peak_memory", "spelled_size"]


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


def check_fits(need: float, what: str, advice: str, device: torch.device | None = None) -> None:
    """Refuse what does not fit into the free memory before anything of it is there.

    Parameters
    ----------
    need
        Bytes.
    what
        What needs them, for the message.
    advice
        What to lower.
    device
        Where; default: the CPU.

    Raises
    ------
    OutOfMemoryError
        If more bytes are needed than are free.

    Examples
    --------
    >>> try:
    ...     check_fits(1e18, "a grid of 1e9 x 1e8 points", "lower its resolution")
    ... except OutOfMemoryError as error:
    ...     print(str(error).partition(", but")[0])
    a grid of 1e9 x 1e8 points needs about 909494.7 TiB
    """
    place = device or torch.device("cpu")
    free = available_memory(place)
    if free is not None and need > free:
        raise OutOfMemoryError(
            f"{what} needs about {spelled_size(need)}, but {spelled_size(free)} are free on {place}; {advice}"
        )
