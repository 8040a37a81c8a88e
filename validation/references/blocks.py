"""The solution of :func:`hermite_pinn.problems.poisson_blocks` by spectral elements.

Blocks are cut into elements, graded towards their corners, where the solution is least smooth; on each it is a
polynomial.  The source and the coefficient are products in every block, so that all integrals are products of integrals
along the axes, and the matrix is a sum of Kronecker products, which is factorised.  Nothing here shares a line with the
solver of this package.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from scipy import sparse
from scipy.sparse import linalg

__all__ = ["BlockSolution", "spectral_elements"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class BlockSolution:
    """A function that is a polynomial in every element of a tensor product of lines.

    Attributes
    ----------
    ends
        Of the elements of an axis, (m + 1,).
    values
        At the nodes of both axes, (n, n).
    degree
        Of the polynomials.
    """

    ends: Array
    values: Array
    degree: int

    def __call__(self, x: Array, y: Array) -> Array:
        """Values at points (n,)."""
        columns, along_x = self._located(np.asarray(x, float))
        rows, along_y = self._located(np.asarray(y, float))
        found: Array = np.einsum("nk,nkl,nl->n", along_x, self.values[columns[:, :, None], rows[:, None, :]], along_y)
        return found

    def _located(self, s: Array) -> tuple[Array, Array]:
        """The nodes (n, p + 1) of the elements in which coordinates lie, and the values of their polynomials there."""
        element = np.clip(np.searchsorted(self.ends, s, "right") - 1, 0, len(self.ends) - 2)
        lower, upper = self.ends[element], self.ends[element + 1]
        shape = _polynomials(self.degree, 2 * (s - lower) / (upper - lower) - 1)[0]
        return element[:, None] * self.degree + np.arange(self.degree + 1), shape


def _polynomials(degree: int, s: Array) -> tuple[Array, Array]:
    """Lagrange polynomials of the Gauss-Lobatto points, and their slopes, at points of [-1, 1]: (n, p + 1) each."""
    inner = legendre.Legendre.basis(degree).deriv().roots().real
    nodes = np.concatenate([[-1.0], np.sort(inner), [1.0]])
    coefficients = np.linalg.inv(legendre.legvander(nodes, degree))  # (legendre, node)
    slopes = legendre.legder(coefficients, axis=0)
    return legendre.legvander(s, degree) @ coefficients, legendre.legvander(s, degree - 1) @ slopes


def spectral_elements(
    coefficient: Array,
    constant: Array,
    amplitude: Array,
    half_width: float = 10.0,
    degree: int = 8,
    layers: int = 3,
    divergence: bool = False,
) -> BlockSolution:
    """Solve by elements of some degree.

    Parameters
    ----------
    coefficient, constant, amplitude
        Of the blocks, (n, n) each, the first index along x.
    half_width
        Of the square.
    degree
        Of the polynomials along each axis.
    layers
        Elements between an end of a block and its middle, each a third as long as the next.
    divergence
        Solve div(a grad u) + f = 0 instead.
    """
    blocks = len(coefficient)
    size = 2 * half_width / blocks
    share = np.concatenate([[0.0], 0.5 * 3.0 ** -np.arange(layers - 1, -1, -1.0)])
    inner = np.concatenate([share, (1 - share[::-1])[1:]])  # of one block
    ends = np.unique(np.concatenate([-half_width + size * (k + inner) for k in range(blocks)]).round(12))
    s, w = legendre.leggauss(degree + 4)
    shape, slope = _polynomials(degree, s)
    count, parts = (len(ends) - 1) * degree + 1, len(inner) - 1
    mass, stiff, ones, waves = [], [], [], []
    for k in range(blocks):
        m, a = (sparse.lil_matrix((count, count)) for _ in range(2))
        flat, wave = np.zeros(count), np.zeros(count)
        for e in range(k * parts, (k + 1) * parts):
            half = (ends[e + 1] - ends[e]) / 2
            nodes = np.arange(e * degree, (e + 1) * degree + 1)
            m[np.ix_(nodes, nodes)] += half * (shape.T * w) @ shape
            a[np.ix_(nodes, nodes)] += (slope.T * w) @ slope / half
            at = (ends[e] + half * (s + 1) + half_width) / size - k
            flat[nodes] += half * (w @ shape)
            wave[nodes] += half * ((w * np.sin(np.pi * at)) @ shape)
        mass.append(m.tocsr())
        stiff.append(a.tocsr())
        ones.append(flat)
        waves.append(wave)
    weight = np.asarray(coefficient, float) if divergence else np.ones((blocks, blocks))
    loaded = weight / coefficient
    matrix: sparse.csr_matrix = sparse.csr_matrix((count**2, count**2))
    load = np.zeros((count, count))
    for i in range(blocks):
        for j in range(blocks):
            matrix = matrix + weight[i, j] * (sparse.kron(stiff[i], mass[j]) + sparse.kron(mass[i], stiff[j]))
            load += loaded[i, j] * (
                constant[i, j] * np.outer(ones[i], ones[j]) + amplitude[i, j] * np.outer(waves[i], waves[j])
            )
    for node, block in ((0, 0), (count - 1, blocks - 1)):
        corner = sparse.csr_matrix(([1.0], ([node], [node])), shape=(count, count))
        for j in range(blocks):
            matrix = matrix + weight[block, j] * sparse.kron(corner, mass[j])
            matrix = matrix + weight[j, block] * sparse.kron(mass[j], corner)
    u = linalg.splu(
        matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0
    ).solve(load.ravel())
    return BlockSolution(ends, u.reshape(count, count), degree)
