"""One stage of a locally refined iteration: its solution, and what that says of its error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.refined_mesh import RefinedMesh
from hermite_pinn.methods.systems.refined_system import RefinedSystem

from .local_indicators import (
    CellIndicators,
    EvenResidual,
    cell_indicators,
    even_residual,
    residual_rms,
    roughness_by_cell,
    sensitivity_norms,
)
from .local_watch import Missed, missed
from .term_sizes import Sensitivities, floored, implied_sizes, strengths
from .watch_points import WatchPoints

__all__ = ["LocalStage", "measured"]


@dataclass
class LocalStage:
    """The result of a stage.

    Attributes
    ----------
    system, vector
        What was solved, and the state.
    settled
        Whether linear and nonlinear iterations met their tolerances.
    moved, change
        By field, the L2 norm of its change from the start of the stage; the largest relative one.
    indicators, missed, roughness
        By cell; see :class:`CellIndicators`, :class:`Missed`, :func:`roughness_by_cell`.
    sizes
        L2 norms that errors of the fields are relative to.
    loss, residuals
        Sum of squares of the weighted residuals; their RMS by name, between the points for equations.
    inner, reduction, damping
        Of the last linear solve.
    even
        What of the residual does not alternate.
    error
        Estimate of the relative L2 error, or None.
    original
        Whether the equations are those of the problem, with no larger coefficients.
    """

    system: RefinedSystem
    vector: torch.Tensor
    settled: bool
    moved: list[float]
    change: float
    indicators: CellIndicators
    missed: Missed
    roughness: list[np.ndarray]
    sizes: list[float]
    loss: float
    residuals: dict[str, float]
    inner: int
    reduction: float
    damping: float
    sensitivities: Sensitivities = field(default_factory=list)
    even: EvenResidual = field(default_factory=EvenResidual)
    error: float | None = None
    original: bool = True

    @property
    def mesh(self) -> RefinedMesh:
        """The cells."""
        return self.system.grid.mesh

    @property
    def parameters(self) -> dict[str, float]:
        """Values of the unknown parameters."""
        return self.system.parameters(self.vector)

    @property
    def factor(self) -> float:
        """By how much a doubling of the resolution lowers the error of a smooth solution."""
        return 4.0 ** BASES[self.system.basis].coefficients

    @property
    def by_surplus(self) -> float:
        """The error that the surplus tells of."""
        own = self.indicators.surplus
        if any(not np.isfinite(p).all() for p in own):
            return math.inf
        return CellIndicators.norm(own) / (self.factor - 1.0)

    @property
    def by_residual(self) -> float:
        """The error that the residual between the points tells of."""
        return CellIndicators.norm(self.indicators.residual) / (self.factor - 1.0)


def measured(
    system: RefinedSystem,
    vector: torch.Tensor,
    rows: list[torch.Tensor],
    moved: Sequence[float],
    watch: WatchPoints,
    zero: float,
    foreign: bool = False,
) -> LocalStage:
    """A solution with its indicators; not settled, and without what its solver says.

    Parameters
    ----------
    rows
        Its residuals.
    moved
        By field, the L2 norm of its change.
    watch
        Where to look.
    zero
        Size of a field relative to the one that the equations imply, below which it counts as zero.
    foreign
        Whether equations have larger coefficients than those of the problem, whose sources then say nothing.
    """
    problem, total = system.problem, system.total(vector)
    norms = system.norms(vector)
    between = system.held_out_block()
    parameters = system.parameters(vector)
    held_out = between.linearize(total, parameters)
    known = sensitivity_norms(between)
    strong = strengths(known, problem.fields, problem.domain.lengths)
    sizes = floored(norms, moved, implied_sizes(strong, system.interior.scales, norms), zero)
    root = math.sqrt(math.prod(problem.domain.lengths))
    scaled = [size / root for size in sizes]
    by_cell = cell_indicators(system, total, between, held_out, scaled)
    change = max((m / s if s > 0 else 0.0 for m, s in zip(moved, sizes, strict=True)), default=0.0)
    return LocalStage(
        system,
        vector,
        settled=False,
        moved=list(moved),
        change=change,
        indicators=by_cell,
        missed=missed(system, system.at(vector), watch, scaled, parameters, foreign),
        roughness=roughness_by_cell(system, total, scaled),
        sizes=sizes,
        loss=float(system.inner(rows, rows)),
        residuals=system.residual_rms(rows) | residual_rms(between, held_out),
        inner=0,
        reduction=0.0,
        damping=0.0,
        sensitivities=known,
        even=even_residual(between, held_out, strong, scaled),
    )
