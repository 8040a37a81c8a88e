"""A series of files over time that grows while a run goes on."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.checks import either, flag, number
from hermite_pinn.errors import InvalidArgumentError, OutputError
from hermite_pinn.field.field import GridField
from hermite_pinn.geometry import Domain
from hermite_pinn.output import check_writable, make_folder, output_path
from hermite_pinn.problem.problem import Problem
from hermite_pinn.run.callbacks import Advance, Callback, RunState

from .evaluable import Evaluable
from .facts import Fact
from .sizes import MOST_FRAMES, intervals

__all__ = ["Series"]

logger = logging.getLogger(__name__)

FRAMES = 20  # intervals between frames where none are given
SHARE = 0.1  # of the time of a run for frames that are written again
SLACK = 1e-9  # of the length of time: times closer than that are the same


class Snapshot(Evaluable):
    """Fields of a run that goes on, for an export.

    Parameters
    ----------
    domain, periodic
        Where they live.
    field
        What they are.
    facts
        What is known of the run; of one that goes on, nothing yet.
    """

    has_equations = False

    def __init__(
        self, domain: Domain, periodic: tuple[bool, ...], field: GridField, facts: Mapping[str, Fact] | None = None
    ) -> None:
        self.domain, self.periodic, self.field, self.facts = domain, periodic, field, dict(facts or {})

    def exact_values(self, coordinates: Any) -> dict[str, np.ndarray]:
        """Nothing: errors are for the end of a run."""
        return {}

    def residual(self, points: Any, *, slack: float = 0.0) -> dict[str, np.ndarray]:
        """Nothing, for the same reason."""
        return {}


class Series(Callback):
    """Write the fields of an evolution problem over time as the run goes on, for ParaView.

    A frame is written as soon as the time slab or the steps that its time belongs to are solved, and again when a finer
    level or march has come there, as long as writing takes no more than a tenth of the run's time; the ``.pvd`` file,
    which lists the frames that exist, is replaced after every change, whole or not at all, so that it can be opened and
    reloaded at any time.  Methods that solve for all times at once write all frames after their first step, and in the
    same way when their number of levels has grown.  At the end the frames are those of the solution.

    Parameters
    ----------
    path
        The ``.pvd`` file.  Its frames, ``.vti`` images of the box or ``.vtu`` meshes where shapes cut it, go into a
        folder of the same name beside it.
    every
        Time between two frames; None: a twentieth of all times.  The first and the last time have frames, too.
    resolution
        Intervals per axis of space; None: those of the field's cells, at most 512 on one axis, 128 on two, 32 on three.
    gradient
        Whether the frames have gradients.

    Raises
    ------
    InvalidArgumentError
        When the run starts, if the problem has no axis of time or none of space, or would have more than 10,000 frames.
    OutputError
        When the run starts, if the files cannot be written.

    Notes
    -----
    If a frame cannot be written later, because the disk is full, say, the run goes on: the log warns once, and the
    frame is tried again with the next state that has its time, at the end at the latest.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import hermite_pinn as hp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     series = hp.Series(pathlib.Path(folder) / "heat.pvd", every=0.25)
    ...     _ = hp.solve(hp.problems.heat(), levels=2, callbacks=[series], progress=False)
    ...     sorted(p.name for p in (pathlib.Path(folder) / "heat").iterdir())
    ['heat_0000.vti', 'heat_0001.vti', 'heat_0002.vti', 'heat_0003.vti', 'heat_0004.vti']
    """

    clock = staticmethod(time.perf_counter)

    def __init__(
        self,
        path: str | Path,
        *,
        every: float | None = None,
        resolution: float | None = None,
        gradient: bool = False,
    ) -> None:
        self.path = output_path(path)
        if self.path.suffix.lower() != ".pvd":
            raise InvalidArgumentError(f"a series is written as .pvd, got {self.path.name}; give it that ending")
        self.every = None if every is None else number("every", every, above=0.0, otherwise="None")
        self.resolution = either(intervals, None)("resolution", resolution)
        self.gradient = flag("gradient", gradient)
        self._instants = np.zeros(0)
        self._written: set[int] = set()
        self._level = 0  # the last one whose frames were written at once
        self._whole = False  # whether there was a state of all times
        self._advanced = False  # whether slabs or steps came after it
        self._began, self._spent = self.clock(), 0.0  # when the run did, and seconds of writing
        self._domain: Domain | None = None
        self._periodic: tuple[bool, ...] = ()
        self._warned = False

    @property
    def folder(self) -> Path:
        """Where the frames are."""
        return self.path.with_suffix("")

    def check(self) -> None:
        """Raise an error now if the files could not be written later."""
        check_writable(self.path)
        check_writable(make_folder(self.folder) / f"{self.path.stem}_0000.vti")

    def prepare(self, problem: Problem) -> None:
        """Choose the times of the frames, or raise an error where there are none."""
        domain, t = problem.domain, problem.domain.time_axis
        if t is None or domain.dim == 1:
            raise InvalidArgumentError(
                f"a series is for problems with an axis t and one of space; the axes are {', '.join(domain.names)}: write "
                "the solution with to_vtk"
            )
        self._domain, self._periodic = domain, tuple(problem.periodic)
        self._instants = _instants(domain.lower[t], domain.upper[t], self.every)
        self._written, self._level = set(), 0
        self._whole = self._advanced = self._warned = False
        self._began, self._spent = self.clock(), 0.0

    def on_advance(self, state: Advance) -> None:
        """Write the frames of the times that were just solved."""
        self._advanced = True
        self._write(self._due(self._between(state.since, state.until)), state.domain, lambda: state.field)

    def on_step(self, state: RunState) -> None:
        """Write all frames where the run has a state of all times that slabs or steps have not shown."""
        if state.level > self._level and not self._advanced:
            assert self._domain is not None
            self._write(self._due(range(len(self._instants))), self._domain, lambda: state.field)
        self._level, self._advanced, self._whole = max(self._level, state.level), False, True

    def on_end(self, solution: Any) -> None:
        """Write the frames of the solution; of a first march that did not come to its end, those that it reached."""
        frames = range(len(self._instants)) if self._whole or not self._written else sorted(self._written)
        self._write(frames, solution.domain, lambda: solution.field, solution.facts)

    def _between(self, since: float, until: float) -> range:
        """Numbers of the frames after a time, or at the first of all times, until another one."""
        slack = SLACK * (self._instants[-1] - self._instants[0])
        first = 0 if since <= self._instants[0] + slack else np.searchsorted(self._instants, since + slack, "right")
        return range(int(first), int(np.searchsorted(self._instants, until + slack, "right")))

    def _due(self, frames: Sequence[int]) -> Sequence[int]:
        """Those that do not exist, or all where there is time for it."""
        if self._spent <= SHARE * (self.clock() - self._began):
            return frames
        return [k for k in frames if k not in self._written]

    def _write(
        self,
        frames: Sequence[int],
        domain: Domain,
        field: Callable[[], GridField],
        facts: Mapping[str, Fact] | None = None,
    ) -> None:
        """Write frames of a state, and the list of all; what cannot be written is told once."""
        from .export import frame_axes, frame_writer
        from .vtk import write_series

        t = domain.time_axis
        if not len(frames) or t is None:
            return
        began = self.clock()
        try:
            shown = Snapshot(domain, self._periodic, field(), facts)
            axes = frame_axes(shown, self.resolution, series=True)
            options = {"gradient": self.gradient, "exact": False, "residual": False}
            write, suffix = frame_writer(shown, axes, False, options)
            make_folder(self.folder)
            for k in frames:
                instant = min(max(float(self._instants[k]), domain.lower[t]), domain.upper[t])
                write(self.folder / self._name(k, suffix), instant)
                self._written.add(k)
            written = sorted(self._written)
            names = [f"{self.folder.name}/{self._name(k, suffix)}" for k in written]
            write_series(self.path, self._instants[written].tolist(), names)
        except (OutputError, MemoryError) as error:
            if not self._warned:
                logger.warning("%s; the run goes on, and its series is written as far as possible", error)
            self._warned = True
        self._spent += self.clock() - began

    def _name(self, k: int, suffix: str) -> str:
        return f"{self.path.stem}_{k:04d}{suffix}"


def _instants(start: float, end: float, every: float | None) -> np.ndarray:
    """Times of the frames."""
    length = end - start
    if every is None:
        return np.linspace(start, end, FRAMES + 1)
    if every < length / (MOST_FRAMES - 1):
        raise InvalidArgumentError(
            f"every={every:g} makes more than {MOST_FRAMES:,} frames from {start:g} to {end:g}; give at least "
            f"{length / (MOST_FRAMES - 1):.3g}"
        )
    whole = math.floor(length / every * (1.0 + SLACK))
    times = start + every * np.arange(whole + 1)
    if end - times[-1] <= SLACK * length:
        times[-1] = end
        return times
    return np.append(times, end)
