"""A factor of the normal matrix of the finest level of a system, as a change of variables for conjugate gradients.

The unknowns of a vertex belong together, so the matrix is a sparse one of dense blocks: of all pairs of vertices of a
cell.  Parameters are dense last columns.
"""

from __future__ import annotations

import numpy as np
import torch

from hermite_pinn.methods.least_squares.block_cholesky import BlockCholesky
from hermite_pinn.methods.least_squares.nested_dissection import Dissection
from hermite_pinn.methods.least_squares.rows import Rows
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
    damping
        Of the linearised problem.

    Attributes
    ----------
    columns
        Inverse column norms, as :meth:`GridSystem.column_scale` has them, of the finest level and the parameters; 0 for
        the unknowns of coarser levels and for singular functions, which stay 0.
    entries
        Numbers of the factor.

    Raises
    ------
    ArithmeticError
        If numbers are not finite.
    """

    def __init__(self, system: GridSystem, layout: VertexLayout, dissection: Dissection, damping: float) -> None:
        self.layout, self.damping = layout, damping
        self._count, self._extra = layout.unknowns.size, len(system.problem.parameters)
        self._order = _order(system, layout, dissection)
        blocks = normal_blocks(system, layout, dissection)
        if not bool(torch.isfinite(blocks).all()):
            raise ArithmeticError("a matrix with numbers that are not finite has no factor")
        own = torch.as_tensor(dissection.starts[:-1])
        self.columns = self._inverse_norms(system, blocks.diagonal(dim1=1, dim2=2)[own].reshape(-1))
        self._scale = self.columns[self._order].to("cpu", torch.float64)
        self._dead = (self.columns == 0) & ~self._fixed(system)  # without effect, that may come
        scale = self._scale[: self._count].view(-1, layout.width)
        first = np.repeat(np.arange(len(scale)), np.diff(dissection.starts))
        blocks *= scale[torch.as_tensor(dissection.later)][:, :, None]
        blocks *= scale[torch.as_tensor(first)][:, None, :]
        diagonal = blocks.diagonal(dim1=1, dim2=2)
        diagonal[own] = torch.where(scale > 0, diagonal[own], 1.0)
        self._cholesky = BlockCholesky(dissection, blocks, max(damping, LEAST_SHIFT))
        del blocks
        self._border, self._last = self._bordered(system, self._extra)

    def _inverse_norms(self, system: GridSystem, squares: torch.Tensor) -> torch.Tensor:
        """Of all unknowns, from the squares of the norms on the finest level in the order of elimination."""
        every = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        every[self._order[: self._count]] = squares.to(every)
        last = every[system.grid_size : system.grid_size + self._extra]
        for block in system.blocks:
            last += block.parameter_diagonal()[: self._extra]
        if system.ranks.size > 1:
            last.copy_(system.ranks.add(last.clone()))
        return system.inverse_norms(every, system.free(every) & ~self._fixed(system))

    @staticmethod
    def _fixed(system: GridSystem) -> torch.Tensor:
        """Which unknowns are fixed, or none of the factor's."""
        fixed = torch.ones(system.size, dtype=torch.bool, device=system.device)
        fixed[system.pyramid.slices[-1]] = system.fixed.reshape(-1)
        fixed[system.grid_size : system.grid_size + len(system.problem.parameters)] = False
        return fixed

    def fits(self, system: GridSystem, layout: VertexLayout, dissection: Dissection, rows: Rows) -> bool:
        """Whether a system at its linearisation has the same unknowns; takes their places in it if so.

        There may be more levels below.  Unknowns that had no effect must still have none, which their gradient tells.
        """
        if layout is not self.layout or len(system.problem.parameters) != self._extra:
            return False
        order = _order(system, layout, dissection)
        columns = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        columns[order] = self._scale.to(columns)
        fixed = self._fixed(system)
        dead = (columns == 0) & ~fixed
        if bool((fixed & (columns > 0)).any()) or int(dead.sum()) != int(self._dead.sum()):
            return False
        if bool(dead.any()) and bool(system.adjoint([r.clone() for r in rows])[dead].any()):
            return False
        self._order, self.columns, self._dead = order, columns, dead
        return True

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
            products[:, k] = product[self._order].to("cpu", torch.float64) * self._scale
        products *= self._scale[self._count :]
        border = self._cholesky.lower(products[: self._count])
        shift = max(self.damping, LEAST_SHIFT) + (self._scale[self._count :] == 0)
        rest = products[self._count :] + torch.diag(shift) - border.mT @ border
        values, vectors = torch.linalg.eigh(0.5 * (rest + rest.mT))
        least = FLOOR * values[-1:].clamp(min=1e-300)
        return border, vectors * values.maximum(least).rsqrt() if extra else vectors

    # -- the change of variables ---
    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        own = y[self._order].to("cpu", torch.float64)
        last = self._last @ own[self._count :]
        grid = self._cholesky.upper(own[: self._count] - self._border @ last)
        x = torch.zeros_like(y)
        x[self._order] = (torch.cat([grid, last]) * self._scale).to(y)
        return x

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        own = gradient[self._order].to("cpu", torch.float64) * self._scale
        grid = self._cholesky.lower(own[: self._count])
        last = self._last.mT @ (own[self._count :] - self._border.mT @ grid)
        out = torch.zeros_like(gradient)
        out[self._order] = torch.cat([grid, last]).to(gradient)
        return out


def _order(system: GridSystem, layout: VertexLayout, dissection: Dissection) -> torch.Tensor:
    """Numbers of the unknowns of the finest level in the order of elimination, then of the parameters."""
    first, extra = system.pyramid.slices[-1].start, len(system.problem.parameters)
    grid = torch.as_tensor(layout.unknowns[dissection.order].reshape(-1)) + first
    return torch.cat([grid, torch.arange(system.grid_size, system.grid_size + extra)]).to(system.device)


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
    if at.shape[1] % width:
        _add_entries(blocks, keys, count, at, products)
        return
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
    """The same, entry by entry: for cells that have a vertex twice, parts of vertices, or columns of none."""
    width = blocks.shape[1]
    rows, columns = np.broadcast_arrays(at[:, :, None], at[:, None, :])
    kept = rows // width >= columns // width
    rows, columns, values = rows[kept], columns[kept], products.numpy()[kept].astype(np.float64)
    wanted = columns // width * count + rows // width
    numbers = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    there = keys[numbers] == wanted  # where not, a column of zeros stands for a vertex that is none
    flat = (numbers * width + rows % width) * width + columns % width
    blocks.view(-1).index_add_(0, torch.as_tensor(flat[there]), torch.as_tensor(values[there]))
