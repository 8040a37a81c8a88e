"""One way fits one surface: its size, its rate, its CPU seconds, and its figures."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import HermitePinnError
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.workloads.sdf.level_fit import UNIT

from .contest_figures import Figures, LenientField, measure
from .contest_surfaces import BOX, LONGEST, Subject
from .contest_ways import WAYS, Sized, Way

__all__ = [
    "CpuClock",
    "Entry",
    "Fitted",
    "best_rate",
    "entry_name",
    "fit",
    "pair_name",
    "pairs_of",
    "run_entry",
    "size_of",
    "value_weight",
]

#: Random points of a batch, first learning rates that are tried, and the last one as a part of the first.
BATCH, RATES, END = 4096, (1e-3, 3e-3, 1e-2), 0.02
#: Steps for which each rate is tried, and by which a step is timed.
PILOT, TIMED = 100, 12


@dataclass(frozen=True)
class Entry:
    """The outcome of a way on a surface with a seed.

    Attributes
    ----------
    subject, way, seed
        What was run.
    figures
        None if it failed or was skipped.
    seconds
        CPU seconds of the fit: samples, training, and the package's own look at the result; not the figures, and not
        how the rate was found.
    parameters
        Numbers that the field stores.
    steps, per_step
        Of Adam or conjugate gradients, and CPU seconds of one; of the Hermite grid, levels.
    rate
        First learning rate; None without one.
    levels
        Resolutions.
    status
        How the fit ended.
    reason
        Why there are no figures, or "".
    skipped
        Whether something that it needs is not there.
    """

    subject: str
    way: str
    seed: int
    figures: Figures | None = None
    seconds: float = 0.0
    parameters: int = 0
    steps: int = 0
    per_step: float = 0.0
    rate: float | None = None
    levels: tuple[int, ...] = ()
    status: str = ""
    reason: str = ""
    skipped: bool = False

    @property
    def name(self) -> str:
        """For ``--only`` and files: surface and way, and the seed but the first."""
        return entry_name(self.subject, self.way, self.seed)

    @property
    def line(self) -> str:
        """One line for people."""
        if self.figures is None:
            return f"{self.name:<34} {self.reason}"
        f = self.figures
        return (
            f"{self.name:<34} value {f.value_rms:.1e}  gradient {f.gradient_mae:.4f}  wrong {f.wrong_signs:.2%}  IoU {f.iou:.4f}  "
            f"{self.seconds:5.1f} CPU s  {self.parameters:,} parameters"
        )


def entry_name(subject: str, way: str, seed: int) -> str:
    """The name of an entry.

    Examples
    --------
    >>> entry_name("bunny", "hermite", 0), entry_name("torus", "siren", 2)
    ('bunny-hermite', 'torus-siren-2')
    """
    return f"{subject}-{way}" + (f"-{seed}" if seed else "")


class CpuClock(hp.Callback):
    """Ends a run at a number of CPU seconds after it was made, and tells what a step took.

    Parameters
    ----------
    seconds
        CPU seconds of this process.

    Examples
    --------
    >>> clock = CpuClock(0.0)
    >>> adam = hp.Adam(steps=50, check_every=10)
    >>> solution = hp.solve(hp.problems.poisson2d(), method=adam, levels=2, callbacks=[clock], progress=False)
    >>> solution.status.name, clock.steps
    ('STOPPED', 10)
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began = seconds, time.process_time()
        self.times: list[tuple[int, float]] = []

    def on_step(self, state: hp.RunState) -> str | None:
        """Note the time, and end the run if it is over."""
        spent = time.process_time() - self.began
        self.times.append((state.step, spent))
        return f"{self.seconds:g} CPU seconds are over" if spent > self.seconds else None

    @property
    def steps(self) -> int:
        """Steps that were made."""
        return self.times[-1][0] if self.times else 0

    @property
    def per_step(self) -> float:
        """CPU seconds of a step, without what came before the first one that was noted."""
        if len(self.times) < 2:
            return self.times[0][1] / max(1, self.times[0][0]) if self.times else 0.0
        (first, since), (last, until) = self.times[0], self.times[-1]
        return (until - since) / max(1, last - first)

    @property
    def before(self) -> float:
        """CPU seconds of what is done once, before the first step."""
        return max(0.0, self.times[0][1] - self.times[0][0] * self.per_step) if self.times else 0.0


@dataclass(frozen=True)
class Fitted:
    """A fit with its clock and its CPU seconds."""

    solution: Any
    clock: CpuClock
    seconds: float


def size_of(way: Way, subject: Subject, parameters: int) -> Sized:
    """A way at the size of the Hermite grid of a surface."""
    return way.sizing(way.field, finest_of(subject), parameters)


