"""``solve``: from a problem to a solution."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hermite_pinn.calls import options_named
from hermite_pinn.checks import choice, instance, integer
from hermite_pinn.cuda.runtime.failures import recognized
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError
from hermite_pinn.field.field import Field, Levels
from hermite_pinn.field.hermite_grid import plain_levels
from hermite_pinn.field.outline import Outline
from hermite_pinn.methods import METHODS, Method
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.evidence import judged, unjudged
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.evaluation import HeldOut, residual_rms
from hermite_pinn.residuals.scales import source_norms
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.arguments import checked_seed, chosen_dtype, chosen_field, limit
from hermite_pinn.run.callbacks import Callback
from hermite_pinn.run.checkpoint import Checkpoint
from hermite_pinn.run.device import choose_device
from hermite_pinn.run.distributed import Ranks, join
from hermite_pinn.run.ending import described
from hermite_pinn.run.identity import part, plain, run_identity
from hermite_pinn.run.progress import ProgressMeter
from hermite_pinn.run.stats import Done, field_stats
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Frame, Save, Workload
from hermite_pinn.several_starts import best_of
from hermite_pinn.starts import Start, digest, guess_of, guesses_of
from hermite_pinn.torch_state import isolated

__all__ = ["solve"]

logger = logging.getLogger(__name__)


@options_named
@isolated()
def solve(
    problem: Problem,
    *,
    field: Field | str | None = None,
    method: str | Method = "gauss_newton",
    levels: Levels | None = None,
    start: Start | None = None,
    deflate: Start | Sequence[Start] = (),
    starts: int = 1,
    tol: float | None = None,
    max_time: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    dtype: torch.dtype | str | None = None,
    callbacks: Sequence[Callback] | Callback = (),
    progress: bool | str | ProgressMeter = "auto",
    checkpoint: str | Path | Checkpoint | None = None,
    resume: str | Path | None = None,
    throw: bool = True,
) -> Solution:
    """Solve a problem, and return its fields with an error estimate and a status.

    Parameters
    ----------
    problem
        The problem to solve.
    field
        The unknown function: a :class:`Field`, or the name of a head.  ``None`` uses the method's own.
    method
        ``"gauss_newton"`` (least squares on nested grids, :class:`GaussNewton`), ``"adam"`` (first-order training on
        random points, :class:`Adam`), ``"soap"`` (the same with SOAP for the network, :class:`SOAP`), ``"lbfgs"``
        (quasi-Newton steps on fixed points in float64, :class:`LBFGS`), or one of these objects with options.
        ``Adam(steps=2000) >> LBFGS()`` runs one method after the other.
    levels
        Number of levels, or a list of resolutions (a number, or one per axis).  With ``None``, ``gauss_newton`` refines
        until the estimated error meets ``tol``.
    start
        First state of the iteration: a :class:`Solution` (its grid, basis and parameters may differ; its domain must
        contain this one), its file, or a mapping from fields to functions of the coordinates or numbers, and from
        unknown parameters to numbers.  ``gauss_newton`` fits the start on the first level that represents it.  Other
        methods continue with the field of a solution.  See docs/starts.md.
    deflate
        Known solutions of a nonlinear problem.  ``gauss_newton`` then looks for another one: it multiplies the
        residuals by 1 + 1/d**2 for each known solution, with the distance d from it relative to its size.
    starts
        Number of starts of the unknown parameters: first those of the problem, then values drawn between their bounds,
        or up to ten times smaller or larger, with the seeds ``seed + 1``, ``seed + 2`` and so on.  The result that fits
        the data best is returned, and ``solution.stats["starts"]`` lists all results.
    tol
        Estimated relative L2 error at which the run ends; 1e-6 for ``gauss_newton`` without ``levels``.
    max_time
        Time limit in seconds; the best state so far is then returned.  ``None`` or infinity: no limit.
    seed
        Seed of all random numbers, from 0 to 2**62.  On a CPU the same seed and number of threads give the same result,
        bit for bit.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or ``"auto"``: a GPU if PyTorch sees one and CuPy is installed.
    dtype
        ``"float64"`` or ``"float32"``.  ``None`` uses the method's own (``gauss_newton``, ``lbfgs``: float64; ``adam``,
        ``soap``: float32).
    callbacks
        Objects with ``on_start``, ``on_step``, ``on_end`` (see :class:`Callback`), such as :class:`CSVLog` and
        :class:`Series`.
    progress
        ``"auto"`` (a bar on a terminal or in a notebook, elsewhere an occasional line in the log at level INFO),
        ``True`` (elsewhere a line on standard error), ``False``, or a :class:`hermite_pinn.run.progress.ProgressMeter`.
    checkpoint
        File in which the run saves its state, or a :class:`Checkpoint` with options.
    resume
        Checkpoint of the same problem and method, from which the run continues.  On a CPU, runs and chains then end bit
        for bit as if they had not been interrupted (docs/reliability.md names one exception, for ``gauss_newton``).
    throw
        Whether a diverged run raises :class:`DivergedError`.  With ``False`` it returns the last good state with
        ``Status.DIVERGED``.

    Returns
    -------
    Solution
        The fields, with ``status``, ``message`` and ``estimated_error``.  It is also returned if a limit, a callback,
        Ctrl-C, SIGTERM or SIGHUP ended the run.

    Raises
    ------
    InvalidProblemError, InvalidArgumentError
        Before the first step, for anything that cannot work.
    OutOfMemoryError
        If the levels that were asked for do not fit in memory.
    DistributedError
        If the processes of a run disagree, or one of them failed.
    DivergedError
        If a residual becomes infinite or NaN (unless ``throw=False``).

    Notes
    -----
    **Errors.** An exception that is raised after the first steps, for example by a callback, has the best state so far
    in its attribute ``solution``.

    **Signals** are those sent to the main thread.  Your own handler for SIGTERM or SIGHUP is not replaced.  The first
    signal that arrives after the last step, while the result is judged or ``on_end`` runs, changes only the message; a
    second one takes effect at once.

    **Several processes.** In a process group of ``torch.distributed`` (the default group, or the one of torchrun's
    variables, which is then started) the processes share the work.  Every process returns the solution.  Rank 0 alone
    calls the callbacks, shows progress and writes files.  See docs/performance/distributed.md.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> exact = lambda x: hp.sin(3 * hp.pi * x)
    >>> problem = hp.Problem(
    ...     domain=hp.Box(x=(0, 1)),
    ...     fields=["u"],
    ...     residual=lambda u, x: u.xx + 9 * hp.pi**2 * exact(x),
    ...     conditions=[hp.Dirichlet(u=0.0)],
    ...     exact={"u": exact},
    ... )
    >>> solution = hp.solve(problem, levels=6)
    >>> solution.error()["u"]["relative_l2"] < 1e-6
    True
    """
    instance("problem", problem, Problem, "a hermite_pinn.Problem")
    if integer("starts", starts, least=1, most=1000) > 1:
        return _several(
            problem, starts, checked_seed(seed), start, limit("max_time", max_time, infinite=True), (checkpoint, resume),
            field=field, method=method, levels=levels, deflate=deflate, tol=tol, device=device, dtype=dtype,
            callbacks=callbacks, progress=progress,
        )  # fmt: skip
    chosen, spec, kind = _method(method), chosen_field(field), chosen_dtype(dtype)
    levels, tol = None if levels is None else plain_levels(levels), limit("tol", tol)
    seed, place = checked_seed(seed), choose_device(device)
    guess, known = None if start is None else guess_of(problem, start), guesses_of(problem, deflate)
    if known and not chosen.deflates:
        raise InvalidArgumentError(f"{chosen.name} knows no deflation; leave deflate out, or use method='gauss_newton'")
    frame = Frame(
        max_time=max_time,
        callbacks=callbacks,
        progress=progress,
        checkpoint=checkpoint,
        resume=resume,
        throw=throw,
        problem=problem,
        join=lambda: _joined(place, chosen),
    )
    monitor, ranks = frame.monitor, frame.ranks
    identity = run_identity(problem, chosen, spec, levels, seed, kind)
    if guess is not None:
        identity["parts"] |= {"the start": part({"values": digest(problem, guess)})}
    if known:
        identity["parts"] |= {"deflate": part({"values": [digest(problem, one) for one in known]})}
    same = identity | identity["parts"]
    same |= {"tol": tol, "max_time": monitor.max_time, "device": place.type, "resume": frame.source}
    ranks.check_same({key: str(value) for key, value in same.items() if key != "parts"})
    task = Task(
        problem=problem,
        field=spec,
        levels=levels,
        tol=tol,
        seed=seed,
        device=place,
        dtype=kind,
        monitor=monitor,
        ranks=ranks,
        checkpointed=frame.keeps,
        deflated=known,
    )
    if guess is not None:
        task = chosen.started(task, guess)
    chosen.check(task, None if task.start is None else Outline.of(task.start))
    return frame.run(_Solve(chosen, task, identity))


def _several(
    problem: Problem,
    count: int,
    seed: int,
    start: Start | None,
    max_time: float | None,
    files: tuple[Any, Any],
    **options: Any,
) -> Solution:
    """The best solution of several starts of the parameters."""
    if files != (None, None):
        raise InvalidArgumentError("a run of several starts has no checkpoint; leave checkpoint and resume out")
    began, guess = time.perf_counter(), None if start is None else guess_of(problem, start)

    def run(one: Problem, left: int) -> Solution:
        rest = None if max_time is None else max(1e-3, max_time - (time.perf_counter() - began)) / left
        told = guess if one is problem or guess is None else guess.with_parameters({})
        return solve(one, start=told, max_time=rest, seed=seed, throw=False, **options)

    return best_of(problem, count, seed, run)


class _Solve(Workload[Outcome, Solution]):
    """A task for a method."""

    kind = Outcome

    def __init__(self, method: Method, task: Task, identity: dict[str, Any]) -> None:
        self.solver, self.task, self.identity = method, task, identity
        self.title, self.method, self.device = task.problem.name or method.name, method.name, task.device
        self.residuals = HeldOut({}, {})

    def run(self, save: Save, saved: dict[str, Any] | None) -> Outcome:
        """See :class:`.Method`."""
        self.task.save, self.task.saved = save, saved
        return self.solver.run(self.task)

    def judged(self, done: Done[Outcome]) -> Done[Outcome]:
        """By what is known of the problem, and at points of their own."""
        return self._looked_at(_judged(done, self.task))

    def _looked_at(self, done: Done[Outcome]) -> Done[Outcome]:
        """Take the residuals; where they cannot be had, there are none, and the message says why."""
        outcome = done.found
        if outcome.status is Status.DIVERGED:
            return done
        try:
            field = outcome.field.collapsed()
            self.residuals = residual_rms(self.task.problem, field, outcome.parameters, self.task.seed)
        except Exception as error:
            told = replace(outcome, message=f"{outcome.message}; its residuals are not known: {described(error)}")
            return replace(done, found=told, failure=done.failure or (None if _is_lack(error) else error))
        return done

    def result(self, done: Done[Outcome]) -> Solution:
        """The solution with what is known of the run."""
        problem, outcome, task = self.task.problem, done.found, self.task
        stats = done.stats(self.method, task.seed, task.monitor.history) | field_stats(outcome.field)
        stats |= {"rank": task.ranks.rank, "ranks": task.ranks.size, "residual_scales": _scales(problem)}
        stats |= {} if task.tol is None else {"tol": task.tol}
        stats |= plain(outcome.stats) | ({"notes": list(problem.notes)} if problem.notes else {})
        if self.residuals.by_face:
            stats["face_residuals"] = self.residuals.by_face
        if not outcome.status.success:
            logger.info("%s: %s", outcome.status.label, outcome.message)
        return Solution(
            domain=problem.domain,
            periodic=problem.periodic,
            field=outcome.field,
            status=outcome.status,
            message=outcome.message,
            history=task.monitor.history,
            parameters=outcome.parameters,
            stats=stats,
            residuals=self.residuals.rms,
            estimated_error=outcome.error,
            title=problem.name or "",
            settings=self.identity,
            problem=problem,
        )


def _judged(done: Done[Outcome], task: Task) -> Done[Outcome]:
    """The run with the status that its result deserves, the same on all processes.

    A result that cannot be judged is no success.  What a function of the user raises is the error of the run.
    """
    if done.failure is not None:
        return done
    failure: Exception | None = None
    try:
        outcome = judged(task.problem, done.found)
    except Exception as error:
        outcome = unjudged(done.found, recognized(error, "the check of the result") or error)
        failure = None if _is_lack(error) else error
    status, message, stages = task.ranks.from_leader((outcome.status, outcome.message, outcome.stats.get("stages")))
    stats = outcome.stats if stages is None else outcome.stats | {"stages": stages}
    return replace(done, found=replace(outcome, status=status, message=message, stats=stats), failure=failure)


def _scales(problem: Problem) -> dict[str, float]:
    """Size of the source of every equation."""
    interior = [t.name for t in problem.terms if t.region.is_interior]
    return dict(zip(interior, source_norms(problem), strict=True))


def _is_lack(error: Exception) -> bool:
    """Whether an error tells of a lack of files, memory or kernels, not of a mistake."""
    return isinstance(error, OSError | MemoryError | BackendUnavailableError) or recognized(error, "") is not None


def _joined(place: torch.device, method: Method) -> Ranks:
    """The processes of the run."""
    ranks = join(place)
    if ranks.size > 1 and not method.shared:
        raise InvalidArgumentError(
            f"{method.name} runs on one process, and this run has {ranks.size}; gauss_newton, adam and soap divide their points "
            "over the processes"
        )
    return ranks


def _instead(method: type) -> str:
    """What to give in place of a class: an object of it, or the method that is called like an optimiser of PyTorch."""
    if issubclass(method, Method):
        return f"give {method.__name__}(), not the class"
    ours = {kind.__name__.lower(): kind.__name__ for kind in (type(make()) for make in METHODS.values())}
    name = ours.get(method.__name__.lower())
    if name is None:
        return ""
    return (
        f"the optimisers of this package are methods: give hp.{name}() instead of {method.__module__}.{method.__name__}"
    )


def _method(method: str | Method) -> Method:
    if isinstance(method, str):
        return METHODS[choice("method", method, METHODS, otherwise="a method object such as hp.Adam(steps=2000)")]()
    hint = _instead(method) if isinstance(method, type) else ""
    return instance("method", method, Method, f"a method object or one of {', '.join(map(repr, METHODS))}", hint=hint)
