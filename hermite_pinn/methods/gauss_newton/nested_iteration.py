"""The course of a Gauss-Newton run: stage after stage on finer levels, until the estimated error is small enough."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.field.field import Field, GridField
from hermite_pinn.field.guess import Guess
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.residuals.corner_data import known_part
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.scales import row_scales, source_norms
from hermite_pinn.residuals.shifted import shifted
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.progress_text import spelled_time
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

from .balance import balanced_norms, by_parameters
from .branch_search import other_state
from .convergence import Convergence, unsolved
from .deflated import Deflated
from .early_ending import early_ending
from .equation_weight import stiffened
from .first_course import begun_with
from .first_state import FirstState, first_state, since_start
from .geometry_notes import geometry_notes
from .grid_solver import grid_solver
from .level_shift import level_shift
from .local_choice import LocalChoice, local_basis
from .local_iteration import LocalIteration
from .local_state import SavedLocal
from .marching import marched
from .mixed_precision import chosen_precision
from .nested_outcome import nested_outcome
from .nested_state import NestedState
from .noise_errors import NoiseLeft
from .options import GaussNewtonOptions
from .pace import Pace
from .parameter_change import parameter_change
from .reordering import Reordering
from .resolutions import Resolutions, first_resolutions
from .saved_state import check_nested
from .slab_march import march
from .stage import Discretization, Stage, solve_at_once
from .stage_measure import measure_stage
from .stage_record import record_stage
from .time_slabs import stable_points
from .unfinished import Unfinished
from .uniqueness import freedom, on_vertices
from .verdict import BY_ITSELF, coarser_is_better, determined, verdict, with_noise
from .watch_points import WatchPoints

__all__ = ["NestedIteration"]

logger = logging.getLogger(__name__)

Resolution = tuple[int, ...]

REPEATS = 3  # of the first stage, with rows scaled anew
CLOSE, WORTH = 1e-8, 1_000_000  # errors and sizes beyond which a tolerance that cannot be met counts no more
SMALL = 1e-12  # errors below which it counts no more on any level
FINISHING = 3.0  # times what looking at the domain takes on the first level
HASTE = 0.3  # of the time that a level is expected to take: it is not begun with less left


class NestedIteration:
    """One run of :class:`GaussNewton`.

    Parameters
    ----------
    options
        Of the method.
    task
        What to solve.
    field
        The kind of field.
    """

    def __init__(self, options: GaussNewtonOptions, task: Task, field: Field) -> None:
        known = known_part(task.problem) if task.start is None else None
        if known is not None:  # what is left beside it is solved for
            task = replace(task, problem=shifted(task.problem, known))
        self.options, self.task, self.problem = options, task, task.problem
        self.monitor = task.monitor
        self.given = field
        self.reordering = Reordering(options, task)
        self.tol = task.tol if task.tol is not None else (1e-6 if task.levels is None else None)
        self.watch = WatchPoints(self.problem)
        begun = field if known is not None else begun_with(options, task, field, self.tol, self.watch)
        self.basis = begun.basis
        self.resolutions = Resolutions(options, task, begun, self.tol)
        norms = source_norms(self.problem)
        self.grid = Discretization(
            self.problem,
            self.basis,
            options.gauss,
            torch.float64,
            task.device,
            row_scales(self.problem, norms),
            task.ranks,
            mixed=chosen_precision(options.precision, task.device) == "mixed",
            banded=options.inner == "banded",
            known=known,
        )
        self.state = NestedState(Convergence(self.basis, self.tol), norms)
        self.precision = chosen_precision(options.precision, task.device)
        others = (t.region for t in self.problem.terms)
        self.measured = any(r.measured is not None or r.penalty is not None for r in others)
        self.pace = Pace(self.monitor)
        if task.deflated:
            self.resolutions.at_once = "known solutions are left out"
        self.solver = self._solver(Misfit(self.problem))
        self.unfinished = Unfinished(task, lambda: self.solver.state())
        self.choice = LocalChoice(options, task)
        self.local: LocalIteration | None = None
        self.first: FirstState | None = None  # where the run begins that was told a start

    def _solver(self, misfit: Misfit) -> LevenbergMarquardt[GridSystem]:
        if not self.task.deflated:
            return self._iteration(misfit, None)
        self.deflated = Deflated(lambda: self.grid, self.task.deflated, self._iteration(misfit, None))
        return self._iteration(misfit, self.deflated)

    def _iteration(self, misfit: Misfit, deflation: Deflated | None) -> LevenbergMarquardt[GridSystem]:
        options, smooth = self.options, BASES[self.basis].coefficients > 2
        return LevenbergMarquardt(
            grid_solver(
                options.inner,
                mixed=self.precision == "mixed" and not misfit.noisy,
                scattered=bool(misfit.noisy),
            ),
            inner_tol=options.inner_tol or (1e-10 if smooth else 1e-8),
            near_tol=options.inner_tol or (1e-8 if smooth else 1e-6),
            inner_steps=options.inner_steps,
            outer_steps=options.outer_steps,
            damping=options.damping,
            change=None if self.tol is None else 1e-2 * self.tol,
            monitor=self.monitor,
            corrected=bool(misfit.noisy),
            deflation=deflation,
        )

    # -- the run ---
    def plan(self) -> None:
        """Choose the resolutions of all stages where their number was given; see :meth:`Resolutions.plan`."""
        self.resolutions.plan(self.grid)

    def outcome(self) -> Outcome:
        """Solve, and say how it ended."""
        return run_to_end(
            self._stages,
            self._outcome,
            interrupted=lambda: f"{cause()}; this is the best state so far",
            settle=self._settled,
            usable=self._is_usable,
            monitor=self.monitor,
        )

    @property
    def fitted(self) -> NoiseLeft | None:
        """What the noise of the data leaves open on the last level, if that is known."""
        return None if self.state.best is None else self.state.best.open

    def _is_usable(self) -> bool:
        """Whether the best state is more than the one with which the first stage begins."""
        told = self.task.guess is not None or bool(self.task.deflated)
        started = self.task.start is not None or told
        worked = started or len(self.monitor.history) > 0
        return self.state.best is not None and worked

    def _settled(self, ending: Ending) -> Ending:
        """Save what is not saved yet; the ending, with what is known of the uniqueness of the solution."""
        self.unfinished.save()
        if self.reordering.was_better(self.state, ending):
            self.grid, self.state = self.reordering.before
            self.basis = self.grid.basis
        best = self.state.best
        if best is None or ending.status not in BY_ITSELF:
            return ending
        return determined(ending, *self._freedom(best))

    def _freedom(self, best: Stage) -> tuple[int, Sequence[str]]:
        """See :func:`.freedom`; with the basis and the level with which the run began, where it has found another."""
        if self.task.start is not None or self.resolutions.planned is not None:
            return freedom(self.grid, best, self.state.path[0])
        first = first_resolutions(self.task, self.given)[0]
        return freedom(
            replace(self.grid, basis=self.given.basis), on_vertices(best, self.basis, self.given.basis), first
        )

    def _outcome(self, ending: Ending) -> Outcome:
        if self.local is not None and self.local.is_better_than(self.state.best):
            return self.local.outcome(ending)
        best = self.state.best or self._empty()
        outcome = nested_outcome(
            ending, best, self.state, self.grid, self.solver, self.options.inner_steps, self._field(best)
        )
        return replace(outcome, stats=outcome.stats | since_start(self.task, self.first, outcome.field))

    def _empty(self) -> Stage:
        """What there is before the first stage: the field of the method before, or zero."""
        if self.task.start is not None:
            self.state.take_over(self.task.start, self._first_parameters(), self.grid)
            assert self.state.best is not None
            return self.state.best
        first = self.resolutions.first()[:1]
        pyramid = self.grid.pyramid(first)
        zero = torch.zeros(pyramid.size, dtype=self.grid.dtype, device=self.task.device)
        return Stage(first, zero, pyramid.total(zero), self._first_parameters(), settled=False)

    def _first_parameters(self) -> dict[str, float]:
        told = self.task.guess.parameters if self.task.guess is not None else self.task.start_parameters
        return {p.name: p.init for p in self.problem.parameters} | dict(told or {})

    def _begin_at(self, guess: Guess) -> None:
        """Take a start over on the first level that holds it."""
        self.first = first_state(self.grid, self.resolutions, guess, self._first_parameters())
        self.state.path, self.state.best = list(self.first.stage.resolutions), self.first.stage

    def _stages(self) -> Ending:
        """Stage after stage until one is the last."""
        self.plan()
        ending, foreign = self._begin()
        while ending is None:
            ending = self._level(foreign)
            if ending is None:
                self.monitor.check_time()
                foreign = self._reorder()
        return ending

    def _begin(self) -> tuple[Ending | None, bool]:
        """Take over what the run begins with: its ending, if that is all, and whether it is of another method."""
        state, task = self.state, self.task
        if task.saved is not None:
            self._take_basis(self.reordering.saved_basis(self.basis))
            self.solver.restore(Entry.of(task.saved, "the checkpoint").at("solver"))
        if task.saved is not None and "path" in task.saved:
            self._restore(task.saved)
            divided = SavedLocal.read(task.saved, self.problem)
            if divided is not None:
                return self._locally(divided), False
            ending = self._verdict()
            if ending is None and state.best is not None and self.choice.pays(state.best, len(state.path)):
                ending = self._locally()
            return ending, ending is None and self._reorder()
        if task.start is not None:
            state.take_over(task.start, self._first_parameters(), self.grid)
            return None, True  # a field of another method is first improved on its own levels
        if task.guess is not None:
            self._begin_at(task.guess)
            return None, True
        if task.deflated:
            state.best = other_state(self.grid, self.resolutions, self.solver, self.deflated, self._first_parameters())
            state.path = list(state.best.resolutions)
            return None, True
        return None, False

    def _level(self, foreign: bool) -> Ending | None:
        """Solve on the next level, or on those of another field; the ending of the run, if that was the last one."""
        state = self.state
        if not foreign:
            self._refine()
        self.pace.begin()
        before = state.best
        stage = self._solve()
        if (len(state.path) == 1 and not foreign) or (foreign and self.first is not None):
            stage = self._balanced(stage)
        measure_stage(self.grid, stage, state.path[-2] if len(state.path) > 1 else None, self.watch, self.tol)
        ending = None if foreign or self.resolutions.planned else coarser_is_better(before, stage, self.tol)
        if ending is not None:
            state.path.pop()
            state.best = before
            return ending
        self._judge(before, stage, foreign)
        state.best = stage
        self.unfinished.finished(state.saved())
        self._record(stage)
        self.pace.end(self.grid.pyramid(state.path[-1:]).size)
        self.unfinished.save()
        self._keep_time()
        ending = self._verdict()
        if ending is None and self.resolutions.planned is None:
            ending = early_ending(self.grid, stage, len(state.path), state.convergence.estimates)
        if ending is None and self.choice.pays(stage, len(state.path)):
            ending = self._locally()
        return ending

    def _judge(self, before: Stage | None, stage: Stage, foreign: bool) -> None:
        """Estimate the error of a stage, and see whether equations must weigh more beside noisy data."""
        problem = self.problem
        moved = 0.0 if before is None else parameter_change(problem, before.parameters, stage.parameters)
        error = self.state.convergence.add(
            None if foreign or len(self.state.path) == 1 else stage.change,
            stage.held_out,
            stage.indicators,
            unsolved(stage.inner, stage.reduction) if stage.left is None else stage.left,
            stage.solved,
            0.0 if self.measured else stage.loss if stage.persisting is None else stage.persisting,
            moved,
        )
        stage.shift = None if foreign or before is None else level_shift(problem, before, stage, self.tol)
        far = 0.0 if stage.shift is None else stage.shift.distance
        stage.error = with_noise(error, (stage.noise or 0.0) * math.hypot(1.0, far))
        stiffer = None if stage.shift is None or self.resolutions.planned else stiffened(problem, before, stage)
        if stiffer is not None:
            stage.choice, stage.loosely = stiffer, True

    def _reorder(self) -> bool:
        """Go on with another basis where that takes less time; returns whether the next stage is the first with it."""
        turned = self.reordering.turned(self.grid, self.state, self.solver)
        if turned is not None:
            self._take_basis(turned.convergence.basis)
            self.state = turned
        return turned is not None

    def _take_basis(self, basis: str) -> None:
        """Go on with a basis; what is known of linear solves on the other one is dropped."""
        if basis == self.basis:
            return
        known = self.solver.state() | {"steps_per_size": []}
        self.basis, self.grid = basis, replace(self.grid, basis=basis)
        self.state = replace(self.state, convergence=Convergence(basis, self.tol))
        self.resolutions = Resolutions(self.options, self.task, replace(self.given, basis=basis), self.tol)
        self.solver = self._solver(Misfit(self.problem))
        self.solver.restore(known)
        self._marching_known()

    def _locally(self, saved: SavedLocal | None = None) -> Ending:
        """The rest of the run, on locally refined grids, from the stage of a checkpoint if it has one."""
        logger.info("the run goes on with cells that are divided where the error is")
        tol = self.tol or 1e-6
        base = first_resolutions(self.task, self.given)[0]
        given = self.task.field is not None or self.options.basis != "auto"
        basis = self.basis if given else local_basis(self.problem, tol)
        if saved is not None:
            basis = saved.basis
        self.local = LocalIteration(
            self.options, self.task, basis, base, tol, self.watch, self.grid.known, self.unfinished.beside,
            self._first_parameters() if self.state.best is None else self.state.best.parameters, self.grid.scales,
        )  # fmt: skip
        return self.local.stages(saved)

    def _keep_time(self) -> None:
        """Of a time limit, leave what it takes to look at a cut domain at the end, which the first level tells."""
        limit, path = self.monitor.max_time, self.state.path
        if limit is None or math.isinf(limit) or len(path) > 1 or not self.problem.domain.is_cut:
            return
        began = self.monitor.clock()
        geometry_notes(self.problem, path[-1])
        self.monitor.reserve = min(FINISHING * (self.monitor.clock() - began), 0.2 * limit)

    def _refine(self) -> None:
        """Append the resolution of the next stage to the path."""
        path, best = self.state.path, self.state.best
        following = self.resolutions.following(self.grid, path, best)
        limit = self.resolutions.obstacle(self.grid, path, following, best)
        if limit:
            raise StopRun(Status.MAX_SIZE, limit)
        expected = self.pace.expected(self.grid.pyramid([following]).size) if self.monitor.max_time else None
        if expected is not None and best is not None and best.error is not None:
            cells = "x".join(map(str, following))
            self.monitor.require(expected, f"the next level ({cells} cells)", HASTE, self.pace.blind)
        self._check_reach(following)
        path.append(following)

    def _check_reach(self, following: Resolution) -> None:
        """End the run if rounding forbids the tolerance and the error is small for what the next level takes."""
        convergence, best = self.state.convergence, self.state.best
        if self.resolutions.planned is not None or best is None or best.error is None or best.error > CLOSE:
            return
        size = self.grid.pyramid([*best.resolutions, following]).size
        if convergence.unreachable and (size > WORTH or best.error < SMALL):
            raise StopRun(
                Status.STALLED,
                f"rounding limits what can be reached (tol={self.tol:g}), and the next level of {size:,} coefficients is not begun for it; "
                f"estimated relative error {best.error:.1e}",
            )

    def _verdict(self) -> Ending | None:
        state, planned = self.state, self.resolutions.planned
        assert state.best is not None
        if state.best.loosely:
            return None
        return verdict(
            self.problem,
            state.convergence,
            state.best,
            len(state.path),
            None if planned is None else len(planned),
            self.solver.limits,
        )

    def _restore(self, saved: dict[str, Any]) -> None:
        entry = Entry.of(saved, "the checkpoint")
        with intact(entry.source):
            check_nested(saved, self.grid, None if self.task.start is not None else self.resolutions.planned)
            self.state.restore(saved, self.grid)
            self._scale(self.state.norms)
            self._marching_known()
            self.unfinished.continued(self.state.saved())

    # -- one stage ---
    def _solve(self) -> Stage:
        resolution, best = self.state.path[-1], self.state.best
        count = self.resolutions.slabs(resolution, best)
        if count > 1:
            stage = self._march(resolution, count, best)
            if stage is not None:
                return stage
        start = None if best is not None and best.slabs > 1 else best  # a march leaves no coarse levels
        resolutions = list(self.state.path)
        if start is not None:
            resolutions = list(start.resolutions)
            if len(self.state.convergence.estimates) > 0 or resolutions[-1] != resolution:
                resolutions.append(resolution)

        kept = partial(self.unfinished.keep, resolutions) if self.unfinished.keeps else None
        resumed = self.unfinished.taken(resolutions)

        def began(stage: Stage) -> None:
            if self.state.best is None or resumed is not None:
                self.state.best = stage

        def accepted(stage: Stage) -> None:
            self.state.best = stage
            self._record(stage)

        stage = solve_at_once(
            self.grid, resolutions, start, self._first_parameters(), self.solver, began, accepted, kept, resumed
        )
        if best is not None and start is None:
            before = self._prolonged(best, resolution)
            system = self.grid.system([resolution])
            stage.moved = system.norms(stage.finest - before)
        return stage

    def _prolonged(self, coarser: Stage, resolution: Resolution) -> torch.Tensor:
        """The coefficients of a stage on the next resolution."""
        pyramid = self.grid.pyramid([coarser.resolutions[-1], resolution])
        both = torch.zeros(pyramid.size, dtype=self.grid.dtype, device=self.task.device)
        pyramid.views(both)[0].copy_(pyramid.compact(0, coarser.finest))
        return pyramid.total(both)

    def _marching_known(self) -> None:
        """Solve for all times at once from now on if marching is unstable, unless slabs were asked for."""
        if self.state.marching.unstable and self.options.slabs == "auto":
            self.resolutions.at_once = "marching slab after slab is unstable"

    def _march(self, resolution: Resolution, count: int, best: Stage | None) -> Stage | None:
        """The stage slab after slab; None where that is unstable and all times are to be solved for at once."""
        guess = None if best is None else self._prolonged(best, resolution)
        kept = partial(self.unfinished.keep, [resolution]) if self.unfinished.keeps else None
        resumed = self.unfinished.taken([resolution])

        def run(grid: Discretization, guarded: bool) -> Stage:
            return march(
                grid, resolution, count, guess, self.solver, self._progress(), kept, resumed,
                guarded=guarded, start=self.state.marching.start, tol=self.tol,
            )  # fmt: skip

        points = self.grid.gauss or stable_points(self.problem, self.grid.basis)
        stage, self.state.marching = marched(replace(self.grid, gauss=points), self.state.marching, run)
        if stage is not None:
            self.state.marching = replace(self.state.marching, start=stage.start)
        self._marching_known()
        if stage is None and self.options.slabs != "auto":
            stage = run(self.grid, False)
        if stage is not None and self.state.marching.unstable:
            stage.settled = False
        return stage

    def _balanced(self, stage: Stage) -> Stage:
        """The first stage, solved again while the terms of one equation outweigh those of another by far."""
        for _ in range(REPEATS):
            norms = None
            if stage.slabs == 1 and (len(self.state.norms) > 1 or by_parameters(self.problem)):
                norms = balanced_norms(self.problem, self.grid.field(stage), stage, self.state.norms)
            if norms is None:
                break
            logger.info(
                "the terms of the equations have sizes %s, not %s: rows are scaled anew", norms, self.state.norms
            )
            self._scale(norms)
            self.state.best = stage
            stage = self._solve()
        return stage

    def _scale(self, norms: Sequence[float]) -> None:
        self.state.norms = list(norms)
        self.grid = replace(self.grid, scales=row_scales(self.problem, norms))

    # -- what it tells ---
    def _progress(self) -> Callable[[int, int], None]:
        began = self.monitor.clock()

        def tell(done: int, count: int) -> None:
            left = (self.monitor.clock() - began) * (count - done) / done
            cells = "x".join(map(str, self.state.path[-1]))
            text = f"{cells} cells, slab {done} of {count}, {spelled_time(left)} to the end of this level"
            self.monitor.progress.update(done / count, text, None)
            self.monitor.check_time()

        return tell

    def _record(self, stage: Stage) -> None:
        path, planned = self.state.path, self.resolutions.planned
        error = "unknown" if stage.error is None else f"{stage.error:.1e}"
        logger.info("level %d, %s cells: estimated relative error %s", len(path), "x".join(map(str, path[-1])), error)
        ahead = self.state.convergence.stages_left() if planned is None else len(planned) - len(path)
        record_stage(self.monitor, stage, lambda: self._field(stage), len(path), ahead, self.pace.last)

    def _field(self, stage: Stage) -> GridField:
        return self.grid.whole(stage)
