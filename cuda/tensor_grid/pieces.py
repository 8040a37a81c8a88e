"""An axis in pieces: cells that end at breaks, and coefficients of its own for each piece.

At a break the vertex is there twice, once for each piece, so that a function and all of its derivatives may jump
there.  :class:`Ties` takes back what does not jump: of a field with k derivatives across the break, the value and the
derivatives below order k are those of the left piece.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sparse
import torch

from .axis import AxisMatrix, cell_matrix, prolongation_matrix

__all__ = ["Pieces", "Ties"]


@dataclass(frozen=True)
class Pieces:
    """Where an axis begins, breaks and ends.

    Parameters
    ----------
    knots
        Ascending, in the user's units, both ends included.

    Examples
    --------
    >>> axis = Pieces((0.0, 0.4, 1.0))
    >>> axis.cells(5), axis.cells(10), axis.vertices(5).tolist()
    ((2, 3), (4, 6), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    """

    knots: tuple[float, ...]

    @property
    def lengths(self) -> tuple[float, ...]:
        """Of the pieces."""
        return tuple(b - a for a, b in itertools.pairwise(self.knots))

    @property
    def breaks(self) -> tuple[float, ...]:
        """The inner knots."""
        return self.knots[1:-1]

    def cells(self, total: int) -> tuple[int, ...]:
        """How many of ``total`` cells a piece has: about in proportion, one at least; of 2n twice as many as of n."""
        return _shares(self.lengths, total)

    def vertices(self, total: int) -> np.ndarray:
        """Positions of the vertices of ``total`` cells, those on breaks once, float64, (total + 1,)."""
        parts = [
            np.linspace(a, b, n + 1)[:-1]
            for (a, b), n in zip(itertools.pairwise(self.knots), self.cells(total), strict=True)
        ]
        return np.append(np.concatenate(parts), self.knots[-1])

    def count(self, total: int) -> int:
        """Number of vertices, those on breaks twice; both ends count, also on a periodic axis."""
        return total + len(self.breaks) + 1

    def pairs(self, total: int, periodic: bool) -> tuple[tuple[int, int, float], ...]:
        """By break the two vertices, and the length of a cell on its right relative to one on its left.

        On a periodic axis the ends are one more.
        """
        shares = self.cells(total)
        ends = np.cumsum([n + 1 for n in shares])
        sizes = [length / n for length, n in zip(self.lengths, shares, strict=True)]
        both = zip(ends.tolist(), itertools.pairwise(sizes), strict=False)
        inner = tuple((e - 1, e, right / left) for e, (left, right) in both)
        return (*inner, (int(ends[-1]) - 1, 0, sizes[0] / sizes[-1])) if periodic else inner

    def merged(self, total: int, periodic: bool) -> np.ndarray:
        """By vertex its number where the two of a break are one, int64."""
        numbers = np.arange(self.count(total))
        for _, right, _ in self.pairs(total, False):
            numbers[right:] -= 1
        return numbers % total if periodic else numbers

    def parts(self, total: int) -> tuple[slice, ...]:
        """By piece its vertices."""
        ends = np.cumsum([n + 1 for n in self.cells(total)]).tolist()
        return tuple(slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True))

    def located(self, points: np.ndarray, total: int, periodic: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """By point the vertex on the left, the position in the cell from 0 to 1, and cells per unit of length."""
        x = np.asarray(points, dtype=float)
        if periodic:
            length = self.knots[-1] - self.knots[0]
            x = x - length * np.floor((x - self.knots[0]) / length)
        knots, shares = np.array(self.knots), np.array(self.cells(total))
        piece = np.searchsorted(knots[1:-1], x, side="right")
        scale = shares[piece] / np.array(self.lengths)[piece]
        along = (x - knots[piece]) * scale
        cell = np.clip(np.floor(along), 0, shares[piece] - 1).astype(np.int64)
        first = np.concatenate([[0], np.cumsum(shares + 1)[:-1]])
        return first[piece] + cell, along - cell, scale

    def evaluation(
        self,
        basis: str,
        total: int,
        periodic: bool,
        points: np.ndarray,
        orders: Sequence[int],
        row_weights: np.ndarray | None = None,
    ) -> AxisMatrix:
        """As :func:`.evaluation_matrix`, for coefficients of all vertices, those on breaks twice."""
        left, inside, scale = self.located(points, total, periodic)
        return cell_matrix(basis, self.count(total), left, inside, scale, orders, row_weights)

    def prolongation(self, basis: str, coarse: int, fine: int) -> AxisMatrix:
        """As :func:`.prolongation_matrix`, piece by piece."""
        both = zip(self.cells(coarse), self.cells(fine), strict=True)
        parts = [prolongation_matrix(basis, a, b, False).matrices[0] for a, b in both]
        matrix = sparse.csr_matrix(sparse.block_diag(parts, format="csr"))
        matrix.sort_indices()
        return AxisMatrix({0: matrix})


@lru_cache(maxsize=512)
def _shares(lengths: tuple[float, ...], total: int) -> tuple[int, ...]:
    """Cells by piece; those of an even number are twice those of its half where every piece has one then."""
    pieces = len(lengths)
    if total < pieces:
        raise ValueError(f"an axis of {pieces} pieces needs as many cells, got {total}")
    if total % 2 == 0 and total // 2 >= pieces:
        return tuple(2 * n for n in _shares(lengths, total // 2))
    shares = [1] * pieces
    for _ in range(total - pieces):  # where cells are longest
        sizes = [round(length / n / sum(lengths), 12) for length, n in zip(lengths, shares, strict=True)]
        shares[sizes.index(max(sizes))] += 1
    return tuple(shares)


class Ties:
    """What fields have in common on both sides of breaks, for coefficients (fields, m N_1, ..., m N_d) of a level.

    Parameters
    ----------
    pieces
        By axis, or None where it has no breaks.
    cells
        Of the level.
    orders
        By field and axis, the number of derivatives, the value included, that do not jump.
    m
        Coefficients per vertex and axis.
    periodic
        By axis; none of them where it is left out.

    Examples
    --------
    >>> ties = Ties([Pieces((0.0, 0.5, 1.0))], (2,), [(1,)], 2)
    >>> c = torch.arange(8.0)[None]  # two coefficients of four vertices
    >>> ties.expanded(c).tolist()  # the value on the right of the break is that on the left
    [[0.0, 1.0, 2.0, 3.0, 2.0, 5.0, 6.0, 7.0]]
    >>> ties.folded(torch.ones(1, 8)).tolist()
    [[1.0, 1.0, 2.0, 1.0, 0.0, 1.0, 1.0, 1.0]]
    """

    def __init__(
        self,
        pieces: Sequence[Pieces | None],
        cells: Sequence[int],
        orders: Sequence[Sequence[int]],
        m: int,
        periodic: Sequence[bool] | None = None,
    ) -> None:
        wraps = [False] * len(pieces) if periodic is None else list(periodic)
        self._members: list[tuple[int, int, int, int, float]] = []  # field, axis, left, right, factor
        for f, by_axis in enumerate(orders):
            for axis, (own, n, tied) in enumerate(zip(pieces, cells, by_axis, strict=True)):
                for left, right, ratio in () if own is None else own.pairs(n, wraps[axis]):
                    for a in range(min(tied, m)):
                        self._members.append((f, axis, left * m + a, right * m + a, ratio**a))

    def expanded(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Set the coefficients on the right of breaks to those on the left, in place."""
        for f, axis, left, right, factor in self._members:
            own = coefficients[f]
            own.select(axis, right).copy_(own.select(axis, left) * factor)
        return coefficients

    def folded(self, gradient: torch.Tensor, power: int = 1) -> torch.Tensor:
        """The transpose, in place: add what belongs to the right to the left, and set it to zero.

        With a ``power``, factors are taken to it: squares of columns are added so where no row has both.
        """
        for f, axis, left, right, factor in reversed(self._members):
            own = gradient[f]
            own.select(axis, left).add_(own.select(axis, right), alpha=factor**power)
            own.select(axis, right).zero_()
        return gradient

    def marked(self, mask: torch.Tensor) -> torch.Tensor:
        """Mark what is no unknown of its own, in place."""
        for f, axis, _, right, _ in self._members:
            mask[f].select(axis, right).fill_(True)
        return mask

    def labels(self, shape: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Of every coefficient of a flattened level the one that it is a multiple of, and the factor."""
        own = torch.arange(int(np.prod(shape)), dtype=torch.float64).reshape(tuple(shape))
        number, factor = own.clone(), torch.ones_like(own)
        for f, axis, left, right, ratio in self._members:
            number[f].select(axis, right).copy_(number[f].select(axis, left))
            factor[f].select(axis, right).copy_(factor[f].select(axis, left) * ratio)
        return number.reshape(-1).to(torch.int64), factor.reshape(-1)
