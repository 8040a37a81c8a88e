"""What an iteration needs to know of solutions that it is to leave out."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch

__all__ = ["Deflation", "stretch"]

System = TypeVar("System", contravariant=True)

LONGEST = 100.0  # of a step in units of the one that is not deflated


class Deflation(Protocol[System]):
    """A factor of the residuals that is infinite at known solutions and tends to one far away."""

    def prepare(self, system: System) -> None:
        """Find the known solutions among the functions of a system."""

    def factor(self, system: System, vector: torch.Tensor) -> float:
        """The factor at a vector."""

    def slope(self, system: System, vector: torch.Tensor, step: torch.Tensor) -> float:
        """Its derivative along a step, over its value."""


def stretch(along: float, square: float) -> float:
    """Multiple of a step that solves the deflated linear problem best.

    Parameters
    ----------
    along, square
        Inner product of the residuals with their deflated change along the step, and the square of that change.

    Examples
    --------
    A step of Newton's method, which changes residuals r to zero, where the factor grows by three times its value:

    >>> stretch(-1.0 + 3.0, (-1.0 + 3.0) ** 2)
    -0.5
    """
    if not square > 0.0:
        return 1.0
    return max(-LONGEST, min(-along / square, LONGEST))
