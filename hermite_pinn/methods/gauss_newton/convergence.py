"""Is it accurate enough?  The error estimated from the changes between stages."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hermite_pinn.cuda.encoder.basis import BASES

__all__ = ["Convergence"]


@dataclass
class Convergence:
    """Judges a nested iteration by what its stages changed; never by an exact solution.

    Parameters
    ----------
    basis
        Its order is 2m for m coefficients per vertex and axis.
    tol
        Relative error asked for, or None.

    Attributes
    ----------
    changes
        Relative changes of the stages that had one before.
    estimates, residuals
        By stage: the estimated error, or None, and the residual between the collocation points.

    Examples
    --------
    >>> c = Convergence("cubic", 1e-4)
    >>> c.add(None, 1.0), c.add(0.1, 0.3)
    (None, 0.1)
    >>> round(c.add(0.1 / 16, 0.1), 6), c.met
    (0.000417, False)
    """

    basis: str
    tol: float | None
    changes: list[float] = field(default_factory=list)
    estimates: list[float | None] = field(default_factory=list)
    residuals: list[float] = field(default_factory=list)

    @property
    def factor(self) -> float:
        """By how much a doubling of the resolution lowers the error of a smooth solution."""
        return 4.0 ** BASES[self.basis].coefficients

    def add(self, change: float | None, residual: float) -> float | None:
        """Note a stage; returns the estimated error.

        The changes are assumed to go on shrinking at the observed rate, which is not believed to be better than the
        order of the basis or worse than 1.5.
        """
        error = None
        if change is not None:
            self.changes.append(change)
            error = change
            if len(self.changes) > 1:
                rate = self.factor
                if change > 0:
                    rate = min(rate, max(1.5, self.changes[-2] / change))
                error = change / (rate - 1.0)
        self.estimates.append(error)
        self.residuals.append(residual)
        return error

    @property
    def met(self) -> bool:
        """Whether the tolerance is met, and the stage before was as close as the order of the basis predicts.

        The second condition, and that the residual between the points has not grown, guard against two coarse levels
        that agree by chance; a second estimate below the tolerance dispels the doubt.
        """
        if self.tol is None or len(self.estimates) < 2:
            return False
        before, error = self.estimates[-2:]
        if before is None or error is None or error > self.tol:
            return False
        return before <= self.tol or (
            before <= 1.5 * self.factor * self.tol and self.residuals[-1] <= self.residuals[-2]
        )

    @property
    def stagnant(self) -> bool:
        """Whether the last two stages brought nothing: rounding, or a problem without a solution.

        Large estimates that jump up belong to a solution whose features only now come into sight.
        """
        last = [e for e in self.estimates[-3:] if e is not None]
        if len(last) < 3 or self.residuals[-1] < 0.8 * self.residuals[-3]:
            return False
        a, b, c = last
        plateau = b < 3.0 * a and c < 3.0 * b
        return b > 0.9 * a and c > 0.9 * b and (a < 1e-3 or (a < 0.1 and plateau))

    def stages_left(self) -> int | None:
        """How many stages will follow if the solution is smooth; None before there is an estimate."""
        error = self.estimates[-1] if self.estimates else None
        if error is None or self.tol is None:
            return None
        return max(0, math.ceil(math.log(error / self.tol, self.factor))) if error > self.tol else 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"changes": self.changes, "estimates": self.estimates, "residuals": self.residuals}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint."""
        self.changes, self.estimates = list(state["changes"]), list(state["estimates"])
        self.residuals = list(state["residuals"])
