"""What the noise of the data leaves open in the fields: their standard deviations, from the normal matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.spatial import KDTree

from hermite_pinn.methods.least_squares.nested_dissection import dissect
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.grid_system import GridSystem

from .normal_factor import NormalFactor
from .penalty_weights import LARGEST, Choice

__all__ = ["NoiseLeft", "correlation", "noise_left", "row_variance"]

SAMPLES = 16
BY_CHANCE = 3.0  # correlation of the misfits of neighbours, in units of what independent ones have
PROBES = 24  # vectors of random signs of which the degrees of freedom are estimated


@dataclass(frozen=True)
class NoiseLeft:
    """What the noise of the data leaves open at a solution.

    Attributes
    ----------
    errors
        L2 norms over the domain of the standard deviations of the fields, by field.
    risk
        How badly the solution predicts data: twice the logarithm of their likelihood is minus that, up to a constant
        that all levels share, with a correction for its degrees of freedom.  It is ``|r_d|^2 / v + 2 tr A`` as in
        :class:`.Evidence`, or ``n log(|r_d|^2 / (n - tr A)^2)`` where the noise is not known.
    misfit, count, variance
        Sum of squares of the rows of noisy data with their usual weight, their number, and the variance of one.
    freedom
        ``tr A``.
    deviations
        Standard deviations of the parameters, by name.
    """

    errors: tuple[float, ...]
    risk: float
    misfit: float = 0.0
    count: int = 0
    variance: float = 0.0
    freedom: float = 0.0
    deviations: Mapping[str, float] = field(default_factory=dict)


def row_variance(system: GridSystem, rows: Rows, choice: Choice | None) -> float:
    """Variance of a weighted row of noisy data.

    It is the given one, or what the misfit tells where that is larger or the noise is not known.
    """
    misfit = system.misfit
    known = 0.0 if misfit.variance is None else misfit.variance * system.emphasis
    if choice is not None and choice.weights:
        told = choice.scatter**2 * misfit.strength * system.emphasis / misfit.count
        return max(known, told)
    if known:
        return known
    noisy = (r for block, own in system.parts(rows) if any(block is b for b in system.noisy) for r in own)
    left = max(misfit.count - len(system.parameter_names), 1)
    return sum(float(system.inner([r], [r])) for r in noisy) / left


def noise_left(
    system: GridSystem, vector: torch.Tensor, choice: Choice | None, samples: int = SAMPLES
) -> NoiseLeft | None:
    """Standard deviations of the fields, and how well the solution predicts; None for systems that are too large.

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
    freedom = _freedom(system, rows, factor)
    usual, deviations = variance / system.emphasis, _deviations(system, factor, variance)
    if system.misfit.variance is None:
        variance *= _shared(correlation(system, rows), system.misfit.count, freedom)
    errors = tuple(math.sqrt(variance * s / samples) for s in squares)
    return NoiseLeft(
        errors, _risk(system, rows, freedom), _misfit(system, rows), system.misfit.count, usual, freedom, deviations
    )


def _deviations(system: GridSystem, factor: NormalFactor, variance: float) -> dict[str, float]:
    """Standard deviations of the parameters: roots of their part of the diagonal of ``v (J^T J)^-1``."""
    found = {}
    for i, name in enumerate(system.parameter_names):
        unit = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        system.split(unit)[1][i] = 1.0
        found[name] = math.sqrt(variance * float(factor.transposed(unit).square().sum()))
    return found


def _misfit(system: GridSystem, rows: Rows) -> float:
    """Sum of squares of the noisy rows, with the usual weight of the data."""
    noisy = (r for block, own in system.parts(rows) if any(block is b for b in system.noisy) for r in own)
    return sum(float(system.inner([r], [r])) for r in noisy) / system.emphasis


def correlation(system: GridSystem, rows: Rows) -> float:
    """Correlation of the misfits of data with those of their nearest neighbours; 0 where chance may explain it.

    Noise is independent from point to point.  A misfit that is not is no noise: it is what penalties, levels or
    equations take from exact data.
    """
    together = squares = 0.0
    for block, own in system.parts(rows):
        if not any(block is b for b in system.noisy):
            continue
        for t, r in zip(block.terms, own, strict=True):
            measured = t.term.region.measured
            if measured is None or measured.count != r.numel() or measured.count < 2:
                continue
            lengths = torch.tensor(system.problem.domain.lengths, dtype=torch.float64)
            x = (measured.x.cpu().to(torch.float64).T / lengths).numpy()
            nearest = KDTree(x).query(x, k=2)[1]
            at = np.where(nearest[:, 0] == np.arange(len(x)), nearest[:, 1], nearest[:, 0])
            values = r.reshape(-1).cpu().to(torch.float64).numpy()
            together += float(values @ values[at])
            squares += float(values @ values)
    found = together / squares if squares > 0 else 0.0
    return min(found, 1.0) if found > BY_CHANCE / math.sqrt(max(system.misfit.count, 1)) else 0.0


def _shared(correlated: float, count: int, freedom: float) -> float:
    """How many values share what each says alone: at most as many as there are for a degree of freedom.

    That is the factor of the variance of a mean of a stationary sequence whose neighbours are so correlated.
    """
    most = max(count / max(freedom, 1.0), 1.0)
    return most if correlated >= 1.0 else min((1.0 + correlated) / (1.0 - correlated), most)


def _freedom(system: GridSystem, rows: Rows, factor: NormalFactor) -> float:
    """``tr A``; the same vectors of signs for all levels, so that their difference is more exact."""
    noisy = [any(block is b for b in system.noisy) for block, own in system.parts(rows) for _ in own]
    generator = torch.Generator().manual_seed(0)
    squares = 0.0
    for _ in range(PROBES):
        signs = [torch.zeros_like(r) for r in rows]
        for sign, own in zip(signs, noisy, strict=True):
            if own:
                sign += torch.randint(2, sign.shape, generator=generator).to(sign) * 2.0 - 1.0
        squares += float(factor.transposed(system.adjoint(signs)).square().sum())
    return squares / PROBES


def _risk(system: GridSystem, rows: Rows, freedom: float) -> float:
    """See :attr:`NoiseLeft.risk`."""
    misfit = _misfit(system, rows)
    count, variance = system.misfit.count, system.misfit.variance
    if variance is not None:
        return misfit / variance + 2.0 * freedom
    return count * math.log(max(misfit, 1e-300) / max(count - freedom, 1e-3 * count) ** 2)
