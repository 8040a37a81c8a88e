"""Functions of one axis on equal cells, of which sums and products over the axes are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values

__all__ = ["AxisFunctions"]

BASIS = "septic"


@dataclass(frozen=True)
class AxisFunctions:
    """Septic Hermite functions on equal cells of an interval.

    Coefficients are values and derivatives at the vertices, in units of a cell.

    Attributes
    ----------
    lower, upper
        Ends of the axis.
    cells
        Of equal length.
    wraps
        Whether the last vertex is the first one.

    Examples
    --------
    >>> functions = AxisFunctions(0.0, 2.0, 2, False)
    >>> functions.count
    12
    >>> functions.matrix(np.array([1.0]), 0)[0].tolist()  # the value at the middle vertex
    [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    lower: float
    upper: float
    cells: int
    wraps: bool

    @property
    def count(self) -> int:
        """How many functions there are."""
        return BASES[BASIS].coefficients * (self.cells + (not self.wraps))

    def taps(self, x: torch.Tensor, order: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Numbers of the functions that are not zero at points (n,), and their derivatives of an order there."""
        scale, own = self.cells / (self.upper - self.lower), BASES[BASIS].coefficients
        place = (x - self.lower) * scale
        cell = place.detach().floor().clamp(0, self.cells - 1)
        values = basis_values(BASIS, place - cell, order)
        first, vertices = cell.long(), self.cells + (not self.wraps)
        return [
            ((first + k // own) % vertices * own + k % own, torch.as_tensor(v).expand_as(x) * scale**order)
            for k, v in enumerate(values)
        ]

    def along(self, coefficients: torch.Tensor, x: torch.Tensor, order: int) -> torch.Tensor:
        """Derivatives of functions with coefficients (..., count) at points (n,), (..., n)."""
        parts = [coefficients[..., index] * value for index, value in self.taps(x, order)]
        return torch.stack(parts).sum(0)

    def matrix(self, x: np.ndarray, order: int) -> np.ndarray:
        """Derivatives of all functions at points (n,), (n, count), float64."""
        found = np.zeros((len(x), self.count))
        rows = np.arange(len(x))
        for index, value in self.taps(torch.as_tensor(x, dtype=torch.float64), order):
            np.add.at(found, (rows, index.numpy()), value.numpy())
        return found

    def halved(self) -> AxisFunctions:
        """The functions on cells of half the length, among which these are."""
        return AxisFunctions(self.lower, self.upper, 2 * self.cells, self.wraps)

    def refined(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Coefficients of the same functions among those of :meth:`halved`, (..., count)."""
        finer, own = self.halved(), BASES[BASIS].coefficients
        vertices = finer.cells + (not finer.wraps)
        at = torch.linspace(self.lower, self.upper, finer.cells + 1, dtype=torch.float64)[:vertices]
        length = (self.upper - self.lower) / finer.cells
        both = [self.along(coefficients, at, k) * length**k for k in range(own)]
        return torch.stack(both, -1).flatten(-2)
