"""How many numbers the rows of a block need, told by the same block on a few cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hermite_pinn.cuda.encoder.basis import BASES

from .block import Block
from .point_block import PointBlock
from .tensor_block import TensorBlock

__all__ = ["BlockMemory", "block_memory"]


@dataclass(frozen=True)
class BlockMemory:
    """Numbers that a block holds.

    Attributes
    ----------
    kept
        As long as the block lives: work space of its products and square roots of its weights.
    sensitivity
        Derivatives by the jets and parameters, at the last linearisation.
    rows
        One row of each term.
    linearizing, multiplying
        Further ones during a linearisation, and during a product with the transpose.
    """

    kept: float = 0.0
    sensitivity: float = 0.0
    rows: float = 0.0
    linearizing: float = 0.0
    multiplying: float = 0.0

    def __add__(self, other: BlockMemory) -> BlockMemory:
        return BlockMemory(
            self.kept + other.kept,
            self.sensitivity + other.sensitivity,
            self.rows + other.rows,
            max(self.linearizing, other.linearizing),
            max(self.multiplying, other.multiplying),
        )


def block_memory(block: Block, resolution: Sequence[int]) -> BlockMemory:
    """What a block would hold on ``resolution`` cells.

    Parameters
    ----------
    block
        The block on fewer cells; scattered points are as many on all.
    """
    if isinstance(block, PointBlock):
        return _scattered(block)
    assert isinstance(block, TensorBlock)
    return _tensor(block, resolution)


def _scattered(block: PointBlock) -> BlockMemory:
    count, local = len(block.points), (2 * BASES[block.basis].coefficients) ** len(block.axes)
    orders = len({o for t in block.terms for _, o in t.jets})
    return BlockMemory(6.0 * count * local * orders, float(count * len(block.terms)), float(count * len(block.terms)))


def _tensor(block: TensorBlock, resolution: Sequence[int]) -> BlockMemory:
    dim, m = block.dim, BASES[block.basis].coefficients
    shape = [
        len(p) // small * cells if len(p) > 1 else 1
        for p, small, cells in zip(block.points, block.resolution, resolution, strict=True)
    ]
    coefficients = [m * (n + (not a.periodic)) for n, a in zip(resolution, block.axes, strict=True)]
    count = float(math.prod(shape))
    kept = math.prod(n for n, one in zip(shape, block.root.shape, strict=True) if one > 1)
    for nodes in block.nodes:
        for axis in range(dim):
            forward = math.prod(coefficients[:axis]) * math.prod(shape[axis:])
            adjoint = math.prod(coefficients[: axis + 1]) * math.prod(shape[axis + 1 :])
            kept += nodes[axis] * forward + (nodes[axis + 1] * adjoint if axis < dim - 1 else 0)
    leaves = {
        ("coordinate", a.name): tuple(n if i == axis else 1 for axis, n in enumerate(shape))
        for i, a in enumerate(block.axes)
    }
    variables = {jet for t in block.terms for jet in t.variable}
    leaves_of_all = leaves | {("jet", jet): tuple(shape) for jet in variables}
    held = max((t.held(leaves_of_all) for t in block.terms), default=0)
    sensitivity = sum(t.kept(leaves_of_all) for t in block.terms)
    rows = count * len(block.terms)
    jets = count * len(variables)
    scaled = any(s != 1.0 for s in block.scales)
    return BlockMemory(float(kept), float(sensitivity), rows, held + jets + 2 * count, scaled * rows + jets + count)
