"""Several solutions, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .solution import Solution

__all__ = ["Several"]


class Several(Sequence[Solution]):
    """A sequence of solutions: what :class:`.Branch` and :class:`.Spectrum` share.

    Attributes
    ----------
    solutions
        One :class:`Solution` for each.
    """

    def __init__(self, solutions: Sequence[Solution]) -> None:
        self.solutions = tuple(solutions)

    def __len__(self) -> int:
        return len(self.solutions)

    def __getitem__(self, chosen: Any) -> Any:
        """A solution, or several by a slice."""
        return self.solutions[chosen]

    def __iter__(self) -> Iterator[Solution]:
        return iter(self.solutions)