def fit(
    subject: Subject,
    way: Way,
    sized: Sized,
    seconds: float,
    seed: int,
    *,
    steps: int = 1,
    rate: float = RATES[0],
    wall: float | None = None,
) -> Fitted:
    """Fit the distance to a surface in a way, with the values, normals and weights that all ways get.

    Values count in cells of the finest Hermite level, as components of the gradient do.

    Parameters
    ----------
    subject, way, sized
        What, how, and how large.
    seconds
        CPU seconds after which the fit ends with what it has.
    seed
        Of all that is random.
    steps, rate
        Of Adam, and its first learning rate, which falls to a fiftieth along a cosine.
    wall
        Seconds after which least squares at samples end, which ask their callbacks only now and then.
    """
    clock = CpuClock(seconds)
    options: dict[str, Any] = {"method": "gauss_newton", "value_weight": value_weight(subject, way)}
    if way.sampled:
        options |= {"max_time": wall}
    if way.random:
        options |= {"method": _adam(steps, rate), "dtype": "float32"}
    solution = hp.sdf.fit(
        subject.mesh,
        box=BOX,
        field=sized.field,
        levels=list(sized.levels),
        seed=seed,
        callbacks=[clock],
        progress=False,
        **options,
    )
    return Fitted(solution, clock, time.process_time() - clock.began)


def _adam(steps: int, rate: float) -> hp.Adam:
    """Plain Adam on batches of samples."""
    return hp.Adam(
        steps=steps,
        lr=rate,
        lr_end=END * rate,
        schedule="cosine",
        points=BATCH,
        ema=0.0,
        warmup=0,
        balance_every=0,
        curriculum=(),
        check_every=max(1, steps // 50),
    )


def value_weight(subject: Subject, way: Way) -> float:
    """The weight by which values count in cells of the finest Hermite level, in the unit of the way."""
    return float((LONGEST * finest_of(subject)) ** 2 if way.sampled else UNIT**2)


def finest_of(subject: Subject) -> int:
    """Cells along the axes of the finest Hermite level."""
    return 8 * 2 ** (subject.levels - 1)


def best_rate(subject: Subject, way: Way, parameters: int) -> float:
    """The learning rate with the least loss after a hundred steps.

    Only the loss of the training is looked at.
    """
    sized, reached = size_of(way, subject, parameters), {}
    for rate in RATES:
        with one_thread():
            tried = fit(subject, way, sized, math.inf, 0, steps=PILOT, rate=rate)
        losses = np.asarray(tried.solution.history["loss"][-10:], dtype=float)
        reached[rate] = float(np.mean(losses)) if np.isfinite(losses).all() else math.inf
    return min(reached, key=lambda rate: reached[rate])


def run_entry(
    subject: Subject, way: Way, seed: int, parameters: int, rate: float | None
) -> tuple[Entry, LenientField | None]:
    """Run a way on a surface with a seed.

    Parameters
    ----------
    subject, way, seed
        What is run.
    parameters
        Of the Hermite grid of the surface.
    rate
        First learning rate, of ways that have one.

    Returns
    -------
    entry, field
        The outcome, and what was fitted, None if that failed.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted.
    """
    if subject.missing:
        return Entry(subject.name, way.name, seed, reason=subject.missing, skipped=True), None
    try:
        with one_thread():
            sized = size_of(way, subject, parameters)
            fitted = _fitted(subject, way, seed, sized, rate)
            if fitted.solution.status is hp.Status.INTERRUPTED:
                raise KeyboardInterrupt
            field = LenientField(fitted.solution)
            return _entry(subject, way, seed, sized, fitted, rate, measure(field, subject)), field
    except HermitePinnError as error:  # told in the table, so that others run all the same
        return Entry(subject.name, way.name, seed, reason=f"{type(error).__name__}: {error}"), None


def _fitted(subject: Subject, way: Way, seed: int, sized: Sized, rate: float | None) -> Fitted:
    """A fit in the CPU seconds of the surface, after a short one that loads kernels and tells how long a step takes."""
    began = time.perf_counter()
    if rate is None:
        first = fit(subject, way, replace(sized, levels=sized.levels[:1]), subject.seconds, seed, wall=subject.seconds)
        stretch = max(1.0, (time.perf_counter() - began) / first.seconds)
        return fit(subject, way, sized, subject.seconds, seed, wall=stretch * subject.seconds)
    timed = fit(subject, way, sized, subject.seconds, seed, steps=TIMED, rate=rate).clock
    steps = max(TIMED, int((subject.seconds - timed.before) / max(timed.per_step, 1e-4)))
    return fit(subject, way, sized, subject.seconds, seed, steps=steps, rate=rate)


def _entry(
    subject: Subject, way: Way, seed: int, sized: Sized, fitted: Fitted, rate: float | None, figures: Figures
) -> Entry:
    stats, clock = fitted.solution.stats, fitted.clock
    steps = clock.steps if way.random else int(stats.get("cg_steps", stats["steps"]))
    return Entry(
        subject=subject.name,
        way=way.name,
        seed=seed,
        figures=figures,
        seconds=fitted.seconds,
        parameters=int(stats["parameters"]),
        steps=steps,
        per_step=clock.per_step if way.random else fitted.seconds / max(1, steps),
        rate=rate,
        levels=sized.levels,
        status=fitted.solution.status.label,
    )


def pairs_of(subjects: Sequence[Subject]) -> list[tuple[Subject, Way, int]]:
    """All surfaces, ways and seeds; seeds only of what is random."""
    return [(s, w, k) for s in subjects for w in WAYS.values() for k in range(s.seeds if w.random else 1)]


def pair_name(subject: Subject, way: Way, seed: int) -> str:
    """The name of an entry before it is run."""
    return entry_name(subject.name, way.name, seed)
