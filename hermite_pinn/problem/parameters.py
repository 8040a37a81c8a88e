"""Unknown numbers of inverse problems."""

from __future__ import annotations

import keyword
import math
from dataclasses import dataclass

from hermite_pinn.checks import items, number, spelled, text
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.markup import escaped, failing_softly, table

__all__ = ["Parameter"]


@dataclass(frozen=True)
class Parameter:
    """An unknown scalar: listed in ``Problem(parameters=[...])`` and bound by name in residuals and conditions.

    Parameters
    ----------
    name
        Name of its argument in residuals and conditions.
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
        name = text("the name of a parameter", self.name, error=InvalidProblemError)
        if not name.isidentifier() or keyword.iskeyword(name):
            raise InvalidProblemError(f"a parameter's name must be usable as an argument, got {spelled(name)}")
        init = number(f"parameter {name}: init", self.init, error=InvalidProblemError)
        ends = items(
            f"parameter {name}: bounds", self.bounds, "(lower, upper)", least=2, most=2, error=InvalidProblemError
        )
        lower, upper = (number(f"parameter {name}: a bound", b, infinite=True, error=InvalidProblemError) for b in ends)
        if not lower <= init <= upper or lower == upper:
            raise InvalidProblemError(
                f"parameter {name}: init={init} must be finite and lie within bounds ({lower}, {upper})"
            )
        object.__setattr__(self, "init", init)
        object.__setattr__(self, "bounds", (lower, upper))

    def size(self, value: float) -> float:
        """A change that matters, where it has a value: the largest of that, the start and half the distance of bounds.

        Examples
        --------
        >>> Parameter("nu", init=0.1, bounds=(0, 1)).size(0.2), Parameter("shift", init=0.0).size(0.0)
        (0.5, 1.0)
        """
        half = 0.5 * (self.bounds[1] - self.bounds[0])
        return max(abs(value), abs(self.init), half if math.isfinite(half) else 0.0) or 1.0

    @failing_softly
    def _repr_html_(self) -> str:
        """Start and bounds, for notebooks."""
        lower, upper = self.bounds
        return table(
            [[escaped(self.name), f"{self.init:.6g}", f"[{lower:g}, {upper:g}]"]],
            ["parameter", "start", "bounds"],
            marked=True,
        )
