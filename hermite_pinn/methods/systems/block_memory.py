"""How many numbers the rows of a block need."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BlockMemory"]


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
