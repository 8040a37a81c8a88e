"""Channels of a tensor-product grid at tensor-product points, axis by axis."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch

from hermite_pinn.cuda.encoder.channels import Channels

from .axis import AxisMatrix

__all__ = ["SumFactorization"]


class SumFactorization:
    """Derivative channels of coefficients ``(m N_1, ..., m N_d)`` at the points of a tensor grid, and the transpose.

    One 1-D matrix is applied per axis and stage of the contraction of the channels, so ``n`` points cost O(n)
    operations with a small constant and no index arrays.

    Parameters
    ----------
    axes
        Per axis the evaluation matrices by derivative order (see
        :func:`~hermite_pinn.cuda.tensor_grid.axis.evaluation_matrix`).
    channels
        What to evaluate.
    """

    def __init__(self, axes: Sequence[AxisMatrix], channels: Channels) -> None:
        self.plan = channels.contraction
        self.axes = [matrix.weighted((t.order, t.weight) for t in self.plan.terms[i]) for i, matrix in enumerate(axes)]
        self._buffers: dict[Hashable, torch.Tensor] = {}

    def _buffer(self, key: Hashable, shape: Sequence[int], like: torch.Tensor) -> torch.Tensor:
        buffer = self._buffers.get(key)
        if buffer is None or buffer.shape != torch.Size(shape):
            buffer = self._buffers[key] = torch.empty(tuple(shape), dtype=like.dtype, device=like.device)
        return buffer

    def forward(self, coefficients: torch.Tensor) -> list[torch.Tensor]:
        """Channels at the points, in buffers that the next call overwrites."""
        below = [coefficients]
        for axis in reversed(range(len(self.axes))):
            matrix, outputs = self.axes[axis], []
            for node in range(self.plan.nodes[axis]):
                terms = [((t.order, t.weight), below[t.source]) for t in self.plan.terms[axis] if t.node == node]
                shape = list(terms[0][1].shape)
                shape[axis] = matrix.shape[0]
                outputs.append(matrix.apply(terms, axis, self._buffer(("forward", axis, node), shape, coefficients)))
            below = outputs
        return below

    def adjoint(
        self, channels: Sequence[torch.Tensor], out: torch.Tensor | None = None, add: bool = False
    ) -> torch.Tensor:
        """Transpose of :meth:`forward`, written or added to ``out``."""
        above = list(channels)
        for axis in range(len(self.axes)):
            matrix, outputs = self.axes[axis].transposed, []
            last = axis == len(self.axes) - 1
            for source in range(self.plan.nodes[axis + 1]):
                terms = [((t.order, t.weight), above[t.node]) for t in self.plan.terms[axis] if t.source == source]
                shape = list(terms[0][1].shape)
                shape[axis] = matrix.shape[0]
                if last:
                    outputs.append(matrix.apply(terms, axis, out, add))
                else:
                    buffer = self._buffer(("adjoint", axis, source), shape, above[0])
                    outputs.append(matrix.apply(terms, axis, buffer))
            above = outputs
        return above[0]
