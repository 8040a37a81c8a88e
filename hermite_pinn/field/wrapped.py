"""Encoders that are made of another one, and change what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.schema import Entry

from .encoder import Encoder, EncoderOptions, Levels
from .stencils import Stencil
from .tree import Tree

__all__ = ["Wrapped"]


@dataclass(frozen=True, eq=False)
class Wrapped(Encoder):
    """An encoder on one level that is made of another one; its parameters are those of the other.

    Parameters
    ----------
    inner
        The other encoder.
    """

    inner: Encoder

    affine: ClassVar[bool] = True
    nestable: ClassVar[bool] = False

    @classmethod
    def build(
        cls,
        options: EncoderOptions,
        domain: Domain,
        periodic: Sequence[bool],
        levels: Levels,
        features: int,
        generator: torch.Generator | None,
        dtype: torch.dtype,
        device: torch.device,
        seed: int = 0,
    ) -> Wrapped:
        """None by itself: it is made of another encoder.

        Raises
        ------
        InvalidArgumentError
            Always.
        """
        raise InvalidArgumentError(f"an encoder {cls.name!r} is made of another one")

    # -- what the encoder is ---
    @property
    def lower(self) -> tuple[float, ...]:
        """Lower corner of the box."""
        return self.inner.lower

    @property
    def upper(self) -> tuple[float, ...]:
        """Upper corner of the box."""
        return self.inner.upper

    @property
    def levels(self) -> int:
        """One."""
        return 1

    @property
    def cells(self) -> tuple[int, ...]:
        """Those of the encoder."""
        return self.inner.cells

    @property
    def order(self) -> int:
        """That of the encoder."""
        return self.inner.order

    @property
    def highest_order(self) -> int:
        """That of the encoder."""
        return self.inner.highest_order

    @property
    def points_per_cell(self) -> int:
        """Those of the encoder."""
        return self.inner.points_per_cell

    @property
    def periodic_axes(self) -> tuple[bool, ...]:
        """Which axes wrap."""
        return self.inner.periodic_axes

    @property
    def breaks(self) -> tuple[tuple[float, ...], ...]:
        """Those of the encoder."""
        return self.inner.breaks

    @property
    def has_grid(self) -> bool:
        """Whether the encoder has."""
        return self.inner.has_grid

    @property
    def grid(self) -> GridLayout:
        """That of the encoder."""
        return self.inner.grid

    @property
    def reachable_count(self) -> int:
        """Of the encoder."""
        return self.inner.reachable_count

    @property
    def parameter_count(self) -> int:
        """Of the encoder."""
        return self.inner.parameter_count

    @property
    def hash_collisions(self) -> tuple[float, ...]:
        """Of the encoder."""
        return self.inner.hash_collisions

    @property
    def level_slices(self) -> dict[str, tuple[slice, ...]]:
        """Of the encoder."""
        return self.inner.level_slices

    @property
    def tables(self) -> dict[str, GridLayout]:
        """Of the encoder."""
        return self.inner.tables

    def level_coefficients(self, level: int) -> torch.Tensor:
        """Of the encoder."""
        return self.inner.level_coefficients(level)

    def at_level(self, level: int) -> Self:
        """See :meth:`Encoder.at_level`."""
        return replace(self, inner=self.inner.at_level(level))

    def rounded(self) -> Self:
        """See :meth:`Encoder.rounded`."""
        return replace(self, inner=self.inner.rounded())

    def parameters(self) -> dict[str, torch.Tensor]:
        """Those of the encoder."""
        return self.inner.parameters()

    def with_parameters(self, tree: Tree) -> Self:
        """The same with other parameters of the encoder."""
        return replace(self, inner=self.inner.with_parameters(tree))

    def stencil(self, x: torch.Tensor, channels: Channels) -> Stencil | None:
        """That of the encoder; see :meth:`Encoder.stencil`."""
        return self.inner.stencil(x, channels)

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> Wrapped:
        """None by itself: the description is that of the other encoder, with an entry more."""
        raise described.refuse("an encoder by its own name")
