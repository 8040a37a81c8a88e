"""PyTorch and NumPy as the package needs them, whatever the program around it has set."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numpy as np
import torch

__all__ = ["isolated"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

FULL = ("none", "ieee")  # PyTorch's names of full precision: by default, and asked for
DEVICES = ("cpu", "cuda")  # for which mixed precision is looked at


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
                self.old = self.lower()
                if self.old is None:
                    return False
                self._set(None)
            self.users += 1
            return True

    def unneeded(self) -> bool:
        """Whether products are full although nobody asks."""
        with self.lock:
            return self.users == 0 and _precision_is_full()

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
    def lower() -> list[str] | str | None:
        """What is set, or None where products are full.  A setting that follows the one above it still will."""
        products = _products()
        if products:
            values = [p.fp32_precision for p in products]
            if all(v in FULL for v in values):
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


def _precision_is_full() -> bool:
    """Whether products are full where nobody asked for it; without the detours of PyTorch's own properties."""
    read = getattr(torch._C, "_get_fp32_precision_getter", None)
    if read is None:
        return _full_precision.lower() is None
    return all(read(backend, "matmul") in FULL for backend in ("cuda", "mkldnn"))


def _device_is_cpu() -> bool:
    """Whether new tensors are on the CPU."""
    modes = getattr(torch._C, "_len_torch_function_stack", None)  # a device that is set is one of these modes
    old = getattr(torch._C, "_get_default_device", None)  # that of a default tensor type
    if modes is None or old is None or modes():
        return bool(torch.empty(0).device.type == "cpu")
    return bool(old() == "cpu")


def _as_needed(wanted: bool) -> bool:
    """Whether PyTorch is as the package needs it, which it mostly is; takes a microsecond."""
    return (
        torch.is_grad_enabled() == wanted
        and not torch.is_inference_mode_enabled()
        and not any(map(torch.is_autocast_enabled, DEVICES))
        and _device_is_cpu()
        and _full_precision.unneeded()
    )


def _changed(wanted: bool) -> ExitStack:
    """Change what must be changed; leaving the stack puts it back."""
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if torch.is_grad_enabled() != wanted:
            stack.enter_context(torch.set_grad_enabled(wanted))
        for kind in DEVICES:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if not _device_is_cpu():
            stack.enter_context(torch.device("cpu"))
        if _full_precision.enter():
            stack.callback(_full_precision.leave)
        return stack.pop_all()


class _Isolated:
    """What :func:`isolated` returns: one block, or a decorator that makes a block of every call."""

    def __init__(self, grad: bool | None) -> None:
        self._grad = grad
        self._numpy = np.errstate(all="ignore")
        self._changes: ExitStack | None = None

    def __enter__(self) -> None:
        _process.prepare()
        wanted = torch.is_grad_enabled() if self._grad is None else self._grad
        if not _as_needed(wanted):
            self._changes = _changed(wanted)
        self._numpy.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._numpy.__exit__(*error)
        if self._changes is not None:
            self._changes.__exit__(*error)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        grad = self._grad

        @wraps(function)
        def inner(*args: P.args, **options: P.kwargs) -> R:
            with _Isolated(grad):
                return function(*args, **options)

        return inner


def isolated(grad: bool | None = True) -> _Isolated:
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
    return _Isolated(grad)
