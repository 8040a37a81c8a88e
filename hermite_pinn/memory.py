"""How much memory there is."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from .errors import OutOfMemoryError

__all__ = ["available_memory", "check_fits", "peak_memory", "spelled_size"]

PROC, CONTROL_GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
LARGEST = 1 << 16  # bytes of a file of these


def available_memory(device: torch.device) -> int | None:
    """Bytes that can still be used on a device, or None where the system does not tell.

    On a CPU that is the least of what the system has available, caches that it would give up included, of what the
    limits of the control groups of this process leave (those of a container, or of a batch system), and of what
    ``RLIMIT_AS`` leaves.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = [n for n in (_system(PROC), _address_space(PROC)) if n is not None]
    free += _control_groups(PROC / "self" / "cgroup", CONTROL_GROUPS)
    return max(0, min(free)) if free else None


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


def _text(path: Path) -> str:
    """What a small file says, read at once: a run asks often."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(file, LARGEST).decode("ascii", errors="replace")
    except OSError:
        return ""
    finally:
        os.close(file)


def _number(path: Path, pattern: str = r"(\d+)") -> int | None:
    """The number that a file, or the first place of it that fits the pattern, says; None if it says none."""
    found = re.search(pattern, _text(path), re.MULTILINE)
    return int(found.group(1)) if found else None


def _system(proc: Path) -> int | None:
    """What the machine has available."""
    kibibytes = _number(proc / "meminfo", r"^MemAvailable:\s*(\d+)")
    if kibibytes is not None:
        return 1024 * kibibytes
    if sys.platform == "darwin":
        try:
            done = subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, timeout=5, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return _mach_pages(done.stdout)
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _mach_pages(report: str) -> int | None:
    """Bytes of the pages that ``vm_stat`` calls free, or that macOS would give up."""
    size = re.search(r"page size of (\d+) bytes", report)
    pages = re.findall(r"^Pages (?:free|inactive|speculative|purgeable):\s*(\d+)", report, re.MULTILINE)
    return int(size.group(1)) * sum(map(int, pages)) if size and pages else None


def _address_space(proc: Path) -> int | None:
    """What the limit of the address space leaves."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    kibibytes = _number(proc / "self" / "status", r"^VmSize:\s*(\d+)")
    return limit - 1024 * (kibibytes or 0)


def _control_groups(own: Path, root: Path) -> list[int]:
    """What the limits of the process' control groups and of all above them leave, of both versions.

    Parameters
    ----------
    own
        The file that names the groups of the process.
    root
        Where their file system is.
    """
    free: list[int] = []
    limits: tuple[str, ...]
    for line in _text(own).splitlines():
        _, controllers, name = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            limits, usage, cache, top = ("memory.max", "memory.high"), "memory.current", "inactive_file", root
        elif "memory" in controllers.split(","):
            limits, usage = ("memory.limit_in_bytes",), "memory.usage_in_bytes"
            cache, top = "total_inactive_file", root / "memory"
        else:
            continue
        for folder in _upwards(top, name):
            told = [n for n in (_number(folder / limit) for limit in limits) if n is not None]
            used = _number(folder / usage) if told else None
            if used is not None:
                reclaimable = _number(folder / "memory.stat", rf"^{cache} (\d+)") or 0
                free.append(min(told) - used + min(reclaimable, used))
    return free


def _upwards(top: Path, name: str) -> Iterator[Path]:
    """A group and those that hold it; inside a container only the last may be seen."""
    folder = top / name.strip("/")
    if ".." in folder.parts:
        folder = top
    while folder != top:
        yield folder
        folder = folder.parent
    yield top
