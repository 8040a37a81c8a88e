"""Densities and colours of points: an encoder and two small networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hermite_pinn.cuda.rays.harmonics import spherical_harmonics

from .densities import clamped_exp
from .encoding import Encoding
from .networks import Network

__all__ = ["Looked", "RadianceField"]

#: Bands of the spherical harmonics of directions.
BANDS = 4


@dataclass(frozen=True)
class Looked:
    """What a field was at points.

    Attributes
    ----------
    features
        Of the encoder, (features, n).
    hidden
        What both networks share, (hidden, n).
    """

    features: Tensor
    hidden: Tensor


class RadianceField(nn.Module):
    """Densities of points, and colours of points seen along directions, as Instant-NGP has them.

    Parameters
    ----------
    encoding
        Features of points.
    width
        Units of all hidden layers: one of the density's network, two of the colour's.
    hidden
        Outputs of the first network, of which the first is the logarithm of a density, and which are all inputs of the
        second.
    unit
        Density of the exponent 0, per unit length.
    generator, dtype, device
        Of the weights.
    """

    def __init__(
        self,
        encoding: Encoding,
        width: int,
        hidden: int,
        unit: float,
        generator: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.encoding, self.unit = encoding, unit
        self.first = Network(encoding.outputs, width, 1, hidden, generator=generator, dtype=dtype).to(device)
        self.second = Network(hidden + BANDS**2, width, 2, 3, generator=generator, dtype=dtype).to(device)

    def hidden(self, points: Tensor) -> Tensor:
        """What both networks share, (hidden, n), at points (3, n)."""
        hidden: Tensor = self.first(self.encoding(points))
        return hidden

    def looked(self, points: Tensor) -> Looked:
        """What :meth:`hidden` is at points (3, n), without gradients, with the features on the way."""
        with torch.no_grad():
            features = self.encoding(points.detach())
            return Looked(features, self.first(features))

    def recalled(self, points: Tensor, looked: Looked, index: Tensor) -> Tensor:
        """:meth:`hidden` at those points (3, n) of an earlier look that have the numbers ``index``, (n,)."""
        features = self.encoding.recalled(points, looked.features, index)
        return self.first.recalled(features, looked.hidden, index)

    def density_of(self, hidden: Tensor) -> Tensor:
        """Densities (n,) per unit length."""
        return self.unit * clamped_exp(hidden[0])

    def density(self, points: Tensor) -> Tensor:
        """Densities (n,) per unit length at points (3, n)."""
        return self.density_of(self.hidden(points))

    def colors_of(self, hidden: Tensor, harmonics: Tensor) -> Tensor:
        """Colours (3, n) of what both share and of harmonics (16, n) of directions."""
        return torch.sigmoid(self.second(torch.cat([hidden, harmonics])))

    @staticmethod
    def harmonics(directions: Tensor) -> Tensor:
        """Of directions (3, n), (16, n)."""
        return spherical_harmonics(directions, BANDS)
