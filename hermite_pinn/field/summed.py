"""The features of an encoder summed over its levels, for a network that reads the sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.schema import Entry

from .encoder import Encoder
from .linearization import RowProducts
from .wrapped import Wrapped

__all__ = ["Summed"]


@dataclass(frozen=True, eq=False)
class Summed(Wrapped):
    """The sum of an encoder's levels, feature by feature, on one level.

    Its parameters are those of the encoder.  Without its finest levels a sum is still one of the same features, so
    that the same network reads it: this is what levels of detail are made of.

    Examples
    --------
    >>> from hermite_pinn import Box, Field
    >>> field = Field(head="siren", features=3).build(Box(x=(0, 1)), ["u"], [False], 4)
    >>> summed = Summed(field.encoder)
    >>> summed.levels, summed.features
    (1, 3)
    >>> x = torch.tensor([[0.3]], dtype=torch.float64)
    >>> value = Channels.value(1)
    >>> bool(torch.allclose(summed.jets(x, value)[0], field.encoder.jets(x, value).sum(0)))
    True
    """

    name: ClassVar[str] = "summed"

    @property
    def features(self) -> int:
        """Those of a level."""
        return self.inner.features

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.jets`."""
        return self.inner.summed_jets(x, channels)[None]

    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """See :meth:`Encoder.linearized`: the same weights for every level."""
        return self.inner.linearized(x, channels, weights)

    def describe(self) -> dict[str, Any]:
        """That of the encoder with the entry ``summed``."""
        return self.inner.describe() | {"summed": True}

    @staticmethod
    def around(inner: Encoder, described: Entry) -> Encoder:
        """An encoder, or its sum where its description says so.

        Raises
        ------
        CorruptFileError
            If the description says something else.
        """
        told = described.get("summed")
        return inner if told is None or not told.flag() else Summed(inner)
