"""Predictive risk and likelihood of noisy data in a linearised problem, by the weights of its penalties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.methods.least_squares.bordered_factor import BorderedFactor
from hermite_pinn.methods.least_squares.nested_dissection import Dissection, dissect
from hermite_pinn.methods.systems.dense_block import DenseBlock
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_layout import VertexLayout

from .normal_factor import elimination_order, normal_blocks, scale_blocks

__all__ = ["Evidence", "Prediction"]

PROBES = 24
CERTAIN = 1e-4  # part of the weight of data that stands for what is known without data


@dataclass(frozen=True)
class Prediction:
    """Estimates at given weights.

    Attributes
    ----------
    risk
        Estimated error of the predicted data in units of the variance of a row, up to a constant.
    deviance
        Minus twice the logarithm of the likelihood of the data, up to a constant.
    misfit
        Sum of squares of the noisy data rows.
    freedom
        Effective number of degrees of freedom: the trace of the matrix that maps data to predictions.
    """

    risk: float
    deviance: float
    misfit: float
    freedom: float


class Evidence:
    """Misfit, degrees of freedom and likelihood of the linearised problem as functions of the weights of the penalties.

    With the rows ``r`` and the Jacobian ``J`` at a state, split into equations, data ``d`` and penalties ``p``, the
    minimiser for weights ``w`` moves by ``s = -(J^T J)^-1 J^T r``, and the matrix that maps noise to predictions is
    ``A = J_d (J^T J)^-1 J_d^T``.  If penalties and equations are taken as the prior distribution of the fields, data
    of variance ``v`` per weighted row have, up to a constant, the log-likelihood
    ``-(m / v - log det (1 - A)) / 2`` with the least sum of squares ``m`` of all rows; without a known variance, that
    for the most likely one, ``-(n log m - log det (1 - A)) / 2``.  The determinant is that of the normal matrix in
    which data count 1e-4 times as much over that of the whole.  The predictive risk is ``|r_d|^2 / v + 2 tr A``, or the
    logarithm of the score of generalised cross-validation, ``n log(|r_d|^2 / (n - tr A)^2)``; the trace is estimated
    with 24 fixed vectors of random signs.

    Parameters
    ----------
    system, vector
        The problem, and the state at which it is linearised.

    References
    ----------
    S. N. Wood, J. R. Statist. Soc. B 73 (2011), on restricted maximum likelihood beside cross-validation, which smooths
    too much or too little where data are few.
    """

    def __init__(self, system: GridSystem, vector: torch.Tensor) -> None:
        self.system = system
        misfit = system.misfit
        self.count, self.emphasis = misfit.count, system.emphasis
        self.variance = None if misfit.variance is None else misfit.variance * self.emphasis
        rows = system.linearize(vector)
        layout = system.layout
        self._dissection = dissect(layout.positions, layout.sides, layout.wraps, layout.width)
        self._order = elimination_order(system, layout, self._dissection)
        self._free = ~torch.cat([system.fixed.reshape(-1), system.fixed.new_zeros(len(system.parameter_names))])
        self._free = self._free[self._order - system.pyramid.slices[-1].start].cpu()
        every = range(len(rows))
        starts = np.cumsum([0, *(len(b.terms) for b in system.blocks)])
        places = {id(b): range(first, end) for b, first, end in zip(system.blocks, starts, starts[1:], strict=False)}
        noisy = [i for b in system.noisy for i in places[id(b)]]
        penal = [i for b in system.penalties.values() for i in places[id(b)]]
        images = self._images()
        self.data = self._part(layout, system.noisy, noisy, rows, images)
        others = [b for b in system.blocks if not any(b is c for c in (*system.noisy, *system.penalties.values()))]
        self.equations = self._part(layout, others, sorted({*every} - {*noisy, *penal}), rows, images)
        volume = system.problem.domain.interior.measure
        self.penalties = {
            f: self._part(layout, [b], places[id(b)], rows, images).scaled(b.scales[0] ** 2 / volume)
            for f, b in system.penalties.items()
        }
        self.misfit = self.data.loss
        generator = torch.Generator().manual_seed(0)
        probes = []
        for _ in range(PROBES):
            zero = [torch.zeros_like(r) for r in rows]
            for i in noisy:
                zero[i] += torch.randint(2, rows[i].shape, generator=generator).to(rows[i]) * 2.0 - 1.0
            probes.append(self._adjoint(zero))
        self.probes = torch.stack(probes, 1)

    def _adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """``J^T rows`` for the coefficients of the finest level and the parameters in the order of elimination."""
        gradient = self.system.adjoint(rows)[self._order].to("cpu", torch.float64)
        return torch.where(self._free, gradient, 0.0)

    def _images(self) -> list[list[torch.Tensor]]:
        """The columns of the parameters."""
        system, images = self.system, []
        for k in range(len(system.parameter_names)):
            unit = torch.zeros(system.size, dtype=system.dtype, device=system.device)
            system.split(unit)[1][k] = 1.0
            images.append([row.clone() for row in system.forward(unit)])
        return images

    def _part(
        self,
        layout: VertexLayout,
        blocks: Sequence[DenseBlock],
        mine: Sequence[int],
        rows: Sequence[torch.Tensor],
        images: Sequence[Sequence[torch.Tensor]],
    ) -> _Part:
        """Normal matrix and gradient of the rows of some blocks."""
        kept = frozenset(mine)

        def only(every: Sequence[torch.Tensor]) -> torch.Tensor:
            return self._adjoint([r.clone() if i in kept else torch.zeros_like(r) for i, r in enumerate(every)])

        normal = normal_blocks(self.system, layout, self._dissection, blocks)
        last = torch.stack([only(image) for image in images], 1) if images else torch.zeros(len(self._order), 0)
        loss = sum(float(self.system.inner([rows[i]], [rows[i]])) for i in kept)
        return _Part(normal, last.to(torch.float64), only(rows), loss)

    def _factor(self, weights: dict[str, float]) -> tuple[_Part, BorderedFactor, torch.Tensor, float]:
        """All rows with some weights, the factor of their scaled normal matrix, the scale, and ``log det (1 - A)``."""
        prior = self.equations
        for field, part in self.penalties.items():
            prior = prior + part.scaled(self.emphasis * self.system.misfit.penalty(field, weights))
        total = prior + self.data
        count = self.system.layout.unknowns.size
        own = torch.as_tensor(self._dissection.starts[:-1])
        squares = torch.cat([total.normal.diagonal(dim1=1, dim2=2)[own].reshape(-1), total.last[count:].diagonal()])
        scale = torch.where(self._free & (squares > 0), squares.clamp(min=1e-300).rsqrt(), 0.0)

        def factor(part: _Part) -> BorderedFactor:
            blocks = part.normal.clone()
            scale_blocks(blocks, self._dissection, scale[:count])
            return BorderedFactor(self._dissection, blocks, part.last * scale[:, None] * scale[count:], 0.0)

        whole, before = factor(total), factor(prior + self.data.scaled(CERTAIN))
        return total, whole, scale, before.log_determinant - whole.log_determinant

    def at(self, weights: dict[str, float]) -> Prediction:
        """The estimates at some weights of the penalties, given ones included."""
        total, factor, scale, log_determinant = self._factor(weights)

        def solved(right: torch.Tensor) -> torch.Tensor:
            return factor.upper(factor.lower(right * scale[:, None])) * scale[:, None]

        step = -solved(total.gradient[:, None])
        moved = self.data.times(step, self._dissection)
        misfit = self.misfit + 2.0 * float(self.data.gradient @ step[:, 0]) + float((step * moved).sum())
        freedom = float((self.probes * solved(self.probes)).sum()) / PROBES
        count, least = self.count, max(total.loss + float(total.gradient @ step[:, 0]), 1e-300)
        if self.variance is None:
            left = max(count - freedom, 1e-3 * count)
            risk, fit = count * math.log(max(misfit, 1e-300) / left**2), count * math.log(least)
        else:
            risk, fit = misfit / self.variance + 2.0 * freedom, least / self.variance
        return Prediction(risk, fit - log_determinant, misfit, freedom)


@dataclass(frozen=True)
class _Part:
    """Normal matrix of some rows as blocks and columns of the parameters (n + k, k), gradient (n + k,), and loss."""

    normal: torch.Tensor
    last: torch.Tensor
    gradient: torch.Tensor
    loss: float

    def __add__(self, other: _Part) -> _Part:
        sums = self.normal + other.normal, self.last + other.last, self.gradient + other.gradient
        return _Part(*sums, self.loss + other.loss)

    def scaled(self, factor: float) -> _Part:
        return _Part(self.normal * factor, self.last * factor, self.gradient * factor, self.loss * factor)

    def times(self, x: torch.Tensor, dissection: Dissection) -> torch.Tensor:
        """The matrix times (n + k, 1)."""
        width, count = self.normal.shape[1], len(self.gradient) - self.last.shape[1]
        grid, rest = x[:count].view(-1, width, 1), x[count:]
        first = torch.as_tensor(np.repeat(np.arange(len(grid)), np.diff(dissection.starts)))
        later, off = torch.as_tensor(dissection.later), torch.as_tensor(dissection.later) != first
        out = torch.zeros_like(grid).index_add_(0, later, self.normal @ grid[first])
        out.index_add_(0, first[off], self.normal[off].mT @ grid[later[off]])
        border = self.last[:count]
        return torch.cat([out.view(-1, 1) + border @ rest, border.mT @ x[:count] + self.last[count:] @ rest])
