"""Losses that make proposals follow the field that they propose for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .histograms import check_histogram

__all__ = ["INTERLEVEL_LOSSES", "blurred_masses", "distillation_loss", "shortfall", "similarity_loss", "spline_loss"]

#: Keeps quotients finite where a proposal has no weight.
SMALL = 1e-5


def blurred_masses(edges: Tensor, weights: Tensor, at: Tensor, half_width: float) -> Tensor:
    """How much of histograms, convolved with a box, lies between other edges.

    The cumulated histogram F is linear between its edges, so its integral G is quadratic, and the cumulated histogram
    after the convolution is (G(x + r) - G(x - r))/(2 r): a quadratic spline, without sorting.

    Parameters
    ----------
    edges, weights
        (n, k + 1) and (n, k), weights not negative.
    at
        (n, m + 1), rising.
    half_width
        r, positive.

    Returns
    -------
    Tensor
        (n, m), not negative, without gradient; their sum is that of the weights if ``at`` reaches r beyond the edges.

    Examples
    --------
    >>> blurred_masses(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0]]), torch.tensor([[-1.0, 0.0, 2.0]]), 1.0)
    tensor([[0.2500, 0.7500]])
    """
    check_histogram(edges, weights)
    with torch.no_grad():
        x, w, to = edges.double().contiguous(), weights.double(), at.double()
        heights = torch.cat([w.new_zeros(len(w), 1), w.cumsum(1)], 1)
        areas = (heights[:, 1:] + heights[:, :-1]) / 2 * x.diff()
        sums = torch.cat([w.new_zeros(len(w), 1), areas.cumsum(1)], 1)
        upper, lower = (_integral(x, heights, sums, to + shift) for shift in (half_width, -half_width))
        return ((upper - lower) / (2 * half_width)).diff(dim=1).clamp_min(0).to(weights)


def _integral(x: Tensor, heights: Tensor, sums: Tensor, at: Tensor) -> Tensor:
    """The integral up to ``at`` of the function that is linear between (x, heights), 0 before and constant behind."""
    right = torch.searchsorted(x, at, right=True).clamp(1, x.shape[1] - 1)
    left = right - 1
    start, low = x.gather(1, left), heights.gather(1, left)
    length = (x.gather(1, right) - start).clamp_min(1e-300)
    inside = torch.minimum((at - start).clamp_min(0), length)
    slope = (heights.gather(1, right) - low) / length
    beyond = (at - x[:, -1:]).clamp_min(0) * heights[:, -1:]
    return sums.gather(1, left) + inside * (low + slope * inside / 2) + beyond


def spline_loss(edges: Tensor, weights: Tensor, proposed: Tensor, guess: Tensor, half_width: float) -> Tensor:
    """The anti-aliased loss of Zip-NeRF: where a proposal has less than the field's blurred histogram.

    Σ max(0, w - p)²/(p + 10⁻⁵) over the intervals of the proposal, as a mean over rays, w by :func:`blurred_masses`;
    no gradient goes to the field.

    Parameters
    ----------
    edges, weights
        The field's histogram, (n, k + 1) and (n, k).
    proposed, guess
        The proposal's, (n, m + 1) and (n, m); differentiable in ``guess``.
    half_width
        Of the box that blurs, in the unit of the edges.

    Examples
    --------
    >>> edges, weights = torch.tensor([[0.0, 0.5, 1.0]]), torch.tensor([[0.0, 1.0]])
    >>> [round(float(spline_loss(edges, weights, edges, torch.tensor([g]), 0.03)), 2) for g in ([0.1, 1.0], [1.0, 0.5])]
    [0.0, 0.44]
    """
    wanted = blurred_masses(edges, weights, proposed, half_width)
    return ((wanted - guess).clamp_min(0) ** 2 / (guess + SMALL)).sum(1).mean()


def distillation_loss(edges: Tensor, weights: Tensor, proposed: Tensor, guess: Tensor, half_width: float) -> Tensor:
    """Kullback-Leibler divergence of a proposal from the field's blurred histogram, and their squared differences.

    With q = w + 10⁻⁵ and g = p + 10⁻⁵ it is Σ q log(q/g) - q + g, which is not negative also where the sums differ,
    plus Σ (w - p)²; as :func:`spline_loss` else.
    """
    wanted = blurred_masses(edges, weights, proposed, half_width)
    q, g = wanted + SMALL, guess + SMALL
    return (q * (q / g).log() - q + g + (wanted - guess) ** 2).sum(1).mean()


def similarity_loss(edges: Tensor, weights: Tensor, proposed: Tensor, guess: Tensor, half_width: float) -> Tensor:
    """One minus the cosine between a proposal and the field's blurred histogram, weighed by the ray's opacity.

    It does not see how large the proposal's weights are together; as :func:`spline_loss` else.
    """
    wanted = blurred_masses(edges, weights, proposed, half_width)
    cosine = torch.nn.functional.cosine_similarity(wanted, guess, dim=1, eps=SMALL)
    return ((1 - cosine) * wanted.sum(1)).mean()


INTERLEVEL_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]] = {
    "spline": spline_loss,
    "distillation": distillation_loss,
    "similarity": similarity_loss,
}


def shortfall(edges: Tensor, weights: Tensor, proposed: Tensor, guess: Tensor) -> Tensor:
    """How much of the field's weight proposals do not cover, a mean over rays from 0 to 1, without gradient.

    A proposal covers an interval of the field if the proposal's intervals that touch it have as much weight together
    (the bound of mip-NeRF 360).

    Examples
    --------
    >>> edges = torch.tensor([[0.0, 0.5, 1.0]])
    >>> float(shortfall(edges, torch.tensor([[0.0, 0.9]]), edges, torch.tensor([[0.5, 0.4]])))
    0.5
    """
    check_histogram(proposed, guess)
    with torch.no_grad():
        heights = torch.cat([guess.new_zeros(len(guess), 1), guess.cumsum(1)], 1)
        given, last = proposed.contiguous(), guess.shape[1]
        first = (torch.searchsorted(given, edges[:, :-1].contiguous(), right=True) - 1).clamp(0, last)
        end = torch.searchsorted(given, edges[:, 1:].contiguous()).clamp(0, last)
        bound = heights.gather(1, torch.maximum(end, first)) - heights.gather(1, first)
        return (weights - bound).clamp_min(0).sum(1).mean()
