"""Adam with levels that come and go: V- and W-cycles."""

from __future__ import annotations

from dataclasses import dataclass

import hermite_pinn as hp

__all__ = ["CycledAdam", "even_plan"]


@dataclass(frozen=True)
class CycledAdam(hp.Adam):
    """Adam whose active levels follow any plan, not only from coarse to fine.

    Parameters
    ----------
    plan
        Pairs (step, levels) with growing steps: up to that step only gradients of the first so many levels are kept;
        after the last one those of all.

    Examples
    --------
    >>> v = CycledAdam(steps=6, plan=((2, 3), (4, 1)))
    >>> [v.active_levels(step, 3) for step in range(6)]
    [3, 3, 1, 1, 3, 3]
    """

    plan: tuple[tuple[int, int], ...] = ()

    def active_levels(self, step: int, levels: int) -> int:
        """Levels whose gradients are kept in a step; of ``levels`` at most all."""
        if step < 0:
            return levels
        return min(levels, next((n for until, n in self.plan if step < until), levels))


def even_plan(steps: int, visits: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """A plan that visits numbers of levels one after the other, all for the same time.

    Examples
    --------
    >>> even_plan(90, (6, 4, 6))
    ((30, 6), (60, 4), (90, 6))
    """
    return tuple((steps * (k + 1) // len(visits), n) for k, n in enumerate(visits))
