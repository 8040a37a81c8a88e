"""Fast diagonalisation: variables in which the normal matrix of a box is nearly the unit matrix.

The rows of a scalar equation with constant coefficients are sums of products of matrices along the axes.  With A the
part of the equation along an axis (rows of its faces included) and M the values, the eigenvectors of
``A^T A v = mu M^T M v`` make both diagonal, and the mixed product ``A^T M`` nearly so: for all functions that the grid
resolves.  What the normal matrix has on its diagonal in the products of such modes is
therefore close to all of it, on every grid and for every order.  Along one axis, time for an evolution, nothing is
diagonalised: there every mode keeps its own matrix, a chain of small blocks, which is factored.

Lynch, Rice, Thomas, Direct solution of partial difference equations by tensor product methods, Numerische Mathematik 6
(1964); Sangalli, Tani, Isogeometric preconditioners based on fast solvers for the Sylvester equation, SIAM J. Sci.
Comput. 38 (2016), who do the same for Galerkin's method.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg as dense
import scipy.sparse as sparse
import torch

from .mode_chains import Chains, Diagonal
from .separated_rows import AxisProduct, SeparatedRow

__all__ = ["AxisModes", "NormalModes", "along_axis", "axis_modes", "free_along", "transform_operations"]


@dataclass(frozen=True, eq=False)
class AxisModes:
    """The modes of an axis.

    Attributes
    ----------
    vectors
        By mode the coefficients, (coefficients, modes); rows and columns of fixed coefficients are zero.
    matrices
        What they are the eigenvectors of.
    """

    vectors: np.ndarray
    matrices: tuple[np.ndarray, np.ndarray]

    def same(self, matrices: tuple[np.ndarray, np.ndarray]) -> bool:
        """Whether they are those of some matrices."""
        return all(np.array_equal(a, b) for a, b in zip(self.matrices, matrices, strict=True))


def free_along(fixed: torch.Tensor) -> list[np.ndarray] | None:
    """By axis which coefficients (N_1, ...) are free; None where the free ones are not all products of those."""
    free = ~fixed.cpu()
    lines = [free.movedim(axis, 0).flatten(1).any(1) for axis in range(free.ndim)]
    product = torch.ones([1] * free.ndim, dtype=torch.bool)
    for axis, line in enumerate(lines):
        product = product & line.reshape([-1 if i == axis else 1 for i in range(free.ndim)])
    return [line.numpy() for line in lines] if torch.equal(product, free) else None


def axis_modes(
    rows: Sequence[SeparatedRow],
    axis: int,
    values: sparse.csr_matrix,
    free: np.ndarray,
    known: Sequence[AxisModes] = (),
) -> AxisModes:
    """The modes of an axis: eigenvectors of what the rows say along it.

    Parameters
    ----------
    values
        The values at the points of the axis, with the roots of their weights.
    free
        Which coefficients are no condition's.
    known
        Modes, one of which may be the same.

    Raises
    ------
    ArithmeticError
        If the values do not determine the coefficients.
    """
    mass = (values.T @ values).toarray()[free][:, free]
    own = np.zeros_like(mass)
    for row in rows:
        parts = [p for p in row.products if _is_along(p, axis)]
        if parts:
            whole = sum(p.coefficient * p.factors[axis] for p in parts)
            own += (whole.T @ whole).toarray()[free][:, free]
    for modes in known:
        if modes.vectors.shape[0] == len(free) and modes.same((own, mass)):
            return modes
    try:
        _, vectors = dense.eigh(own, mass)
    except np.linalg.LinAlgError as error:
        raise ArithmeticError(f"values do not determine the coefficients along axis {axis}") from error
    whole_vectors = np.zeros((len(free), len(free)))
    whole_vectors[np.ix_(free, free)] = vectors
    return AxisModes(whole_vectors, (own, mass))


def along_axis(rows: Sequence[SeparatedRow], axis: int) -> list[tuple[tuple[float, int], ...]]:
    """By row what it says along an axis, as factors and the identities of matrices: axes may well say the same."""
    parts = ([p for p in row.products if _is_along(p, axis)] for row in rows)
    return [tuple((p.coefficient, id(p.factors[axis])) for p in own) for own in parts if own]


def _is_along(product: AxisProduct, axis: int) -> bool:
    """Whether a product differentiates along an axis and no other, or is a condition at one of its ends."""
    others = [i for i in range(len(product.orders)) if i != axis]
    if any(product.orders[i] != 0 or product.factors[i].shape[0] == 1 for i in others):
        return False  # along another axis, or at one of its ends
    return product.orders[axis] > 0 or product.factors[axis].shape[0] == 1


class NormalModes:
    """About the normal matrix of some rows, as a product of a factor and its transpose; a change of variables.

    Parameters
    ----------
    rows
        The rows.
    modes
        By axis its modes; None for at most one axis, along which every mode keeps its matrix.
    free
        By axis which coefficients are free.
    width
        Coefficients per vertex and axis.
    device
        Where it is applied.

    Raises
    ------
    ArithmeticError
        If the matrix of a mode is not positive definite.
    """

    def __init__(
        self,
        rows: Sequence[SeparatedRow],
        modes: Sequence[AxisModes | None],
        free: Sequence[np.ndarray],
        width: int,
        device: torch.device,
    ) -> None:
        self._shape = tuple(len(f) for f in free)
        self._along = next((i for i, m in enumerate(modes) if m is None), None)
        self._vectors = {i: torch.as_tensor(m.vectors).to(device) for i, m in enumerate(modes) if m is not None}
        parts = _parts(rows, modes, self._along)
        if self._along is None:
            self._kept = torch.ones(1, 1, dtype=torch.float64, device=device)
            self._inner: Diagonal | Chains = Diagonal(torch.stack([numbers for numbers, _ in parts]).sum(0).to(device))
        else:
            self._kept = torch.as_tensor(free[self._along]).to(device, torch.float64)[:, None]
            self._inner = _chains(parts, free[self._along], width, device)

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Coefficients (N_1, ...) from the variables, of the same shape."""
        return self._along_modes(self._restored(self._inner.forward(self._modal(y) * self._kept)), transposed=False)

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the variables."""
        modal = self._modal(self._along_modes(gradient, transposed=True))
        return self._restored(self._inner.adjoint(modal * self._kept))

    def _modal(self, x: torch.Tensor) -> torch.Tensor:
        """The axis of the chains first, all modes behind it."""
        if self._along is None:
            return x.reshape(1, -1)
        return x.movedim(self._along, 0).reshape(self._shape[self._along], -1)

    def _restored(self, x: torch.Tensor) -> torch.Tensor:
        if self._along is None:
            return x.reshape(self._shape)
        others = [n for i, n in enumerate(self._shape) if i != self._along]
        return x.reshape(self._shape[self._along], *others).movedim(0, self._along)

    def _along_modes(self, x: torch.Tensor, *, transposed: bool) -> torch.Tensor:
        if x.ndim == 2 and self._along is None:
            left, right = self._vectors[0], self._vectors[1]
            return left.mT @ x @ right if transposed else left @ x @ right.mT
        for axis, vectors in self._vectors.items():
            matrix = vectors.mT if transposed else vectors
            x = torch.tensordot(matrix, x, dims=([1], [axis])).movedim(0, axis)
        return x.contiguous()


Part = tuple[torch.Tensor, sparse.csr_matrix | None]


def _parts(rows: Sequence[SeparatedRow], modes: Sequence[AxisModes | None], along: int | None) -> list[Part]:
    """The normal matrix in the modes: numbers by mode (modes,) times a matrix along the axis of the chains."""
    seen: dict[tuple[int, int, int], np.ndarray] = {}
    images: dict[tuple[int, int], np.ndarray] = {}

    def image(axis: int, factor: sparse.csr_matrix) -> np.ndarray:
        own = modes[axis]
        assert own is not None
        key = axis, id(factor)
        if key not in images:
            images[key] = factor @ own.vectors
        return images[key]

    def squares(axis: int, a: sparse.csr_matrix, b: sparse.csr_matrix) -> np.ndarray:
        key = axis, min(id(a), id(b)), max(id(a), id(b))
        if key not in seen:
            seen[key] = np.einsum("pk,pk->k", image(axis, a), image(axis, b))
        return seen[key]

    sums: dict[tuple[int, int], tuple[torch.Tensor, sparse.csr_matrix | None]] = {}
    for row in rows:
        for (i, a), (j, b) in itertools.combinations_with_replacement(enumerate(row.products), 2):
            modal = torch.full((), (1.0 if i == j else 2.0) * a.coefficient * b.coefficient, dtype=torch.float64)
            for axis, own in enumerate(modes):
                if own is not None:
                    modal = modal[..., None] * torch.as_tensor(squares(axis, a.factors[axis], b.factors[axis]))
            key, matrix = (0, 0), None
            if along is not None:
                first, second = a.factors[along], b.factors[along]
                key = min(id(first), id(second)), max(id(first), id(second))
                if key not in sums:
                    mixed = first.T @ second
                    matrix = (0.5 * (mixed + mixed.T)).tocsr()
            before = sums.get(key)
            sums[key] = (modal.reshape(-1), matrix) if before is None else (before[0] + modal.reshape(-1), before[1])
    return list(sums.values())


def _chains(parts: Sequence[Part], free: np.ndarray, width: int, device: torch.device) -> Chains:
    """The factored matrices of all modes along an axis."""
    links, count = len(free) // width, len(parts[0][0])
    diagonal = torch.zeros(links, count, width, width, dtype=torch.float64, device=device)
    below = torch.zeros(max(links - 1, 0), count, width, width, dtype=torch.float64, device=device)
    kept = sparse.diags(free.astype(float))
    for numbers, matrix in parts:
        assert matrix is not None
        blocks = torch.as_tensor((kept @ matrix @ kept).toarray()).to(device)
        blocks = blocks.reshape(links, width, links, width).permute(0, 2, 1, 3)
        own = numbers.to(device)[None, :, None, None]
        every = torch.arange(links)
        diagonal += own * blocks[every, every][:, None]
        below += own * blocks[every[1:], every[:-1]][:, None]
    return Chains(diagonal, below)


def transform_operations(shape: Sequence[int], along: int | None) -> float:
    """Operations of a change of variables and of its transpose.

    Examples
    --------
    >>> transform_operations((10, 20), 1)
    8000.0
    """
    return 4.0 * math.prod(shape) * sum(n for i, n in enumerate(shape) if i != along)
