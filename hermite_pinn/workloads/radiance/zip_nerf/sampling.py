"""Intervals along rays: proposals say where the field looks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hermite_pinn.workloads.radiance.rays import Rays

from .fields import DensityField
from .frame import Frame
from .frusta import multisample
from .grid import FilteredGrid
from .histograms import resample, volume_weights
from .options import Proposal
from .spacing import Spacing

__all__ = ["Histogram", "Sampler"]


@dataclass(frozen=True)
class Histogram:
    """What rays see where.

    Attributes
    ----------
    shares
        Edges from 0 to 1, (n, k + 1); see :class:`.Spacing`.
    edges
        The same as distances, (n, k + 1).
    weights
        (n, k).
    """

    shares: Tensor
    edges: Tensor
    weights: Tensor


class Sampler(nn.Module):
    """Proposals in a row, each of which is looked up where the one before has weight.

    Parameters
    ----------
    frame
        Of the scene.
    spacing
        Of distances.
    proposals
        Options, and the fields.
    fields
        One per proposal.
    """

    def __init__(
        self, frame: Frame, spacing: Spacing, proposals: tuple[Proposal, ...], fields: list[DensityField]
    ) -> None:
        super().__init__()
        self.frame, self.spacing, self.proposals = frame, spacing, proposals
        self._fields = tuple(fields)
        self.fields = nn.ModuleList(fields)

    @property
    def grids(self) -> list[FilteredGrid]:
        """Those of the proposals."""
        return [field.grid for field in self._fields]

    def forward(
        self, rays: Rays, last: int, power: float, generator: torch.Generator | None
    ) -> tuple[list[Histogram], Tensor, Tensor]:
        """Look proposals up, one after the other.

        Parameters
        ----------
        rays
            n rays that meet the scene.
        last
            Number of intervals of the field.
        power
            Of the weights from which intervals are drawn.
        generator
            Of random shifts and turns; None: none.

        Returns
        -------
        histograms
            Of the proposals.
        shares, edges
            Of the field's intervals, (n, last + 1), without gradient.
        """
        with torch.no_grad():
            near, far = self.frame.span(rays)
            shares = torch.stack([torch.zeros_like(near), torch.ones_like(near)], 1)
            weights = torch.ones_like(shares[:, :1])
        found: list[Histogram] = []
        for proposal, field in zip(self.proposals, self._fields, strict=True):
            shares = resample(shares, weights, proposal.samples, power, generator)
            edges = self.spacing.distance(shares, near, far)
            points, std = self.place(rays, edges, proposal.points, generator)
            sigma = field(points, std).reshape(len(rays), proposal.samples)
            weights = volume_weights(sigma, edges.diff(dim=1))
            found.append(Histogram(shares, edges, weights))
        shares = resample(shares, weights, last, power, generator)
        return found, shares, self.spacing.distance(shares, near, far)

    def place(self, rays: Rays, edges: Tensor, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Points (3, n k, count) of the unit cube for n k slices of cones, and their deviations (n k, count)."""
        samples = multisample(rays, edges, count, generator)
        points, scale = self.frame.unit(samples.positions)
        return points.reshape(3, -1, count), (samples.std.detach() * scale).reshape(-1, count)
