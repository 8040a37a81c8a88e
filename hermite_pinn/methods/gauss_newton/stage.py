"""One stage of a nested iteration: the solution on one resolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.errors import DivergedError
from hermite_pinn.field.field import GridField, linear_field
from hermite_pinn.field.singular_part import SingularPart
from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit, LevenbergMarquardt
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.broken_axes import dense_pyramid, is_broken
from hermite_pinn.methods.systems.compact_field import compact_field
from hermite_pinn.methods.systems.compact_pyramid import CompactPyramid, inner_vertices
from hermite_pinn.methods.systems.constraints import Carried
from hermite_pinn.methods.systems.cut_system import CutSystem
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.start_system import CutStartSystem
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.corner_functions import singular_part
from hermite_pinn.residuals.reference_state import reference_state
from hermite_pinn.residuals.scales import rms
from hermite_pinn.run.distributed import ALONE, Ranks
from hermite_pinn.schema import Entry

from .cut_memory import cut_memory
from .fit_shift import FitShift
from .indicators import Indicators
from .memory_estimate import stage_memory
from .noise_errors import NoiseLeft, noise_left
from .penalty_weights import Choice, fit_smoothly, from_data
from .term_sizes import Sensitivities, sensitivity_norms

__all__ = ["Discretization", "Stage", "relative", "solve_at_once", "well_solved"]

Resolution = tuple[int, ...]

SIZE_POINTS = 4096  # at which the sizes of fields are taken that are not known by coefficients alone
SLACK = 100.0  # times the tolerance of a linear solve: a reduction that will do


@dataclass(frozen=True)
class Discretization:
    """What the stages of a run share.

    Attributes
    ----------
    problem, basis
        The problem and the basis of the grid.
    gauss
        Gauss points per cell and axis, or None.
    dtype, device
        Of all vectors.
    scales
        Divisors of the interior residuals.
    ranks
        The processes that share the points.
    mixed, banded
        How linear problems are solved, which takes memory (see :func:`stage_memory`).
    known
        What is added to the fields of the problem that is solved, or None (see :func:`.known_part`).
    """

    problem: Problem
    basis: str
    gauss: int | None
    dtype: torch.dtype
    device: torch.device
    scales: Sequence[float]
    ranks: Ranks = ALONE
    mixed: bool = False
    banded: bool = False
    known: SingularPart | None = None

    def pyramid(self, resolutions: Sequence[Resolution]) -> Pyramid:
        """Nested levels for all fields."""
        p = self.problem
        if self.cut:
            return CompactPyramid(p, self.basis, resolutions, self.dtype, self.device)
        return dense_pyramid(p, self.basis, resolutions, self.dtype, self.device)

    def inner(self, resolution: Resolution) -> torch.Tensor | None:
        """Which vertices (N_1, ...) of a level lie in the domain; None for all."""
        return inner_vertices(self.problem, self.basis, resolution).to(self.device) if self.cut else None

    def field(self, stage: Stage) -> GridField:
        """The fields of a stage: with all of its levels, or on a cut domain their sum on the vertices that it has.

        On a box with breaks there is the sum alone, too.
        """
        pyramid, p = self.pyramid(stage.resolutions), self.problem
        vector = stage.vector[: pyramid.size]
        if self.cut:
            finest = pyramid.accumulate(vector.clone())
            return compact_field(p, self.basis, stage.resolutions[-1], finest)
        if is_broken(p):
            finest = pyramid.accumulate(vector.clone())
            return linear_field(p.domain, p.fields, p.periodic, self.basis, stage.resolutions[-1:], [finest])
        return linear_field(p.domain, p.fields, p.periodic, self.basis, stage.resolutions, pyramid.views(vector))

    def beside(self, field: GridField) -> GridField:
        """A field of the problem that is solved with what is known beside it."""
        return field if self.known is None else replace(field, singular=self.known)

    def known_sizes(self) -> torch.Tensor:
        """By field, the RMS over the domain of what is known beside it."""
        if self.known is None:
            return torch.zeros(len(self.problem.fields), dtype=torch.float64)
        x = self.problem.domain.interior.quasi_random(SIZE_POINTS, 0).x.to(torch.float64)
        values = self.known.evaluate(x, Channels.value(len(x)), self.problem.fields)[:, 0]
        return torch.tensor([rms(own) for own in values], dtype=torch.float64)

    def whole(self, stage: Stage) -> GridField:
        """The fields of a stage with all that is singular: in its coefficients, and known beside them."""
        own = singular_part(self.problem, stage.parameters, stage.vector)
        return replace(self.field(stage), singular=own if self.known is None else self.known.to(stage.vector))

    def part(self, system: GridSystem, finest: torch.Tensor) -> GridField:
        """The fields of a time slab, from the coefficients of all vertices of its finest level."""
        p = system.problem
        if self.cut:
            compact = system.pyramid.compact(len(system.pyramid.shapes) - 1, finest)
            return compact_field(p, self.basis, system.resolution, compact.clone())
        own = linear_field(p.domain, p.fields, p.periodic, self.basis, [system.resolution], [finest.clone()])
        return own if self.known is None else replace(own, singular=self.known.to(finest))

    def sizes(self, stage: Stage) -> list[float]:
        """L2 norms of the fields: those of the stage, or where a part is known those of the sum at many points."""
        if self.known is None:
            return stage.norms
        interior = self.problem.domain.interior
        x = interior.quasi_random(SIZE_POINTS, 0).x.to(stage.vector)
        values = self.whole(stage).jets(x, Channels.value(len(x)))[:, 0]
        return [math.sqrt(interior.measure) * rms(own) for own in values]

    @property
    def cut(self) -> bool:
        """Whether shapes cut the domain out of its bounding box."""
        return self.problem.domain.is_cut

    def memory(self, resolutions: Sequence[Resolution], slabs: int) -> float:
        """Estimate of the bytes of a stage; see :func:`stage_memory` and :func:`cut_memory`.  The plan keeps it."""
        key = "memory", self.basis, self.gauss, self.mixed, self.banded, tuple(resolutions), slabs
        return self.problem.plan.own.once(key, lambda: self._memory(resolutions, slabs))

    def _memory(self, resolutions: Sequence[Resolution], slabs: int) -> float:
        p = self.problem
        if self.cut:
            levels = CompactPyramid(p, self.basis, resolutions, self.dtype, self.device)
            return cut_memory(p, levels, self.gauss, slabs)
        return stage_memory(self._few, resolutions, slabs, mixed=self.mixed, banded=self.banded)

    @cached_property
    def _few(self) -> GridSystem:
        """The system on four cells along every axis, or in its every piece, which says how many numbers there are."""
        few = tuple(4 if p is None else 4 * len(p.lengths) for p in self.problem.domain.pieces)
        return GridSystem(self.problem, self.basis, [few], self.gauss, self.dtype, self.device, scales=self.scales)

    def system(
        self,
        resolutions: Sequence[Resolution],
        problem: Problem | None = None,
        carried: Carried | None = None,
        *,
        starting: bool = False,
    ) -> GridSystem:
        """The least-squares system on nested levels, of the whole problem or of its part on a time slab.

        With ``starting``, that of a cut domain is for short times after a start: see :class:`CutStartSystem`.
        """
        kind = (CutStartSystem if starting else CutSystem) if self.cut else GridSystem
        return kind(
            problem or self.problem, self.basis, resolutions, self.gauss, self.dtype, self.device,
            scales=self.scales, carried=carried, ranks=self.ranks,
        )  # fmt: skip


@dataclass
class Stage:
    """The result of a stage.

    Attributes
    ----------
    resolutions, vector
        Levels, and their coefficients and the parameters as one vector.
    finest
        Coefficients on the finest level, (fields, ...).
    parameters
        Values of the unknown parameters.
    settled
        Whether linear and nonlinear iterations met their tolerances.
    solved
        Whether the last linear problem was solved about as well as was asked for; rounding may forbid it.
    change
        Largest relative L2 change of a field from the start of the stage.
    moved, norms
        The changes and the L2 norms by field.
    sizes
        What errors of the fields are relative to: their norms, or what :func:`.floored` makes of them.
    sensitivities
        Sizes of the coefficients of the equations.
    fitted
        Whether there are more points than coefficients.
    indicators
        What the stage says of its error, once it is finished.
    persisting
        The part of the loss that says of the error where it does not fall, or None where that is the loss.
    loss, residuals
        Sum of squares of the weighted residuals; their RMS by name, at and between collocation points.
    held_out
        Largest RMS between the collocation points.
    inner, reduction, damping
        Largest number of steps of a linear solve, its largest remaining gradient, last damping.
    left
        Part of its change that the last linear solve left out, where it ended by that, or None.
    points
        Number of residual rows.
    slabs
        Number of time slabs.
    start
        Length of the first part of the first slab where the solution begins with a layer, or None.
    speeds
        Per axis the largest speed of transport (see :meth:`GridSystem.speeds`).
    choice
        Weights of the penalties that were chosen automatically, or None.
    error
        Estimate of the relative L2 error of this very state (largest of all fields), or None.
    noise
        What the noise of the data leaves of that: the largest relative standard deviation of a field, 0 without noise,
        or None where it is not known.
    risk
        How badly the stage predicts noisy data, see :class:`.NoiseLeft`; None where it is not known.
    open
        All that is known of what the noise leaves open, or None.
    shift
        By how much it moved a fit of noisy data, or None where that is not known or does not matter.
    loosely
        Whether another level has to tell what a larger weight of the equations does to the fit.
    close_to_corners
        See :attr:`.CutSystem.close_to_corners`.
    undefined_outside
        See :attr:`.CutSystem.undefined_outside`.
    """

    resolutions: list[Resolution]
    vector: torch.Tensor
    finest: torch.Tensor
    parameters: dict[str, float]
    settled: bool = True
    solved: bool = True
    change: float = 0.0
    moved: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    sensitivities: Sensitivities = field(default_factory=list)
    fitted: bool = False
    indicators: Indicators = field(default_factory=Indicators)
    loss: float = 0.0
    persisting: float | None = None
    residuals: dict[str, float] = field(default_factory=dict)
    held_out: float = 0.0
    inner: int = 0
    reduction: float = 0.0
    left: float | None = None
    damping: float = 0.0
    points: int = 0
    slabs: int = 1
    start: float | None = None
    speeds: tuple[float, ...] = ()
    choice: Choice | None = None
    error: float | None = None
    noise: float | None = 0.0
    risk: float | None = None
    open: NoiseLeft | None = None
    shift: FitShift | None = None
    loosely: bool = False
    close_to_corners: torch.Tensor | None = None
    undefined_outside: bool = False


def well_solved(system: GridSystem, fit: Fit, solver: LevenbergMarquardt[GridSystem]) -> bool:
    """Whether the last linear problem of a fit was solved; the last ones of a nonlinear iteration hardly matter."""
    if fit.inner is None or not system.affine:
        return True
    tol = solver.near_tol if system.warm else solver.inner_tol
    return fit.inner.converged and (fit.inner.left is not None or fit.inner.reduction <= SLACK * tol)


def relative(moved: Sequence[float], norms: Sequence[float]) -> float:
    """The largest ratio of two lists; zero counts as unchanged."""
    return max((m / n if n > 0 else 0.0 for m, n in zip(moved, norms, strict=True)), default=0.0)


def describe(system: GridSystem, fit: Fit) -> Stage:
    """A state of the iteration on the whole domain as a stage."""
    if system.problem.gauges:
        last, whole = len(system.pyramid.shapes) - 1, system.finest(fit.vector)
        level = system.pyramid.views(system.split(fit.vector)[0])[last]
        shifted = system.without_means(whole, system.at_corners(fit.vector))
        level += system.pyramid.compact(last, shifted - whole)
    finest, parameters = system.finest(fit.vector), system.parameters(fit.vector)
    held_out = system.held_out(finest, parameters)
    return Stage(
        list(system.pyramid.resolutions),
        fit.vector,
        finest,
        parameters,
        settled=fit.settled,
        loss=fit.loss,
        residuals=system.residual_rms(fit.rows) | held_out,
        held_out=max(held_out.values(), default=0.0),
        inner=fit.inner.steps if fit.inner else 0,
        reduction=fit.inner.reduction if fit.inner else 0.0,
        left=fit.inner.left if fit.inner else None,
        damping=fit.damping,
        points=system.rows,
        speeds=system.speeds(),
        sensitivities=sensitivity_norms(system.interior, system.ranks),
        fitted=max(system.gauss) > BASES[system.basis].coefficients,
        undefined_outside=system.undefined_outside,
    )


def error_on_the_way(
    system: GridSystem,
    before: torch.Tensor,
    now: torch.Tensor,
    error: float | None,
    floors: Sequence[float] = (),
    corners: tuple[torch.Tensor, torch.Tensor] | None = None,
    partial: bool = False,
) -> float | None:
    """Bound of the error of a state inside a stage: that of its start, and how far the state has moved since.

    By the triangle inequality it is never below the true error as long as the estimate at the start is not.

    Parameters
    ----------
    before, now
        Coefficients on the finest level at the start of the stage, and of the state.
    error
        Estimated relative error at the start, or None where it is not known.
    floors
        What that was relative to, by field; norms of fields that may well be zero lie below.
    corners
        Coefficients of singular functions at the start of the stage, and of the state.
    partial
        Whether the coefficients are only a part of the fields, whose sizes are those of the start.
    """
    if error is None:
        return None
    first, last = corners or (None, None)
    step = None if first is None or last is None else last - first
    if partial:
        far = system.norms(now - before, step)
        return relative([error * size + own for size, own in zip(floors, far, strict=True)], floors)
    least = [*floors] or [0.0] * len(now)
    started = [max(pair) for pair in zip(system.norms(before, first), least, strict=True)]
    bound = [error * size + far for size, far in zip(started, system.norms(now - before, step), strict=True)]
    sizes = [
        floor if floor > 2.0 * start else size
        for size, start, floor in zip(system.norms(now, last), system.norms(before, first), least, strict=True)
    ]
    if any(b > 0 and not n > 0 for b, n in zip(bound, sizes, strict=True)):
        return None  # nothing to be relative to
    return relative(bound, sizes)


def solve_at_once(
    grid: Discretization,
    resolutions: list[Resolution],
    start: Stage | None,
    parameters: dict[str, float],
    solver: LevenbergMarquardt[GridSystem],
    began: Callable[[Stage], None],
    accepted: Callable[[Stage], None],
    stepped: Callable[[dict[str, Any]], None] | None = None,
    resumed: Entry | None = None,
) -> Stage:
    """Solve for all levels on the whole domain.

    Parameters
    ----------
    start
        The stage on coarser levels whose coefficients, parameters and weights are the start, or None for the
        reference state.
    parameters
        Where the unknown parameters start if there is no such stage.
    began, accepted
        Told the state with the exact conditions imposed, and every step of a nonlinear iteration.
    stepped, resumed
        Given what a checkpoint keeps after such a step, and what one has kept, or None.
    """
    system = grid.system(resolutions)
    vector = torch.zeros(system.size, dtype=grid.dtype, device=grid.device)
    coefficients, values = system.split(vector)
    if start is not None:
        coarser = start.vector[: grid.pyramid(start.resolutions).size]
        coefficients[: coarser.numel()] = coarser
        parameters = start.parameters
    else:
        system.refer(vector)
    for i, name in enumerate(system.parameter_names):
        values[i] = parameters.get(name, 0.0)
    before, corners = system.finest(vector), system.at_corners(vector).clone()
    if start is not None and start.close_to_corners is not None and stepped is None:
        system.take_corners(start.close_to_corners)  # which no checkpoint keeps
    system.impose(vector)
    choice, error = (None, None) if start is None else (start.choice, start.error)
    floors = [] if start is None else start.sizes

    def on_the_way(state: Stage) -> float | None:
        at = corners, system.at_corners(state.vector)
        return error_on_the_way(system, before, state.finest, error, floors, at, grid.known is not None)

    if resumed is not None:
        vector = resumed.at("vector").tensor(vector.shape).to(vector, copy=True)
    first = Stage(list(resolutions), vector, system.finest(vector), system.parameters(vector), points=system.rows)
    if resumed is not None:
        first = replace(first, choice=choice, error=on_the_way(first))
    began(first)

    def tell(fit: Fit) -> None:
        state = describe(system, fit)
        accepted(replace(state, choice=choice, error=on_the_way(state)))

    step = None if system.affine else tell
    guessed = start is not None

    # where weights are chosen on the way, a stage that was interrupted is begun again

    def keep(state: dict[str, Any]) -> None:
        assert stepped is not None
        system.close_to_corners = None
        stepped(state)

    kept = None if stepped is None else keep

    final = choice
    if system.noisy:

        def fit(vector: torch.Tensor, enough: Callable[[Rows], float]) -> Fit:
            return solver.fit(system, vector, step, guessed=guessed, stepped=kept, enough=enough)

        check = solver.monitor.check_time
        end, final = fit_smoothly(system, vector, choice, fit, first=not guessed, check=check)
    else:
        try:
            if resumed is None:
                vector = from_data(system, vector, lambda vector: solver.fit(system, vector, step, guessed=True))
            end = solver.fit(system, vector, step, guessed=guessed, stepped=kept, resumed=resumed)
        except DivergedError:
            if start is None or reference_state(grid.problem).is_zero:
                raise
            fresh = torch.zeros_like(vector)  # the solution on coarser levels is not defined between its points
            system.refer(fresh)
            system.split(fresh)[1].copy_(values)
            end = solver.fit(system, system.impose(fresh), step)
    stage = replace(describe(system, end), choice=final, solved=well_solved(system, end, solver))
    own = system.at_corners(stage.vector)
    stage.moved = system.norms(stage.finest - before, own - corners)
    stage.norms = system.norms(stage.finest, own)
    if system.noisy:
        open_left = noise_left(system, stage.vector, final)
        stage.noise = start.noise if start is not None else None
        if open_left is not None:
            stage.noise, stage.risk = relative(open_left.errors, stage.norms), open_left.risk
            stage.open = open_left
    stage.close_to_corners = system.close_to_corners
    return stage
