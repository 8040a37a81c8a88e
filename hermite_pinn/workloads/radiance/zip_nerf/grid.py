"""Features of what points stand for, level by level."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import Field
from hermite_pinn.workloads.radiance.encoding import Encoding

from .downweighting import downweighting, scale_features
from .options import Antialiasing, GridLevels

__all__ = ["FilteredGrid"]

VALUE = Channels.value(3)
#: Standard deviation of the first values of a table.
SPREAD = 1e-4


class FilteredGrid(nn.Module):
    """An encoder on the unit cube whose levels fade where a point stands for more than their cells.

    Parameters
    ----------
    kind
        The encoder.
    levels
        Of it.
    antialiasing
        How they fade.
    generator
        Of the first values, on the CPU.
    dtype, device
        Of the parameters, and where they are.

    Examples
    --------
    >>> kind = Field(basis="linear", head="siren")
    >>> levels = GridLevels(4, 8, 2)
    >>> grid = FilteredGrid(kind, levels, Antialiasing(), torch.Generator(), torch.float32, torch.device("cpu"))
    >>> points, std = torch.rand(3, 5, 6), torch.full((5, 6), 0.01)
    >>> grid(points, std).shape
    torch.Size([4, 5])
    """

    window: Tensor
    shares: Tensor

    def __init__(
        self,
        kind: Field,
        levels: GridLevels,
        antialiasing: Antialiasing,
        generator: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.antialiasing, self.cells = antialiasing, tuple(float(n) for n in levels.resolutions)
        cube = ((0.0,) * 3, (1.0,) * 3)
        self.encoding = Encoding(
            kind, *cube, list(levels.resolutions), levels.features, levels.table_size, SPREAD, generator, dtype, device
        )
        #: How much of each level is there, from 0 to 1: what opens levels one after the other.
        self.register_buffer("window", torch.ones(levels.count, dtype=dtype, device=device))
        #: One by the number of elements of the level, of every element of the table.
        parts = [torch.full((s.stop - s.start,), 1 / (s.stop - s.start), dtype=dtype) for s in self.encoding.levels]
        shares = torch.cat(parts) if parts else torch.zeros(0, dtype=dtype)
        self.register_buffer("shares", shares.to(device), persistent=False)

    @property
    def outputs(self) -> int:
        """Number of features of a point."""
        return self.encoding.outputs + len(self.cells) * self.antialiasing.scale_features

    def forward(self, points: Tensor, std: Tensor) -> Tensor:
        """Features (outputs, n) of what is told by m points (3, n, m) each, with standard deviations (n, m)."""
        _, n, m = points.shape
        flat = points.reshape(3, n * m).clamp(0.0, 1.0).contiguous()
        found = self.encoding.at().jets(flat, VALUE).reshape(len(self.cells), -1, n, m)
        weights = self.weights(std)
        features = found.sum(3) / m if weights is None else (found * (weights / m)[:, None]).sum(3)
        if not self.antialiasing.scale_features:
            return features.flatten(0, 1)
        kept = std.new_ones(len(self.cells), n) if weights is None else weights.mean(2)
        return torch.cat([features.flatten(0, 1), scale_features(kept, self.sizes(), SPREAD)])

    def weights(self, std: Tensor) -> Tensor | None:
        """How much of each level is left of points, (levels, n, m); None: all of all."""
        whole = bool((self.window == 1).all())
        if self.antialiasing.weights == "none":
            return None if whole else self.window[:, None, None].expand(-1, *std.shape)
        found = downweighting(std, self.cells, self.antialiasing.weights)
        return found if whole else found * self.window[:, None, None]

    def size(self) -> Tensor:
        """Sum over the levels of the mean square of each; differentiable."""
        return self._table().square() @ self.shares

    def sizes(self) -> Tensor:
        """Mean squares of the levels, (levels,), without gradient."""
        table = self._table().detach()
        return torch.stack([table[part].square().mean() for part in self.encoding.levels])

    def _table(self) -> Tensor:
        return self.encoding.values["table"]
