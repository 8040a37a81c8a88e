"""Whether an evolution problem is solved slab after slab, and how: found out once, where the losses of slabs grow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .slab_march import UnstableMarch
from .stage import Discretization, Stage

__all__ = ["Marching", "marched"]

logger = logging.getLogger(__name__)

SAME = 10.0  # losses of two discretisations within this factor of each other: the solution makes them grow
MOST_POINTS = 16


@dataclass(frozen=True)
class Marching:
    """What is known of marching in time.

    Attributes
    ----------
    gauss
        Gauss points per cell and axis with which it is stable, where the default is not.
    genuine
        Whether growing losses are known to belong to the solution.
    unstable
        Whether it is unstable with more points, too: then all times are solved for at once, where that can be.
    start
        Length of the first part of the first slab where the solution begins with a layer, or None.
    """

    gauss: int | None = None
    genuine: bool = False
    unstable: bool = False
    start: float | None = None

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return asdict(self)

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Marching:
        """That of a checkpoint."""
        return cls(**state)


def marched(
    grid: Discretization, known: Marching, march: Callable[[Discretization, bool], Stage]
) -> tuple[Stage | None, Marching]:
    """March, and find out whether that is stable where the losses grow from slab to slab.

    An instability multiplies errors by a factor that depends on the discretisation; a solution that steepens does not.
    So the march is repeated with one more Gauss point per cell and axis, which is often enough to make it stable.

    Parameters
    ----------
    grid
        What is solved.
    known
        What earlier stages found.
    march
        Marches with a discretisation; the second argument tells whether it ends where the losses grow.

    Returns
    -------
    stage, known
        No stage where marching is unstable.
    """
    if known.gauss is not None:
        grid = replace(grid, gauss=known.gauss)
    if known.genuine or known.unstable:
        return march(grid, False), known
    try:
        return march(grid, True), known
    except UnstableMarch as first:
        more = min(first.gauss + 1, MOST_POINTS)
        logger.info("the losses of the slabs grow (%s): the march is repeated with %d points", first.losses, more)
        try:
            finer = replace(grid, gauss=more)
            stage = march(finer, True)
        except UnstableMarch as second:
            count = min(len(first.losses), len(second.losses))
            ratio = second.losses[count - 1] / first.losses[count - 1]
            if 1.0 / SAME < ratio < SAME:
                known = replace(known, genuine=True)
                return march(grid, False), known
            return None, replace(known, unstable=True)
    return stage, replace(known, gauss=more)
