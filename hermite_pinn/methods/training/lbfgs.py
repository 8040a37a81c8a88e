"""Quasi-Newton steps on points that stay fixed for a round, in variables scaled by the Jacobian."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from hermite_pinn.calls import with_options_named
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import Levels
from hermite_pinn.field.outline import Outline
from hermite_pinn.methods.base import Outcome, Task, refuse_half

from .batches import RAD, term_groups
from .defaults import FRONT_POINTS, FRONT_ROUND, FRONT_STEPS, front_field, moves_fronts
from .fixed_objective import FixedObjective, round_seed
from .full_batch import train_full_batch
from .holding import hard_choice, outlined
from .loss import Loss
from .method import TrainingMethod
from .objective import Objective
from .options import QuasiNewtonOptions
from .quasi_newton import load_optimizers
from .requirements import check_points
from .session import Session, TrainingResult

__all__ = ["LBFGS"]


@with_options_named
@dataclass(frozen=True)
class LBFGS(QuasiNewtonOptions, TrainingMethod):
    """Quasi-Newton steps with strong Wolfe line search, in float64, on points that stay fixed for a round.

    The loss is the weighted mean square of every interior residual plus ``weight`` times those of the conditions.
    Every unknown is measured in units of its column of the Jacobian, estimated at the start; on the levels of a grid
    that is the multilevel preconditioner of ``gauss_newton``.

    Many unknowns are moved by limited-memory BFGS.  The few of a small network are moved by self-scaled Broyden steps
    with the full matrix, which go much farther.

    Numbers that are left open follow the problem; docs/networks.md says how, and ``solution.stats["defaults"]`` which
    were taken.  Without ``field`` and ``levels`` an evolution in one axis of space that is not linear gets a small
    network of the coordinates and points that follow the residual; every other problem gets the sum of dense levels.

    Parameters
    ----------
    steps
        Most steps, all rounds together; ``None``: 2000, or 4000 for evolutions in one axis of space that are not
        linear.
    points, face_points
        Quasi-random (scrambled Sobol) points inside and on each face with a condition.  ``None`` takes Gauss points
        with their weights in the cells of the finest level, one more per axis than the basis has coefficients per
        vertex, or, where these are more than 2**18 (2**16 with a network), quasi-random points: twice as many as
        unknowns, but no more than that.  For the evolutions above it takes 2048.
    rounds
        Rounds into which the steps are divided; ``None``: 1, or one per 100 steps for the evolutions above.  Every
        round begins with new points (other Gauss points do not exist).  A full matrix and its units are kept; a
        limited memory begins empty and in new units.
    adaptive
        Interior points that follow the residual at the start of each round, see :class:`hermite_pinn.RAD`; needs
        ``points``.  The evolutions above take ``RAD()`` if it is ``None``.
    weight
        Factor of the mean squares of the conditions.
    normalize
        Divide residuals by the RMS of their source term.
    hard
        As for :class:`hermite_pinn.Adam`; ``None`` holds nothing in a field that is the sum of its levels, such as
        the one that is used where none is given.
    memory
        Steps remembered; ``None``: all of them, in a full matrix, for networks with at most 3000 unknowns, else 50.
    search_steps
        Most evaluations in one line search.
    gtol
        A round ends when the largest component of the gradient is below this part of its first value.
    ftol
        A round ends when ten steps have lowered the loss by less than this part of it.
    probes
        Random directions by which the columns of the Jacobian are measured, each the cost of one gradient, at most
        10,000; 0 keeps the unknowns as they are.
    check_every
        Steps between two rows of the history.

    Notes
    -----
    ``solution.message`` explains why the run ended, and ``solution.stats["reason"]`` is a word for it: ``gradient``,
    ``change``, ``line_search``, ``steps``, ``time``, ``callback`` or ``interrupted``.  The first two count as
    convergence of the optimiser, which is no statement about the error; compare the history's ``held-out`` columns,
    residuals at other points, with the ``rms`` columns.  Parameters stay within their bounds by MINUIT's
    transformation.  With a limited memory the optimiser is ``torch.optim.LBFGS``: unlike SciPy's L-BFGS-B its state can
    be saved between steps, and it runs on any device.

    References
    ----------
    D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
    Programming 45 (1989).  Columns: C. Bekas, E. Kokiopoulou, Y. Saad, "An estimator for the diagonal of a matrix",
    Applied Numerical Mathematics 57 (2007).  Self-scaled steps: M. Al-Baali and H. Khalfan, "A combined class of
    self-scaling and modified quasi-Newton methods", Computational Optimization and Applications 52 (2012); for
    networks, J. F. Urban, P. Stefanou, J. A. Pons, "Unveiling the optimization process of physics informed neural
    networks", Journal of Computational Physics 523 (2025).

    Examples
    --------
    >>> LBFGS(memory=20).plan()
    RoundPlan(steps=2000, rounds=1)
    """

    name = "lbfgs"
    precision = torch.float64

    def default_levels(self, task: Task) -> Levels:
        """Eight levels with hash tables, else as many as keep a dense grid small: 5 in up to two dimensions."""
        spec = task.field or self.default_field(task.problem)
        return 8 if spec.table_size is not None else {1: 5, 2: 5, 3: 4}.get(task.problem.domain.dim, 3)

    def settled(self, task: Task) -> tuple[LBFGS, Task]:
        """The method and the run with what was left open, by the problem."""
        held = replace(self, hard=hard_choice(task, self.hard))
        if any(given is not None for given in (task.field, task.levels, task.start)) or not moves_fronts(task.problem):
            return held, task
        steps, points = self.steps or FRONT_STEPS, self.points or FRONT_POINTS
        rounds = self.rounds or max(1, steps // FRONT_ROUND)
        method = replace(held, steps=steps, rounds=rounds, points=points, adaptive=self.adaptive or RAD())
        return method, replace(task, field=front_field())

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """See :meth:`Method.check`."""
        if task.dtype not in (None, torch.float64):
            raise InvalidArgumentError(f"lbfgs works in float64, got dtype={task.dtype}; use adam for float32")
        method, settled = self.settled(task)
        return outlined(method._checked(settled, before), task, self.hard, before, torch.float64)

    def _checked(self, task: Task, before: Outline | None) -> Outline:
        spec = task.field or self.default_field(task.problem)
        if before is None:
            refuse_half(spec, self.name)
        outline = super().check(task, before)
        check_points(task, outline, spec, self.points, self.adaptive)
        check_points(task, outline, spec, self.face_points)
        self._check_restrictions(task)
        load_optimizers()
        return outline

    def _check_restrictions(self, task: Task) -> None:
        """Look at the points of all rounds where conditions hold on parts of their faces."""
        if self.face_points is None or all(t.where is None for t in task.problem.terms):
            return
        for k, group in enumerate(term_groups(task.problem, task.device, torch.float64)):
            for number in range(self.plan().rounds if group.terms[0].where is not None else 0):
                group.quasi_random(self.face_points, round_seed(task.seed, number, k))

    def run(self, task: Task) -> Outcome:
        """Train; see :class:`Method`."""
        method, settled = self.settled(task)
        outcome = super(LBFGS, method).run(settled)
        chosen = {k: getattr(method, k) for k in ("steps", "points", "rounds") if getattr(self, k) is None}
        plan = {k: v for k, v in chosen.items() if v is not None}
        if settled.field is not task.field and settled.field is not None:
            spec = settled.field
            plan |= {"encoder": spec.encoder, "width": spec.width, "depth": spec.depth, "activation": spec.activation}
        outcome.stats["defaults"] = plan
        return outcome

    def objective(self, task: Task) -> Objective:
        """Means over points that stay for a round, in float64."""
        levels = self.default_levels(task)
        numbers = (self.points, self.face_points, self.adaptive, self.normalize, self.hard)
        return FixedObjective(task, self, torch.float64, levels, *numbers)

    def train(self, loss: Loss[Any], session: Session | None = None) -> TrainingResult:
        """Train the tensors of a loss, in float64, on its parts; see :class:`.Loss`."""
        return train_full_batch(loss, self, session or Session())
