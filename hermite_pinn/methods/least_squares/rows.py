"""Rows of a least-squares problem: lists of tensors, and their inner product."""

from __future__ import annotations

import torch

__all__ = ["Rows", "dot", "vdot"]

Rows = list[torch.Tensor]


def vdot(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Inner product of two tensors of one shape, accumulated in float64: a tensor without axes on their device."""
    if u.dtype != torch.float64:
        return torch.sum(u * v, dtype=torch.float64)
    return torch.vdot(u.reshape(-1), v.reshape(-1))


def dot(a: Rows, b: Rows) -> torch.Tensor:
    """Inner product of two lists of tensors, accumulated in float64: a tensor without axes on their device."""
    parts = [vdot(u, v) for u, v in zip(a, b, strict=True)]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum()
