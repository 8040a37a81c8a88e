"""What the noise of the data leaves open in the fields: their standard deviations, from the normal matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from hermite_pinn.methods.least_squares.nested_dissection import dissect
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.grid_system import GridSystem

from .normal_factor import NormalFactor
from .penalty_weights import LARGEST, Choice

__all__ = ["noise_errors", "row_variance"]

SAMPLES = 16


def row_variance(system: GridSystem, rows: Rows, choice: Choice | None) -> float:
    """Variance of a weighted row of noisy data.

    It is the given one, or what the misfit tells where that is larger or the noise is not known.
    """
    misfit = system.misfit
    known = 0.0 if misfit.variance is None else misfit.variance * system.emphasis
    if choice is not None:
        told = choice.scatter**2 * misfit.strength * system.emphasis / misfit.count
        return max(known, told)
    if known:
        return known
    noisy = (r for block, own in system.parts(rows) if any(block is b for b in system.noisy) for r in own)
    left = max(misfit.count - len(system.parameter_names), 1)
    return sum(float(system.inner([r], [r])) for r in noisy) / left


def noise_errors(
    system: GridSystem, vector: torch.Tensor, choice: Choice | None, samples: int = SAMPLES
) -> Sequence[float] | None:
    """L2 norms over the domain of the standard deviations of the fields, by field; None for systems that are too large.

    Parameters
    ----------
    system, vector
        A problem with noisy data, with its weights, and its solution.
    choice
        What was chosen of the weights, or None.
    samples
        Drawn from the linearised posterior distribution.

    Notes
    -----
    With rows ``r`` whose data have the variance ``v``, the fields are normally distributed about the solution with the
    covariance ``v (J^T J)^-1``, where penalties count as knowledge of the fields, and rows of equations as known up to
    ``v``.  A factor ``L L^T = J^T J`` maps independent normal numbers to samples by ``sqrt(v) L^-T``.  On the average
    over the domain this covers what smoothing distorts as well: D. Nychka, Bayesian confidence intervals for smoothing
    splines, J. Amer. Statist. Assoc. 83 (1988).
    """
    if not system.noisy or system.fixed.numel() > LARGEST:
        return None
    rows = system.linearize(vector)
    layout = system.layout
    dissection = dissect(layout.positions, layout.sides, layout.wraps, layout.width)
    try:
        factor = NormalFactor(system, layout, dissection, 0.0)
    except ArithmeticError:
        return None
    variance = row_variance(system, rows, choice)
    generator = torch.Generator().manual_seed(0)
    squares = [0.0] * len(system.problem.fields)
    for _ in range(samples):
        y = torch.randn(system.size, generator=generator, dtype=torch.float64).to(system.device, system.dtype)
        x = factor.apply(y)
        own = system.norms(system.finest(x), system.at_corners(x))
        squares = [a + b**2 for a, b in zip(squares, own, strict=True)]
    return [math.sqrt(variance * s / samples) for s in squares]
