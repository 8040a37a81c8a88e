"""Clusters of rows: k-means, as a baseline and as the start of learned codebooks."""

from __future__ import annotations

import torch

__all__ = ["clusters", "nearest"]

ROUNDS = 25
#: Rows from which the first centres are drawn, and distances that are held at a time.
SAMPLE, PIECE = 1 << 13, 1 << 18


def nearest(rows: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of every row the closest centre, int64 (m,), and the squared distance to it, (m,)."""
    index = torch.empty(len(rows), dtype=torch.int64, device=rows.device)
    squares = rows.new_empty(len(rows))
    norms = centres.square().sum(1) / 2
    some = max(1, PIECE // len(centres))
    for part, number, square in zip(rows.split(some), index.split(some), squares.split(some), strict=True):
        number.copy_((norms - part @ centres.T).argmin(1))
        square.copy_((part - centres[number]).square().sum(1))
    return index, squares


def clusters(rows: torch.Tensor, count: int, generator: torch.Generator, rounds: int = ROUNDS) -> torch.Tensor:
    """Centres of k-means (Lloyd's algorithm, first centres by k-means++ from some thousand rows).

    A centre without rows moves to the row that is farthest from its own.

    Parameters
    ----------
    rows
        (m, w).
    count
        Of centres; where there are no more rows than that, these are the centres, and the others are zero.
    generator
        Of the first centres.
    rounds
        At most; it ends before where no row changes.

    Returns
    -------
    Tensor
        (count, w).

    Examples
    --------
    >>> rows = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    >>> clusters(rows, 2, torch.Generator().manual_seed(0)).sort(0).values.ravel()
    tensor([0.0500, 5.0500])
    """
    if len(rows) <= count:
        return torch.cat([rows, rows.new_zeros(count - len(rows), rows.shape[1])])
    centres = _spread(rows, count, generator)
    before = None
    for _ in range(rounds):
        index, squares = nearest(rows, centres)
        if before is not None and bool((index == before).all()):
            break
        before = index
        sums = torch.zeros_like(centres).index_add_(0, index, rows)
        number = torch.bincount(index, minlength=count)
        centres = sums / number.clamp(min=1)[:, None]
        empty = (number == 0).nonzero()[:, 0]
        centres[empty] = rows[squares.topk(len(empty)).indices]
    return centres


def _spread(rows: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """First centres: one after another a random row, likelier the farther it is from those before."""
    drawn = torch.randperm(len(rows), generator=generator)[: max(SAMPLE, 4 * count)].to(rows.device)
    some = rows[drawn].double()
    first = int(torch.randint(len(some), (1,), generator=generator))
    chosen, squares = [first], (some - some[first]).square().sum(1)
    for draw in torch.rand(count - 1, generator=generator, dtype=torch.float64).tolist():
        running = squares.cumsum(0)
        # no row is left over where all are centres: then any will do
        at = min(int(torch.searchsorted(running, draw * float(running[-1]), right=True)), len(some) - 1)
        chosen.append(at)
        squares = torch.minimum(squares, (some - some[at]).square().sum(1))
    return rows[drawn[torch.tensor(chosen, device=rows.device)]].clone()
