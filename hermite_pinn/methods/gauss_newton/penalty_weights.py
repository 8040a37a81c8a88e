"""Automatic weights of penalties: predictive risk and likelihood of the data in the linearised problem."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from hermite_pinn.methods.least_squares.bordered_factor import BorderedFactor
from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit
from hermite_pinn.methods.least_squares.nested_dissection import Dissection, dissect
from hermite_pinn.methods.systems.dense_block import DenseBlock
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_layout import VertexLayout
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import STRONG, Misfit

from .normal_factor import elimination_order, normal_blocks, scale_blocks

__all__ = ["Choice", "Evidence", "choose_weights", "fit_smoothly"]

PROBES = 24
STEP = math.sqrt(10.0)
#: Scatter of the data in units of their noise beyond which the choice of a coarser level is forgotten.
POOR = 1.5

ROUNDS = 3
FIRST_EMPHASIS = 10.0  # at least, on the coarsest level
BEFORE = (100.0, 10.0)  # times the emphasis: on the way from the data to the equations
RETURN = 10.0  # times the emphasis: to where the way goes back for other weights or levels
ENOUGH, ROUGH = 0.01, 0.01  # parts of the degrees of freedom, and of all data: steps that gain less are the last
LEAST_GAIN = 0.1  # of risk or deviance, in units of the variance: other weights have to gain it
UNLIKELY = 5.0  # deviance per degree of freedom
CERTAIN = 1e-4  # part of the weight of data that stands for what is known without data
LARGEST, LARGEST_AGAIN = 40_000, 10_000  # unknowns of a first level on which weights are chosen, and of a finer one
MOST = 100.0
SMALLEST = 1e-12


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


@dataclass(frozen=True)
class Choice:
    """Weights by field, and the fit they give.

    Attributes
    ----------
    weights
        By field.
    scatter
        Root mean square misfit in units of the noise, or of the data where that is not known, for as many values as are
        left beyond the degrees of freedom.
    freedom
        Effective number of degrees of freedom of the fit.
    emphasis
        Factor of the weight of data and penalties against the equations (see :func:`balanced`).
    """

    weights: dict[str, float]
    scatter: float
    freedom: float
    emphasis: float = 1.0

    def stats(self, problem: Problem) -> dict[str, Any]:
        """For ``solution.stats``."""
        misfit = Misfit(problem)
        stats: dict[str, Any] = {"smoothness": dict(self.weights), "degrees_of_freedom": self.freedom}
        if misfit.known:
            return stats | {"scatter": self.scatter}
        return stats | {"noise": {t.name.removeprefix("data "): self.scatter * misfit.size_of(t) for t in misfit.noisy}}

    def sentence(self, problem: Problem) -> str:
        """For ``solution.message``."""
        misfit = Misfit(problem)
        weights = ", ".join(f"{f}={w:.1e}" for f, w in self.weights.items())
        if not misfit.known:
            noise = ", ".join(f"{f}={s:.1e}" for f, s in self.stats(problem)["noise"].items())
            return f"smoothness {weights} by cross-validation, which finds the noise {noise}"
        text = f"smoothness {weights} by the predictive risk; the data scatter by {self.scatter:.2f} of their noise"
        if abs(self.scatter - 1.0) > 5.0 * math.sqrt(0.5 / misfit.count):
            text += ": more than chance explains, so that noise, equations or levels do not fit the data"
        return text


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


def choose_weights(
    system: GridSystem,
    vector: torch.Tensor,
    weights: dict[str, float],
    reach: int,
    look: Callable[[], None] = lambda: None,
) -> Choice:
    """The weights of the automatic penalties near some weights that predict the data best and are likely.

    The predictive risk alone is flat, and may smooth away what little data hardly see; the likelihood has a steep
    maximum, but takes fields for as rough on small scales as on large ones.  So the risk is minimised where the
    deviance is not more than five per degree of freedom above its minimum.  The search changes all weights together
    and one after another, in factors of the root of ten, up to ``reach`` of them, until nothing improves.
    """
    evidence = Evidence(system, vector)
    fields = system.misfit.automatic
    start = {f: weights.get(f, system.misfit.first) for f in fields}
    known: dict[tuple[int, ...], Prediction] = {}

    def weights_at(place: tuple[int, ...]) -> dict[str, float]:
        return {f: start[f] * STEP**n for f, n in zip(fields, place, strict=True)}

    def at(place: tuple[int, ...]) -> Prediction:
        if place not in known:
            look()
            known[place] = evidence.at(weights_at(place))
        return known[place]

    def allowed(place: tuple[int, ...]) -> bool:
        small = min(weights_at(place).values()) < SMALLEST * system.misfit.first
        return not small and max(map(abs, place)) <= reach

    likely = _lowest((0,) * len(fields), lambda place: at(place).deviance, allowed)
    most = at(likely).deviance + UNLIKELY * at(likely).freedom
    best = _lowest(likely, lambda place: at(place).risk, lambda place: allowed(place) and at(place).deviance <= most)
    chosen = at(best)
    left = max(evidence.count - chosen.freedom, 1.0)
    strength = system.misfit.strength * evidence.emphasis
    scatter = math.sqrt(max(chosen.misfit, 0.0) * evidence.count / left / strength)
    return Choice(weights_at(best), scatter, chosen.freedom, evidence.emphasis)


def _lowest(
    start: tuple[int, ...], value: Callable[[tuple[int, ...]], float], allowed: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...]:
    """The place of a lattice at which no allowed move lowers a value."""
    every = tuple(range(len(start)))
    moves = [every] if len(start) == 1 else [every, *((i,) for i in every)]
    best, moved = start, True
    while moved:
        moved = False
        for together, direction in itertools.product(moves, (-1, 1)):
            while True:
                place = tuple(n + direction * (i in together) for i, n in enumerate(best))
                if not allowed(place) or not value(place) < value(best) - LEAST_GAIN:
                    break
                best, moved = place, True
    return best


def balanced(system: GridSystem, rows: Sequence[torch.Tensor], scatter: float) -> float:
    """The emphasis at which equations and noisy data both count by their accuracy.

    Functions of the grid satisfy the equations up to a relative residual ``e``, and the data are right up to ``s``,
    their noise over their size: least squares of both with variances ``e**2`` and ``s**2`` give relative misfits the
    weight ``(e / s)**2``.  A tenth of that is taken, since a part of ``e`` is what the data impose on the equations.
    It is never less than the strength of :class:`Misfit`, which keeps fields from fitting noise, nor more than 100.
    A user's weight of the data stays as it is.
    """
    misfit = system.misfit
    if any(t.weight is not None for t in misfit.noisy):
        return 1.0
    residual = sum(float((r * r).sum()) for r in rows[: len(system.interior.terms)])
    relative = max((scatter * misfit.unit) ** 2, 1e-30)
    return min(max(0.1 * residual / relative, STRONG), MOST) / STRONG


def fit_smoothly(
    system: GridSystem,
    vector: torch.Tensor,
    before: Choice | None,
    fit: Callable[[torch.Tensor, Callable[[Sequence[torch.Tensor]], float]], Fit],
    *,
    first: bool,
    check: Callable[[], None] = lambda: None,
) -> tuple[Fit, Choice | None]:
    """Fit with weights of the penalties and of the data that are chosen on the way.

    Parameters
    ----------
    system, vector
        The problem, and where to start.
    before
        What was chosen on a coarser level, or None.
    fit
        Solves the problem from a vector with the present weights, up to changes of the loss that its second argument
        tells of the rows.
    check
        Called on the way; may end the run.
    first
        Whether there is no coarser level: then the data weigh at least ten times as much as later, since coarse
        functions cannot satisfy the equations so well.

    Returns
    -------
    fit, choice
        The choice is None where no weight is to be chosen; that of the coarser level where this one is too large.
    """
    most = LARGEST if first else LARGEST_AGAIN
    chooses = bool(system.misfit.automatic) and system.fixed.numel() <= most
    weights, emphasis = ({}, 1.0) if before is None else (before.weights, before.emphasis)
    if before is not None and system.misfit.known and before.scatter > POOR:
        weights = {}  # functions too coarse for the data say little about the smoothness of the fields
    choice, least = before, FIRST_EMPHASIS if first else 0.0
    emphasis = max(emphasis, least)
    noise = _Noise(system)
    present = math.inf if before is None else emphasis * RETURN
    for last in range(ROUNDS + 1):
        for stronger in BEFORE:
            if stronger * emphasis <= present:
                system.smooth(weights, stronger * emphasis)
                vector = fit(vector, noise.rough).vector
        system.smooth(weights, emphasis)
        ends = not chooses or last == ROUNDS
        freedom = 1.0 if choice is None else choice.freedom
        state = fit(vector, partial(noise.small, freedom) if ends or choice is not before else noise.rough)
        if ends:
            break
        choice = choose_weights(system, state.vector, weights, 4 if weights else 12, check)
        wanted = max(balanced(system, state.rows, choice.scatter), least)
        settled = choice.weights == weights and 0.3 < wanted / emphasis < 3.0
        present = emphasis * (1.0 if choice.weights == weights else RETURN)
        vector, weights = state.vector, choice.weights
        if settled:
            break
        emphasis = wanted
    return state, None if choice is None else replace(choice, emphasis=emphasis)


class _Noise:
    """What the noise of the data makes of the loss: changes below are no gain.

    Moving by the posterior standard deviation of one degree of freedom raises the loss by the variance of one row.
    """

    def __init__(self, system: GridSystem) -> None:
        self.system = system

    def variance(self, rows: Sequence[torch.Tensor]) -> float:
        """Of a weighted row of the data: the given one, or what the misfit tells."""
        system, misfit = self.system, self.system.misfit
        if misfit.variance is not None:
            return misfit.variance * system.emphasis
        noisy = (r for block, own in system.parts(rows) if any(block is b for b in system.noisy) for r in own)
        return sum(float(system.inner([r], [r])) for r in noisy) / max(misfit.count, 1)

    def small(self, freedom: float, rows: Sequence[torch.Tensor]) -> float:
        """A hundredth of the degrees of freedom: the distance is a tenth of the standard deviation."""
        return ENOUGH * freedom * self.variance(rows)

    def rough(self, rows: Sequence[torch.Tensor]) -> float:
        """For a state that serves to choose weights: a hundredth of all data."""
        return ROUGH * max(self.system.misfit.count, 1) * self.variance(rows)
