"""A factor of the normal matrix of the finest level of a system, as a change of variables for conjugate gradients.

The unknowns of a vertex belong together, so the matrix is a sparse one of dense blocks: of all pairs of vertices of a
cell.  Parameters are dense last columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from hermite_pinn.methods.least_squares.bordered_factor import BorderedFactor
from hermite_pinn.methods.least_squares.nested_dissection import Dissection
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.dense_block import DenseBlock
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_layout import VertexLayout

__all__ = ["NormalFactor", "elimination_order", "gathered_blocks", "normal_blocks", "scale_blocks"]

SINGULAR = 1e-9  # pivot of a matrix of unit diagonal: rounding grows with the unknowns


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
    blocks
        The :func:`normal_blocks`, which are changed; None makes them.
    shift
        Least number that is added to the diagonal of the scaled matrix.

    Attributes
    ----------
    columns
        Inverse column norms, as :meth:`GridSystem.column_scale` has them, of the finest level and the parameters; 0 for
        the unknowns of coarser levels and for singular functions, which stay 0.
    entries
        Numbers of the factor.
    singular
        Whether the matrix is so close to a singular one that rounding may have made what the factor says of some
        directions: by its least pivot.

    Raises
    ------
    ArithmeticError
        If numbers are not finite.
    """

    def __init__(
        self,
        system: GridSystem,
        layout: VertexLayout,
        dissection: Dissection,
        damping: float,
        blocks: torch.Tensor | None = None,
        *,
        shift: float = 0.0,
    ) -> None:
        self.layout, self.damping = layout, damping
        self._count, self._extra = layout.unknowns.size, len(system.problem.parameters)
        self._order = elimination_order(system, layout, dissection)
        blocks = normal_blocks(system, layout, dissection) if blocks is None else blocks
        if not bool(torch.isfinite(blocks).all()):
            raise ArithmeticError("a matrix with numbers that are not finite has no factor")
        own = torch.as_tensor(dissection.starts[:-1])
        self.columns = self._inverse_norms(system, blocks.diagonal(dim1=1, dim2=2)[own].reshape(-1))
        self._scale = self.columns[self._order].to("cpu", torch.float64)
        self._dead = (self.columns == 0) & ~self._fixed(system)  # without effect, that may come
        scale_blocks(blocks, dissection, self._scale[: self._count])
        self._factor = BorderedFactor(dissection, blocks, self._columns_of_parameters(system), max(damping, shift))
        self.singular = self._factor.least_pivot < SINGULAR

    def _inverse_norms(self, system: GridSystem, squares: torch.Tensor) -> torch.Tensor:
        """Of all unknowns, from the squares of the norms on the finest level in the order of elimination."""
        every = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        every[self._order[: self._count]] = squares.to(every)
        last = every[system.grid_size : system.grid_size + self._extra]
        for block in system.blocks:
            last += block.parameter_diagonal()[: self._extra]
        system.hold(last)
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
        order = elimination_order(system, layout, dissection)
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
        return self._factor.entries

    def _columns_of_parameters(self, system: GridSystem) -> torch.Tensor:
        """The scaled columns of the parameters, (n + k, k)."""
        products = torch.zeros(self._count + self._extra, self._extra, dtype=torch.float64)
        for k in range(self._extra):
            unit = torch.zeros(system.size, dtype=system.dtype, device=system.device)
            unit[system.grid_size + k] = 1.0
            product = system.adjoint([row.clone() for row in system.forward(unit)])
            products[:, k] = product[self._order].to("cpu", torch.float64) * self._scale
        return products * self._scale[self._count :]

    # -- the change of variables ---
    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        x = torch.zeros_like(y)
        x[self._order] = (self._factor.upper(y[self._order].to("cpu", torch.float64)) * self._scale).to(y)
        return x

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        out = torch.zeros_like(gradient)
        out[self._order] = self._factor.lower(gradient[self._order].to("cpu", torch.float64) * self._scale).to(gradient)
        return out


def elimination_order(system: GridSystem, layout: VertexLayout, dissection: Dissection) -> torch.Tensor:
    """Numbers of the unknowns of the finest level in the order of elimination, then of the parameters."""
    first, extra = system.pyramid.slices[-1].start, len(system.problem.parameters)
    grid = torch.as_tensor(layout.unknowns[dissection.order].reshape(-1)) + first
    return torch.cat([grid, torch.arange(system.grid_size, system.grid_size + extra)]).to(system.device)


def scale_blocks(blocks: torch.Tensor, dissection: Dissection, scale: torch.Tensor) -> None:
    """Scale rows and columns in place, with ones on the diagonal where the scale (n,) is 0."""
    width = blocks.shape[1]
    scale = scale.view(-1, width)
    own = torch.as_tensor(dissection.starts[:-1])
    first = np.repeat(np.arange(len(scale)), np.diff(dissection.starts))
    blocks *= scale[torch.as_tensor(dissection.later)][:, :, None]
    blocks *= scale[torch.as_tensor(first)][:, None, :]
    diagonal = blocks.diagonal(dim1=1, dim2=2)
    diagonal[own] = torch.where(scale > 0, diagonal[own], 1.0)


def normal_blocks(
    system: GridSystem, layout: VertexLayout, dissection: Dissection, members: Sequence[DenseBlock] | None = None
) -> torch.Tensor:
    """The products of the columns of the finest level, (pairs, w, w), by pair of :attr:`.Dissection.later`.

    Parameters
    ----------
    members
        The blocks of rows that count; None for all.
    """
    own = (piece for block in (system.blocks if members is None else members) for piece in block.products())
    blocks = gathered_blocks(layout, dissection, own)
    if system.ranks.size > 1:
        blocks = system.ranks.add(blocks.to(system.device)).cpu()
    return blocks


def gathered_blocks(
    layout: VertexLayout, dissection: Dissection, pieces: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> torch.Tensor:
    """The sum of pieces of a normal matrix (see :meth:`.Block.products`), in the form of :func:`normal_blocks`."""
    width, count = layout.width, len(layout.positions)
    places = dissection.places
    at = np.empty(layout.unknowns.size, dtype=np.int64)  # place and slot, by unknown
    at[layout.unknowns] = places[:, None] * width + np.arange(width)
    first = np.repeat(np.arange(count), np.diff(dissection.starts))
    keys = first * count + dissection.later
    blocks = torch.zeros(len(keys), width, width, dtype=torch.float64)
    for columns, products in pieces:
        _add(blocks, keys, count, at[columns.numpy()], products)
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
    first, second = np.tril_indices(vertices.shape[1])
    own = order.reshape(-1, width)
    flat = own[first][:, :, None] * len(order) + own[second][:, None, :]  # every pair of vertices once
    chosen = products.to(torch.float64).reshape(len(products), -1).index_select(1, torch.as_tensor(flat.reshape(-1)))
    pairs = chosen.view(-1, width, width)
    later, earlier = vertices[:, first].reshape(-1), vertices[:, second].reshape(-1)
    turned = torch.as_tensor(np.flatnonzero(later < earlier))
    pairs[turned] = pairs[turned].mT
    keyed = np.minimum(later, earlier) * count + np.maximum(later, earlier)
    blocks.index_add_(0, torch.as_tensor(np.searchsorted(keys, keyed)), pairs)


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
