"""Another basis for the coefficients of every vertex, in which diagonal scaling works as well as vertex blocks.

The functions of one vertex of a quintic or septic basis are nearly dependent: near a vertex its value function and its
curvature function look alike.  Scaling the columns to unit norm cannot see that, and conjugate gradients pay with
hundreds of steps.  Along every axis the vertex functions are therefore made orthonormal in

    sum over o of  (f^(o), g^(o)) / trace of these products,        o = 0 ... order of differentiation along the axis,

over the cells at the vertex, the value function first.  The change of basis is an upper triangular m x m matrix per
axis and vertex, and its tensor product acts on the m**d coefficients of a vertex.  Coefficients that conditions fix at
the ends of an axis keep apart.  Odd and even functions are orthogonal, so that for cubics nothing changes inside.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix, evaluation_matrix
from hermite_pinn.cuda.tensor_grid.pieces import Pieces
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.geometry import gauss_axis

__all__ = ["VertexBases", "VertexScaling", "changed_columns", "vertex_basis"]


@lru_cache(maxsize=64)
def _three(basis: str, orders: tuple[int, ...], fixed: tuple[tuple[int, ...], tuple[int, ...]]) -> np.ndarray:
    """Change of basis at the left end, inside, and at the right end of an axis: (3, m, m)."""
    m = BASES[basis].coefficients
    points, weights = gauss_axis(0.0, 2.0, 2, m + 1)
    rows = evaluation_matrix(basis, 2, (0.0, 2.0), False, points, orders, np.sqrt(weights)).matrices
    products = [(rows[o].T @ rows[o]).toarray() for o in orders]
    changes = []
    for vertex in range(3):
        own = slice(vertex * m, (vertex + 1) * m)
        total = sum(p[own, own] / np.trace(p[own, own]) for p in products)
        apart = list({0: fixed[0], 2: fixed[1]}.get(vertex, ()))
        total[apart] = total[:, apart] = 0.0
        total[apart, apart] = 1.0
        changes.append(np.linalg.inv(np.linalg.cholesky(total)).T)
    return np.array(changes)


def vertex_basis(
    basis: str,
    cells: int,
    periodic: bool,
    orders: Sequence[int],
    fixed: tuple[Sequence[int], Sequence[int]] = ((), ()),
    breaks: Sequence[int] = (),
) -> np.ndarray:
    """The change of basis along one axis.

    Parameters
    ----------
    cells
        Cells of the axis.
    orders
        Orders of differentiation along the axis that matter.
    fixed
        Coefficients that keep apart at the left and at the right end.
    breaks
        By break, the vertex on its left; the one on its right follows.  The coefficients of both stay as they are, and
        those of both ends of a periodic axis, which are vertices of their own then.

    Returns
    -------
    ndarray
        Of shape (vertices, m, m): the coefficients at a vertex are this upper triangular matrix times the new ones.

    Examples
    --------
    >>> T = vertex_basis("quintic", 4, False, (0, 1, 2))
    >>> T.shape, bool(abs(T[2, 0, 1]) < 1e-12), bool(abs(T[2, 0, 2]) > 0.1)
    ((5, 3, 3), True, True)
    """
    three = _three(basis, tuple(sorted(orders)), (tuple(fixed[0]), tuple(fixed[1])))
    if periodic and not breaks:
        change = np.repeat(three[1:2], cells, 0)
    else:
        change = np.concatenate([three[:1], np.repeat(three[1:2], cells - 1, 0), three[2:]])
    if periodic and breaks:
        change[[0, -1]] = np.eye(three.shape[1])
    for left in breaks:
        change = np.insert(change, left, np.eye(three.shape[1]), 0)
        change[left + 1] = np.eye(three.shape[1])
    return change


def changed_columns(matrix: sparse.csr_matrix, change: np.ndarray) -> sparse.csr_matrix:
    """A matrix on the coefficients of one axis, as one on the new ones; rows hold all m coefficients of a vertex."""
    m = change.shape[1]
    vertex = matrix.indices.reshape(-1, m)[:, 0] // m
    data = np.einsum("ka,kab->kb", matrix.data.reshape(-1, m), change[vertex]).ravel()
    return sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


class VertexBases:
    """Coefficients of all levels from those in the vertex bases, and the transpose; fixed ones stay zero.

    Parameters
    ----------
    pyramid
        The levels.
    orders
        By axis, the orders of differentiation that matter.
    masks
        By level, where coefficients are fixed.
    pieces_of
        By axis, the parts into which breaks cut it, or None.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        orders: Sequence[Sequence[int]],
        masks: Sequence[torch.Tensor],
        pieces_of: Sequence[Pieces | None] = (),
    ) -> None:
        self.pyramid, self.masks = pyramid, list(masks)

        def broken(axis: int, cells: int) -> list[int]:
            pieces = pieces_of[axis] if pieces_of else None
            return [] if pieces is None else [left for left, _, _ in pieces.pairs(cells, False)]

        self.changes = [
            [
                vertex_basis(
                    pyramid.basis, n, p, o, _fixed(mask, axis + 1, BASES[pyramid.basis].coefficients), broken(axis, n)
                )
                for axis, (n, p, o) in enumerate(zip(resolution, pyramid.periodic, orders, strict=True))
            ]
            for resolution, mask in zip(pyramid.resolutions, self.masks, strict=True)
        ]
        self._matrices = [[self._matrix(c) for c in level] for level in self.changes]

    def _matrix(self, change: np.ndarray) -> AxisMatrix:
        vertices, m, _ = change.shape
        columns = (np.arange(vertices)[:, None, None] * m + np.arange(m)).repeat(m, 1)
        pattern = sparse.csr_matrix(
            (change.ravel(), columns.ravel(), np.arange(0, vertices * m * m + 1, m)), shape=(vertices * m, vertices * m)
        )
        matrices: dict[Hashable, sparse.csr_matrix] = {0: pattern}
        return AxisMatrix(matrices, self.pyramid.dtype, self.pyramid.device)

    def forward(self, unknowns: torch.Tensor) -> torch.Tensor:
        """The usual unknowns (coefficients, then parameters) from those in the vertex bases, in place."""
        views = self.pyramid.views(unknowns[: self.pyramid.size])
        for view, matrices, mask in zip(views, self._matrices, self.masks, strict=True):
            part = view
            for axis, matrix in enumerate(matrices):
                part = matrix.apply([(0, part)], axis + 1)
            view.copy_(part.masked_fill_(mask, 0.0))
        return unknowns

    def adjoint(self, gradient: torch.Tensor) -> torch.Tensor:
        """Transpose of :meth:`forward`, in place."""
        views = self.pyramid.views(gradient[: self.pyramid.size])
        for view, matrices, mask in zip(views, self._matrices, self.masks, strict=True):
            part = view.masked_fill_(mask, 0.0)
            for axis, matrix in enumerate(matrices):
                part = matrix.transposed.apply([(0, part)], axis + 1)
            view.copy_(part)
        return gradient


@dataclass(frozen=True)
class VertexScaling:
    """Variables in the vertex bases, scaled to unit columns; a :class:`Scaling`.

    Attributes
    ----------
    bases
        The change of basis.
    columns
        One over the norms of the columns in the vertex bases; 0 for fixed unknowns.
    damping
        Of the linearised problem.
    """

    bases: VertexBases
    columns: torch.Tensor
    damping: float

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        return self.bases.forward(y * self.columns)

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        return self.bases.adjoint(gradient.clone()).mul_(self.columns)


def _fixed(mask: torch.Tensor, axis: int, m: int) -> tuple[list[int], list[int]]:
    """Coefficients that are fixed all over the faces at both ends of an axis, in some field."""
    moved = mask.movedim(axis, 1)
    whole = moved.reshape(*moved.shape[:2], -1).all(2).any(0).tolist()
    return [a for a in range(m) if whole[a]], [a for a in range(m) if whole[len(whole) - m + a]]
