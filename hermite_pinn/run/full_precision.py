"""Matrix products in the precision of their tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["full_precision"]


@contextmanager
def full_precision() -> Iterator[None]:
    """Within the block products of float32 matrices keep all their bits, whatever the process allows elsewhere.

    TensorFloat-32 and bfloat16 keep 11 and 8 bits of every factor; second derivatives, differences of large numbers,
    do not survive that.  PyTorch allows neither unless asked; who asked finds the setting as it was after the block.

    Examples
    --------
    >>> with full_precision():
    ...     torch.get_float32_matmul_precision()
    'highest'
    """
    products = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
    backends = [b for b in products if hasattr(b, "fp32_precision")]
    if backends:
        before = [b.fp32_precision for b in backends]  # type: ignore[union-attr]
        restore = list(zip(backends, before, strict=True))
        try:
            for b in backends:
                b.fp32_precision = "ieee"  # type: ignore[union-attr]
            yield
        finally:
            for b, value in restore:
                b.fp32_precision = value  # type: ignore[union-attr]
    else:  # PyTorch before 2.9
        old = torch.get_float32_matmul_precision()
        try:
            torch.set_float32_matmul_precision("highest")
            yield
        finally:
            torch.set_float32_matmul_precision(old)
