"""From what a network says to a density."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["LIMIT", "clamped_exp"]

#: The exponent between whose negative and itself gradients are exact.
LIMIT = 15.0


class _ClampedExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, exponent: Tensor) -> Tensor:
        value = exponent.exp()
        ctx.save_for_backward(exponent)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (exponent,) = ctx.saved_tensors
        return gradient * exponent.clamp(-LIMIT, LIMIT).exp()


def clamped_exp(exponent: Tensor) -> Tensor:
    """The exponential, whose derivative is that at the nearest number between -15 and 15 (Instant-NGP).

    A density that has become very large or small thus neither overflows its gradient nor loses it.

    Examples
    --------
    >>> x = torch.tensor([0.0, 20.0], requires_grad=True)
    >>> clamped_exp(x).sum().backward()
    >>> (x.grad.log() * 1000).round().tolist()
    [0.0, 15000.0]
    """
    return _ClampedExp.apply(exponent)  # type: ignore[no-untyped-call, no-any-return]
