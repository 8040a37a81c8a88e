"""What is needed of a linearised part of a field: products with the Jacobian of rows, without its matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from .tree import Tree

__all__ = ["RowProducts"]

FEW = 256  # points whose rows are held at a time


class RowProducts(ABC):
    """Products with the Jacobian of rows at points by the parameters of a part of a field.

    Row ``t`` at point ``q`` is a weighted sum of the jets of the part at the point.  There are (terms, n) rows; a
    direction and the output of a transposed product are trees whose paths are relative to the part, and hold some of
    its parameters or all.  Nothing here is differentiable.
    """

    @abstractmethod
    def forward(self, direction: Tree) -> torch.Tensor | None:
        """Derivative of the rows, (terms, n), along a direction of some parameters; None if none of them is here."""

    @abstractmethod
    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        """Add the transposed product with ``rows``, (terms, n), to the parameters in ``out``."""

    @abstractmethod
    def squares(self, out: Tree) -> None:
        """Add the sums of the squares of the Jacobian's columns to the parameters in ``out``."""

    @abstractmethod
    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        """The Jacobian at some of the points by one parameter: per term a matrix (points, elements)."""

    def summed_squares(self, taps: int, count: int, out: Tree) -> None:
        """:meth:`squares` of rows that are sums over ``taps`` blocks of ``count`` points each, one after another."""
        for path, total in out.items():
            for start in range(0, count, FEW):
                stop = min(start + FEW, count)
                parts = [self.dense(path, slice(k * count + start, k * count + stop)) for k in range(taps)]
                for matrices in zip(*parts, strict=True):
                    rows = sum(matrices[1:], matrices[0])
                    total.add_(rows.square().sum(0).view(total.shape))
