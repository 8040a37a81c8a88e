"""Codebooks and the logits that choose from them: hard choices forward, soft ones backward."""

from __future__ import annotations

import torch

__all__ = ["codebook_gradient", "halved", "logit_gradient", "piece_rows"]

#: Numbers of a softmax that are held at a time: they fit a cache.
PIECE = 1 << 17


def piece_rows(size: int) -> int:
    """Rows of ``size`` logits that are treated at a time."""
    return max(1, PIECE // size)


def halved(numbers: torch.Tensor) -> torch.Tensor:
    """Numbers rounded to half precision, as a file has them."""
    return numbers.to(torch.float16).to(numbers.dtype)


def logit_gradient(
    logits: torch.Tensor, codebook: torch.Tensor, gradient: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """Gradient by logits as if rows were ``softmax(logits / temperature) @ codebook``.

    Parameters
    ----------
    logits
        (u, k).
    codebook
        (k, w).
    gradient
        Of the loss by the rows, (u, w).
    temperature
        Positive.

    Returns
    -------
    Tensor
        (u, k); its rows sum to zero.

    Examples
    --------
    >>> book = torch.tensor([[0.0], [1.0]])
    >>> logit_gradient(torch.zeros(1, 2), book, torch.ones(1, 1))
    tensor([[-0.2500,  0.2500]])
    """
    weights = torch.softmax(logits / temperature, 1)
    by_weight = gradient @ codebook.T
    mean = torch.linalg.vecdot(weights, by_weight)
    return by_weight.sub_(mean[:, None]).mul_(weights).div_(temperature)


def codebook_gradient(index: torch.Tensor, gradient: torch.Tensor, size: int) -> torch.Tensor:
    """Gradient by a codebook of which rows were read: sums of the gradients of the rows by entry, (size, w)."""
    return gradient.new_zeros(size, gradient.shape[1]).index_add_(0, index, gradient)
