"""Parts of the normal matrix of one compact level: column norms, and blocks of the vertices of cut cells."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from .cell_channels import TimeRule
from .level_cells import LevelCells

__all__ = ["LevelGram"]


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

    def add(
        self, pieces: Iterable[tuple[np.ndarray, Iterable[tuple[int, torch.Tensor]]]], rule: TimeRule | None
    ) -> None:
        """Add rows of cells, piece by piece.

        Parameters
        ----------
        pieces
            Of some cells the numbers (C, 2 ** d) of their vertices, and orders of differentiation in time with their
            rows (C, Q, terms, fields, 2 ** d m ** d) by the coefficients over space.
        rule
            Points in time, None without time.
        """
        level, own = self.level, self.fields * self.level.record
        sums: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}
        for numbers, by_order in pieces:
            corners = torch.as_tensor(numbers)
            rows = {
                o: r.reshape(r.shape[0], -1, self.fields, 2**level.dim, level.record).transpose(2, 3).flatten(3)
                for o, r in by_order
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
            along = self._along(rule, o, p)
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
