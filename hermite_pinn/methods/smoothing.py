"""Automatic weights of penalties: the predictive risk of the linearised problem, estimated without the solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

from .collocation import Block
from .levenberg_marquardt import Fit
from .system import GridSystem

__all__ = ["Choice", "RiskCurve", "choose_weights", "fit_smoothly"]

PROBES = 24
STEP = math.sqrt(10.0)
ROUNDS = 3
LARGEST = 40_000


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
    noise
        Estimated standard deviation of the noise over what counts as its unit (1 where the noise is known and right).
    freedom
        Effective number of degrees of freedom of the fit.
    """

    weights: dict[str, float]
    noise: float
    freedom: float

    def stats(self) -> dict[str, Any]:
        """For ``solution.stats``."""
        return {"smoothness": dict(self.weights), "noise": self.noise, "degrees_of_freedom": self.freedom}


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
        self.equations = _Part.empty(len(self.kept) + len(system.names))
        self.data = _Part.empty(len(self.kept) + len(system.names))
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
        columns = []
        for i in range(len(self.system.names)):
            unit = torch.zeros(self.system.size, dtype=self.system.dtype, device=self.system.device)
            self.system.split(unit)[1][i] = 1.0
            image = self.system.forward(unit)
            columns.append(self._adjoint([r.clone() if k in mine else torch.zeros_like(r) for k, r in enumerate(image)]))
        if columns:
            border = np.stack(columns, 1)
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
        factor = splu(scaled.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        right = np.column_stack([-np.asarray(gradient), self.probes]) * scale[:, None]
        found = factor.solve(right) * scale[:, None]
        step = found[:, 0]
        misfit = self.misfit + 2.0 * float(self.data.gradient @ step) + float(step @ (self.data.normal @ step))
        freedom = float((self.probes * found[:, 1:]).sum()) / PROBES
        left = max(self.count - freedom, 1e-3 * self.count)
        if self.variance is not None:
            risk = misfit + 2.0 * self.variance * freedom
        else:
            risk = self.count * misfit / left**2
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


def choose_weights(system: GridSystem, vector: torch.Tensor, weights: dict[str, float], reach: int) -> Choice:
    """The weights of the automatic penalties with the lowest estimated risk near some weights.

    One field after another, in factors of the root of ten, up to ``reach`` of them, until nothing improves.
    """
    curve = RiskCurve(system, vector)
    fields = system.misfit.automatic
    start = {f: weights.get(f, system.misfit.first) for f in fields}
    best, found = dict(start), curve.at(start)
    place = dict.fromkeys(fields, 0)
    moved = True
    while moved:
        moved = False
        for f in fields:
            for direction in (-1, 1):
                while abs(place[f] + direction) <= reach:
                    trial = best | {f: start[f] * STEP ** (place[f] + direction)}
                    risk = curve.at(trial)
                    if not risk.risk < found.risk:
                        break
                    best, found, moved = trial, risk, True
                    place[f] += direction
    left = max(curve.count - found.freedom, 1.0)
    strength = system.misfit.strength * curve.emphasis
    noise = math.sqrt(max(found.misfit, 0.0) * curve.count / left / strength)
    return Choice(best, noise, found.freedom)


def fit_smoothly(
    system: GridSystem,
    vector: torch.Tensor,
    weights: dict[str, float],
    fit: Callable[[torch.Tensor], Fit],
    *,
    first: bool,
) -> tuple[Fit, Choice | None]:
    """Fit with weights of the penalties that are chosen on the way.

    Parameters
    ----------
    system, vector
        The problem, and where to start.
    weights
        Weights chosen on a coarser level.
    fit
        Solves the problem from a vector with the present weights.
    first
        Whether there is no coarser level: then the data weigh ten times as much, since coarse functions cannot satisfy the
        equations so well.

    Returns
    -------
    fit, choice
        The choice is None where no weight is to be chosen, or the level is too large to look.
    """
    look = bool(system.misfit.automatic) and system.fixed.numel() <= LARGEST
    emphasis = 10.0 if first else 1.0
    choice: Choice | None = None
    for last in range(ROUNDS + 1):
        system.smooth(weights, emphasis)
        state = fit(vector)
        if not look or last == ROUNDS:
            break
        reach = 2 if weights else 12
        choice = choose_weights(system, state.vector, weights, reach)
        if choice.weights == weights:
            break
        vector, weights = state.vector, choice.weights
    return state, choice
