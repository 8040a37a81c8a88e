"""Rows for the coefficients ``(fields, m N_1, ...)`` of all vertices of nested levels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import torch

from .block import Block, squared
from .block_memory import BlockMemory
from .separated_rows import SeparatedRow

__all__ = ["DenseBlock"]


class DenseBlock(Block):
    """As :class:`Block`, for the coefficients of all vertices."""

    @abstractmethod
    def diagonal(
        self, resolution: tuple[int, ...], shape: tuple[int, ...], change: Sequence[np.ndarray] | None = None
    ) -> torch.Tensor:
        """Squared column norms for the coefficients of a level, of shape ``shape``.

        With ``change``, one array per axis, for coefficients in another basis (see :func:`vertex_basis`).
        """

    @abstractmethod
    def memory(self, resolution: Sequence[int]) -> BlockMemory:
        """What the block would hold on ``resolution`` cells; scattered points are as many on all."""

    has_levels: ClassVar[bool] = False  # whether the next two are there

    def level_elements(self, resolution: tuple[int, ...]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The Jacobian with respect to the coefficients of a level as dense pieces, as :meth:`elements` has it.

        Parameters
        ----------
        resolution
            Cells of the level, of which those of the block are parts.

        Raises
        ------
        NotImplementedError
            If the block has none.
        """
        raise NotImplementedError(f"{type(self).__name__} has rows for its own level alone")

    def level_products(self, resolution: tuple[int, ...]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The normal matrix of those pieces, as :meth:`products` has it."""
        return squared(self.level_elements(resolution))

    @property
    def separable(self) -> bool:
        """Whether the rows are, or are close to, sums of products of matrices along the axes."""
        return False

    def separated(self, field: str) -> list[SeparatedRow]:
        """Those sums at the last linearisation, for blocks that are separable: what a field has in the rows."""
        return []
