"""When to end an iteration by how much the solution itself still changes, not by the gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["Settling"]

EVERY = 10  # steps between two looks
SLOWEST = 0.95  # ratio of successive changes from which on nothing is concluded
LEAST = 0.5  # ratio that is assumed at least


class Settling:
    """Watches the iterates of conjugate gradients, and says when what is left of the change no longer counts.

    The change from look to look shrinks about geometrically.  What is left is the last change, summed up with the ratio
    of the last two.

    Parameters
    ----------
    size
        Norm of a step, in which changes are measured.
    share
        Part of the whole change that may be left.

    Attributes
    ----------
    left
        Part of the whole change that is left, as estimated at the last look; None before two looks.

    Examples
    --------
    >>> settling = Settling(lambda step: float(step.norm()), 1e-2)
    >>> iterates = [torch.tensor([1.0 - 0.1**k]) for k in range(1, 6)]
    >>> [settling(10 * k, x) for k, x in enumerate(iterates, 1)]
    [False, False, False, True, True]
    """

    def __init__(self, size: Callable[[torch.Tensor], float], share: float) -> None:
        self.size, self.share = size, share
        self.left: float | None = None
        self._before: torch.Tensor | None = None
        self._change: float | None = None
        self._met = False

    def __call__(self, steps: int, step: torch.Tensor) -> bool:
        """Whether to stop at a step; looks only every tenth time."""
        if steps % EVERY:
            return False
        whole = self.size(step)
        change = whole if self._before is None else self.size(step - self._before)
        before, self._change, self._before = self._change, change, step.clone()
        if before is None or not whole > 0:
            return False
        ratio = max(change / before, LEAST) if before > 0 else LEAST
        self.left = change / whole * (ratio / (1.0 - ratio) if ratio < SLOWEST else 1.0 / (1.0 - SLOWEST))
        met, self._met = self._met, self.left <= self.share
        return met and self._met
