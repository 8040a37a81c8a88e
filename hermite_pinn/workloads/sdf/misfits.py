"""What is wrong with a field at samples: its values, its gradients and their lengths, as weighted squares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch

from hermite_pinn.cuda.encoder.channels import Channels

from .cell_system import Weights
from .samples import Samples

__all__ = ["COMPONENTS", "Misfits"]

#: Numbers at a point in the misfit of each name.
COMPONENTS = {"value": 1, "normal": 3, "eikonal": 1}


@dataclass(frozen=True)
class Misfits:
    """The squares that are minimised, the same for every encoder and method.

    Attributes
    ----------
    weights
        Of the means of squares.
    extent
        Of the surface, in which values are counted.
    """

    weights: Weights
    extent: float

    @property
    def names(self) -> tuple[str, ...]:
        """Those that have a weight."""
        return tuple(name for name, weight in asdict(self.weights).items() if weight > 0)

    @property
    def order(self) -> int:
        """Highest derivative that is needed."""
        return int(any(name != "value" for name in self.names))

    @property
    def channels(self) -> Channels:
        """What is needed of the field."""
        return Channels.jet(3, self.order)

    def weight(self, name: str) -> float:
        """Weight of one of them."""
        return float(getattr(self.weights, name))

    def rows(self, jets: torch.Tensor, samples: Samples) -> dict[str, torch.Tensor]:
        """Misfits (k, n) by name, times the roots of their weights.

        Parameters
        ----------
        jets
            Value and gradient of the field in the units of the coordinates, (1 or 4, n).
        """
        rows = {"value": (jets[:1] - samples.distance) / self.extent}
        if self.order:
            rows["normal"] = (jets[1:] - samples.gradient) * samples.known
            rows["eikonal"] = (torch.linalg.vector_norm(jets[1:], dim=0, keepdim=True) - 1) * samples.known
        return {name: rows[name] * math.sqrt(self.weight(name)) for name in self.names}

    def losses(self, jets: torch.Tensor, samples: Samples) -> dict[str, torch.Tensor]:
        """Means of the weighted squares, by name; see :meth:`rows`."""
        return {name: samples.mean(rows.square().sum(0)) for name, rows in self.rows(jets, samples).items()}

    def report(self, values: Mapping[str, float]) -> dict[str, float]:
        """Root mean squares of single numbers, values in the units of the coordinates, from :meth:`losses`."""
        units = {"value": self.extent}
        told = {}
        for name, value in values.items():
            square = value / (self.weight(name) * COMPONENTS[name])
            told[name] = math.sqrt(square) * units.get(name, 1.0) if square >= 0 else math.nan
        return told
