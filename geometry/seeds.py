"""Seeds of random numbers."""

from __future__ import annotations

import torch

__all__ = ["numpy_seed"]


def numpy_seed(generator: torch.Generator) -> int:
    """A seed for NumPy from a generator of PyTorch."""
    drawn = torch.randint(2**62, (1,), generator=generator, device=generator.device, dtype=torch.int64)
    return int(drawn.item())
