"""Least squares for sums and products over the axes: Levenberg-Marquardt, and one product more by alternating axes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, lstsq

from hermite_pinn.field.products import ORDER, Products

from .separable_rows import SeparableRows

__all__ = ["balanced", "fitted", "stability", "with_product"]

STEPS = 60  # of Levenberg and Marquardt at most
FIRST, LEAST, MOST = 1e-4, 1e-13, 1e6  # damping, relative to the squares of the columns
EASIER, HARDER = 0.1, 8.0
ENOUGH = 1e-3  # of the sum of squares: a smaller reduction ends the steps, if it comes
FEW = 3  # times in a row
SWEEPS, TRIED = 3, 6  # over the axes, and steps of all coefficients together, of every start
STARTS = (
    (False, 0.0),
    (True, 0.0),
    (True, 0.5),
    (False, 0.5),
    (True, 3.0),
)  # of a product: is the sum kept, how far is it from one
CLEAR = 1e-4  # of the sum of squares: a start that leaves so little is taken at once
ROUNDED = 1e-13  # of the largest singular value: smaller ones are rounding
GAUGE = 1e-9  # of the largest: directions of the coefficients that move no field
VANISHING = float(np.finfo(float).tiny)


def fitted(rows: SeparableRows, encoder: Products, tick: Callable[[], None], steps: int = STEPS) -> Products:
    """The encoder of least squares near another one, as far as its products allow.

    Parameters
    ----------
    rows
        Of the problem.
    encoder
        Where to begin.
    tick
        Called before every step; may end the run.
    steps
        At most.
    """
    if encoder.rank == 0 and all(p.term.affine for p in rows.parts):
        for _ in range(2):  # the second time for what rounding has left
            tick()
            rest, matrix = rows.system(encoder, True, ())
            encoder = rows.moved(encoder, _least_squares(matrix, -rest), True, ())
        return encoder
    chosen, damping, idle = range(encoder.rank), FIRST, 0
    rest, matrix = rows.system(encoder, True, chosen)
    for _ in range(steps):
        tick()
        cost = float(rest @ rest)
        scale = np.sqrt(np.square(matrix).sum(0))
        scale = np.where(scale > 0, scale, 1.0)
        scaled = matrix / scale
        normal, gradient = scaled.T @ scaled, scaled.T @ rest
        while damping <= MOST:
            step = _damped(normal, gradient, damping)
            new = encoder if step is None else rows.moved(encoder, step / scale, True, chosen)
            left = math.inf if step is None else _cost(rows, new)
            if math.isfinite(left) and left < cost:
                break
            damping = max(damping, LEAST) * HARDER
        else:
            break
        encoder, damping = balanced(new), max(damping * EASIER, LEAST)
        rest, matrix = rows.system(encoder, True, chosen)
        idle = idle + 1 if left > (1.0 - ENOUGH) * cost else 0
        if idle == FEW:
            break
    return encoder


def _damped(normal: np.ndarray, gradient: np.ndarray, damping: float) -> np.ndarray | None:
    try:
        factor = cho_factor(normal + damping * np.eye(len(normal)), check_finite=False)
    except LinAlgError:
        return None
    return np.asarray(cho_solve(factor, -gradient, check_finite=False))


def _least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.square(matrix).sum(0))
    scale = np.where(scale > 0, scale, 1.0)
    found = lstsq(matrix / scale, target, cond=ROUNDED, check_finite=False, lapack_driver="gelsy")[0]
    return np.asarray(found / scale)


def with_product(rows: SeparableRows, encoder: Products, seed: int, tick: Callable[[], None]) -> Products:
    """The encoder with one product more: the best of several starts, whose axes are solved for in turn.

    In some starts the sum begins at zero, since a sum that has taken what a product can say stands in its way.
    """
    best, least, number = encoder, math.inf, encoder.rank
    for kept, spread in STARTS:
        own = _grown(encoder, kept, spread, seed)
        for _ in range(SWEEPS):
            for axis in range(encoder.dim):
                tick()
                rest, matrix = rows.system(own, kept, [number], [axis])
                step = _least_squares(matrix, -rest)
                own = balanced(rows.moved(own, step, kept, [number], [axis]))
        own = fitted(rows, own, tick, TRIED)
        cost = _cost(rows, own)
        if cost < least:
            best, least = own, cost
        if cost < CLEAR * _cost(rows, encoder):
            break
    return best


def _cost(rows: SeparableRows, encoder: Products) -> float:
    """Mean squares of the residuals, summed over the terms."""
    return sum(float(r @ r) / max(1, len(r)) for r in rows.residuals(encoder))


def _grown(encoder: Products, kept: bool, spread: float, seed: int) -> Products:
    """One product more, of functions with values about one at the vertices; the sum is kept, or zero."""
    random = np.random.default_rng([seed, encoder.rank])
    shape = (encoder.features, 1, encoder.dim, encoder.sums.shape[-1])
    new = np.zeros(shape)
    new[..., ::ORDER] = 1.0 + spread * random.standard_normal(new[..., ::ORDER].shape)
    products = torch.cat([encoder.products, torch.as_tensor(new)], 1)
    return encoder.with_parameters({"sums": encoder.sums * float(kept), "products": products})


def balanced(encoder: Products) -> Products:
    """The same features, with factors of equal size on all axes."""
    sizes = encoder.products.square().mean(-1, keepdim=True).sqrt().clamp(min=VANISHING)
    even = sizes.log().mean(2, keepdim=True).exp()
    whole = torch.isfinite(even) & (even > 1e-200)
    products = torch.where(whole, encoder.products / sizes * even, encoder.products)
    return encoder.with_parameters({"sums": encoder.sums, "products": products})


def stability(rows: SeparableRows, values: np.ndarray, encoder: Products) -> float:
    """How large the rows are at least for a change of the fields of size one, among the changes of all coefficients.

    Near zero where the problem leaves the fields open, or is about to.

    Parameters
    ----------
    rows
        Of the problem.
    values
        From changes of the unknowns to those of the fields at points that fill the domain, in the mean square.
    encoder
        Where.
    """
    _, matrix = rows.system(encoder, True, range(encoder.rank))
    scale = np.sqrt(np.square(values).sum(0))
    scale = np.where(scale > 0, scale, 1.0)
    fields, own = values / scale, matrix / scale
    sizes, directions = eigh(fields.T @ fields)
    moving = directions[:, sizes > GAUGE * sizes[-1]] / np.sqrt(sizes[sizes > GAUGE * sizes[-1]])
    reduced = own @ moving
    return float(np.sqrt(max(0.0, float(eigh(reduced.T @ reduced, eigvals_only=True)[0]))))
