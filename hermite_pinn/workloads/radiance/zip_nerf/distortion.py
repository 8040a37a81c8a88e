"""A loss that gathers the weight of each ray in one place."""

from __future__ import annotations

import torch
from torch import Tensor

from .histograms import check_histogram

__all__ = ["distortion_loss"]


def distortion_loss(edges: Tensor, weights: Tensor) -> Tensor:
    """Expected distance of two points drawn by the histogram of a ray, a mean over rays (mip-NeRF 360, equation 15).

    Σ_ij w_i w_j |m_i - m_j| + ⅓ Σ_i w_i² Δ_i with the middles m and lengths Δ of the intervals.  Since middles rise the
    double sum is 2 Σ_i w_i (m_i W_i - M_i), with W_i and M_i the sums of w and w m before i: as many operations as
    intervals.  Middles are taken from the mean of the histogram on, so that the difference is one of small numbers.

    Parameters
    ----------
    edges
        (n, k + 1), rising.
    weights
        (n, k); differentiable in both.

    Raises
    ------
    InvalidArgumentError
        If shapes do not fit.

    Examples
    --------
    >>> edges = torch.tensor([[0.0, 1.0, 2.0]])
    >>> [round(float(distortion_loss(edges, torch.tensor([w]))), 4) for w in ([1.0, 0.0], [0.5, 0.5])]
    [0.3333, 0.6667]
    """
    check_histogram(edges, weights)
    lengths, middles = edges.diff(), (edges[:, 1:] + edges[:, :-1]) / 2
    with torch.no_grad():
        total = weights.sum(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
        centre = (weights * middles).sum(1, keepdim=True) / total
    m = middles - centre
    before = torch.cumsum(weights, 1) - weights
    moment = torch.cumsum(weights * m, 1) - weights * m
    return (2 * weights * (m * before - moment) + weights**2 * lengths / 3).sum(1).mean()
