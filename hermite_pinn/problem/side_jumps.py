"""Where prescribed values jump along a side of the box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.geometry import Domain, Region, Samples

from .jumps import find_jumps

__all__ = ["SideJump", "jumps_on_side"]

BESIDE = 1e-9  # of the length of an axis: how far from a place values are taken
MOST_TOLD = 3  # jumps of one condition along an axis


class SideJump(NamedTuple):
    """A place where a value jumps, and the values on both sides of it."""

    axis: str
    place: float
    before: float
    after: float


def jumps_on_side(
    expressions: Sequence[Expr],
    region: Region,
    samples: Samples,
    domain: Domain,
    values: Callable[[Samples], np.ndarray],
    least: float,
) -> Iterator[SideJump]:
    """The first jumps along every axis of a side.

    Parameters
    ----------
    expressions
        What prescribes the value.
    region, samples
        The face and points on it; a face that is no side of the box has none of these places.
    values
        The value at points (dim, n), NaN where it is not prescribed: (n,).
    least
        Difference from which on it is a jump and no kink.
    """
    plane, x = region.plane, samples.x
    if plane is None:
        return
    for name, places in find_jumps(expressions, domain).breaks.items():
        axis = domain.axis(name)
        near, told = BESIDE * domain.lengths[axis], 0
        for place in places if axis != plane.axis else ():
            ends = []
            for end in (place - near, place + near):
                moved = x.clone()
                moved[axis] = end
                ends.append(values(Samples(moved, normals=region.normal)))
            before, after = ends
            off = np.nan_to_num(np.abs(after - before))
            at = int(off.argmax())
            if off[at] > least and told < MOST_TOLD:
                told += 1
                yield SideJump(name, place, float(before[at]), float(after[at]))
