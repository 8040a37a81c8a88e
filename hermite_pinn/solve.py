"""The one verb."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import scipy
import torch

from hermite_pinn.checks import choice, flag, instance, path
from hermite_pinn.cuda.runtime.cache import compile_clock
from hermite_pinn.cuda.runtime.failures import recognized
from hermite_pinn.field.field import Field, Levels
from hermite_pinn.field.hermite_grid import plain_levels
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.evidence import judged, unjudged
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.evaluation import HeldOut, residual_rms
from hermite_pinn.residuals.scales import source_norms
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.arguments import checked_seed, chosen_dtype, chosen_field, limit, listeners
from hermite_pinn.run.callbacks import Callback, tell_end
from hermite_pinn.run.checkpoint import Checkpoint, Saver, begin, chosen_checkpoint, read_checkpoint
from hermite_pinn.run.device import choose_device
from hermite_pinn.run.distributed import Ranks, join
from hermite_pinn.run.ending import described
from hermite_pinn.run.identity import plain, run_identity
from hermite_pinn.run.interrupt import hold, terminable
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.progress import NoProgress, ProgressMeter, choose_progress
from hermite_pinn.run.status import Status

from .errors import BackendUnavailableError, DistributedError, DivergedError, HermitePinnError, InvalidArgumentError
from .memory import peak_memory
from .methods import METHODS, Method
from .torch_state import isolated
from .version import installed_version

__all__ = ["solve"]

logger = logging.getLogger(__name__)


@isolated()
def solve(
    problem: Problem,
    *,
    field: Field | str | None = None,
    method: str | Method = "gauss_newton",
    levels: Levels | None = None,
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
    """Solve a problem.

    Parameters
    ----------
    problem
        What to solve.
    field
        The kind of field: a :class:`Field`, or the name of a head; ``None`` takes the method's own.
    method
        ``"gauss_newton"`` (default; least squares on the levels, see :class:`GaussNewton`), ``"adam"`` (first-order
        training on random points, :class:`Adam`), ``"soap"`` (the same with SOAP for the network, :class:`SOAP`),
        ``"lbfgs"`` (quasi-Newton steps on fixed points in float64, :class:`LBFGS`), or one of these objects with
        options; ``Adam(steps=2000) >> LBFGS()`` runs one after the other.
    levels
        Number of levels, or a list of resolutions (a number, or one per axis).  ``None`` lets ``gauss_newton`` refine
        until ``tol``.
    tol
        Relative L2 error (estimated) at which to stop; 1e-6 for ``gauss_newton`` without ``levels``.
    max_time
        Seconds after which the best state so far is returned; None or infinity for no limit.
    seed
        Of everything random, from 0 to 2**62.  On a CPU the same seed and number of threads give the same result, bit
        for bit.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or ``"auto"``: a GPU if PyTorch sees one and CuPy is installed.
    dtype
        ``"float64"`` or ``"float32"``; ``None`` takes the method's own (``gauss_newton``, ``lbfgs``: float64;
        ``adam``, ``soap``: float32).
    callbacks
        Objects with ``on_start``, ``on_step``, ``on_end`` (see :class:`Callback`), such as :class:`CSVLog` and
        :class:`Series`.
    progress
        ``"auto"`` (a bar on a terminal), True, False, or a
        :class:`hermite_pinn.run.progress.ProgressMeter`.
    checkpoint
        File to which the run's state is saved as it goes, to be continued with ``resume``.
    resume
        A checkpoint of the same problem and method; on a CPU ``adam``, ``soap`` and ``lbfgs`` then end bit for bit as
        if they had not been interrupted, alone and in a chain.
    throw
        Whether a diverged run raises :class:`DivergedError`; with False the last good state is returned with
        ``Status.DIVERGED``.

    Notes
    -----
    In a process group of ``torch.distributed`` (its default group, or the one of torchrun's variables, which is then
    started) the processes share the work; every one of them returns the solution, and rank 0 alone calls the
    callbacks, shows progress and writes files.  See docs/performance/distributed.md.

    Whatever is raised after the first steps, by a callback of yours, say, has the best state so far in its attribute
    ``solution``.

    Returns
    -------
    Solution
        Also when a limit, a callback, Ctrl-C, SIGTERM or SIGHUP ended the run: see ``solution.status``.  The signals
        are those sent to the main thread; a handler of your own for SIGTERM or SIGHUP is left alone.  The first one
        that comes when the steps are done, while the result is judged or ``on_end`` runs, changes nothing but the
        message; the second one is not put off.

    Raises
    ------
    InvalidProblemError, InvalidArgumentError
        Before the first step, for anything that cannot work.
    OutOfMemoryError
        If the levels asked for do not fit.
    DistributedError
        If the processes of a run disagree, or another one failed.
    DivergedError
        If a residual becomes infinite or NaN (unless ``throw=False``).

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
    chosen, spec, kind = _method(method), chosen_field(field), chosen_dtype(dtype)
    levels = None if levels is None else plain_levels(levels)
    tol, max_time = limit("tol", tol), limit("max_time", max_time, infinite=True)
    seed, throw = checked_seed(seed), flag("throw", throw)
    place, meter, hearing = choose_device(device), choose_progress(progress), listeners(callbacks, problem)
    keeper = chosen_checkpoint(checkpoint)
    source = None if resume is None else path("resume", resume, otherwise="None")
    ranks = _joined(place, chosen)
    monitor = Monitor(hearing, meter if ranks.leader else NoProgress(), max_time, ranks)
    identity = run_identity(problem, chosen, spec, levels, seed, kind)
    same = identity | identity["parts"] | {"tol": tol, "max_time": max_time, "device": place.type, "resume": source}
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
    )
    chosen.check(task)
    saver = _kept(task, keeper, source, identity)
    _versions()  # from files, which may be out of reach after the run
    with terminable() as signals:
        run, residuals = _looked_at(_judged(_run(chosen, task), task), task)
        solution = _solution(chosen, run, residuals, task, identity)
        if saver is not None and saver.failure is not None:
            solution.message += f"; the checkpoint is not that of the end: {saver.failure}"
            solution.stats["checkpoint_failed"] = saver.failure
        late = signals.missed()
        if late is not None:
            solution.message += f"; {late} when the run was over"
        if ranks.leader and (run.failure is None or isinstance(run.failure, DivergedError)):
            tell_end(hearing, solution)
        signals.missed()
    if run.failure is not None and (throw or not isinstance(run.failure, DivergedError)):
        with suppress(AttributeError):  # exceptions with slots
            run.failure.solution = solution  # type: ignore[attr-defined]
        raise run.failure
    return solution


