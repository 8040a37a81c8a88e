"""Blocks of the normal matrix at the vertices of cut cells, as a preconditioner.

Near a boundary that cuts cells, functions of one vertex that differ outside are nearly dependent inside, which scaling
the columns to unit norm cannot see.  The block of ``J^T J`` that belongs to a vertex of a touched cell is therefore
scaled to unit diagonal and diagonalised, ``D B D = V L V^T``, and ``T = D V L^(-1/2)`` makes its coefficients
orthonormal; eigenvalues below 1e-10 of the largest are raised to that.  Elsewhere the block is diagonal by symmetry.
On levels below the finest the rows of the equations are those at the Gauss points of the level itself, which
approximate the same integrals; rows on the boundary are those of the finest level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .cell_channels import TimeRule
from .cut_block import CutBlock
from .level_cells import LevelCells

__all__ = ["VertexBlockScaling", "LevelGram", "block_scaling"]

FLOOR = 1e-10  # of the eigenvalues of a block, relative to the largest


class LevelGram:
    """Squared column norms and vertex blocks of one level, summed up from blocks of rows.

    Parameters
    ----------
    level
        The cells.
    fields, times
        Numbers of fields and of coefficients along time.

    Attributes
    ----------
    squares
        Squared column norms (fields, V m**d, times), float64.
    blocks
        Of the vertices of touched cells, (touched vertices, times, fields m**d, fields m**d).
    vertices
        Their numbers.
    """

    def __init__(self, level: LevelCells, fields: int, times: int) -> None:
        self.level, self.fields, self.times = level, fields, times
        own = fields * level.record
        self.vertices = np.unique(level.corners[level.touched])
        self._slot = np.full(level.count, len(self.vertices), dtype=np.int64)  # the last row takes the others
        self._slot[self.vertices] = np.arange(len(self.vertices))
        self.squares = torch.zeros(fields, level.count * level.record, times, dtype=torch.float64)
        self.blocks = torch.zeros(len(self.vertices), times, own, own, dtype=torch.float64)

    def add(self, block: CutBlock) -> None:
        """Add the rows of a block on this level, linearised."""
        level, own = self.level, self.fields * self.level.record
        sums: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}
        for group, part in block.pieces():
            corners = torch.as_tensor(block.points.corners[group][part])
            rows = {
                o: r.reshape(r.shape[0], -1, self.fields, 2**level.dim, level.record).transpose(2, 3).flatten(3)
                for o, r in block.local_rows(part, group)
            }  # (C, rows, corners, fields * records)
            touched = torch.as_tensor(self._slot)[corners] < len(self.vertices)
            for o, a in rows.items():
                for p, b in rows.items():
                    if p < o:
                        continue
                    if (o, p) not in sums:
                        sums[o, p] = (
                            torch.zeros(level.count, own, dtype=torch.float64),
                            torch.zeros(len(self.vertices) + 1, own, own, dtype=torch.float64),
                        )
                    squares, blocks = sums[o, p]
                    factor = 1.0 if o == p else 2.0
                    squares.index_add_(0, corners.reshape(-1), factor * (a * b).sum(1).reshape(-1, own))
                    near = touched.any(1)
                    if near.any():
                        products = torch.einsum("cqka,cqkb->ckab", a[near], b[near])
                        if o != p:
                            products = products + products.mT
                        slots = torch.as_tensor(self._slot)[corners[near]]
                        blocks.index_add_(0, slots.reshape(-1), products.reshape(-1, own, own))
        for (o, p), (squares, blocks) in sums.items():
            along = self._along(block.rule, o, p)
            by_record = squares.reshape(level.count, self.fields, level.record).transpose(0, 1)
            self.squares += by_record.reshape(self.fields, -1, 1) * along
            self.blocks += blocks[:-1, None] * along[:, None, None]

    @staticmethod
    def _along(rule: TimeRule | None, o: int, p: int) -> torch.Tensor:
        """Products of the rows in time, by coefficient."""
        if rule is None:
            return torch.ones(1, dtype=torch.float64)
        a, b = rule.rows.matrices[o], rule.rows.matrices[p]
        return torch.as_tensor(np.asarray(a.multiply(b).T @ rule.weights).ravel())


@dataclass(frozen=True)
class VertexBlockScaling:
    """Variables in which columns have unit norm and the blocks of vertices are orthonormal; a :class:`Scaling`.

    Attributes
    ----------
    columns
        One over the norms of the columns; 0 for fixed unknowns.
    places
        Numbers of the unknowns of every block, (blocks, size).
    factors
        The unknowns of a block from its variables, (blocks, size, size).
    damping
        Of the linearised problem.
    """

    columns: torch.Tensor
    places: torch.Tensor
    factors: torch.Tensor
    damping: float

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        x = y * self.columns
        x[self.places] = torch.matmul(self.factors, y[self.places].unsqueeze(-1)).squeeze(-1)
        return x

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        out = gradient * self.columns
        out[self.places] = torch.matmul(self.factors.mT, gradient[self.places].unsqueeze(-1)).squeeze(-1)
        return out


def block_scaling(
    grams: Sequence[LevelGram], starts: Sequence[int], columns: torch.Tensor, damping: float
) -> VertexBlockScaling:
    """The scaling by the blocks of some levels.

    Parameters
    ----------
    starts
        By level, the number of its first unknown.
    columns
        The column scale; unknowns where it is 0 stay 0.
    """
    places, factors = [], []
    for gram, start in zip(grams, starts, strict=True):
        if not len(gram.vertices):
            continue
        level, fields, times = gram.level, gram.fields, gram.times
        vertex = torch.as_tensor(gram.vertices)[:, None, None, None]
        time = torch.arange(times)[None, :, None, None]
        field = torch.arange(fields)[None, None, :, None]
        record = torch.arange(level.record)
        at = start + (field * level.count * level.record + vertex * level.record + record) * times + time
        places.append(at.reshape(-1, fields * level.record))
        factors.append(_factors(gram.blocks.flatten(0, 1), columns.cpu()[places[-1]]))
    size = grams[0].fields * grams[0].level.record
    none = torch.zeros(0, size, dtype=torch.int64), torch.zeros(0, size, size, dtype=torch.float64)
    every = torch.cat(places or [none[0]]), torch.cat(factors or [none[1]])
    return VertexBlockScaling(columns, every[0].to(columns.device), every[1].to(columns), damping)


def _factors(blocks: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """``D V L^(-1/2)`` of every block, with D the column scale."""
    scaled = blocks * columns[:, :, None] * columns[:, None, :]
    values, vectors = torch.linalg.eigh(scaled)
    least = FLOOR * values[:, -1:].clamp(min=1e-300)
    return columns[:, :, None] * vectors * values.maximum(least).rsqrt()[:, None, :]
