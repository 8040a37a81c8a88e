"""Coordinates beside the features of an encoder, as auxiliary inputs of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.schema import Entry

from .encoder import Encoder
from .linearization import RowProducts
from .wave_features import Coordinates
from .wrapped import Wrapped

__all__ = ["Appended"]


@dataclass(frozen=True, eq=False)
class Appended(Wrapped):
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

    axes: tuple[int, ...]

    name: ClassVar[str] = "appended"

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

    @property
    def features(self) -> int:
        """Those of all levels, and the coordinates."""
        return self.inner.levels * self.inner.features + len(self._rows)

    @property
    def summary(self) -> str:
        """See :attr:`Encoder.summary`."""
        return f"{self.inner.summary} and {len(self.axes)} coordinate{'s' * (len(self.axes) > 1)}"

    # -- what it gives ---
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