def _kept(task: Task, keeper: Checkpoint | None, source: Path | None, identity: dict[str, Any]) -> Saver | None:
    """Let a task continue a checkpoint, and keep one itself: what it saves with, if it does."""
    if source is not None:
        task.saved = read_checkpoint(source, identity, task.monitor) or None
    saver = keeper.saver(identity, task.monitor) if keeper is not None and task.ranks.leader else None
    begin(saver, task.saved, task.ranks)
    if saver is not None:
        task.save, task.checkpointed = saver, True
    return saver


@dataclass(frozen=True)
class _Run:
    """What a method returned, or an error left, and what it cost: seconds without and of compilation, and bytes."""

    outcome: Outcome
    failure: Exception | None
    seconds: float
    compile_seconds: float
    memory: int


def _run(method: Method, task: Task) -> _Run:
    """Run the method; an error that left a good state is returned with it, others end the other processes too."""
    compiling: list[float] = []
    token = compile_clock.set(compiling)
    monitor = task.monitor
    failure: Exception | None = None
    if task.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(task.device)
    began = time.perf_counter()
    monitor.method = method.name
    monitor.progress.start(task.problem.name or method.name)
    try:
        outcome = method.run(task)
        hold()
    except BaseException as error:
        # what the arguments cause happens on every rank; after anything else the others would wait for this one
        if isinstance(error, DistributedError) or not isinstance(error, HermitePinnError):
            task.ranks.abandon()
        known = isinstance(error, RuntimeError | MemoryError) and error is not monitor.foreign
        mended = recognized(error, f"the method {method.name}") if known else None
        left = getattr(error, "outcome", None)
        if not isinstance(left, Outcome) or not isinstance(error, Exception):
            if mended is None:
                raise
            raise mended from error
        if mended is not None:
            mended.__cause__ = error
        outcome, failure = left, mended or error
    finally:
        monitor.progress.close()
        compile_clock.reset(token)
    seconds = time.perf_counter() - began - sum(compiling)
    return _Run(outcome, failure, seconds, sum(compiling), peak_memory(task.device))


