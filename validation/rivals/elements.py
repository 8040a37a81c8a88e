"""Finite elements by scikit-fem: spaces on intervals and boxes, matrices, values at points."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

__all__ = [
    "Space",
    "at_points",
    "conjugate_gradients",
    "direct",
    "graded",
    "interval",
    "probes",
    "rectangle",
    "solid",
    "uniform",
]

Array = np.ndarray
Matrix = Any


@dataclass(frozen=True, eq=False)
class Space:
    """A finite-element space with values of zero on the boundary, or any.

    Attributes
    ----------
    basis
        Of scikit-fem.
    inside
        Numbers of the functions that vanish on the boundary.
    """

    basis: Any
    inside: Array

    @classmethod
    def of(cls, mesh: Any, element: Any, order: int) -> Space:
        """A space on a mesh; the quadrature is exact for polynomials of twice the order of the element."""
        from skfem import Basis

        logging.getLogger("skfem").setLevel(logging.WARNING)
        basis = Basis(mesh, element, intorder=2 * order)
        return cls(basis, basis.complement_dofs(basis.get_dofs()))

    @property
    def unknowns(self) -> int:
        """Functions inside."""
        return len(self.inside)

    def bilinear(self, form: Callable[..., Array], **fields: Any) -> Matrix:
        """The matrix of a form of trial function, test function and what scikit-fem knows at the points."""
        from skfem import BilinearForm

        return BilinearForm(form).assemble(self.basis, **fields).tocsr()[self.inside][:, self.inside]

    def linear(self, form: Callable[..., Array], **fields: Any) -> Array:
        """The vector of a form of the test function."""
        from skfem import LinearForm

        vector: Array = LinearForm(form).assemble(self.basis, **fields)[self.inside]
        return vector

    def stiffness(self) -> Matrix:
        """The integrals of products of gradients."""
        from skfem.helpers import dot, grad

        return self.bilinear(lambda u, v, _: dot(grad(u), grad(v)))

    def mass(self) -> Matrix:
        """The integrals of products."""
        return self.bilinear(lambda u, v, _: u * v)

    def load(self, source: Callable[..., Array]) -> Array:
        """The integrals of a function of the coordinates with the test functions."""
        return self.linear(lambda v, w: source(*w.x) * v)

    def whole(self, values: Array) -> Array:
        """Coefficients of all functions, zero on the boundary."""
        full = np.zeros(self.basis.N)
        full[self.inside] = values
        return full

    def at_quadrature(self, values: Array) -> Any:
        """A function of the space at the points of the quadrature, with its gradient."""
        return self.basis.interpolate(self.whole(values))

    def values(self, coefficients: Array) -> Callable[[Array], Array]:
        """Values of a function of the space at points (dim, n)."""
        return lambda points: np.asarray(probes(self.basis, points) @ self.whole(coefficients))


def probes(basis: Any, points: Array) -> Matrix:
    """The matrix that takes coefficients to values at points (dim, n), on cells between lines along the axes.

    scikit-fem's own tests every point in many cells at once, which takes gigabytes in three axes.
    """
    corners = basis.mesh.p
    centres = corners[:, basis.mesh.t].mean(1)
    lines = [np.unique(c) for c in corners]
    numbers = np.empty([len(line) - 1 for line in lines], dtype=np.int64)
    numbers[tuple(np.searchsorted(line, c) - 1 for line, c in zip(lines, centres, strict=True))] = np.arange(
        centres.shape[1]
    )
    cells = numbers[
        tuple(
            np.clip(np.searchsorted(line, x, side="right") - 1, 0, len(line) - 2)
            for line, x in zip(lines, points, strict=True)
        )
    ]
    local = basis.mapping.invF(points[:, :, None], tind=cells)
    values = [np.asarray(basis.elem.gbasis(basis.mapping, local, k, tind=cells)[0]) for k in range(basis.Nbfun)]
    rows = np.tile(np.arange(points.shape[1]), basis.Nbfun)
    columns = basis.element_dofs[:, cells].ravel()
    return sparse.csr_array((np.concatenate(values).ravel(), (rows, columns)), (points.shape[1], basis.N))


def interval(cells: Array, order: int) -> Space:
    """Polynomials on the cells between some ends."""
    from skfem import ElementLinePp, MeshLine

    return Space.of(MeshLine(cells), ElementLinePp(order), order)


def rectangle(order: int, x: Array, y: Array) -> Space:
    """Products of polynomials on the cells between lines x and y."""
    from skfem import ElementQuadP, MeshQuad

    return Space.of(MeshQuad.init_tensor(x, y), ElementQuadP(order), order)


def solid(x: Array, y: Array, z: Array) -> Space:
    """Products of polynomials of second order on the cells between planes."""
    from skfem import ElementHex2, MeshHex

    return Space.of(MeshHex.init_tensor(x, y, z), ElementHex2(), 2)


def graded(count: int, centre: float, width: float, lower: float = 0.0, upper: float = 1.0) -> Array:
    """Ends of cells that are about ``width / count`` long near a centre, and grow away from it.

    Examples
    --------
    >>> ends = graded(8, 0.0, 0.01, -1.0, 1.0)
    >>> float(ends[0]), float(ends[-1]), bool(np.diff(ends)[4] < np.diff(ends)[0] / 20)
    (-1.0, 1.0, True)
    """
    first, last = np.arcsinh((lower - centre) / width), np.arcsinh((upper - centre) / width)
    ends: Array = centre + width * np.sinh(np.linspace(first, last, count + 1))
    ends[[0, -1]] = lower, upper
    return ends


def direct(matrix: Matrix) -> Callable[[Array], Array]:
    """The inverse of a matrix with symmetric pattern, by SuperLU with minimum degree."""
    factor = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.01)
    return factor.solve


def conjugate_gradients(matrix: Matrix, right: Array, tolerance: float) -> Array:
    """Solve with a positive definite matrix by conjugate gradients, scaled by its diagonal."""
    diagonal = matrix.diagonal()
    near = LinearOperator(matrix.shape, matvec=lambda v: v / diagonal, dtype=float)
    found, _ = cg(matrix, right, rtol=tolerance, atol=0.0, maxiter=5000, M=near)
    return np.asarray(found)


def uniform(count: int, lower: float = 0.0, upper: float = 1.0) -> Array:
    """Ends of equal cells."""
    return np.linspace(lower, upper, count + 1)


def at_points(basis: Any, inside: Array) -> tuple[Matrix, Matrix]:
    """The matrices that take coefficients on intervals to values and slopes at all points of the quadrature."""
    cells, points = basis.dx.shape
    rows = np.arange(cells * points).reshape(cells, points)
    columns = np.full(basis.N, -1)
    columns[inside] = np.arange(len(inside))
    entries: list[tuple[Array, Array, Array, Array]] = []
    for local, (function,) in enumerate(basis.basis):
        column = np.broadcast_to(columns[basis.element_dofs[local]][:, None], rows.shape)
        kept = column >= 0
        entries.append((rows[kept], column[kept], np.asarray(function)[kept], function.grad[0][kept]))
    row, column, values, slopes = (np.concatenate(part) for part in zip(*entries, strict=True))
    shape = (cells * points, len(inside))
    return tuple(sparse.csr_array((v, (row, column)), shape) for v in (values, slopes))  # type: ignore[return-value]
