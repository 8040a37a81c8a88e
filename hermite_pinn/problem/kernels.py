"""Kernels of integrals as sums of products of functions of one variable each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import spelled
from hermite_pinn.errors import HermitePinnError, InvalidProblemError
from hermite_pinn.expressions.graph import Expr, constant, coordinate, wrap
from hermite_pinn.expressions.program import Program, leaves, substitute
from hermite_pinn.expressions.trace import bind

__all__ = ["inner_name", "separated"]

POINTS = 48  # Chebyshev points along either variable where a kernel is looked at
FEW = 4  # products of which a kernel may be an exact sum
EXACT = 1e-12  # of its largest value, below which nothing is left
MOST = 24  # products otherwise, each of which is a field
TOL = 1e-9  # of the largest value that may then be left


def inner_name(axis: str) -> str:
    """How a kernel calls the variable of integration: ``s``, or ``r`` along an axis called so."""
    return "r" if axis == "s" else "s"


def separated(kernel: Callable[..., Any], axis: str, bounds: tuple[float, float], what: str) -> list[tuple[Expr, Expr]]:
    """Pairs ``(a, b)`` with ``kernel(x, s) = sum a(x) b(s)``, both as expressions of the coordinate of the axis.

    Kernels such as ``exp(s - x)``, polynomials of low degree and waves of ``x - s`` are sums of few products: crosses
    of rows and columns through the largest value that is left, until none is.  Others are interpolated by polynomials
    of the coordinate, where these are not too many: their integrals are those at the nodes.

    Raises
    ------
    InvalidProblemError
        If it depends on something else, cannot be traced, or is no sum of few products.
    """
    inner = inner_name(axis)
    try:
        traced = wrap(bind(kernel, {axis: coordinate(axis), inner: coordinate(inner)}, f"the kernel of {what}"))
    except HermitePinnError:
        raise
    except Exception as error:
        raise InvalidProblemError(
            f"the kernel of {what} failed when it was traced with symbols ({type(error).__name__}: {error}); write it with the "
            "functions of hermite_pinn (hp.exp, hp.cos, ...)"
        ) from error
    others = leaves(traced) - {("coordinate", axis), ("coordinate", inner)}
    if others:
        raise InvalidProblemError(
            f"the kernel of {what} depends on {spelled(next(iter(others))[1])}; it may depend on {axis} and on the variable of "
            f"integration {inner}; put other factors into the expression, or before the integral"
        )
    at = _chebyshev(bounds, POINTS)

    def values_at(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        env = {("coordinate", axis): torch.as_tensor(first)[:, None], ("coordinate", inner): torch.as_tensor(second)}
        found = np.asarray(Program([traced]).run(env)[0], dtype=np.float64)
        return np.broadcast_to(found, (first.size, second.size))

    values = values_at(at, at)
    ends = np.array(bounds)
    if not all(np.isfinite(v).all() for v in (values, values_at(ends, at), values_at(at, ends), values_at(ends, ends))):
        raise InvalidProblemError(
            f"the kernel of {what} is infinite or undefined somewhere with {axis} and {inner} between {bounds[0]:g} and "
            f"{bounds[1]:g}; kernels have to be finite and smooth there"
        )

    def through(name: str, position: float) -> Expr:
        def put(leaf: Expr) -> Expr | float | None:
            if leaf.op != "coordinate":
                return None
            return position if leaf.data == name else coordinate(axis)

        return substitute(traced, put)

    crossed = _cross(values, what)
    if crossed is not None:
        rows, columns = crossed
        core = np.linalg.inv(values[np.ix_(rows, columns)])
        by_row = [through(axis, at[i]) for i in rows]
        return [(through(inner, at[j]), _combined(by_row, weights)) for j, weights in zip(columns, core, strict=True)]
    for count in range(FEW + 1, MOST + 1):
        nodes = _chebyshev(bounds, count)
        off = np.abs(_cardinals(nodes, at).T @ values_at(nodes, at) - values).max()
        if off <= TOL * np.abs(values).max():
            x = coordinate(axis)
            return [(_cardinal(nodes, i, x), through(axis, node)) for i, node in enumerate(nodes)]
    raise InvalidProblemError(
        f"the kernel of {what} is no sum of {MOST} products of a function of either variable, to {TOL:g} of its size; "
        "kernels have to be smooth and not much narrower than the axis"
    )


def _chebyshev(bounds: tuple[float, float], count: int) -> np.ndarray:
    """Points between bounds, ascending, through which polynomials interpolate well."""
    unit = np.cos((np.arange(count) + 0.5) * np.pi / count)
    return np.asarray(0.5 * (bounds[0] + bounds[1]) - 0.5 * (bounds[1] - bounds[0]) * unit)


def _cardinal(nodes: np.ndarray, number: int, x: Any) -> Any:
    """The polynomial that is 1 at one node and 0 at the others."""
    product: Any = 1.0
    for other in np.delete(nodes, number):
        product = product * ((x - float(other)) / float(nodes[number] - other))
    return product


def _cardinals(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.stack([_cardinal(nodes, i, x) for i in range(len(nodes))])


def _combined(expressions: Sequence[Expr], weights: np.ndarray) -> Expr:
    total: Expr = constant(0.0)
    for weight, expression in zip(weights, expressions, strict=True):
        total = wrap(total + float(weight) * expression)
    return total


def _cross(values: np.ndarray, what: str) -> tuple[list[int], list[int]] | None:
    """Rows and columns whose crosses make a matrix; None where they are more than a few."""
    left, largest = values.copy(), float(np.abs(values).max())
    rows: list[int] = []
    columns: list[int] = []
    while float(np.abs(left).max()) > EXACT * largest:
        if len(rows) == FEW:
            return None
        i, j = np.unravel_index(int(np.abs(left).argmax()), left.shape)
        rows.append(int(i))
        columns.append(int(j))
        left -= np.outer(left[:, j], left[i]) / left[i, j]
    if not rows:
        raise InvalidProblemError(f"the kernel of {what} is zero; leave the integral out")
    return rows, columns