def _judged(run: _Run, task: Task) -> _Run:
    """The run with the status that its result deserves, the same on all processes.

    A result that cannot be judged is no success.  What a function of the user raises is the error of the run.
    """
    if run.failure is not None:
        return run
    failure: Exception | None = None
    try:
        outcome = judged(task.problem, run.outcome)
    except Exception as error:
        outcome = unjudged(run.outcome, recognized(error, "the check of the result") or error)
        failure = None if _is_lack(error) else error
    status, message, stages = task.ranks.from_leader((outcome.status, outcome.message, outcome.stats.get("stages")))
    stats = outcome.stats if stages is None else outcome.stats | {"stages": stages}
    return replace(run, outcome=replace(outcome, status=status, message=message, stats=stats), failure=failure)


def _looked_at(run: _Run, task: Task) -> tuple[_Run, HeldOut]:
    """The residuals of a result at points of their own; none, and why not in its message, where they cannot be had."""
    outcome, nothing = run.outcome, HeldOut({}, {})
    if outcome.status is Status.DIVERGED:
        return run, nothing
    try:
        return run, residual_rms(task.problem, outcome.field.collapsed(), outcome.parameters, task.seed)
    except Exception as error:
        told = replace(outcome, message=f"{outcome.message}; its residuals are not known: {described(error)}")
        failure = run.failure or (None if _is_lack(error) else error)
        return replace(run, outcome=told, failure=failure), nothing


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


def _method(method: str | Method) -> Method:
    if isinstance(method, str):
        return METHODS[choice("method", method, METHODS, otherwise="a method object such as hp.Adam(steps=2000)")]()
    hint = f"give {method.__name__}(), not the class" if isinstance(method, type) else ""
    return instance("method", method, Method, f"a method object or one of {', '.join(map(repr, METHODS))}", hint=hint)


@cache
def _versions() -> dict[str, str]:
    return {
        "hermite_pinn": installed_version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }


def _solution(method: Method, run: _Run, residuals: HeldOut, task: Task, identity: dict[str, Any]) -> Solution:
    problem, outcome = task.problem, run.outcome
    field = outcome.field
    interior = [t.name for t in problem.terms if t.region.is_interior]
    steps = int(task.monitor.history[-1]["step"]) if len(task.monitor.history) else 0
    stats: dict[str, Any] = {
        "method": method.name,
        "seconds": run.seconds,
        "compile_seconds": run.compile_seconds,
        "steps": steps,
        "seconds_per_step": run.seconds / steps if steps else 0.0,
        "peak_memory": run.memory,
        "parameters": field.parameter_count,
        "reachable": field.reachable_count,
        "device": str(field.device),
        "dtype": str(field.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "seed": task.seed,
        "rank": task.ranks.rank,
        "ranks": task.ranks.size,
        "versions": dict(_versions()),
        "residual_scales": dict(zip(interior, source_norms(problem), strict=True)),
    }
    stats |= plain(outcome.stats) | ({"notes": list(problem.notes)} if problem.notes else {})
    shared = field.encoder.hash_collisions
    if shared:
        stats["hash_collisions"] = list(shared)
    if residuals.by_face:
        stats["face_residuals"] = residuals.by_face
    solution = Solution(
        domain=problem.domain,
        periodic=problem.periodic,
        field=field,
        status=outcome.status,
        message=outcome.message,
        history=task.monitor.history,
        parameters=outcome.parameters,
        stats=stats,
        residuals=residuals.rms,
        estimated_error=outcome.error,
        title=problem.name or "",
        settings=identity,
        problem=problem,
    )
    if not outcome.status.success:
        logger.info("%s: %s", outcome.status.label, outcome.message)
    return solution
