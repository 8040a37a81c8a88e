"""What can be learned on an octree: a table of features, and the numbers of networks that read it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.field.octree import Octree
from hermite_pinn.schema import Entry

from .container import Block, Contents

__all__ = ["Learnable", "Skeleton"]


class Learnable(Protocol):
    """A field on an octree with its numbers, such as a :class:`hermite_pinn.field.grid_field.GridField`."""

    @property
    def layout(self) -> GridLayout:
        """Of the table."""

    @property
    def table(self) -> torch.Tensor:
        """The features, one after another."""

    @property
    def parameter_count(self) -> int:
        """Numbers of all tensors."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """By path: the table is :data:`hermite_pinn.field.tree.TABLE`, the others belong to networks."""

    def with_tensors(self, tensors: dict[str, torch.Tensor]) -> Self:
        """The same field with other numbers."""


class Skeleton(ABC):
    """What a field on an octree is, but for its cells and numbers.

    Attributes
    ----------
    kind
        Of its files.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """Names of what it tells of a point."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of axes."""

    @property
    @abstractmethod
    def network_numbers(self) -> int:
        """How many numbers the networks have."""

    @abstractmethod
    def layout(self, tree: Octree) -> GridLayout:
        """Where the features of the corners of an octree lie."""

    @abstractmethod
    def empty(self, tree: Octree, levels: int, generator: torch.Generator) -> Any:
        """A :class:`Learnable` with small random features on so many levels, in single precision."""

    @abstractmethod
    def finished(self, field: Any, code: str, title: str) -> Any:
        """What users get of a :class:`Learnable` that was decoded."""

    def first_cells(self, coarsest: Sequence[int], levels: int) -> int:
        """The level of an octree up to which its cells are read with the first level of detail."""
        return 0

    @abstractmethod
    def shown(self, field: Any) -> np.ndarray | None:
        """A picture of a :class:`Learnable`, (H, W) or (H, W, 3); None where there is nothing to be shown."""

    # -- files ---
    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Plain data."""

    def blocks(self) -> list[Block]:
        """What is kept beside them."""
        return []

    @classmethod
    @abstractmethod
    def restored(cls, meta: Entry, dim: int, blocks: Mapping[str, bytes], contents: Contents) -> Skeleton:
        """Inverse of :meth:`describe` and :meth:`blocks`.

        Raises
        ------
        CorruptFileError
            If something is missing or wrong.
        """
