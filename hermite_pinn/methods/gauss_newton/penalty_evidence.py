"""Predictive risk and likelihood of noisy data in a linearised problem, by the weights of its penalties."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.methods.least_squares.nested_dissection import Dissection, dissect
from hermite_pinn.methods.systems.dense_block import DenseBlock
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_layout import VertexLayout

from .constant_products import ConstantProducts
from .normal_factor import elimination_order
from .normal_parts import BlockPart, Factor, NormalPart

__all__ = ["Evidence", "Prediction"]

PROBES = 24
FEW = 1500  # unknowns of which one dense matrix is made
CERTAIN = 1e-4  # part of the weight of data that stands for what is known without data


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
    products, dissection
        Keep what states of the same system share; None begins anew.

    References
    ----------
    S. N. Wood, J. R. Statist. Soc. B 73 (2011), on restricted maximum likelihood beside cross-validation, which smooths
    too much or too little where data are few.
    """

    def __init__(
        self,
        system: GridSystem,
        vector: torch.Tensor,
        products: ConstantProducts | None = None,
        dissection: Dissection | None = None,
    ) -> None:
        self.system, self._products = system, products or ConstantProducts()
        misfit = system.misfit
        self.count, self.emphasis = misfit.count, system.emphasis
        self.variance = None if misfit.variance is None else misfit.variance * self.emphasis
        rows = system.linearize(vector)
        layout = system.layout
        made = dissection or dissect(layout.positions, layout.sides, layout.wraps, layout.width)
        self._dissection = made
        self._order = elimination_order(system, layout, self._dissection)
        self._free = ~torch.cat([system.fixed.reshape(-1), system.fixed.new_zeros(len(system.parameter_names))])
        self._free = self._free[self._order - system.pyramid.slices[-1].start].cpu()
        every = range(len(rows))
        starts = np.cumsum([0, *(len(b.terms) for b in system.blocks)])
        places = {id(b): range(first, end) for b, first, end in zip(system.blocks, starts, starts[1:], strict=False)}
        noisy = [i for b in system.noisy for i in places[id(b)]]
        penal = [i for b in system.penalties.values() for i in places[id(b)]]
        images = self._images()
        self._kept = self._free if not images and int(self._free.sum()) <= FEW else None
        self.data = self._part(layout, system.noisy, noisy, rows, images)
        others = [b for b in system.blocks if not any(b is c for c in (*system.noisy, *system.penalties.values()))]
        self.equations = self._part(layout, others, sorted({*every} - {*noisy, *penal}), rows, images)
        volume = system.problem.domain.interior.measure
        self.penalties = {f: self._part(layout, [b], places[id(b)], rows, images) for f, b in system.penalties.items()}
        self._units = {f: float(b.scales[0]) ** 2 / volume for f, b in system.penalties.items()}
        generator = torch.Generator().manual_seed(0)
        probes = []
        for _ in range(PROBES):
            zero = [torch.zeros_like(r) for r in rows]
            for i in noisy:
                zero[i] += torch.randint(2, rows[i].shape, generator=generator).to(rows[i]) * 2.0 - 1.0
            probes.append(self._adjoint(zero))
        every_probe = torch.stack(probes, 1)
        self.probes = every_probe if self._kept is None else every_probe[self._kept]

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
    ) -> NormalPart:
        """Normal matrix and gradient of the rows of some blocks."""
        kept = frozenset(mine)

        def only(every: Sequence[torch.Tensor]) -> torch.Tensor:
            return self._adjoint([r.clone() if i in kept else torch.zeros_like(r) for i, r in enumerate(every)])

        normal = self._products.of(self.system, layout, self._dissection, blocks)
        last = torch.stack([only(image) for image in images], 1) if images else torch.zeros(len(self._order), 0)
        loss = sum(float(self.system.inner([rows[i]], [rows[i]])) for i in kept)
        part = BlockPart(self._dissection, normal, last.to(torch.float64), only(rows), loss)
        return part if self._kept is None else part.dense(self._kept)

    def weight_of(self, field: str, weights: dict[str, float]) -> float:
        """What the rows of a field's penalty count, as they were linearised."""
        return self.emphasis * self.system.misfit.penalty(field, weights) * self._units[field]

    def scale_of(self, total: NormalPart) -> torch.Tensor:
        """Inverse column norms; 0 for unknowns that are fixed or have no effect."""
        squares = total.diagonal()
        free = self._free if self._kept is None else self._free[self._kept]
        return torch.where(free & (squares > 0), squares.clamp(min=1e-300).rsqrt(), 0.0)

    def at(self, weights: dict[str, float]) -> Prediction:
        """The estimates at some weights of the penalties, given ones included."""
        return Prediction(self, weights)


