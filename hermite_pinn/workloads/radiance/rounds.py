"""Densities along rays from the front, in rounds, so that nothing is asked behind what cannot be seen through."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hermite_pinn.cuda.rays.samples import Samples

__all__ = ["Asked", "asked_in_rounds"]

FIRST = 16  # samples of a ray in the first round; later ones take twice as many each
MARGIN = (
    1.01  # of the optical depth at which a ray ends, so that compositing, which rounds otherwise, never reaches further
)


@dataclass(frozen=True)
class Asked:
    """What a network said of the samples in front.

    Attributes
    ----------
    sigma
        (total,): densities; 0 for samples that were not asked for.
    hidden
        (units, asked): what the network said, in the order in which it was asked.
    column
        (total,), int64: where in ``hidden`` a sample is.
    """

    sigma: Tensor
    hidden: Tensor
    column: Tensor

    def of(self, index: Tensor) -> Tensor:
        """What the network said of samples (n,) that were asked for, (units, n)."""
        return self.hidden.index_select(1, self.column.index_select(0, index))


@torch.no_grad()
def asked_in_rounds(
    samples: Samples, hidden: Callable[[Tensor], Tensor], density: Callable[[Tensor], Tensor], least: float
) -> Asked:
    """Ask for the samples of every ray up to where less than ``least`` comes through; without gradients.

    Compositing sees the same numbers as if all samples had been asked for.

    Parameters
    ----------
    samples
        Of n rays.
    hidden
        Of points (3, k), (units, k).
    density
        Of what is hidden, (k,).
    least
        Transmittance behind which nothing is seen; 0: all samples are asked for.
    """
    counts, starts = samples.counts, samples.offsets[:-1]
    last = MARGIN * -math.log(least) if least > 0 else math.inf
    sigma, optical = torch.zeros_like(samples.t), samples.t.new_zeros(len(counts))
    column = torch.zeros_like(samples.rays)
    alive = (counts > 0).nonzero()[:, 0]
    pieces, asked, done, size = [], 0, 0, FIRST
    while len(alive):
        number = (counts[alive] - done).clamp_max(size)
        ends = number.cumsum(0)
        index = torch.repeat_interleave(starts[alive] + done - (ends - number), number)
        index += torch.arange(len(index), device=index.device)
        said = hidden(samples.positions.index_select(1, index))
        found = density(said)
        pieces.append(said)
        sigma.index_copy_(0, index, found)
        column.index_copy_(0, index, torch.arange(asked, asked + len(index), device=index.device))
        optical.index_add_(0, samples.rays.index_select(0, index), found * samples.dt.index_select(0, index))
        asked, done, size = asked + len(index), done + size, 2 * size
        alive = alive[(optical[alive] <= last) & (counts[alive] > done)]
    empty = samples.positions[:, :0]
    return Asked(sigma, torch.cat(pieces, 1) if pieces else hidden(empty), column)
