"""Rows that say that something does not jump across a break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from .block import Block
from .block_memory import BlockMemory
from .dense_block import DenseBlock
from .tensor_block import TensorBlock

__all__ = ["JumpBlock"]

FAINT = 1e-8  # of the largest entry: columns of vertices that do not lie on the break


class JumpBlock(DenseBlock):
    """The difference of the same terms on both sides of a break.

    Parameters
    ----------
    left, right
        The terms at points so close to the break that they stand for the limits on either side.
    """

    def __init__(self, left: TensorBlock, right: TensorBlock) -> None:
        self.left, self.right = left, right
        self.terms, self.fields, self.parameters = right.terms, right.fields, right.parameters
        self.scales, self.shape, self.root = right.scales, right.shape, right.root
        self._env = right._env

    def relabel(self, labels: tuple[torch.Tensor, torch.Tensor] | None) -> None:
        """See :meth:`Block.relabel`."""
        for side in (self.left, self.right):
            side.relabel(labels)

    def take_over(self, other: Block) -> None:
        """See :meth:`Block.take_over`."""
        assert isinstance(other, JumpBlock)
        self.left.take_over(other.left)
        self.right.take_over(other.right)

    def linearize(self, coefficients: torch.Tensor, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        """See :meth:`Block.linearize`."""
        both = (side.linearize(coefficients, parameters) for side in (self.right, self.left))
        return [r - s for r, s in zip(*both, strict=True)]

    def forward(self, direction: torch.Tensor, parameters: torch.Tensor) -> list[torch.Tensor]:
        """See :meth:`Block.forward`."""
        both = (side.forward(direction, parameters) for side in (self.right, self.left))
        return [r - s for r, s in zip(*both, strict=True)]

    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        """See :meth:`Block.adjoint`."""
        return self.right.adjoint(rows, out) + self.left.adjoint([-r for r in rows], out)

    def diagonal(
        self, resolution: tuple[int, ...], shape: tuple[int, ...], change: Sequence[np.ndarray] | None = None
    ) -> torch.Tensor:
        """See :meth:`DenseBlock.diagonal`; columns with entries on both sides count as two."""
        return self.left.diagonal(resolution, shape, change) + self.right.diagonal(resolution, shape, change)

    def parameter_diagonal(self) -> torch.Tensor:
        """See :meth:`Block.parameter_diagonal`; as :meth:`diagonal`."""
        return self.left.parameter_diagonal() + self.right.parameter_diagonal()

    def memory(self, resolution: Sequence[int]) -> BlockMemory:
        """See :meth:`DenseBlock.memory`."""
        return self.left.memory(resolution) + self.right.memory(resolution)

    def elements(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """See :meth:`Block.elements`."""
        for (left, of_left), (right, of_right) in zip(self.left.elements(), self.right.elements(), strict=True):
            columns, rows = torch.cat([left, right], 1), torch.cat([-of_left, of_right], 2)
            sizes = rows.abs().amax((0, 1))
            kept = torch.nonzero(sizes > FAINT * sizes.max())[:, 0]
            yield columns[:, kept], rows[:, :, kept]
