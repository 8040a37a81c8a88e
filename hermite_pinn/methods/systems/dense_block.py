"""Rows for the coefficients ``(fields, m N_1, ...)`` of all vertices of nested levels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch

from .block import Block
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

    @property
    def separable(self) -> bool:
        """Whether the rows are, or are close to, sums of products of matrices along the axes."""
        return False

    def separated(self, field: str) -> list[SeparatedRow]:
        """Those sums at the last linearisation, for blocks that are separable: what a field has in the rows."""
        return []
