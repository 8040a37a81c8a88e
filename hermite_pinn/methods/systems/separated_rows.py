"""Rows of a tensor product of points as sums of products of matrices along the axes.

A term ``sum_k s_k D^(o_k) u`` with constant coefficients has such rows: each of its derivatives is a product of
one-dimensional ones.  A coefficient that varies along one axis belongs to the matrix of that axis; one that varies
along several is replaced by its mean times how its means over the other axes vary, which is exact where it is a
product; and one whose sign varies, so that its mean says little, by a row of its own of the same size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.expressions.program import Value

__all__ = ["AxisProduct", "SeparatedRow", "product_of_axes", "separated_row"]

STEADY = 0.5  # of its root mean square: a mean that stands for a coefficient


@dataclass(frozen=True, eq=False)
class AxisProduct:
    """A derivative times a coefficient: a product of one matrix along each axis.

    Attributes
    ----------
    coefficient
        Factor of the product.
    orders
        Of the derivative along each axis.
    factors
        By axis the matrix (points, coefficients), with the roots of the weights of the points.
    """

    coefficient: float
    orders: tuple[int, ...]
    factors: tuple[sparse.csr_matrix, ...]


@dataclass(frozen=True, eq=False)
class SeparatedRow:
    """The rows of a term at the points of a tensor product: the sum of some products.

    Attributes
    ----------
    products
        Its parts.
    exact
        Whether the rows are that sum, or close to it only.
    """

    products: tuple[AxisProduct, ...]
    exact: bool = True


def product_of_axes(values: torch.Tensor) -> tuple[float, list[np.ndarray | None], bool] | None:
    """A constant and a factor per axis whose product is an array, or close to it.

    Parameters
    ----------
    values
        The array; axes along which it does not vary may have length 1.

    Returns
    -------
    tuple or None
        The constant, the factors (None for 1), and whether they are exact; None where the sign of the array varies so
        much over several axes that no product stands for it.

    Examples
    --------
    >>> x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 5.0]])
    >>> constant, factors, exact = product_of_axes(x * y)
    >>> constant, [f.tolist() for f in factors], exact
    (6.0, [[0.6666666666666666, 1.3333333333333333], [0.75, 1.25]], True)
    """
    array = values.detach().to("cpu", torch.float64).numpy()
    varying = [axis for axis, n in enumerate(array.shape) if n > 1]
    factors: list[np.ndarray | None] = [None] * array.ndim
    if not varying:
        return float(array.reshape(-1)[0]), factors, True
    mean, size = float(array.mean()), math.sqrt(float(np.square(array).mean()))
    if size == 0.0:
        return 0.0, factors, True
    if len(varying) == 1:
        factors[varying[0]] = array.reshape(-1) / size
        return size, factors, True
    if not abs(mean) >= STEADY * size:
        return None
    product = np.full([1] * array.ndim, mean)
    for axis in varying:
        own = array.mean(tuple(i for i in range(array.ndim) if i != axis)) / mean
        factors[axis] = own
        product = product * own.reshape([-1 if i == axis else 1 for i in range(array.ndim)])
    exact = bool(np.abs(product - array).max() <= 1e-12 * size)
    return mean, factors, exact


def separated_row(
    members: Sequence[tuple[tuple[int, ...], Value]], matrix: Callable[[int, int], sparse.csr_matrix], scale: float
) -> list[SeparatedRow]:
    """The rows of a term, and those that stand for coefficients of varying sign.

    Parameters
    ----------
    members
        Pairs of the orders of a derivative and its coefficient: a number, or an array that broadcasts to the points.
    matrix
        Gives the matrix of an axis for an order of differentiation.
    scale
        Divisor of the rows.
    """
    products, apart, exact = [], [], True
    for orders, value in members:
        factors = [matrix(axis, order) for axis, order in enumerate(orders)]
        found = (
            product_of_axes(value) if isinstance(value, torch.Tensor) else (float(value), [None] * len(orders), True)
        )
        if found is None:
            assert isinstance(value, torch.Tensor)
            size = float(value.square().mean().sqrt()) / scale
            apart.append(SeparatedRow((AxisProduct(size, orders, tuple(factors)),), exact=False))
            exact = False
            continue
        constant, weights, same = found
        exact &= same
        if constant == 0.0:
            continue
        weighted = [f if w is None else (sparse.diags(w) @ f).tocsr() for f, w in zip(factors, weights, strict=True)]
        products.append(AxisProduct(constant / scale, orders, tuple(weighted)))
    return [SeparatedRow(tuple(products), exact), *apart] if products else apart
