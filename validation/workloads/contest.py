"""One way fits one surface: its size, its rate, its CPU seconds, and its figures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import HermitePinnError
from hermite_pinn.validation.rivals.timing import one_thread

from .contest_figures import Figures, LenientField, measure
from .contest_surfaces import BOX, Subject
from .contest_ways import WAYS, Sized, Way

__all__ = ["CpuClock", "Entry", "Fitted", "entry_name", "fit", "pair_name", "pairs_of", "pilot", "run_entry", "size_of"]

#: Random points of a batch, first learning rates that are tried, and the last one as a part of the first.
BATCH, RATES, END = 4096, (1e-3, 3e-3, 1e-2), 0.02
#: Part of the seconds of a fit for which each rate is tried, and steps by which a step is timed.
PILOT, TIMED = 0.1, 12


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
        CPU seconds of the fit: samples, training, and the package's own look at the result; not the pilot, and not the
        figures.
    parameters
        Numbers that the field stores.
    steps, per_step
        Of Adam, and CPU seconds of one; levels and their seconds of ``gauss_newton``.
    rate
        First learning rate, that of the pilot with the least loss; None without one.
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
    >>> solution = hp.solve(hp.problems.poisson2d(), method=hp.Adam(steps=50, check_every=10), levels=2, progress=False)
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
    return way.sizing(way.field, 8 * 2 ** (subject.levels - 1), parameters)


def fit(
    subject: Subject, way: Way, sized: Sized, seconds: float, seed: int, steps: int = 1, rate: float = 1e-3
) -> Fitted:
    """Fit the distance to a surface in a way, with the values, normals and weights that all ways get.

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
    """
    options: dict[str, Any] = {"method": "gauss_newton"}
    if way.random:
        adam = hp.Adam(
            steps=steps, lr=rate, lr_end=END * rate, schedule="cosine", points=BATCH, ema=0.0, warmup=0, balance_every=0,
            curriculum=(), check_every=max(1, steps // 50),
        )  # fmt: skip
        options = {"method": adam, "dtype": "float32"}
    clock = CpuClock(seconds)
    solution = hp.sdf.fit(
        subject.mesh, box=BOX, field=sized.field, levels=list(sized.levels), seed=seed, progress=False, **options
    )  # fmt: skip
    return Fitted(solution, clock, time.process_time() - clock.began)


def pilot(subject: Subject, way: Way, sized: Sized) -> tuple[float, float, float]:
    """The rate with the least loss in a tenth of the time, CPU seconds of a step, and of what comes before the first.

    No true value is looked at that the fit itself would not see.
    """
    timed = fit(subject, way, sized, subject.seconds, 0, TIMED).clock
    steps = max(TIMED, int(PILOT * subject.seconds / max(timed.per_step, 1e-4)))
    reached = {}
    for rate in RATES:
        tried = fit(subject, way, sized, subject.seconds, 0, steps, rate)
        losses = np.asarray(tried.solution.history["loss"][-10:], dtype=float)
        reached[rate] = float(np.mean(losses)) if np.isfinite(losses).all() else np.inf
    return min(reached, key=lambda rate: reached[rate]), tried.clock.per_step, tried.clock.before


def run_entry(
    subject: Subject, way: Way, seed: int, parameters: int, known: tuple[float, float, float] | None = None
) -> tuple[Entry, LenientField | None]:
    """Run a way on a surface with a seed.

    Parameters
    ----------
    subject, way, seed
        What is run.
    parameters
        Of the Hermite grid of the surface.
    known
        What :func:`pilot` found, where it was run before.

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
            return _run(subject, way, seed, parameters, known)
    except HermitePinnError as error:  # told in the table, so that others run all the same
        return Entry(subject.name, way.name, seed, reason=f"{type(error).__name__}: {error}"), None


def _run(
    subject: Subject, way: Way, seed: int, parameters: int, known: tuple[float, float, float] | None
) -> tuple[Entry, LenientField]:
    sized = size_of(way, subject, parameters)
    rate: float | None = None
    if way.random:
        rate, per_step, before = known or pilot(subject, way, sized)
        steps = max(TIMED, int((subject.seconds - before) / max(per_step, 1e-4)))
        fitted = fit(subject, way, sized, subject.seconds, seed, steps, rate)
    else:
        fit(subject, way, replace(sized, levels=sized.levels[:1]), subject.seconds, seed)  # loads kernels, not counted
        fitted = fit(subject, way, sized, subject.seconds, seed)
    if fitted.solution.status is hp.Status.INTERRUPTED:
        raise KeyboardInterrupt
    field = LenientField(fitted.solution)
    steps = fitted.clock.steps or int(fitted.solution.stats["steps"])
    entry = Entry(
        subject.name,
        way.name,
        seed,
        measure(field, subject),
        fitted.seconds,
        int(fitted.solution.stats["parameters"]),
        steps,
        fitted.clock.per_step if way.random else fitted.seconds / steps,
        rate,
        sized.levels,
        fitted.solution.status.label,
    )
    return entry, field


def pairs_of(subjects: Sequence[Subject]) -> list[tuple[Subject, Way, int]]:
    """All surfaces, ways and seeds; seeds only of what is random."""
    return [(s, w, k) for s in subjects for w in WAYS.values() for k in range(s.seeds if w.random else 1)]


def pair_name(subject: Subject, way: Way, seed: int) -> str:
    """The name of an entry before it is run."""
    return entry_name(subject.name, way.name, seed)
