"""Functions as operations of PyTorch: differentiable, traceable, dispatched by device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch

__all__ = ["Operation", "operation"]

P = ParamSpec("P")
R = TypeVar("R")

_LIBRARY = torch.library.Library("hermite_pinn", "FRAGMENT")


class Operation(Generic[P, R]):
    """A function registered as ``torch.ops.hermite_pinn.<name>``; called like the function.

    ``torch.library.custom_op`` would do, but the first call of what it makes imports PyTorch's compiler, which takes
    two seconds of every script, and each call goes through it.  Here arguments are not looked at again: the function
    must change none of them and return new tensors.
    """

    def __init__(self, name: str, function: Callable[P, R]) -> None:
        self.name = f"{_LIBRARY.ns}::{name}"
        schema = torch.library.infer_schema(function, mutates_args=())
        _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
        _LIBRARY.impl(name, function, "CompositeExplicitAutograd")
        self._overload: Callable[P, R] = getattr(torch.ops.hermite_pinn, name).default

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the operation through PyTorch's dispatcher."""
        return self._overload(*args, **kwargs)

    def register_fake(self, function: Callable[P, R]) -> Callable[P, R]:
        """Say what the result looks like, for tracing: a function of the same arguments that returns empty tensors."""
        torch.library.register_fake(self.name, function, lib=_LIBRARY)
        return function

    def register_autograd(
        self, backward: Callable[..., Any], *, setup_context: Callable[[Any, tuple[Any, ...], Any], None]
    ) -> None:
        """Say how gradients are taken, as for ``torch.library.register_autograd``."""
        torch.library.register_autograd(self.name, backward, setup_context=setup_context, lib=_LIBRARY)


def operation(name: str) -> Callable[[Callable[P, R]], Operation[P, R]]:
    """Decorator that registers a function under a name."""
    return lambda function: Operation(name, function)
