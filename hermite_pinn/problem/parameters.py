"""Unknown numbers of inverse problems."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

from hermite_pinn.errors import InvalidProblemError

__all__ = ["Parameter"]


@dataclass(frozen=True)
class Parameter:
    """An unknown scalar: listed in ``Problem(parameters=[...])`` and bound by name in residuals and conditions.

    Parameters
    ----------
    name
        How functions refer to it.
    init
        Start value.
    bounds
        Lower and upper bound; the value never leaves them.

    Raises
    ------
    InvalidProblemError
        If the bounds are empty or do not contain the start value.

    Examples
    --------
    >>> Parameter("nu", init=0.1, bounds=(0, 1))
    Parameter(name='nu', init=0.1, bounds=(0.0, 1.0))
    """

    name: str
    init: float = 1.0
    bounds: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise InvalidProblemError(f"a parameter's name must be usable as an argument, got {self.name!r}")
        values = (self.init, *self.bounds)
        if len(self.bounds) != 2 or not all(isinstance(v, numbers.Real) for v in values):
            raise InvalidProblemError(
                f"parameter {self.name}: init and bounds=(lower, upper) must be real numbers, got {values}"
            )
        lower, upper = (float(b) for b in self.bounds)
        if not lower <= self.init <= upper or lower == upper or not math.isfinite(self.init):
            raise InvalidProblemError(
                f"parameter {self.name}: init={self.init} must be finite and lie within bounds ({lower}, {upper})"
            )
        object.__setattr__(self, "init", float(self.init))
        object.__setattr__(self, "bounds", (lower, upper))
