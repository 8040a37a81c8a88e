"""Fields of distances that a training method makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from hermite_pinn.field.grid_field import GridField
from hermite_pinn.methods.training.batches import RAD
from hermite_pinn.methods.training.loss import Loss
from hermite_pinn.methods.training.session import Session, TrainingResult
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.workload import Save

from .distance_loss import DistanceLoss
from .misfits import Misfits
from .samples import SampleSource

__all__ = ["Trainer", "Training"]


class Trainer(Protocol):
    """A method that trains a loss, with the options that matter for distances."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def precision(self) -> torch.dtype:
        """Of the tensors, if nothing else is asked for."""

    @property
    def points(self) -> int | None:
        """Samples of a step, or of a round; None for the loss's own number."""

    @property
    def adaptive(self) -> RAD | None:
        """How samples follow residuals, which those of distances do not."""

    def train(self, loss: Loss[Any], session: Session | None = None) -> TrainingResult:
        """Train the tensors of a loss."""


@dataclass
class Training:
    """One training.

    Attributes
    ----------
    method
        That trains.
    start
        The field to start from.
    source
        Of samples.
    misfits
        What is minimised.
    monitor
        History, limits, callbacks, progress.
    seed
        Of everything random.
    stats
        Numbers of the method, once it is done.
    """

    method: Trainer
    start: GridField
    source: SampleSource
    misfits: Misfits
    monitor: Monitor
    seed: int
    stats: dict[str, Any] = field(default_factory=dict)
    _found: GridField | None = None

    def run(self, save: Save, saved: Mapping[str, Any] | None) -> Ending:
        """Train until something ends it; see :class:`.Course`.

        Raises
        ------
        DivergedError
            If a loss becomes infinite or NaN; :attr:`field` is the last good one then.
        """
        loss = DistanceLoss(self.start, self.source, self.misfits, self.method.points, self.seed)
        state = dict(saved) if saved else None
        session = Session(self.monitor, self.seed, self.source.device, saved=state, save=save)
        try:
            return self._take(loss, self.method.train(loss, session))
        except Exception as error:
            last = getattr(error, "outcome", None)
            if isinstance(last, TrainingResult):
                error.outcome = self._take(loss, last)  # type: ignore[attr-defined]
            raise

    def _take(self, loss: DistanceLoss, result: TrainingResult) -> Ending:
        tensors: dict[str, torch.Tensor] = {k: v.detach() for k, v in result.tensors.items()}
        self._found, self.stats = loss.model(tensors), dict(result.stats)
        return Ending(result.status, result.message)

    @property
    def field(self) -> GridField:
        """What was found, or the start."""
        return self.start if self._found is None else self._found
