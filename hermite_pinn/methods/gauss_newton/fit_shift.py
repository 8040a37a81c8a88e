"""How far a finer level moved a fit of noisy data, in units of what their noise leaves open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import Misfit

from .noise_errors import NoiseLeft
from .penalty_weights import MISSED, MISSED_UNTOLD

__all__ = ["FitShift", "fit_shift", "misses_data"]

MISFIT = 1.0  # sum of squares in units of the noise
PARAMETER = 0.15  # standard errors
DEVIATION = 0.1  # of a standard error
FASTEST = 0.25  # part of a change that the next level makes, at least, as far as is trusted
FOLLOWED = 0.5  # degrees of freedom for a value from which on fields follow the data and no equation holds them


@dataclass(frozen=True)
class FitShift:
    """By how much the fit of a level differs from that of the level before.

    Equations that a grid does not resolve are weighed against the data, which takes both parameters and fields away
    from the best fit.  Estimates of fields do not see that: they compare with the size of a field, not with its noise.

    Attributes
    ----------
    misfit
        Change of the sum of squares of the misfits in units of the noise.
    parameter
        Largest change of a parameter in its standard errors.
    deviation
        Largest relative change of a standard error.
    ahead
        What all finer levels are expected to change, in units of these changes.

    Examples
    --------
    >>> FitShift(26.0, 1.7, 0.05).settled, FitShift(0.1, 0.01, 0.0).settled
    (False, True)
    """

    misfit: float
    parameter: float
    deviation: float
    ahead: float = 1.0

    @property
    def size(self) -> float:
        """The larger one of the first two, in standard errors."""
        return max(self.parameter, math.sqrt(self.misfit))

    @property
    def settled(self) -> bool:
        """Whether what is ahead is small beside the noise."""
        changes = ((self.misfit, MISFIT), (self.parameter, PARAMETER), (self.deviation, DEVIATION))
        return all(self.ahead * change <= most for change, most in changes)

    @property
    def distance(self) -> float:
        """Of the fit from the best one, in standard errors; zero for one that has settled."""
        return 0.0 if self.settled else self.size

    def after(self, before: FitShift | None) -> FitShift:
        """The same, with what is ahead by the rate at which the changes fall: the sum of a geometric series.

        Parameters
        ----------
        before
            The shift of the level before.

        Examples
        --------
        >>> FitShift(0.1, 0.3, 0.01).after(FitShift(21.0, 4.1, 0.14)).settled
        True
        >>> FitShift(0.1, 0.3, 0.01).after(FitShift(0.1, 0.4, 0.01)).settled
        False
        """
        if before is None or not 0.0 < self.size < 0.5 * before.size:
            return self
        rate = max(self.size / before.size, FASTEST)
        return replace(self, ahead=rate / (1.0 - rate))


def fit_shift(
    before: NoiseLeft | None,
    now: NoiseLeft | None,
    parameters_before: Mapping[str, float],
    parameters: Mapping[str, float],
    fixed: frozenset[str] = frozenset(),
) -> FitShift | None:
    """The shift between two levels; None where that is not known or no equation holds the fields.

    Misfits beyond the noise that was told count as noise.

    Parameters
    ----------
    before, now
        What the noise leaves open on them.
    parameters_before, parameters
        Their parameters.
    fixed
        Parameters on bounds.

    Examples
    --------
    >>> coarse, fine = (NoiseLeft((0.1,), 0.0, c, 60, 1.0, 4.0, {"k": 0.02}) for c in (61.0, 37.0))
    >>> fit_shift(coarse, fine, {"k": 3.90}, {"k": 3.97}).settled
    False
    """
    if before is None or now is None or not now.variance > 0 or now.freedom > FOLLOWED * now.count:
        return None
    excess = max(1.0, now.misfit / (now.variance * max(now.count, 1)))
    moved = scaled = 0.0
    for name, own in now.deviations.items():
        if name in fixed or not 0.0 < own < math.inf:
            continue
        moved = max(moved, abs(parameters[name] - parameters_before[name]) / (own * math.sqrt(excess)))
        scaled = max(scaled, abs(own - before.deviations.get(name, math.inf)) / own)
    return FitShift(abs(now.misfit - before.misfit) / (now.variance * excess), moved, scaled)


def misses_data(problem: Problem, left: NoiseLeft | None) -> float | None:
    """Sum of squares of the rows of a fit that ended far from noisy data; None of one that did not, or is unknown.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> data = hp.Data([0.2, 0.6], u=[1.0, 2.0], noise=0.1)
    >>> problem = hp.Problem(hp.Box(t=(0, 1)), "u", lambda u: u.t - 1, [data])
    >>> misses_data(problem, None) is None
    True
    """
    misfit = Misfit(problem)
    if left is None or not misfit.noisy:
        return None
    far = MISSED if misfit.known else MISSED_UNTOLD
    return left.misfit if left.misfit > far**2 * misfit.strength else None
