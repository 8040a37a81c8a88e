"""Equations with constant coefficients on boxes, whose eigenvalues are known."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term

from .low_functions import SMALL

__all__ = ["far_from_resonance", "least_share", "wavenumbers"]

BEYOND = 10.0  # times the wavenumber at which terms balance, up to which eigenfunctions are looked at
MOST = 400_000  # of them


def far_from_resonance(problem: Problem) -> bool:
    """Whether no eigenfunction comes close to satisfying an equation with a right-hand side of zero; no where unknown.

    Eigenfunctions are products of sines and cosines for one equation with even derivatives and constant coefficients
    on a whole box, every side of which has a value or a normal derivative, or is periodic.  Close is a residual of a
    hundredth of the terms that it is made of.

    Parameters
    ----------
    problem
        What is solved.
    """
    domain = problem.domain
    equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    if domain.is_cut or domain.breaks or len(problem.fields) != 1 or len(equations) != 1 or problem.parameters:
        return False
    (term,) = equations
    symbol = {orders: float(s) for (_, orders), s in term.constant.items()}
    if term.variable or not term.affine or any(o % 2 for orders in symbol for o in orders):
        return False
    kinds = _held(problem)
    if kinds is None:
        return False
    highest = max(sum(orders) for orders in symbol)
    dominant = [
        abs(symbol.get(tuple(highest * int(i == axis) for i in range(domain.dim)), 0.0)) for axis in range(domain.dim)
    ]
    leading = [s for orders, s in symbol.items() if sum(orders) == highest]
    if not min(dominant) > 0 or min(leading) < 0 < max(leading):  # not elliptic
        return False
    lower = [(abs(s), highest - sum(orders)) for orders, s in symbol.items() if sum(orders) < highest]
    reach = BEYOND * max((s / min(dominant)) ** (1.0 / lack) for s, lack in lower) if lower else 0.0
    counts = [2 + math.ceil(reach * length / math.pi) for length in domain.lengths]
    if math.prod(counts) > MOST:
        return False
    waves = [wavenumbers(kind, length, n) for kind, length, n in zip(kinds, domain.lengths, counts, strict=True)]
    return least_share(symbol, waves) > SMALL


def _held(problem: Problem) -> list[tuple[int, int] | None] | None:
    """By axis the orders of the derivatives that are held at its ends, None for a periodic one; None if others are."""
    sides: dict[tuple[int, int], int] = {}
    for t in problem.terms:
        if t.region.everywhere:
            continue
        if t.trace is None or t.where is not None or t.region.plane is None:
            return None
        sides[t.region.plane.axis, t.region.plane.side] = t.trace.order
    if any(not p and not {(axis, 0), (axis, 1)} <= sides.keys() for axis, p in enumerate(problem.periodic)):
        return None
    return [None if p else (sides[axis, 0], sides[axis, 1]) for axis, p in enumerate(problem.periodic)]


def wavenumbers(orders: tuple[int, int] | None, length: float, count: int) -> np.ndarray:
    """The first wavenumbers of an axis.

    Parameters
    ----------
    orders
        Of the derivatives that are zero at its ends; None for a periodic axis.
    length, count
        Of the axis, and of wavenumbers.

    Examples
    --------
    >>> [wavenumbers(o, np.pi, 2).tolist() for o in ((0, 0), (1, 1), (0, 1), None)]
    [[1.0, 2.0], [0.0, 1.0], [0.5, 1.5], [0.0, 2.0]]
    """
    every = np.arange(count) * math.pi / length
    if orders is None:
        return 2.0 * every
    first = {(0, 0): 1.0, (1, 1): 0.0}.get(orders, 0.5)
    return every + first * math.pi / length


def least_share(symbol: Mapping[tuple[int, ...], float], waves: list[np.ndarray]) -> float:
    """The least residual of a product of waves, relative to the terms that it is made of.

    Parameters
    ----------
    symbol
        Coefficients by even orders of differentiation.
    waves
        Wavenumbers by axis.

    Examples
    --------
    >>> one = [np.array([1.0, 2.0])]
    >>> least_share({(2,): 1.0, (0,): 4.0}, one), least_share({(2,): 1.0, (0,): -4.0}, one) > 0.5
    (0.0, True)
    """
    spread = [w.reshape([-1 if i == axis else 1 for i in range(len(waves))]) for axis, w in enumerate(waves)]
    total, squares = np.zeros(1), np.zeros(1)
    for orders, s in symbol.items():
        part = np.full(1, s)
        for o, w in zip(orders, spread, strict=True):
            part = part * (-1.0) ** (o // 2) * w**o
        total = total + part
        squares = squares + part**2
    size = np.sqrt(squares)
    return float(np.divide(np.abs(total), size, out=np.zeros_like(total), where=size > 0).min())
