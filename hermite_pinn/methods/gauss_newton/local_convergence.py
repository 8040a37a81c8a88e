"""Is a locally refined solution accurate enough?  The error estimated from its surplus, residual and changes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hermite_pinn.schema import Entry

from .indicators import LEAF, WATCHED
from .local_stage import LocalStage

__all__ = ["LocalConvergence"]

SAFETY = 2.0  # times the surplus over its rate: what it fell short of the error in resolved layers
LEAST, MOST = 1.5, 8.0  # rates of the changes: stages refine what is worst, not everything
COARSE = (
    0.02  # of the change that means over large cells ask for: what a source is moved by that its points miss, measured
)
BEFORE = 20.0  # times the tolerance that the estimate of the stage before may have
BROUGHT = 0.9  # of the estimate, below which a stage brought something
STAGES = 4  # that brought nothing, over which the unknowns doubled


@dataclass
class LocalConvergence:
    """Judges the stages of a locally refined iteration by what they say; never by an exact solution.

    Parameters
    ----------
    tol
        Relative error asked for.

    Attributes
    ----------
    changes, estimates, unknowns
        By stage; changes and estimates are None where nothing is known.
    resolved
        Whether the stages resolve the solution.
    """

    tol: float
    changes: list[float | None] = field(default_factory=list)
    estimates: list[float | None] = field(default_factory=list)
    unknowns: list[int] = field(default_factory=list)
    resolved: list[bool] = field(default_factory=list)
    settled: bool = False

    def add(self, stage: LocalStage, change: float | None, unseen: float, even: bool = False) -> float | None:
        """Note a stage; returns the estimated error.

        Parameters
        ----------
        change
            From the stage before, or None where that is no such stage.
        unseen
            Change of the fields that a peak of what is prescribed asks for which the stage has not seen.
        even
            Whether there may be layers that are not seen, of which a residual tells that does not alternate.
        """
        self.changes.append(change)
        self.unknowns.append(stage.system.unknowns)
        wrong = (even or not stage.settled) and stage.even.even and stage.even.asked > self.tol
        own = stage.original and stage.indicators.steepness <= LEAF and unseen <= WATCHED
        self.resolved.append(own and not wrong)
        self.settled = stage.settled
        error: float | None = None
        if change is not None:
            error = max(
                SAFETY * stage.by_surplus,
                stage.by_residual,
                COARSE * stage.even.coarse,
                unseen,
                change / (self._rate(change) - 1.0),
            )
            if wrong:
                error = max(error, stage.even.asked)
            if not stage.original:
                error = max(error, 1.0)
            elif not math.isfinite(error):
                error = None
        self.estimates.append(error)
        return error

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        keys = ("changes", "estimates", "unknowns", "resolved")
        return {key: list(getattr(self, key)) for key in keys} | {"settled": self.settled}

    def restore(self, saved: Entry) -> None:
        """Take over what a checkpoint kept.

        Raises
        ------
        CorruptFileError
            If it is none.
        """
        unknowns = [n.integer(0) for n in saved.at("unknowns").items(None, 1)]
        changes, estimates = (
            [None if v.value is None else v.number(0.0) for v in saved.at(key).items(len(unknowns))]
            for key in ("changes", "estimates")
        )
        self.changes, self.estimates, self.unknowns = changes, estimates, unknowns
        self.resolved = [r.flag() for r in saved.at("resolved").items(len(unknowns))]
        self.settled = saved.at("settled").flag()

    def _rate(self, change: float) -> float:
        before = self.changes[-2] if len(self.changes) > 1 else None
        if before is None or not change > 0:
            return 2.0
        return min(max(LEAST, before / change), MOST)

    @property
    def met(self) -> bool:
        """Whether the tolerance is met: by the last stage, and nearly by the one before, that resolve the solution."""
        if len(self.estimates) < 2 or not self.settled or not all(self.resolved[-2:]):
            return False
        before, error = self.estimates[-2:]
        return before is not None and error is not None and error <= self.tol and before <= BEFORE * self.tol

    @property
    def stagnant(self) -> bool:
        """Whether the last stages brought nothing though they resolve the solution and had twice the unknowns."""
        last = self.estimates[-STAGES:]
        known = [e for e in last if e is not None]
        if len(known) < STAGES or not all(self.resolved[-STAGES:]):
            return False
        grown = self.unknowns[-1] >= 2 * self.unknowns[-STAGES]
        return grown and min(known[1:]) > BROUGHT * known[0]
