"""Samples of many rays, one ray after another without gaps."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Samples", "offsets_of"]


def offsets_of(counts: torch.Tensor) -> torch.Tensor:
    """Where each ray begins, and where the last one ends: (n + 1,) of counts (n,), int64.

    Examples
    --------
    >>> offsets_of(torch.tensor([2, 0, 3]))
    tensor([0, 2, 2, 5])
    """
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


@dataclass(frozen=True)
class Samples:
    """Samples of ``n`` rays in dense arrays.

    Attributes
    ----------
    offsets
        (n + 1,), int64: ray ``r`` has the samples from ``offsets[r]`` to ``offsets[r + 1]``, the nearest first.
    rays
        (total,), int64: the ray of every sample.
    t, dt
        (total,): distance along the ray in units of its direction, and length of the interval.
    positions
        (3, total); differentiable in origins and directions, ``t`` being constant.
    """

    offsets: torch.Tensor
    rays: torch.Tensor
    t: torch.Tensor
    dt: torch.Tensor
    positions: torch.Tensor

    @property
    def counts(self) -> torch.Tensor:
        """(n,): samples of every ray."""
        return self.offsets.diff()

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.t)
