"""What a coded field is to be like: a loss, where the details are, and how good another field is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hermite_pinn.field.grid_field import GridField
from hermite_pinn.geometry import Box

from .octree import Octree, Prior

__all__ = ["Teacher"]


class Teacher(ABC):
    """A field, a picture or a scene that another field learns from.

    Attributes
    ----------
    domain, names, periodic
        Of the field.
    title
        Of solutions.
    """

    domain: Box
    names: tuple[str, ...]
    periodic: tuple[bool, ...]
    title: str

    @abstractmethod
    def __init__(self, model: Any) -> None:
        """What a model teaches; see :meth:`teaches`."""

    @classmethod
    @abstractmethod
    def teaches(cls, model: Any) -> bool:
        """Whether a model is one of this kind."""

    @property
    @abstractmethod
    def prior(self) -> Prior:
        """Where the details are."""

    @property
    @abstractmethod
    def coarsest(self) -> tuple[int, ...]:
        """Cells per axis of the coarsest level, where nothing else is said."""

    @abstractmethod
    def prepare(self, tree: Octree, generator: torch.Generator) -> None:
        """Draw what :meth:`loss` draws from, once the levels are known."""

    @abstractmethod
    def loss(self, field: GridField, count: int, generator: torch.Generator) -> torch.Tensor:
        """Mean square of what is wrong with a field at ``count`` random points."""

    @abstractmethod
    def scores(self, field: GridField) -> Mapping[str, float]:
        """How good a field is, by name, at points that are the same for every field."""

    def units(self) -> tuple[Sequence[float], Sequence[float]]:
        """By field, mean and scale of its values, from which the network's last layer starts."""
        return (0.0,) * len(self.names), (1.0,) * len(self.names)