class Prediction:
    """Estimates at given weights, each made when it is first asked for.

    Parameters
    ----------
    evidence
        Of the linearised problem.
    weights
        Of the penalties.
    """

    def __init__(self, evidence: Evidence, weights: dict[str, float]) -> None:
        self._evidence, self._weights = evidence, dict(weights)
        self._factored: _Factored | None = None

    def release(self) -> None:
        """Give up the factors; numbers that are known stay, others make new factors."""
        self._factored = None

    @property
    def _own(self) -> _Factored:
        if self._factored is None:
            self._factored = _Factored(self._evidence, self._weights)
        return self._factored

    @cached_property
    def misfit(self) -> float:
        """Sum of squares of the noisy data rows."""
        data, own = self._evidence.data, self._own
        moved = data.loss + 2.0 * float(data.gradient @ own.step[:, 0]) + float((own.step * own.moved).sum())
        return max(moved, 1e-300)

    @cached_property
    def freedom(self) -> float:
        """Effective number of degrees of freedom: the trace of the matrix that maps data to predictions."""
        return float((self._evidence.probes * self._own.probes).sum()) / PROBES

    @property
    def _left(self) -> float:
        """Data beyond the degrees of freedom."""
        return max(self._evidence.count - self.freedom, 1e-3 * self._evidence.count)

    @cached_property
    def _least(self) -> float:
        """Least sum of squares of all rows."""
        total = self._own.total
        return max(total.loss + float(total.gradient @ self._own.step[:, 0]), 1e-300)

    @cached_property
    def risk(self) -> float:
        """Estimated error of the predicted data in units of the variance of a row, up to a constant."""
        if self._evidence.variance is None:
            return self._evidence.count * math.log(self.misfit / self._left**2)
        return self.misfit / self._evidence.variance + 2.0 * self.freedom

    @cached_property
    def deviance(self) -> float:
        """Minus twice the logarithm of the likelihood of the data, up to a constant."""
        variance, count = self._evidence.variance, self._evidence.count
        fit = count * math.log(self._least) if variance is None else self._least / variance
        return fit - (self._own.before.log_determinant - self._own.whole.log_determinant)

    @cached_property
    def risk_slopes(self) -> dict[str, float]:
        """Derivatives of the risk by the logarithms of the weights that are chosen, by field."""
        evidence, own = self._evidence, self._own
        adjoint = own.solved(own.whole, (evidence.data.gradient[:, None] + own.moved))
        slopes = {}
        for field, part, weight in own.weighted():
            freedom = -weight * float((own.probes * part.times(own.probes)).sum()) / PROBES
            pulled = part.gradient[:, None] + part.times(own.step)
            misfit = -2.0 * weight * float((adjoint * pulled).sum())
            if evidence.variance is None:
                slopes[field] = evidence.count * (misfit / self.misfit + 2.0 * freedom / self._left)
            else:
                slopes[field] = misfit / evidence.variance + 2.0 * freedom
        return slopes

    @cached_property
    def deviance_slopes(self) -> dict[str, float]:
        """Derivatives of the deviance in the same way; those of its determinant are estimates, as the trace is.

        With ``N`` the normal matrix, ``B`` that with data that hardly count, and a penalty ``Q``, the derivative of
        ``log det B - log det N`` is the trace of ``B^-1 Q - N^-1 Q = B^-1 (N - B) N^-1 Q``, where ``N - B`` has data
        alone: so the vectors serve of which the degrees of freedom are estimated.
        """
        evidence, own = self._evidence, self._own
        before = own.solved(own.before, evidence.probes)
        slopes = {}
        for field, part, weight in own.weighted():
            trace = (1.0 - CERTAIN) * weight * float((before * part.times(own.probes)).sum()) / PROBES
            rough = part.loss + 2.0 * float(part.gradient @ own.step[:, 0])
            rough = weight * (rough + float((own.step * part.times(own.step)).sum()))
            fit = rough / evidence.variance if evidence.variance is not None else evidence.count * rough / self._least
            slopes[field] = fit - trace
        return slopes


class _Factored:
    """Factors of the normal matrices at given weights, and what is solved with them.

    Parameters
    ----------
    evidence, weights
        As for :class:`Prediction`.

    Attributes
    ----------
    total
        All rows.
    whole
        Factor of their scaled normal matrix.
    """

    def __init__(self, evidence: Evidence, weights: dict[str, float]) -> None:
        self._evidence, self._weights = evidence, weights
        self._prior = evidence.equations
        for field, part in evidence.penalties.items():
            self._prior = self._prior.plus(part, evidence.weight_of(field, weights))
        self.total = self._prior.plus(evidence.data)
        self._scale = evidence.scale_of(self.total)
        self.whole = self.total.factored(self._scale)

    def weighted(self) -> Iterator[tuple[str, NormalPart, float]]:
        """Penalties whose weights are chosen, and what they count."""
        evidence = self._evidence
        for field in evidence.system.misfit.automatic:
            yield field, evidence.penalties[field], evidence.weight_of(field, self._weights)

    def solved(self, factor: Factor, right: torch.Tensor) -> torch.Tensor:
        """Solutions with one of the factors."""
        scale = self._scale[:, None]
        return factor.upper(factor.lower(right * scale)) * scale

    @cached_property
    def before(self) -> Factor:
        """Factor of what is known without data."""
        return self._prior.plus(self._evidence.data, CERTAIN).factored(self._scale)

    @cached_property
    def _solutions(self) -> torch.Tensor:
        return self.solved(self.whole, torch.cat([-self.total.gradient[:, None], self._evidence.probes], 1))

    @property
    def step(self) -> torch.Tensor:
        """To the minimiser, (n + k, 1)."""
        return self._solutions[:, :1]

    @property
    def probes(self) -> torch.Tensor:
        """Solutions for the vectors of random signs, (n + k, c)."""
        return self._solutions[:, 1:]

    @cached_property
    def moved(self) -> torch.Tensor:
        """The normal matrix of the data times the step."""
        return self._evidence.data.times(self.step)
