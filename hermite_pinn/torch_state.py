"""PyTorch and NumPy as the package needs them, whatever the program around it has set."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, cast

import numpy as np
import torch

__all__ = ["isolated"]

logger = logging.getLogger(__name__)


class _Precision(Protocol):
    """Where PyTorch keeps how many bits of a factor a product of float32 matrices looks at."""

    fp32_precision: str


def _products() -> list[_Precision]:
    backends = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
    return [cast(_Precision, b) for b in backends if hasattr(b, "fp32_precision")]


class _FullPrecision:
    """Full products of float32 matrices while at least one thread asks for them.

    The settings belong to the whole process: the first who comes changes them, the last who goes puts them back.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.old: Any = None

    def enter(self) -> bool:
        """Ask for full products; returns whether :meth:`leave` is owed, which it is not where they are full anyway."""
        with self.lock:
            if self.users == 0:
                self.old = self._lower()
                if self.old is None:
                    return False
                self._set(None)
            self.users += 1
            return True

    def leave(self) -> None:
        """Ask no longer."""
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self._set(self.old)

    def forked(self) -> None:
        """In a child process, where the threads that asked do not exist."""
        self.lock = threading.Lock()
        if self.users:
            self.users = 0
            self._set(self.old)

    @staticmethod
    def _lower() -> list[str] | str | None:
        """What is set, or None where products are full.  A setting that follows the one above it still will."""
        products = _products()
        if products:
            values = [p.fp32_precision for p in products]
            if all(v in ("none", "ieee") for v in values):
                return None
            above = getattr(torch.backends, "fp32_precision", "none")
            return ["none" if v == above else v for v in values]
        old = torch.get_float32_matmul_precision()  # PyTorch before 2.9
        return None if old == "highest" else old

    @staticmethod
    def _set(values: list[str] | str | None) -> None:
        if isinstance(values, str) or not _products():
            torch.set_float32_matmul_precision(values if isinstance(values, str) else "highest")
            return
        for p, value in zip(_products(), values or ["ieee"] * len(_products()), strict=True):
            p.fp32_precision = value


class _Process:
    """What a child process made by ``fork`` must do before it computes."""

    def __init__(self) -> None:
        self.forked = False

    def after_fork(self) -> None:
        self.forked = True
        _full_precision.forked()

    def prepare(self) -> None:
        """OpenMP waits for ever for threads that stayed behind in the parent; one thread needs no others."""
        if not self.forked:
            return
        self.forked = False
        if torch.get_num_threads() > 1:
            torch.set_num_threads(1)
            logger.warning(
                "this process was forked and computes with one thread: those of PyTorch do not survive a fork; start it with "
                "multiprocessing.get_context('spawn') to use more"
            )


_full_precision = _FullPrecision()
_process = _Process()
os.register_at_fork(after_in_child=_process.after_fork)


@contextmanager
def isolated(grad: bool | None = True) -> Iterator[None]:
    """Within the block nothing that the program around it has set for PyTorch or NumPy changes a result.

    Gradients are taken even inside ``torch.no_grad`` or ``torch.inference_mode``, tensors can be used outside them
    later, and there is no automatic mixed precision and no other default device than the CPU.  Products of float32
    matrices keep all their bits: TensorFloat-32 and bfloat16 keep 11 and 8 of every factor, which second derivatives,
    differences of large numbers, do not survive.  NumPy neither warns nor raises, since what is not finite is looked
    for.  All of this holds for the calling thread alone but the precision of products, which PyTorch keeps for the
    process: it is put back when the last thread leaves.  The default dtype is left alone; the package names its dtypes.

    May be used as a decorator, too.

    Parameters
    ----------
    grad
        Whether gradients are taken; ``None`` as outside the block.

    Examples
    --------
    >>> with torch.inference_mode(), isolated():
    ...     torch.ones(1, requires_grad=True).exp().requires_grad
    True
    """
    _process.prepare()
    wanted = torch.is_grad_enabled() if grad is None else grad
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if torch.is_grad_enabled() != wanted:
            stack.enter_context(torch.set_grad_enabled(wanted))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(np.errstate(all="ignore"))
        if _full_precision.enter():
            stack.callback(_full_precision.leave)
        yield
