"""A factor of the normal matrix of the finest level of a system, as a change of variables for conjugate gradients.

The unknowns of a vertex belong together, so the matrix is a sparse one of dense blocks: of all pairs of vertices of a
cell.  Parameters are dense last columns.
"""

from __future__ import annotations

import numpy as np
import torch

from hermite_pinn.methods.least_squares.block_cholesky import BlockCholesky
from hermite_pinn.methods.least_squares.nested_dissection import Dissection
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_layout import VertexLayout

__all__ = ["NormalFactor", "normal_blocks"]

LEAST_SHIFT = 1e-15  # of the scaled matrix, below rounding
FLOOR = 1e-13  # of what the other columns leave of parameters, relative to the largest


class NormalFactor:
    """Variables in which the normal matrix of the finest level and the parameters was one; a :class:`.Scaling`.

    Parameters
    ----------
    system
        Linearised.
    layout, dissection
        Of its finest level.
    columns
        Its column scale; unknowns where it is 0 stay 0, and so do those of coarser levels and singular functions.
    damping
        Of the linearised problem.

    Attributes
    ----------
    free
        Which of the unknowns of the finest level and the parameters are free, in the order of elimination.
    entries
        Numbers of the factor.
    """

    def __init__(
        self,
        system: GridSystem,
        layout: VertexLayout,
        dissection: Dissection,
        columns: torch.Tensor,
        damping: float,
    ) -> None:
        self.layout, self.damping = layout, damping
        extra = len(system.problem.parameters)
        self._count = layout.unknowns.size
        self.order = factor_order(system, layout, dissection).to(columns.device)
        self.scale = columns[self.order].to("cpu", torch.float64)
        self.free = self.scale > 0
        blocks = normal_blocks(system, layout, dissection)
        scale = self.scale[: self._count].view(-1, layout.width)
        first = np.repeat(np.arange(len(scale)), np.diff(dissection.starts))
        blocks *= scale[torch.as_tensor(dissection.later)][:, :, None]
        blocks *= scale[torch.as_tensor(first)][:, None, :]
        own = torch.as_tensor(dissection.starts[:-1])
        diagonal = blocks.diagonal(dim1=1, dim2=2)
        diagonal[own] = torch.where(scale > 0, diagonal[own], 1.0)
        self._cholesky = BlockCholesky(dissection, blocks, max(damping, LEAST_SHIFT))
        del blocks
        self._border, self._last = self._bordered(system, extra)

    @property
    def entries(self) -> int:
        """Numbers of the factor."""
        return self._cholesky.entries

    def _bordered(self, system: GridSystem, extra: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The factor's rows of the parameters, and their own variables."""
        products = torch.zeros(self._count + extra, extra, dtype=torch.float64)
        for k in range(extra):
            unit = torch.zeros(system.size, dtype=system.dtype, device=system.device)
            unit[system.grid_size + k] = 1.0
            product = system.adjoint([row.clone() for row in system.forward(unit)])
            products[:, k] = product[self.order].to("cpu", torch.float64) * self.scale
        products *= self.scale[self._count :]
        border = self._cholesky.lower(products[: self._count])
        shift = max(self.damping, LEAST_SHIFT) + (self.scale[self._count :] == 0)
        rest = products[self._count :] + torch.diag(shift) - border.mT @ border
        values, vectors = torch.linalg.eigh(0.5 * (rest + rest.mT))
        least = FLOOR * values[-1:].clamp(min=1e-300)
        return border, vectors * values.maximum(least).rsqrt() if extra else vectors

    # -- the change of variables ---
    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        own = y[self.order].to("cpu", torch.float64)
        last = self._last @ own[self._count :]
        grid = self._cholesky.upper(own[: self._count] - self._border @ last)
        x = torch.zeros_like(y)
        x[self.order] = (torch.cat([grid, last]) * self.scale).to(y)
        return x

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        own = gradient[self.order].to("cpu", torch.float64) * self.scale
        grid = self._cholesky.lower(own[: self._count])
        last = self._last.mT @ (own[self._count :] - self._border.mT @ grid)
        out = torch.zeros_like(gradient)
        out[self.order] = torch.cat([grid, last]).to(gradient)
        return out


def factor_order(system: GridSystem, layout: VertexLayout, dissection: Dissection) -> torch.Tensor:
    """Numbers of the unknowns of the finest level in the order of elimination, then of the parameters."""
    first, extra = system.pyramid.slices[-1].start, len(system.problem.parameters)
    grid = torch.as_tensor(layout.unknowns[dissection.order].reshape(-1)) + first
    return torch.cat([grid, torch.arange(system.grid_size, system.grid_size + extra)])


def normal_blocks(system: GridSystem, layout: VertexLayout, dissection: Dissection) -> torch.Tensor:
    """The products of the columns of the finest level, (pairs, w, w), by pair of :attr:`.Dissection.later`."""
    width, count = layout.width, len(layout.positions)
    places = dissection.places
    at = np.empty(layout.unknowns.size, dtype=np.int64)  # place and slot, by unknown
    at[layout.unknowns] = places[:, None] * width + np.arange(width)
    first = np.repeat(np.arange(count), np.diff(dissection.starts))
    keys = first * count + dissection.later
    blocks = torch.zeros(len(keys), width, width, dtype=torch.float64)
    for block in system.blocks:
        for columns, products in block.products():
            _add(blocks, keys, count, at[columns.numpy()], products)
    if system.ranks.size > 1:
        blocks = system.ranks.add(blocks.to(system.device)).cpu()
    return blocks


def _add(blocks: torch.Tensor, keys: np.ndarray, count: int, at: np.ndarray, products: torch.Tensor) -> None:
    """Add the products of the columns of some cells, whose places and slots are ``at`` (E, L)."""
    width = blocks.shape[1]
    order = np.argsort(at[0], kind="stable")
    grouped = at[:, order].reshape(len(at), -1, width)
    vertices = grouped[:, :, 0] // width
    whole = (grouped == vertices[:, :, None] * width + np.arange(width)).all((1, 2))
    if not whole.all():
        _add_entries(blocks, keys, count, at[~whole], products[torch.as_tensor(~whole)])
        vertices, products = vertices[whole], products[torch.as_tensor(whole)]
    if not len(vertices):
        return
    chosen = torch.as_tensor(order)
    split = products.to(torch.float64).index_select(1, chosen).index_select(2, chosen)
    split = split.view(len(vertices), vertices.shape[1], width, -1, width).transpose(2, 3)
    later, earlier = np.broadcast_arrays(vertices[:, :, None], vertices[:, None, :])
    kept = later >= earlier
    numbers = np.searchsorted(keys, earlier[kept] * count + later[kept])
    blocks.index_add_(0, torch.as_tensor(numbers), split[torch.as_tensor(kept)])


def _add_entries(blocks: torch.Tensor, keys: np.ndarray, count: int, at: np.ndarray, products: torch.Tensor) -> None:
    """The same, entry by entry: for cells that have a vertex twice, or columns of none."""
    width = blocks.shape[1]
    rows, columns = np.broadcast_arrays(at[:, :, None], at[:, None, :])
    kept = rows // width >= columns // width
    rows, columns, values = rows[kept], columns[kept], products.numpy()[kept].astype(np.float64)
    wanted = columns // width * count + rows // width
    numbers = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    there = keys[numbers] == wanted  # where not, a column of zeros stands for a vertex that is none
    flat = (numbers * width + rows % width) * width + columns % width
    blocks.view(-1).index_add_(0, torch.as_tensor(flat[there]), torch.as_tensor(values[there]))
