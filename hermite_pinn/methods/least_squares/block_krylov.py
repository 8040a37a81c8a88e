"""The largest eigenvalues of an operator that is known by its products, by a block Krylov method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

__all__ = ["Dominant", "dominant_eigenpairs", "without_phases"]

DEPENDENT = 1e-14  # relative length of a vector of which nothing but rounding is left
REAL = 1e-7  # relative imaginary part that rounding gives to several copies of one real value


@dataclass(frozen=True)
class Dominant:
    """Eigenvalues of largest modulus.

    Attributes
    ----------
    values
        (count,) complex, the largest first.
    vectors
        (size, count) complex, of unit length.
    settled
        Whether the values no longer change.
    """

    values: torch.Tensor
    vectors: torch.Tensor
    settled: bool


def dominant_eigenpairs(
    apply: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    count: int,
    *,
    tol: float = 1e-12,
    most: int = 400,
    stop: Callable[[], bool] = lambda: False,
) -> Dominant:
    """Eigenvalues of largest modulus of a real operator, which need not be symmetric.

    Blocks ``X, T X, T^2 X, ...`` are made orthonormal as they come, and the operator is restricted to them; a block
    finds eigenvalues of as many copies as it has vectors.

    Parameters
    ----------
    apply
        The product with a vector (size,).
    start
        (size, vectors): the first block, at least ``count`` vectors; random ones will do.
    count
        Eigenvalues that are asked for.
    tol
        Relative change of the values, by one more block, at which to end.
    most
        Vectors that are kept.
    stop
        Asked before every product; a true answer ends the iteration.

    Notes
    -----
    Saad, Numerical Methods for Large Eigenvalue Problems, section 6.5 (block Arnoldi).
    """
    block = torch.linalg.qr(start).Q
    basis, images = block, start.new_zeros(len(start), 0)
    found, settled, room = _restricted(basis[:, :0], images, count), False, min(most, len(start))
    while block.shape[1] and not settled and not stop():
        image = torch.stack([apply(column) for column in block.T], 1)
        images = torch.cat([images, image], 1)
        before, found = found, _restricted(basis, images, count)
        settled = len(before.values) == count and _close(before.values, found.values, tol)
        settled = settled or basis.shape[1] == len(start)  # there is nothing else
        if basis.shape[1] + block.shape[1] > room:
            break
        for _ in range(2):  # once leaves rounding along the basis
            image = image - basis @ (basis.T @ image)
        q, r = torch.linalg.qr(image)
        block = q[:, r.diagonal().abs() > DEPENDENT * images.norm(dim=0).max()]
        basis = torch.cat([basis, block], 1)
    # a space that the operator does not leave has all there is to find
    return replace(found, settled=settled or (not block.shape[1] and len(found.values) == count))


def without_phases(found: Dominant) -> Dominant:
    """The same with real vectors for values that are complex by rounding alone.

    Several copies of a real value come as conjugate pairs; the real and the imaginary part of their vectors span the
    same space.
    """
    values, vectors = found.values.clone(), found.vectors.clone()
    paired = False
    for k, value in enumerate(values.tolist()):
        if paired or value.imag == 0.0 or abs(value.imag) > REAL * abs(value):
            paired = False
            continue
        values[k] = value.real
        if k + 1 < len(values) and abs(values[k + 1].item() - value.conjugate()) <= REAL * abs(value):
            values[k + 1], vectors[:, k + 1], paired = value.real, vectors[:, k].imag.to(vectors.dtype), True
        vectors[:, k] = vectors[:, k].real.to(vectors.dtype)
    return replace(found, values=values, vectors=vectors / vectors.norm(dim=0))


def _restricted(basis: torch.Tensor, images: torch.Tensor, count: int) -> Dominant:
    """Eigenvalues of the operator restricted to a basis, of whose first vectors the images are known."""
    known = basis[:, : images.shape[1]]
    values, small = torch.linalg.eig(known.T @ images)
    chosen = values.abs().argsort(descending=True, stable=True)[:count]
    vectors = known.to(small.dtype) @ small[:, chosen]
    return Dominant(values[chosen], vectors / vectors.norm(dim=0), False)


def _close(a: torch.Tensor, b: torch.Tensor, tol: float) -> bool:
    """Whether two lists of values agree; those of equal modulus may come in any order."""
    distance = (a[:, None] - b).abs()
    return bool((distance.min(1).values <= tol * b.abs().max()).all())
