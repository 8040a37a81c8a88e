"""Settled options of a radiance field on a grid."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GridOptions"]


@dataclass(frozen=True)
class GridOptions:
    """What :class:`.InstantNGP` says, with nothing left open; see there."""

    levels: int
    coarsest: int
    finest: int
    features: int
    table_size: int
    spread: float
    slope: float
    width: int
    hidden: int
    density: float
    samples: int
    cells: int
    cascades: int
    march_steps: int
    cone: float
    finer: int
    near: float
    update_every: int
    warmup: int
    update_share: float
    fade: float
    background: str
    rate: float
    rate_end: float
    decay: float
    least: float
    compaction: bool
