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

import torch

from .level_gram import LevelGram

__all__ = ["VertexBlockScaling", "block_scaling"]

FLOOR = 1e-10  # of the eigenvalues of a block, relative to the largest


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
