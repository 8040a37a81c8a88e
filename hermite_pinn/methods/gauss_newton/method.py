"""Gauss-Newton on the multilevel frame, by nested iteration from the coarsest level."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from hermite_pinn.calls import with_options_named
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import Field, GridField, basis_for
from hermite_pinn.field.guess import Guess
from hermite_pinn.field.outline import Outline
from hermite_pinn.methods.base import Method, Outcome, Task, refuse_half
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.status import Status

from .banded_cholesky import load_blas
from .deflated import refuse_linear
from .even_choices import with_even_choices
from .evolution import Evolution
from .fit_shift import misses_data
from .joint import JointGaussNewton, is_joint
from .nested_iteration import NestedIteration
from .options import GaussNewtonOptions
from .ordinary_choice import start_values
from .ordinary_ending import levels_or_march, with_freedom
from .ordinary_run import OrdinaryRun
from .requirements import check_nested
from .separable_choice import check_separable, is_separable
from .separable_run import SeparableRun
from .smoothness_order import fits_smooth_equations, smooth_field, with_order_of
from .step_choice import step_basis
from .unfed import with_inflow
from .verdict import BY_ITSELF

__all__ = ["GaussNewton"]

logger = logging.getLogger(__name__)

UNUSED = "the start was not used, since the problem is marched through from the state that it gives itself"


@with_options_named
@dataclass(frozen=True)
class GaussNewton(GaussNewtonOptions, Method):
    """Gauss-Newton on nested grids, from coarse to fine (Levenberg-Marquardt for nonlinear problems).

    A stage solves for all levels up to its finest, at the Gauss points of that level's cells.  It starts from the stage
    before, which the additive levels reproduce exactly.  The columns are scaled to unit norm.  Together with the levels
    this is an additive multilevel (BPX) preconditioner: for elliptic problems the number of conjugate-gradient steps
    hardly depends on the resolution.

    Parameters
    ----------
    gauss
        Gauss points per cell and axis.  ``None`` takes as many as the basis has coefficients per vertex if these
        determine the solution (orthogonal spline collocation), and one more otherwise.
    inner_tol
        Reduction of the gradient at which a linear solve stops.  ``None``: 1e-8 for cubics, 1e-10 for smoother bases,
        and 100 times that in nonlinear iterations and time slabs, which start close to their solution.
    inner_steps
        Largest number of steps of one linear solve.
    outer_steps
        Largest number of Levenberg-Marquardt steps of one stage.
    damping
        First Levenberg-Marquardt parameter of a nonlinear problem.
    max_levels
        Largest number of stages if levels are chosen automatically.
    max_unknowns
        Largest number of coefficients per stage if levels are chosen automatically.  ``None``: what fits into memory.
    inner
        Solver of the linear systems.  ``"cg"``: conjugate gradients.  ``"banded"``: a banded Cholesky factor as
        preconditioner, or a sparse one if that costs less (one or two axes).  ``"auto"``: a factor, in any number of
        axes, if conjugate gradients are expected to cost more or have cost as much already, as for transport and waves;
        fast diagonalisation for one field on a box if that costs least.  Factors are made on the CPU, also in runs on a
        GPU.
    precision
        Precision of the conjugate-gradient steps on dense levels.  ``"float64"``.  ``"mixed"``: float32, with residuals
        and the solution in float64, which reaches the same accuracy.  ``"auto"``: mixed on GPUs whose float64 is slow
        (1/32 of the rate of float32 or less).
    slabs
        Number of time slabs for an evolution problem, each solved from the end of the one before.  1 solves for all
        times at once.  Coarse levels have fewer slabs, so that each has at least two cells of time (three on septics,
        four if a problem has second derivatives in time, eight for these on cubics).  ``"auto"``: steps in time where
        these are possible, and otherwise slabs of eight cells, or fewer if signals cross many cells, provided that the
        initial conditions allow it; see docs/method/evolution.md.
    basis
        Basis of the grid if no field is given: ``"cubic"``, ``"quintic"``, ``"septic"``, or ``"auto"``.  Without
        ``levels``, ``"auto"`` begins with cubics (or the first basis that is smooth enough for the problem), or with
        the basis and the cells that the source requires.  It continues with a smoother basis if its first levels show
        that this meets ``tol`` in less time.
    refine
        ``"uniform"``: levels of equal cells.  ``"local"``: cells are divided where the error is, on boxes of up to
        three axes and for equations up to second order, without noisy data.  ``"auto"``: local if a peak of the
        prescribed functions lies between the points of the first levels, or if the part that they do not resolve is
        concentrated in few cells; see docs/refinement.md.

    Notes
    -----
    Without ``levels`` the resolution is doubled, axis by axis where the field needs it, until the estimated
    error meets ``tol``.  The estimate is the change from stage to stage, extrapolated with the observed rate; see
    docs/estimates.md.

    If data determine parameters, ``solution.stats["standard_errors"]`` holds their standard errors, with the equations
    taken as exact.  State the noise of data, ``Data(..., noise=...)``, so that no field bends to fit it.

    Examples
    --------
    >>> GaussNewton(gauss=3).gauss
    3
    """

    name = "gauss_newton"

    @property
    def shared(self) -> bool:
        """Every process takes a part of the points, and products with the transposed Jacobian are summed."""
        return True

    @property
    def deflates(self) -> bool:
        """On the levels of a grid."""
        return True

    def default_field(self, problem: Problem) -> Field:
        """Dense levels of the first basis smooth enough: cubic to second derivatives, septic to fourth."""
        return Field(basis=basis_for(problem.order) if self.basis == "auto" else self.basis)

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """See :meth:`Method.check`."""
        if before is None and is_separable(task):
            return check_separable(self, task)
        if is_joint(task.field if before is None else before):
            if task.deflated:
                raise InvalidArgumentError(f"{self._joint.name} knows no deflation; leave field or deflate out")
            return self._joint.check(task, before)
        field = self._field(task, before)
        if self.basis not in ("auto", field.basis):
            raise InvalidArgumentError(
                f"GaussNewton(basis={self.basis!r}) and the field's basis={field.basis!r} disagree; leave one of them out"
            )
        if before is None:
            refuse_half(field, self.name)
        if task.deflated:
            refuse_linear(task.problem)
        check_nested(self, task, field, before)
        if self.inner != "cg" and task.problem.domain.dim <= 2:
            load_blas()
        if before is not None and task.levels is not None:  # what a run by itself finds in its first moments
            NestedIteration(self, task, field).plan()
        return Outline(linear=True, basis=field.basis)

    def run(self, task: Task) -> Outcome:
        """Solve; see :class:`Method`.  Hashed levels and networks are solved for by :class:`JointGaussNewton`."""
        if task.start is None and is_separable(task):
            return SeparableRun(task, None if task.field is None else task.field.rank).outcome()
        if is_joint(task.field if task.start is None else Outline.of(task.start)):
            return self._joint.run(task)
        field = self._field(task, task.start)
        if task.start is None:
            task = replace(task, problem=with_order_of(task.problem, field.basis))
        even = replace(task, problem=with_even_choices(task.problem))
        outcome = with_inflow(task.problem, with_freedom(task.problem, self._on_grid(even, field)))
        if task.guess is None or "start" in outcome.stats:
            return outcome
        return replace(outcome, message=f"{outcome.message}; {UNUSED}", stats=outcome.stats | {"start": {}})

    def started(self, task: Task, guess: Guess) -> Task:
        """The run that begins at a guess, which is fitted on the first level that holds it."""
        if task.field is not None and is_joint(task.field):
            return super().started(task, guess)
        if self.refine == "local":
            raise InvalidArgumentError(
                "refine='local' begins on its own coarse cells; leave it or the start out of the run"
            )
        return replace(task, guess=guess)

    def _on_grid(self, task: Task, field: Field) -> Outcome:
        """Solve on the kind of grid that suits the problem."""
        if task.deflated or task.problem.unfed:
            return NestedIteration(self, task, field).outcome()
        stated = start_values(self, task)
        if stated is not None and (task.saved is None or "ordinary" in task.saved):
            ordinary = OrdinaryRun(task, stated)
            outcome = ordinary.outcome()
            if outcome.status is not Status.STALLED or (ordinary.begun and not ordinary.undefined):
                return outcome
            logger.info(
                "marches from the start values fail (%s): the problem is solved on nested levels", outcome.message
            )
            return levels_or_march(lambda: NestedIteration(self, task, field).outcome(), outcome, ordinary.begun)
        basis = step_basis(self, task, task.field)
        if basis is not None and (task.saved is None or "marches" in task.saved):
            outcome = Evolution(task, basis).outcome()
            ended = outcome.minimised and task.problem.domain.dim > 2
            if ended or outcome.status not in (Status.STALLED, Status.MAX_SIZE):
                return outcome
            logger.info("steps in time came to no end (%s): the problem is solved on nested levels", outcome.message)
            levels = NestedIteration(self, replace(task, saved=None), field).outcome()
            if outcome.minimised and not _is_better(levels, outcome):
                return outcome
            return replace(levels, stats=levels.stats | {"marched": outcome.message})
        return self._on_levels(task, field)

    def _on_levels(self, task: Task, field: Field) -> Outcome:
        """Solve on nested levels; a fit that misses the data on septics is begun again on other ones."""
        run, plain = NestedIteration(self, task, field), self.default_field(task.problem)
        outcome = run.outcome()
        if not fits_smooth_equations(task.problem) or field.basis == plain.basis or not self._leaves_field(task):
            return outcome
        missed = misses_data(task.problem, run.fitted)
        if outcome.status not in BY_ITSELF or missed is None:
            return outcome
        logger.info("the fit misses the data on septics: it is begun again on other levels")
        again = NestedIteration(self, replace(task, saved=None), plain)
        other = again.outcome()
        return other if again.fitted is not None and again.fitted.misfit < missed else outcome

    def _leaves_field(self, task: Task) -> bool:
        """Whether the kind of field is chosen by the run."""
        return task.field is None and self.basis == "auto" and task.levels is None and task.start is None

    def _field(self, task: Task, before: Outline | GridField | None) -> Field:
        """The kind of field of a run on a grid, where a method before may hand one over."""
        if task.field is not None:
            return task.field
        free = self.basis == "auto" and task.levels is None and before is None
        plain = self.default_field(task.problem).basis
        if fits_smooth_equations(task.problem) and (task.saved or {}).get("basis") == plain:
            free = False  # a run that was begun again
        return (smooth_field(task.problem) if free else None) or self.default_field(task.problem)

    @property
    def _joint(self) -> JointGaussNewton:
        """The method for fields that are no sum of nested dense levels."""
        return JointGaussNewton(damping=self.damping, gauss=self.gauss or 3)


def _is_better(levels: Outcome, marches: Outcome) -> bool:
    """Whether levels of all times tell of a smaller error than marches."""
    if levels.error is None or not levels.minimised:
        return False
    return marches.error is None or levels.error < marches.error
