"""Where a Levenberg-Marquardt iteration stands, and what one of its steps leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from hermite_pinn.schema import Entry

from .cgls import LeastSquaresResult
from .rows import Rows

__all__ = ["Fit", "Iterate", "Trial"]


@dataclass
class Fit:
    """A state of the iteration.

    Attributes
    ----------
    vector
        Unknowns.
    rows, loss
        Weighted residuals there, and the sum of their squares.
    inner
        How the last linear problem was solved; None before the first step.
    damping
        Levenberg-Marquardt parameter of that step.
    finished
        Whether the nonlinear iteration met its own tolerance (an affine problem does after its step).
    """

    vector: torch.Tensor
    rows: list[torch.Tensor]
    loss: float
    inner: LeastSquaresResult | None = None
    damping: float = 0.0
    finished: bool = False

    @property
    def settled(self) -> bool:
        """Whether the iteration finished, and its last linear problem was solved well enough."""
        return self.finished and (self.inner is None or self.inner.converged or self.inner.reduction < 1e-4)


@dataclass
class Iterate:
    """Where an iteration stands.

    Attributes
    ----------
    fit
        The best state.
    damping
        For the next step.
    first_change
        The largest relative change of the fields so far.
    refused
        The damping of the last step that did not lower the loss.
    over
        Whether no step can lower the loss.
    """

    fit: Fit
    damping: float
    first_change: float = 0.0
    refused: float = 0.0
    over: bool = False

    def state(self, steps: int) -> dict[str, Any]:
        """What a checkpoint keeps after so many steps."""
        return {
            "steps": steps,
            "vector": self.fit.vector,
            "step_damping": self.damping,
            "first_change": self.first_change,
            "refused": self.refused,
        }

    def restore(self, saved: Entry) -> int:
        """Take over what a checkpoint kept beside the vector; returns the number of steps."""
        self.damping, self.first_change, self.refused = (
            saved.at(key).number(0.0) for key in ("step_damping", "first_change", "refused")
        )
        return saved.at("steps").integer(0)

    def refuse(self, factor: float = 8.0) -> None:
        """Damp the next step more strongly."""
        if self.damping > 1e12:
            self.over = True
        else:
            self.refused, self.damping = self.damping, max(factor * self.damping, 1e-9)

    def adapt(self, gain: float, solved: bool) -> None:
        """Damp the next step by how much of the predicted decrease came true; after an accepted step.

        Where the linear problem was not solved within its steps, the next one is not made harder.
        """
        if gain > 0.7 and solved:
            # what was refused is approached again, but more slowly every time
            self.damping = max(self.damping * (0.01 if gain > 0.95 else 0.2), 2.0 * self.refused, 1e-14)
            self.refused *= 0.5
        elif gain < 0.25:
            self.damping *= 3.0


@dataclass(frozen=True)
class Trial:
    """A step that lowers the loss: where it leads, what the linear model says of it, and what that missed."""

    vector: torch.Tensor
    rows: Rows
    loss: float
    step: torch.Tensor
    result: LeastSquaresResult
    gain: float
    fall: float
    bend: float
