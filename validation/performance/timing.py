"""Time of a piece of work on a CPU or a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

__all__ = ["copy_bandwidth", "median_seconds", "synchronize"]


def synchronize(device: torch.device) -> None:
    """Wait until a device is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def median_seconds(
    work: Callable[[], object], device: torch.device, repeats: int = 7, most: float = 2.0, inner: int = 1
) -> float:
    """Median time of ``work`` after one call that is not counted, in which kernels are compiled.

    On a GPU between events on the current stream, on a CPU by the clock.

    Parameters
    ----------
    repeats
        Measurements; fewer, but at least two, where they would take longer than ``most`` seconds.
    inner
        Calls per measurement; for work that is shorter than the time to start it.
    """
    work()
    synchronize(device)
    seconds: list[float] = []
    began = time.perf_counter()
    while len(seconds) < repeats and (len(seconds) < 2 or time.perf_counter() - began < most):
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for _ in range(inner):
                work()
            end.record()
            end.synchronize()
            seconds.append(1e-3 * start.elapsed_time(end) / inner)
        else:
            at = time.perf_counter()
            for _ in range(inner):
                work()
            seconds.append((time.perf_counter() - at) / inner)
    return statistics.median(seconds)


def copy_bandwidth(device: torch.device, size: int = 1 << 30) -> float:
    """Bytes read and written per second by a copy of ``size`` bytes within the device."""
    source = torch.ones(size // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    return 2 * size / median_seconds(lambda: target.copy_(source), device, repeats=9)
