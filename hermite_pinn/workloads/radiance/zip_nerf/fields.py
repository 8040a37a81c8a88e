"""Densities and colours on filtered grids."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hermite_pinn.field.field import Field
from hermite_pinn.workloads.radiance.densities import clamped_exp
from hermite_pinn.workloads.radiance.networks import Network

from .grid import FilteredGrid
from .options import Antialiasing, GridLevels

__all__ = ["DensityField", "RadianceField"]

#: Bands of the spherical harmonics of directions, and what density and colour share.
BANDS, HIDDEN = 4, 16


class DensityField(nn.Module):
    """A density: a filtered grid and a small network.

    Parameters
    ----------
    kind, levels
        Encoder of the grid.
    width
        Units of the hidden layer.
    antialiasing
        Of the grid.
    unit
        Density of the exponent 0, per length of the world.
    generator, dtype, device
        Of the parameters.
    """

    def __init__(
        self,
        kind: Field,
        levels: GridLevels,
        width: int,
        antialiasing: Antialiasing,
        unit: float,
        generator: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.unit = unit
        self.grid = FilteredGrid(kind, levels, antialiasing, generator, dtype, device)
        self.network = Network(self.grid.outputs, width, 1, 1, generator=generator, dtype=dtype).to(device)

    def forward(self, points: Tensor, std: Tensor) -> Tensor:
        """Densities (n,) of points (3, n, m) of the unit cube with standard deviations (n, m)."""
        return self.unit * clamped_exp(self.network(self.grid(points, std))[0])


class RadianceField(nn.Module):
    """Density and colour: a filtered grid, a network for the density and one for the colour in a direction.

    Parameters
    ----------
    kind, levels, width, antialiasing, unit, generator, dtype, device
        As of :class:`DensityField`.
    """

    def __init__(
        self,
        kind: Field,
        levels: GridLevels,
        width: int,
        antialiasing: Antialiasing,
        unit: float,
        generator: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.unit = unit
        self.grid = FilteredGrid(kind, levels, antialiasing, generator, dtype, device)
        self.density_network = Network(self.grid.outputs, width, 1, HIDDEN, generator=generator, dtype=dtype).to(device)
        self.color_network = Network(HIDDEN + BANDS**2, width, 2, 3, generator=generator, dtype=dtype).to(device)

    def forward(self, points: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """Densities (n,) and what colours depend on, (hidden, n), of points (3, n, m) with deviations (n, m)."""
        hidden = self.density_network(self.grid(points, std))
        return self.unit * clamped_exp(hidden[0]), hidden

    def colors(self, hidden: Tensor, harmonics: Tensor) -> Tensor:
        """Colours (3, n) between 0 and 1 by what the density found, and by harmonics (bands², n) of directions."""
        return torch.sigmoid(self.color_network(torch.cat([hidden, harmonics])))
