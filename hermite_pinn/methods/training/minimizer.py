"""What minimises a smooth function step by step, and can be saved between two steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["REMEMBERED", "Evaluation", "Minimizer"]

#: Evaluations of the last line search that need not be repeated.
REMEMBERED = 8


@dataclass(frozen=True)
class Evaluation:
    """Value and gradient of the function at a point, with whatever else the function reports."""

    value: float
    gradient: torch.Tensor
    report: dict[str, float]


class Minimizer(ABC):
    """A descent method in one vector of unknowns.

    Parameters
    ----------
    function
        Maps a point (n,), float64, to an :class:`Evaluation`.
    start
        First point.

    Attributes
    ----------
    z
        The point of the last step.
    current
        The function there.
    evaluations
        How often the function was called.
    factor
        A power of two with which values and gradients are multiplied inside, so that absolute thresholds do not matter.
    """

    def __init__(self, function: Callable[[torch.Tensor], Evaluation], start: torch.Tensor, factor: float) -> None:
        self.function, self.factor = function, factor
        self.z = start.detach().clone()
        self.evaluations = 0
        self._seen: list[tuple[torch.Tensor, Evaluation]] = []
        self.current = self._evaluate()

    def _evaluate(self) -> Evaluation:
        """The function at the point, remembered."""
        for z, earlier in self._seen:
            if torch.equal(z, self.z):
                return earlier
        self.evaluations += 1
        evaluation = self.function(self.z.detach())
        self._seen = [*self._seen[1 - REMEMBERED :], (self.z.detach().clone(), evaluation)]
        return evaluation

    def step(self) -> bool:
        """One step; whether it lowered the function.  If not, the point is as before and nothing is remembered."""
        before, start = self.current, self.z.detach().clone()
        fresh = self.fresh
        self._advance()
        after = self._evaluate()
        if not after.value < before.value:
            with torch.no_grad():
                self.z.copy_(start)
            self.forget()
            return False if fresh else self.step()
        self.current = after
        return True

    @abstractmethod
    def _advance(self) -> None:
        """Move the point along the next direction."""

    @property
    @abstractmethod
    def fresh(self) -> bool:
        """Whether the next step follows the negative gradient, nothing being remembered."""

    @abstractmethod
    def forget(self) -> None:
        """Start afresh with the negative gradient."""

    @property
    @abstractmethod
    def step_length(self) -> float:
        """Factor of the direction in the last step."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """A copy of everything the next steps depend on, as plain data and tensors."""

    @abstractmethod
    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from :meth:`state`.

        Raises
        ------
        CorruptFileError
            For what is no state of steps in as many unknowns.
        """

    def renew(self) -> bool:
        """Go on with another function that resembles the one before; whether anything that was learned is kept."""
        return False

    def _continue(self, point: torch.Tensor, evaluations: int) -> None:
        """Take over a point and how many evaluations led to it."""
        with torch.no_grad():
            self.z.copy_(point)
        self.evaluations = evaluations
        self._seen = []
        self.current = self._evaluate()
        self.evaluations -= 1
