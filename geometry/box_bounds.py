"""What the bounds of an axis may be."""

from __future__ import annotations

from hermite_pinn.checks import items, number
from hermite_pinn.errors import InvalidProblemError

__all__ = ["checked_bounds"]

LENGTHS = 1e-60, 1e60  # of an axis: powers of it must be numbers
RESOLVED = 1e-11  # length of an axis, relative to its bounds, that leaves room for cells


def checked_bounds(name: str, bounds: object) -> tuple[float, float]:
    """Two numbers with room between them that float64 resolves.

    Raises
    ------
    InvalidProblemError
        If they are anything else.
    """
    pair = items(
        f"axis {name}", bounds, "bounds (lower, upper), two real numbers", least=2, most=2, error=InvalidProblemError
    )
    a, b = (
        number(f"the {end} bound of axis {name}", value, error=InvalidProblemError)
        for end, value in zip(("lower", "upper"), pair, strict=True)
    )
    if b < a:
        raise InvalidProblemError(
            f"axis {name} is reversed: its lower bound {a:g} exceeds its upper bound {b:g}; write {name}=({b:g}, {a:g})"
        )
    if not b > a:
        raise InvalidProblemError(f"axis {name} has no extent: upper bound {b:g} must exceed lower bound {a:g}")
    if not (LENGTHS[0] <= b - a <= LENGTHS[1] and b - a > RESOLVED * max(abs(a), abs(b))):
        raise InvalidProblemError(
            f"axis {name} has the length {b - a:g} at bounds ({a!r}, {b!r}), which float64 does not resolve; choose other "
            "units, or move the origin there"
        )
    return a, b
