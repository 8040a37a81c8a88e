"""What a coded field is to be like: a loss, where the details are, and how good another field is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.octree import Octree, Prior
from hermite_pinn.geometry import Box

from .field_skeleton import FieldSkeleton
from .learnable import Skeleton
from .octree_field import Decoder

__all__ = ["FieldsTeacher", "Teacher"]


class Teacher(ABC):
    """A field, a picture or a scene that another field learns from.

    Attributes
    ----------
    domain
        The box of the octree.
    title
        Of solutions.
    features
        Of a corner, where nothing else is said.
    points
        Of a step, where nothing else is said.
    sees
        Whether a scene can be given beside the model.
    """

    domain: Box
    title: str
    features: int = 4
    points: int = 8192
    sees: bool = False

    @abstractmethod
    def __init__(self, model: Any, scene: Any = None) -> None:
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
    def skeleton(self, decoder: Decoder) -> Skeleton:
        """What a field that learns from it is."""

    def started(self, field: Any) -> Any:
        """A :class:`.Learnable` of :meth:`skeleton` as it begins."""
        return field

    @abstractmethod
    def prepare(self, tree: Octree, generator: torch.Generator) -> None:
        """Draw what :meth:`loss` draws from, once the levels are known."""

    @abstractmethod
    def loss(self, field: Any, count: int, generator: torch.Generator) -> torch.Tensor:
        """Mean square of what is wrong with a :class:`.Learnable` at ``count`` random points."""

    @abstractmethod
    def scores(self, field: Any) -> Mapping[str, float]:
        """How good a :class:`.Learnable` is, by name, at points that are the same for every field."""

    # -- between runs ---
    def state(self) -> dict[str, Any]:
        """What of it changes as it teaches."""
        return {}

    def restore(self, saved: Mapping[str, Any]) -> None:  # noqa: B027 - most have nothing to restore
        """Continue from :meth:`state`."""


class FieldsTeacher(Teacher):
    """Fields on a box, as those of a solution.

    Attributes
    ----------
    names, periodic
        Of the fields.
    """

    names: tuple[str, ...]
    periodic: tuple[bool, ...]

    def skeleton(self, decoder: Decoder) -> FieldSkeleton:
        """See :meth:`Teacher.skeleton`."""
        return FieldSkeleton(self.domain, self.names, self.periodic, decoder)

    def units(self) -> tuple[Sequence[float], Sequence[float]]:
        """By field, mean and scale of its values, from which the network's last layer starts."""
        return (0.0,) * len(self.names), (1.0,) * len(self.names)

    def started(self, field: GridField) -> GridField:
        """With the last layer of the network in units of what it learns."""
        mean, scale = (torch.tensor(part, dtype=torch.float32) for part in self.units())
        weight, bias = field.readout
        tree = field.tensors()
        return field.with_tensors(tree | {weight: tree[weight] * scale[:, None], bias: tree[bias] * scale + mean})
