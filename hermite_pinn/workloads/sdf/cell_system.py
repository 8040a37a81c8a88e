"""Least squares for the coefficients of one level, from values and gradients at the Gauss points of its cells.

All cells of a level are alike: what their coefficients make at their points is one small matrix, and products with
the Jacobian are products with that.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import basis_values
from hermite_pinn.cuda.encoder.layout import GridLayout

from .band import CORNERS

__all__ = ["CellSystem", "Weights", "gauss_points"]

JETS = 4  # value and three derivatives
PIECE = 1 << 15  # cells at once


@dataclass(frozen=True)
class Weights:
    """Weights of the squares of misfits at a point.

    Attributes
    ----------
    value
        Of the value.
    normal
        Of the components of the gradient.
    eikonal
        Of the gradient's component along the true one, again.
    """

    value: float
    normal: float
    eikonal: float


def gauss_points(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss points in the unit cube, (points**3, 3), and their weights (points**3,), which sum to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    places = np.stack(np.meshgrid(*[(nodes + 1) / 2] * 3, indexing="ij"), -1).reshape(-1, 3)
    return places, np.prod(list(itertools.product(weights / 2, repeat=3)), axis=1)


class CellSystem:
    """The normal equations of one level.

    Parameters
    ----------
    layout
        The grid.
    level
        Which of its levels; all other coefficients stay.
    cells
        Numbers of cells (n, 3) with points.
    points
        Gauss points per cell and axis.
    weights
        Of misfits.
    dtype
        Of the products.
    device
        Where they are computed.
    """

    def __init__(
        self,
        layout: GridLayout,
        level: int,
        cells: np.ndarray,
        points: int,
        weights: Weights,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.layout, self.level, self.weights = layout, level, weights
        self.record = layout.record
        self.count = layout.groups[level][0].slots
        places, shares = gauss_points(points)
        self.points = len(places)
        size = np.asarray(layout.lengths) / np.asarray(layout.resolutions[level])
        matrix = _jet_matrix(layout.basis, places, size)
        self.matrix = torch.as_tensor(matrix.reshape(self.points * JETS, -1), dtype=dtype, device=device)
        scale = np.sqrt(shares)[:, None] * np.sqrt([weights.value, *[weights.normal] * 3])
        self.scale = torch.as_tensor(scale, dtype=dtype, device=device)
        self.eikonal = torch.as_tensor(weights.eikonal * shares, dtype=dtype, device=device)[:, None, None]
        storage = layout.groups[level][0].storage
        corners = torch.from_numpy(cells[:, None] + CORNERS)
        slots = storage.slot([corners[..., axis] for axis in range(3)])
        self.slots = torch.where(slots < 0, self.count, slots).to(device)

    # -- products ---
    def jets(self, coefficients: torch.Tensor, part: slice) -> torch.Tensor:
        """Value and gradient at the points of some cells, (cells, points, 4), of coefficients (slots + 1, record)."""
        local = coefficients[self.slots[part]].flatten(1)
        return (local @ self.matrix.T).view(len(local), self.points, JETS)

    def weighted(self, jets: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """Jets times the weights of misfits; directions (cells, points, 3) are zero where the gradient is not known."""
        result = jets * self.scale**2
        if self.weights.normal or self.weights.eikonal:
            known = directions.abs().amax(2, keepdim=True) > 0
            result[..., 1:] *= known
        if self.weights.eikonal:
            along = (jets[..., 1:] * directions).sum(2, keepdim=True)
            result[..., 1:] += self.eikonal[:, 0] * along * directions
        return result

    def scatter(self, weighted: torch.Tensor, part: slice, out: torch.Tensor) -> None:
        """Add the transposed product of rows of some cells to coefficients (slots + 1, record)."""
        local = weighted.flatten(1) @ self.matrix
        out.index_add_(0, self.slots[part].reshape(-1), local.view(-1, self.record))

    def pieces(self) -> list[slice]:
        """Runs of cells that are worked on at once."""
        return [slice(k, k + PIECE) for k in range(0, len(self.slots), PIECE)]

    def gradient(self, misfits: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """Transposed Jacobian times weighted misfits (cells, points, 4): (slots + 1, record), its last row zero."""
        out = misfits.new_zeros(self.count + 1, self.record)
        for part in self.pieces():
            self.scatter(self.weighted(misfits[part], directions[part]), part, out)
        out[-1] = 0
        return out

    def product(self, coefficients: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """The normal matrix times coefficients (slots + 1, record)."""
        out = torch.zeros_like(coefficients)
        for part in self.pieces():
            self.scatter(self.weighted(self.jets(coefficients, part), directions[part]), part, out)
        out[-1] = 0
        return out

    @cached_property
    def inverse_blocks(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Inverse blocks of the normal matrix: which a vertex has (slots + 1,), and all of them (n, record, record)."""
        bits = torch.zeros(self.count + 1, dtype=torch.int64, device=self.slots.device)
        for corner in range(8):
            bits.index_add_(0, self.slots[:, corner], torch.full_like(self.slots[:, corner], 1 << corner))
        bits[-1] = 0
        present, which = torch.unique(bits, return_inverse=True)
        scale = self.scale.double() ** 2
        scale[:, 1:] += self.eikonal.double()[:, 0] / 3
        rows = self.matrix.double().view(self.points, JETS, 8, self.record)
        corner_blocks = torch.einsum("qj,qjca,qjcb->cab", scale, rows, rows)
        blocks = []
        for pattern in present.tolist():
            block = sum(corner_blocks[c] for c in range(8) if pattern >> c & 1) + torch.zeros_like(corner_blocks[0])
            blocks.append(torch.linalg.pinv(block, hermitian=True, rtol=1e-10))
        return which, torch.stack(blocks).to(self.matrix.dtype)

    def preconditioned(self, gradient: torch.Tensor) -> torch.Tensor:
        """Inverse blocks times a gradient."""
        which, blocks = self.inverse_blocks
        if len(blocks) <= 2:  # all vertices but the one that stands for none are alike
            return gradient @ blocks[-1]
        out = torch.empty_like(gradient)
        for k, block in enumerate(blocks):
            chosen = which == k
            out[chosen] = gradient[chosen] @ block
        return out


def _jet_matrix(basis: str, places: np.ndarray, size: np.ndarray) -> np.ndarray:
    """What the coefficients of a cell make at places in it: (places, 4, 8 * record)."""
    axes = [
        [np.stack(basis_values(basis, places[:, axis], order), 1) / size[axis] ** order for order in (0, 1)]
        for axis in range(3)
    ]
    orders = axes[0][0].shape[1] // 2
    rows = []
    for derived in (None, 0, 1, 2):
        x, y, z = (axes[axis][int(axis == derived)].reshape(-1, 2, orders) for axis in range(3))
        rows.append(np.einsum("pia,pjb,pkc->pijkabc", x, y, z).reshape(len(places), -1))
    return np.stack(rows, 1)
