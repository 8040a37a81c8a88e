"""CPU seconds of a piece of work."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

__all__ = ["one_thread", "shortest"]

Result = TypeVar("Result")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch and the libraries of linear algebra use one thread, and then as many as before.

    Examples
    --------
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def shortest(work: Callable[[], Result], most: float = 4.0) -> tuple[Result, float]:
    """What some work returns, and its CPU seconds: the least of up to five runs.

    CPU seconds are those of this process, of all its threads, in user and in system mode.  Compilers run in processes
    of their own and are not counted; other programs on the machine disturb caches and clocks, but are not counted.

    Parameters
    ----------
    work
        Returns the same each time.
    most
        CPU seconds after which it is not run again.

    Examples
    --------
    >>> shortest(lambda: 1 + 1)[0]
    2
    """
    seconds: list[float] = []
    gc.collect()
    while True:
        began = time.process_time()
        result = work()
        seconds.append(time.process_time() - began)
        if len(seconds) == 5 or sum(seconds) + min(seconds) > most:
            return result, min(seconds)
