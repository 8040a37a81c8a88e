"""Automatic weights of penalties: the predictive risk of the linearised problem, estimated without the solution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit
from hermite_pinn.methods.systems.block import Block
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import STRONG, Misfit

__all__ = ["Choice", "RiskCurve", "choose_weights", "fit_smoothly"]

PROBES = 24
STEP = math.sqrt(10.0)
#: Scatter of the data in units of their noise beyond which the choice of a coarser level is forgotten.
POOR = 1.5

ROUNDS = 3
LARGEST = 40_000
MOST = 100.0
SMALLEST = 1e-12


@dataclass(frozen=True)
class Risk:
    """Estimates at given weights.

    Attributes
    ----------
    risk
        What is minimised: the estimated mean square error of the predicted data, up to a constant, or the score of
        generalised cross-validation; in units of weighted rows.
    misfit
        Sum of squares of the noisy data rows.
    freedom
        Effective number of degrees of freedom: the trace of the matrix that maps data to predictions.
    """

    risk: float
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

    def error(self, problem: Problem) -> float:
        """A tenth of the relative error that the noise leaves in the fields that are measured."""
        misfit = Misfit(problem)
        return 0.1 * self.scatter * misfit.unit * math.sqrt(self.freedom / misfit.count)

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


class RiskCurve:
    """Misfit, degrees of freedom and risk of the linearised problem as functions of the weights of the penalties.

    With the rows ``r`` and the Jacobian ``J`` at a state, split into equations, data ``d`` and penalties ``p``, the
    minimiser for weights ``w`` moves by ``s = -(J^T J)^-1 J^T r``, and the matrix that maps noise to predictions is
    ``A = J_d (J^T J)^-1 J_d^T``.  Known noise of variance ``v`` per weighted row gives the unbiased estimate of the
    predictive risk ``|r_d|^2 + 2 v tr A``, otherwise the score is that of generalised cross-validation,
    ``n |r_d|^2 / (n - tr A)^2``.  The trace is estimated with 24 fixed vectors of random signs.

    Parameters
    ----------
    system, vector
        The problem, and the state at which it is linearised.
    """

    def __init__(self, system: GridSystem, vector: torch.Tensor) -> None:
        self.system = system
        misfit = system.misfit
        self.count, self.emphasis = misfit.count, system.emphasis
        self.variance = None if misfit.variance is None else misfit.variance * self.emphasis
        rows = system.linearize(vector)
        masks = system.fixed.reshape(-1)
        self.kept = np.flatnonzero(~masks.cpu().numpy())
        noisy: list[torch.Tensor] = []
        places: list[int] = []
        self.equations = _Part.empty(len(self.kept) + len(system.parameter_names))
        self.data = _Part.empty(len(self.kept) + len(system.parameter_names))
        self.penalties: dict[str, _Part] = {}
        at = 0
        for block in system.blocks:
            mine = range(at, at + len(block.terms))
            part = self._part(block, rows, mine)
            field = next((f for f, b in system.penalties.items() if b is block), None)
            if field is not None:
                volume = math.prod(system.problem.domain.lengths)
                self.penalties[field] = part.scaled(block.scales[0] ** 2 / volume)
            elif any(misfit.is_noisy(t.term) for t in block.terms):
                self.data = self.data + part
                noisy.append(rows[at])
                places.append(at)
            else:
                self.equations = self.equations + part
            at += len(block.terms)
        self.misfit = sum(float((r * r).sum()) for r in noisy)
        generator = torch.Generator().manual_seed(0)
        probes = []
        for _ in range(PROBES):
            zero = [torch.zeros_like(r) for r in rows]
            for i in places:
                zero[i] += torch.randint(2, rows[i].shape, generator=generator).to(rows[i]) * 2.0 - 1.0
            probes.append(self._adjoint(zero))
        self.probes = np.stack(probes, 1)

    def _adjoint(self, rows: Sequence[torch.Tensor]) -> np.ndarray:
        """``J^T rows`` for the free coefficients of the finest level and the parameters."""
        grid, parameters = self.system.split(self.system.adjoint(rows))
        finest = self.system.pyramid.views(grid)[-1].reshape(-1).cpu().numpy()
        return np.concatenate([finest[self.kept], parameters.cpu().numpy()])

    def _part(self, block: Block, rows: Sequence[torch.Tensor], mine: range) -> _Part:
        """Normal matrix and gradient of the rows of a block."""
        only = [r if i in mine else torch.zeros_like(r) for i, r in enumerate(rows)]
        size = math.prod(self.system.pyramid.shapes[-1])
        normal = sparse.csr_matrix((size, size))
        for columns, values in block.elements():
            length = columns.shape[1]
            products = torch.bmm(values.mT, values).numpy().ravel()
            index = columns.numpy()
            i, j = np.repeat(index, length, 1).ravel(), np.tile(index, (1, length)).ravel()
            normal = normal + sparse.csr_matrix((products, (i, j)), shape=(size, size))
        normal = normal[self.kept][:, self.kept]
        borders = []
        for k in range(len(self.system.parameter_names)):
            unit = torch.zeros(self.system.size, dtype=self.system.dtype, device=self.system.device)
            self.system.split(unit)[1][k] = 1.0
            image = self.system.forward(unit)
            borders.append(
                self._adjoint([r.clone() if q in mine else torch.zeros_like(r) for q, r in enumerate(image)])
            )
        if borders:
            border = np.stack(borders, 1)
            upper, corner = sparse.csr_matrix(border[: len(self.kept)]), sparse.csr_matrix(border[len(self.kept) :])
            normal = sparse.bmat([[normal, upper], [upper.T, corner]], format="csr")
        return _Part(normal, self._adjoint(only))

    def at(self, weights: dict[str, float]) -> Risk:
        """The estimates at some weights of the penalties, given ones included."""
        parts = [self.equations, self.data]
        for field, part in self.penalties.items():
            parts.append(part.scaled(self.emphasis * self.system.misfit.penalty(field, weights)))
        normal = parts[0].normal
        for part in parts[1:]:
            normal = normal + part.normal
        gradient = sum(part.gradient for part in parts)
        diagonal = normal.diagonal()
        scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
        scaled = sparse.diags(scale) @ normal @ sparse.diags(scale) + sparse.diags(np.where(scale > 0, 1e-15, 1.0))
        factor = splu(
            scaled.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        right = np.column_stack([-np.asarray(gradient), self.probes]) * scale[:, None]
        solved = factor.solve(right) * scale[:, None]
        step = solved[:, 0]
        misfit = self.misfit + 2.0 * float(self.data.gradient @ step) + float(step @ (self.data.normal @ step))
        freedom = float((self.probes * solved[:, 1:]).sum()) / PROBES
        left = max(self.count - freedom, 1e-3 * self.count)
        validated = self.count * misfit / left**2
        risk = validated if self.variance is None else misfit + 2.0 * self.variance * freedom
        return Risk(risk, misfit, freedom)


@dataclass(frozen=True)
class _Part:
    """Normal matrix and gradient of some rows."""

    normal: sparse.csr_matrix
    gradient: np.ndarray

    @classmethod
    def empty(cls, size: int) -> _Part:
        return cls(sparse.csr_matrix((size, size)), np.zeros(size))

    def __add__(self, other: _Part) -> _Part:
        return _Part(self.normal + other.normal, self.gradient + other.gradient)

    def scaled(self, factor: float) -> _Part:
        return _Part(self.normal * factor, self.gradient * factor)


def choose_weights(
    system: GridSystem,
    vector: torch.Tensor,
    weights: dict[str, float],
    reach: int,
    look: Callable[[], None] = lambda: None,
) -> Choice:
    """The weights of the automatic penalties with the lowest estimated risk near some weights.

    All together and one after another, in factors of the root of ten, up to ``reach`` of them, until nothing improves.
    """
    curve = RiskCurve(system, vector)
    fields = system.misfit.automatic
    start = {f: weights.get(f, system.misfit.first) for f in fields}
    best, lowest = dict(start), curve.at(start)
    place = dict.fromkeys(fields, 0)
    moves = [fields] if len(fields) == 1 else [fields, *((f,) for f in fields)]
    moved = True
    while moved:
        moved = False
        for together, direction in itertools.product(moves, (-1, 1)):
            while all(abs(place[f] + direction) <= reach for f in together):
                trial = best | {f: start[f] * STEP ** (place[f] + direction) for f in together}
                if min(trial[f] for f in together) < SMALLEST * system.misfit.first:
                    break
                look()
                risk = curve.at(trial)
                if not risk.risk < lowest.risk:
                    break
                best, lowest, moved = trial, risk, True
                place |= {f: place[f] + direction for f in together}
    left = max(curve.count - lowest.freedom, 1.0)
    strength = system.misfit.strength * curve.emphasis
    scatter = math.sqrt(max(lowest.misfit, 0.0) * curve.count / left / strength)
    return Choice(best, scatter, lowest.freedom, curve.emphasis)


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
    fit: Callable[[torch.Tensor], Fit],
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
        Solves the problem from a vector with the present weights.
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
    chooses = bool(system.misfit.automatic) and system.fixed.numel() <= LARGEST
    weights, emphasis = ({}, 1.0) if before is None else (before.weights, before.emphasis)
    if before is not None and system.misfit.known and before.scatter > POOR:
        weights = {}  # functions too coarse for the data say little about the smoothness of the fields
    choice = before
    for last in range(ROUNDS + 1):
        system.smooth(weights, max(emphasis, 10.0) if first else emphasis)
        state = fit(vector)
        if not chooses or last == ROUNDS:
            break
        choice = choose_weights(system, state.vector, weights, 4 if weights else 12, check)
        wanted = balanced(system, state.rows, choice.scatter)
        settled = choice.weights == weights and 0.3 < wanted / emphasis < 3.0
        vector, weights = state.vector, choice.weights
        if settled:
            break
        emphasis = wanted
    return state, None if choice is None else replace(choice, emphasis=emphasis)
