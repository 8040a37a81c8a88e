"""Rows for the coefficients of those vertices that a cut domain has on its levels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hermite_pinn.expressions.program import Value
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

from .block import Block
from .cell_channels import CellPoints, TimeRule
from .level_gram import LevelGram

__all__ = ["CompactBlock", "LevelState", "Placement"]


@dataclass(frozen=True)
class Placement:
    """Where rows are on a level, and how much they weigh.

    Attributes
    ----------
    points
        Over the space axes.
    root
        Roots of the weights of the points, float64, (points,).
    rule
        Points in time, None without time.
    taken_at
        Places (d, points) at which coordinates in the terms are taken, other than the points; None for the points.
    """

    points: CellPoints
    root: np.ndarray
    rule: TimeRule | None = None
    taken_at: np.ndarray | None = None


class LevelState(Protocol):
    """A level of a system, and the state at which the system was linearised."""

    @property
    def resolution(self) -> tuple[int, ...]:
        """Cells per axis of the level."""

    @property
    def finest(self) -> bool:
        """Whether the level is the one that the blocks are made for."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """Values of the parameters."""

    def place(self, terms: Sequence[CompiledTerm], rows: Placement) -> Placement:
        """Where rows of the finest level are on this one."""

    def jets(self, wanted: Iterable[Jet], points: CellPoints, rule: TimeRule | None) -> dict[Jet, Value]:
        """Jets of the state at points of cells times points in time."""


class CompactBlock(Block):
    """As :class:`Block`; unknowns are the coefficients (V m**d, T) of the vertices that exist."""

    @abstractmethod
    def add_to(self, gram: LevelGram, level: LevelState) -> None:
        """Add what these rows have to the column norms, and to the blocks of vertices, of a level."""
