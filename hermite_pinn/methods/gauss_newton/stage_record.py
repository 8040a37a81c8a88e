"""What a stage tells those who watch a run."""

from __future__ import annotations

from collections.abc import Callable

from hermite_pinn.field.field import GridField
from hermite_pinn.run.monitor import Monitor

from .stage import Stage

__all__ = ["record_stage"]


def record_stage(
    monitor: Monitor, stage: Stage, field: Callable[[], GridField], level: int, ahead: int | None, last: float | None
) -> None:
    """Record a stage.

    Parameters
    ----------
    field
        Makes its field, if somebody asks.
    level, ahead
        Number of the stages so far, and of those that are left, if that is known.
    last
        Seconds of the last stage, from which on the others take more and more.
    """
    left = None
    if ahead is not None and last is not None:
        growth = 2.0 ** len(stage.resolutions[-1])
        left = sum(last * growth ** (i + 1) for i in range(ahead))
    monitor.record(
        loss=stage.loss,
        terms=stage.residuals,
        level=level,
        unknowns=stage.vector.numel(),
        field=field,
        error=stage.error,
        done=0.0 if ahead is None else level / (level + ahead),
        left=left,
        inner=stage.inner,
        reduction=stage.reduction,
        damping=stage.damping,
        slabs=stage.slabs,
    )
