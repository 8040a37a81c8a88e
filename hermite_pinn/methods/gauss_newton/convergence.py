"""Is it accurate enough?  The error estimated from the changes between stages and from what they say of themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hermite_pinn.cuda.encoder.basis import BASES

from .indicators import Indicators

__all__ = ["Convergence", "unsolved"]

LEAST = 1.5  # rate of convergence that is assumed at least
FIRST = 2.0  # rate that is assumed where nothing is known
SHARE = 0.3  # of the error of interpolation that is certainly there
RESIDUAL_SHARE = 0.5  # of the residual
MISSED = 0.5  # change of a field above which the level before had nothing to do with it
COARSE = 0.2  # change above which the rate of the refinement that made it says little
FAST = 4.0  # times the order of the basis: a fall of the changes that is that of a level which knew little
FALL = 1.25  # of the residual between the points, below which it did not fall
HELD = 2.0  # fall of the residual at the points from which on it holds nothing up
STUCK = 1.2  # rate where it has not fallen twice
MOVED = 0.1  # of a relative residual at the points, about 1 / pi**2: how far it moves a field
NOTHING = 1e-14  # sum of squares of relative residuals that a linear solve leaves


def unsolved(steps: int, reduction: float) -> float:
    """The part of a stage's change that its linear solve has left out.

    The error left is at most the reduction of the gradient times the condition, which the steps of conjugate gradients
    tell: a reduction ``r`` takes about ``sqrt(condition) log(2 / r) / 2`` of them.  The root of the condition is what
    is seen.

    Examples
    --------
    >>> unsolved(30, 1e-8) < 1e-7, unsolved(3000, 1e-3) > 0.5
    (True, True)
    """
    if steps < 1 or not reduction > 0 or not math.isfinite(reduction):
        return 0.0
    reduction = min(reduction, 1.0)
    return min(1.0, reduction * max(1.0, 2.0 * steps / math.log(2.0 / reduction)))


@dataclass
class Convergence:
    """Judges a nested iteration by what its stages changed and what they say; never by an exact solution.

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
    residual_rate
        By how much the last refinement lowered the residual indicator; zero where that is unknown.
    partial
        Whether it refined some axes only.
    solved
        Whether the linear problems of the last stage were solved.
    last
        What the last stage said of itself.
    truncation
        By stage with an estimate, the part of it that a finer level lowers.
    losses
        By stage the sum of squares of the residuals at the points, relative to the sizes of the equations; zero where
        it tells nothing.
    parameters
        Largest relative changes of a parameter of the problem, of the stages that had one before.

    Notes
    -----
    See docs/estimates.md.

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
    truncation: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    parameters: list[float] = field(default_factory=list)
    residual_rate: float = field(default=0.0, compare=False)
    partial: bool = field(default=False, compare=False)
    solved: bool = True
    last: Indicators = field(default_factory=Indicators)

    @property
    def factor(self) -> float:
        """By how much a doubling of the resolution lowers the error of a smooth solution, or one averaged in cells."""
        order = 4.0 ** BASES[self.basis].coefficients
        return min([order, *(limit for limit in (self.last.most, self.last.free) if limit > 0)])

    @property
    def share(self) -> float:
        """Part of the error of interpolation that is certainly there.

        The best approximation is better than that, the more so the higher the order.
        """
        return SHARE ** (BASES[self.basis].coefficients - 1)

    @property
    def residual_share(self) -> float:
        """Part of what the residual asks for that is certainly wrong."""
        return RESIDUAL_SHARE ** (BASES[self.basis].coefficients - 1)

    def rate(self, change: float) -> float:
        """By how much the last refinement lowered the error, as far as changes, surplus and residual tell.

        The changes tell of the refinement before, the surplus of this one, but only of what a grid can represent: the
        geometric mean is taken, or the changes alone where both are near the order of the basis and the residual
        between the points falls; where it does not, or does so by less than half the order and the change before was
        that of a level that knew nothing, its indicator counts as well, and alone where the changes fall
        faster than any order allows.  Where there is no change of the refinement before, or that of a level that knew
        little, the fall of the residual stands for it if surplus and residual fall by half the order at least, and
        half the order of the basis if nothing does; it stands alone where the surplus is not known either, as on a cut
        domain in which few vertices lie.  Where only some axes were refined, the error along the others
        stays, of which only the residual tells: its fall and the smaller of the other two count.  Never more than the
        order of the basis, nor less than 1.5.

        Where the residual at the points, which no level has to leave, is larger than the error that follows from this
        and has not fallen by two, the error falls no faster than that; by 1.2 if it did not fall twice.  Nor does the
        error of a start that is not smooth fall faster than such data allow, or than the changes, which do not lag
        behind where the rate stays the same from level to level.
        """
        rate = self._witnessed(change)
        if self.last.start > 0:
            rate = min(rate, self.last.start)
            if len(self.changes) > 1 and change > 0:  # of what is not smooth, the surplus knows the result only
                rate = min(rate, self._bounded(self.changes[-2] / change))
        if not change > 0 or not self._holds(change / (rate - 1.0)):
            return rate
        fall = self._fall(1)
        if fall < FALL and 0.0 < self._fall(2) < FALL:
            return min(rate, STUCK)
        return min(rate, max(LEAST, fall))

    def _fall(self, back: int) -> float:
        """By how much a refinement lowered the residual at the points, the last one or one before; zero if unknown."""
        if len(self.losses) <= back:
            return 0.0
        before, after = self.losses[-back - 1], self.losses[-back]
        return math.sqrt(before / after) if min(before, after) > NOTHING else 0.0

    def _holds(self, error: float) -> bool:
        """Whether the residual at the points forbids an error that small."""
        return 0.0 < self._fall(1) < HELD and math.sqrt(self.losses[-1]) > error

    def _witnessed(self, change: float) -> float:
        """The rate as far as changes, surplus and the residual between the points tell."""
        surplus, half, fall = self.last.rate, math.sqrt(self.factor), self.residual_rate
        known = len(self.changes) > 1
        if not known and surplus is None:
            return self._bounded(fall) if fall >= half and change < MISSED else FIRST
        if not change > 0:
            return self.factor if surplus is None else self._bounded(surplus)
        observed = self.changes[-2] / change if known else half
        if (
            surplus is not None
            and min(surplus, fall) >= half
            and change < MISSED
            and (not known or (self.changes[-2] > COARSE and fall > observed))
        ):
            return math.sqrt(self._bounded(surplus) * self._bounded(fall))
        bounded = self._bounded(observed)
        if surplus is None:
            return bounded
        if self.partial and fall:
            return math.sqrt(min(self._bounded(surplus), bounded) * self._bounded(fall))
        surplus = self._bounded(surplus)
        if min(surplus, bounded) <= 0.25 * self.factor:
            return math.sqrt(surplus * bounded)
        ignorant = known and self.changes[-2] > MISSED and fall < half
        if not fall or not (self._held_up or ignorant):
            return bounded
        least = min(bounded, self._bounded(fall))
        return least if observed > FAST * self.factor else math.sqrt(least * bounded)

    def _bounded(self, rate: float) -> float:
        return min(max(LEAST, rate), self.factor)

    @property
    def _held_up(self) -> bool:
        """Whether the last refinement did not lower the residual between the points."""
        return len(self.residuals) > 1 and self.residuals[-1] * FALL > self.residuals[-2]

    def add(
        self,
        change: float | None,
        residual: float,
        indicators: Indicators | None = None,
        algebraic: float = 0.0,
        solved: bool = True,
        loss: float = 0.0,
        moved: float = 0.0,
    ) -> float | None:
        """Note a stage; returns the estimated error.

        Parameters
        ----------
        change
            Relative change from the stage before, or None where there was none.
        residual
            Between the collocation points.
        indicators
            What the stage says of itself.
        algebraic
            Part of the change that linear solves may have left out.
        solved
            Whether they met their tolerances.  Where they did not, the change may miss smooth parts of the error, and
            the estimate falls by no more than the root of the order allows.
        loss
            Sum of squares of the relative residuals at the points; zero where noise or penalties are part of it.
        moved
            Largest relative change of a parameter from the stage before.
        """
        self.losses.append(loss)
        before_it, self.last, self.solved = self.last, indicators or Indicators(), solved
        self.residual_rate = before_it.residual / self.last.residual if self.last.residual > 0 else 0.0
        self.partial = self.last.cells < before_it.cells * 2 ** len(self.last.leaf)
        self.residuals.append(residual)
        error, before = None, self.estimates[-1] if self.estimates else None
        if change is not None:
            own = self.last
            self.changes.append(change)
            rate = self.rate(change)
            if own.free > 0 and len(self.changes) > 1:  # errors depend on where free boundaries cross their cells
                change = max(change, self.changes[-2] / self.factor)
            unseen = 0.0 if own.seen else own.watched / math.sqrt(own.cells)
            error = max(
                change / (rate - 1.0),
                algebraic * change,
                self.share * own.interpolation,
                self.residual_share * own.residual / (self.factor - 1.0),
                unseen / (rate - 1.0),
                own.jumps,
                own.misfit,
                MOVED * math.sqrt(loss) if own.free > 0 else 0.0,
                self._of_parameters(moved),
            )
            if not solved and before is not None:
                error = max(error, before / math.sqrt(self.factor))
            self.truncation.append(error)
            error = max(error, own.rounding)
        self.estimates.append(error)
        return error

    def _of_parameters(self, moved: float) -> float:
        """The error of the parameters: they may converge later than the fields, and tell themselves how fast.

        A change from a level that knew nothing of them says nothing of that.
        """
        before = self.parameters[-1] if self.parameters else None
        self.parameters.append(moved)
        if not moved > 0:
            return 0.0
        known = before is not None and before <= min(MISSED, FAST * self.factor * moved)
        return moved / ((self._bounded(before / moved) if known and before is not None else FIRST) - 1.0)

    @property
    def met(self) -> bool:
        """Whether the tolerance is met, and the stage before was as close as the order of the basis predicts.

        The second condition, and that the residual between the points has not grown, guard against two coarse levels
        that agree by chance; a second estimate below the tolerance dispels the doubt.  A peak of what is prescribed
        that the last stage has not seen forbids it, as do linear problems that were not solved.
        """
        if self.tol is None or len(self.estimates) < 2 or not (self.last.seen and self.solved):
            return False
        before, error = self.estimates[-2:]
        if before is None or error is None or error > self.tol:
            return False
        return before <= self.tol or (
            before <= 1.5 * self.factor * self.tol and self.residuals[-1] <= self.residuals[-2]
        )

    @property
    def unreachable(self) -> bool:
        """Whether rounding forbids the tolerance on the last level, and so on every finer one."""
        return self.tol is not None and self.tol < self.last.rounding

    @property
    def rounded(self) -> bool:
        """Whether rounding keeps the error above the tolerance: a finer level would be no better."""
        if len(self.truncation) < 2 or not self.unreachable:
            return False
        before, now = self.truncation[-2:]
        return now <= self.last.rounding and before <= 1.5 * self.factor * self.last.rounding

    @property
    def stagnant(self) -> bool:
        """Whether the last two stages brought nothing though they resolve the solution: there is none, or rounding.

        Large estimates that jump up belong to a solution whose features only now come into sight.
        """
        last = [e for e in self.estimates[-3:] if e is not None]
        if len(last) < 3 or not self.last.resolved or self.residuals[-1] < 0.8 * self.residuals[-3]:
            return False
        a, b, c = last
        plateau = b < 3.0 * a and c < 3.0 * b
        return b > 0.9 * a and c > 0.9 * b and (a < 1e-3 or plateau)

    def stages_left(self) -> int | None:
        """How many stages will follow if the solution is smooth; None where the estimate says nothing of that."""
        error = self.estimates[-1] if self.estimates else None
        if error is None or self.tol is None or not math.isfinite(error):
            return None
        return max(0, math.ceil(math.log(error / self.tol, self.factor))) if error > self.tol else 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "changes": self.changes,
            "estimates": self.estimates,
            "residuals": self.residuals,
            "truncation": self.truncation,
            "losses": self.losses,
            "parameter_changes": self.parameters,
            "solved": self.solved,
            "indicators": self.last.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint."""
        self.changes, self.estimates = list(state["changes"]), list(state["estimates"])
        self.residuals, self.truncation = list(state["residuals"]), list(state["truncation"])
        self.losses = list(state["losses"])
        self.parameters = list(state.get("parameter_changes", ()))
        self.solved = bool(state["solved"])
        self.last = Indicators.restored(state["indicators"])
