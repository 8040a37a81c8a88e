"""Coordinates at which grids have lines, since something jumps or has a kink there."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from hermite_pinn.checks import number, real_array, spelled
from hermite_pinn.errors import InvalidProblemError

__all__ = ["MOST", "checked_breaks", "merged_breaks"]

MOST = 256  # along an axis: each is a line of the coarsest grid
CLOSEST = 1e-6  # of breaks and bounds, relative to the length of the axis
SAME = 1e-9  # distance of breaks that are one, relative to the length of the axis


def checked_breaks(given: object, bounds: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, ...]]:
    """Breaks by axis, ascending; axes without are left out.

    Raises
    ------
    InvalidProblemError
        If an axis is none, or breaks are no numbers, not inside, twice, too many, or too close to resolve.

    Examples
    --------
    >>> checked_breaks({"x": 0.5}, {"x": (0.0, 1.0)})
    {'x': (0.5,)}
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidProblemError(
            f"breaks must be given by axis, such as breaks={{'x': [0.3, 0.7]}}; got {spelled(given)} "
            "(an axis cannot be called breaks)"
        )
    found = {}
    for name, values in given.items():
        if name not in bounds:
            raise InvalidProblemError(f"breaks of {name!r}: there is no such axis; the axes are {', '.join(bounds)}")
        what = f"the breaks of axis {name}"
        listed = [values] if isinstance(values, (int, float)) else values
        array = real_array(what, listed, shape="numbers", error=InvalidProblemError).reshape(-1)
        own = sorted(number(f"a break of axis {name}", float(v), error=InvalidProblemError) for v in array)
        if own:
            _check(name, own, bounds[name])
            found[name] = tuple(own)
    return {name: found[name] for name in bounds if name in found}


def _check(name: str, breaks: Sequence[float], bounds: tuple[float, float]) -> None:
    lower, upper = bounds
    if len(breaks) > MOST:
        raise InvalidProblemError(f"axis {name} has {len(breaks)} breaks; it can have {MOST}")
    outside = [b for b in breaks if not lower < b < upper]
    if outside:
        raise InvalidProblemError(
            f"the break {outside[0]:g} of axis {name} is not inside ({lower:g}, {upper:g}); the sides of the box need no break"
        )
    least = CLOSEST * (upper - lower)
    for a, b in itertools.pairwise((lower, *breaks, upper)):
        if b - a < least:
            raise InvalidProblemError(
                f"breaks and sides of axis {name} must be {least:.1e} apart at least (1e-6 of its length): {a!r} and {b!r} are "
                f"{'the same' if a == b else 'closer'}; leave one out"
            )


def merged_breaks(
    first: Mapping[str, Sequence[float]],
    second: Mapping[str, Sequence[float]],
    bounds: Mapping[str, tuple[float, float]],
) -> dict[str, tuple[float, ...]]:
    """Both together, without those of the second that are outside or, but for rounding, there already.

    Examples
    --------
    >>> merged_breaks({"x": (0.5,)}, {"x": (0.5, 0.7, 1.0)}, {"x": (0.0, 1.0)})
    {'x': (0.5, 0.7)}
    """
    merged = {}
    for name, (lower, upper) in bounds.items():
        own = list(first.get(name, ()))
        for b in second.get(name, ()):
            close = SAME * (upper - lower)
            if lower + close < b < upper - close and all(abs(b - a) > close for a in own):
                own.append(b)
        if own:
            merged[name] = tuple(sorted(own))
    return merged
