"""Coordinates beside the features of an encoder, as auxiliary inputs of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.schema import Entry

from .encoder import Encoder, EncoderOptions, Levels
from .linearization import RowProducts
from .stencils import Stencil
from .tree import Tree
from .wave_features import Coordinates

__all__ = ["Appended"]


@dataclass(frozen=True, eq=False)
class Appended(Encoder):
    """The features of all levels of an encoder, and some of the coordinates behind them, on one level.

    Its parameters are those of the encoder.

    Parameters
    ----------
    inner
        The encoder.
    axes
        Which coordinates; see :class:`.Coordinates` for what they give.

    Examples
    --------
    >>> from hermite_pinn import Box, Field
    >>> field = Field(head="siren", aux=("y",)).build(Box(x=(0, 1), y=(0, 2)), ["u"], [False, False], 3)
    >>> field.encoder.features                                                # two on each of three levels, and y
    7
    """

    inner: Encoder
    axes: tuple[int, ...]

    name: ClassVar[str] = "appended"
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
    ) -> Appended:
        """None by itself: it is what ``aux`` makes of another encoder.

        Raises
        ------
        InvalidArgumentError
            Always.
        """
        raise InvalidArgumentError("auxiliary inputs are added to an encoder by hp.Field(aux=...)")

    @property
    def _coordinates(self) -> Coordinates:
        return Coordinates(self.inner.lower, self.inner.upper, self.inner.periodic_axes)

    @property
    def _rows(self) -> list[int]:
        """Places of the coordinates that are taken among those of all axes."""
        starts = 0
        rows: list[int] = []
        for axis, wraps in enumerate(self.inner.periodic_axes):
            count = 2 if wraps else 1
            if axis in self.axes:
                rows += range(starts, starts + count)
            starts += count
        return rows

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
    def features(self) -> int:
        """Those of all levels, and the coordinates."""
        return self.inner.levels * self.inner.features + len(self._rows)

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
    def summary(self) -> str:
        """See :attr:`Encoder.summary`."""
        return f"{self.inner.summary} and {len(self.axes)} coordinate{'s' * (len(self.axes) > 1)}"

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

    def at_level(self, level: int) -> Appended:
        """See :meth:`Encoder.at_level`."""
        return replace(self, inner=self.inner.at_level(level))

    def rounded(self) -> Appended:
        """See :meth:`Encoder.rounded`."""
        return replace(self, inner=self.inner.rounded())

    def parameters(self) -> dict[str, torch.Tensor]:
        """Those of the encoder."""
        return self.inner.parameters()

    def with_parameters(self, tree: Tree) -> Appended:
        """The same with other parameters of the encoder."""
        return replace(self, inner=self.inner.with_parameters(tree))

    # -- what it gives ---
    def stencil(self, x: torch.Tensor, channels: Channels) -> Stencil | None:
        """That of the encoder; see :meth:`Encoder.stencil`."""
        return self.inner.stencil(x, channels)

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.jets`."""
        own = self.inner.jets(x, channels).flatten(0, 1)
        coordinates = self._coordinates.basis(x, channels)
        return torch.cat([own, *(coordinates[k : k + 1] for k in self._rows)])[None]

    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """See :meth:`Encoder.linearized`."""
        shape = self.inner.levels, self.inner.features
        own = weights[:, 0, : shape[0] * shape[1]].unflatten(1, shape)
        return self.inner.linearized(x, channels, own.contiguous())

    def describe(self) -> dict[str, Any]:
        """That of the encoder with the entry ``aux``."""
        return self.inner.describe() | {"aux": list(self.axes)}

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> Appended:
        """None by itself; see :meth:`around`."""
        raise described.refuse("an encoder by its own name")

    @staticmethod
    def around(inner: Encoder, described: Entry) -> Encoder:
        """An encoder with the auxiliary inputs that its description tells, or itself.

        Raises
        ------
        CorruptFileError
            For axes that it does not have.
        """
        aux = described.get("aux")
        if aux is None:
            return inner
        axes = tuple(e.integer(0, inner.dim - 1) for e in aux.items(least=1, most=inner.dim))
        if list(axes) != sorted(set(axes)):
            raise aux.refuse("axes in their order, each once")
        return Appended(inner, axes)
