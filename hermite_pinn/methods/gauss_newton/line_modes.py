"""Eigenvectors along an axis, in which a diffusion or a wave with constant coefficients is diagonal.

They are orthonormal in the product of functions that a rule of quadrature gives.  With ``2 m - 2`` Gauss points a cell,
for m coefficients per vertex, the second derivative is symmetric in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg as dense
import torch

from hermite_pinn.methods.systems.block import Axis

__all__ = ["LineModes", "line_modes"]


@dataclass(frozen=True, eq=False)
class LineModes:
    """What diagonalises an operator along one axis.

    Attributes
    ----------
    values
        Eigenvalues (n,), real.
    to_modes
        From values at the points to the modes of their projection, (n, points).
    from_modes
        From modes to the coefficients that no condition prescribes, (n, n).
    waves
        About the wave numbers of the modes (n,).
    """

    values: torch.Tensor
    to_modes: torch.Tensor
    from_modes: torch.Tensor
    waves: torch.Tensor


def line_modes(
    basis: str,
    axis: Axis,
    cells: int,
    points: np.ndarray,
    weights: np.ndarray,
    fixed: Sequence[int],
    strengths: Mapping[int, float],
) -> LineModes:
    """The modes of ``sum strengths[order] d^order`` along an axis.

    Parameters
    ----------
    basis, axis, cells
        Of the grid.
    points, weights
        A rule of quadrature, with as many points at least as there are coefficients that are not prescribed.
    fixed
        Numbers of the coefficients that are prescribed.
    strengths
        By even order.  Where all are zero, or there are none, the modes are those of the second derivative.

    Examples
    --------
    >>> from hermite_pinn.geometry.quadrature import gauss_axis
    >>> rule = gauss_axis(0.0, 1.0, 16, 2)
    >>> modes = line_modes("cubic", Axis("x", (0.0, 1.0), False), 16, *rule, [0, 32], {2: 1.0})
    >>> round(float(modes.values.max()) / np.pi**2, 4)
    -1.0
    """
    active = {o: s for o, s in strengths.items() if s != 0}
    orders = sorted({0, 2, *active})
    root = np.sqrt(weights)
    made = axis.evaluation(basis, cells, points, orders, root).matrices
    free = np.setdiff1d(np.arange(made[0].shape[1]), np.asarray(fixed, dtype=np.int64))
    matrices = {o: made[o].toarray()[:, free] for o in orders}
    values = matrices[0]
    second = values.T @ matrices[2]
    operator = sum((s * values.T @ matrices[o] for o, s in active.items()), np.zeros_like(second)) if active else second
    eigenvalues, vectors = dense.eigh(0.5 * (operator + operator.T), values.T @ values)
    waves = np.sqrt(np.abs(((vectors.T @ second) * vectors.T).sum(1)))
    if not active:
        eigenvalues = np.zeros_like(eigenvalues)
    tensors = (np.ascontiguousarray(a) for a in (eigenvalues, vectors.T @ values.T * root, vectors, waves))
    return LineModes(*(torch.as_tensor(a, dtype=torch.float64) for a in tensors))
