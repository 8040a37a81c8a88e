"""A run on ordinary differential equations: marches with smaller and smaller tolerances, until two of them agree."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import GridField
from hermite_pinn.field.graded_grid import GradedGrid
from hermite_pinn.field.heads import LinearHead
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

from .ordinary_choice import StartValues
from .ordinary_look import driven_sizes, extreme_places, watched_parts
from .radau_march import LARGEST, RadauCourse, RadauMarch
from .radau_points import radau_points
from .rounding_growth import rounding_sizes

__all__ = ["OrdinaryRun"]

logger = logging.getLogger(__name__)

FINER = 0.1  # tolerance of a march, relative to the one before
WANTED = 0.3  # of the tolerance asked for, that the change from march to march is to be
LEAST = 2e-15  # tolerance of a march
SHORTER = 0.7  # the longest cells of a march, relative to those of the one before, so that no two have the same
ROUNDING = 4.0 * float(np.finfo(float).eps)  # error of a field that is not zero, at least
STAGNANT = 0.7  # change of a march, relative to that of the one before
VANISHING = 1e4  # times rounding: fields that are smaller are zero as far as anyone can tell
FAINT = 1e-10  # of what drives a component: smaller values are not followed
SMALL = 1e-6  # of a component: the same, where its size is known
SHARE = 0.3  # of the free memory
DEVIATIONS = 2.0  # standard ones of what rounding leaves, that count as its error
BETWEEN = 8  # points of a cell at which two marches are compared
ROUNDS = 2  # of dividing cells where nothing drives the equations: what is missed then is their own rounding


@dataclass
class _Pass:
    """A march that came to its end: its tolerance, field and cells, and the change from the one before, if any.

    Last come what rounding leaves, and what is told of the march.
    """

    tol: float
    field: GridField
    cells: int
    change: float | None = None
    error: float | None = None
    rounding: float = 0.0
    told: dict[str, Any] = dataclass_field(default_factory=dict)


class OrdinaryRun:
    """One run of :class:`GaussNewton` on ordinary differential equations with start values.

    Parameters
    ----------
    task
        What to solve.
    stated
        The same as equations of a state.
    """

    def __init__(self, task: Task, stated: StartValues) -> None:
        self.task, self.problem, self.monitor, self.stated = task, task.problem, task.monitor, stated
        self.tol = 1e-6 if task.tol is None else task.tol
        self.points = radau_points(stated.degree, not stated.equations.smooth)
        self.ends, self.coordinate = stated.ends, stated.equations.coordinate
        self.watched: list[tuple[float, float, float]] = []
        self.floors: np.ndarray | None = None
        self.extremes: np.ndarray | None = None
        self.passes: list[_Pass] = []
        self.partial: RadauCourse | None = None
        self._march: RadauMarch | None = None
        self._shown = 0  # cells of the march that callbacks have seen

    @property
    def undefined(self) -> bool:
        """Whether the run has no answer because the equations have no finite values where the solution leads."""
        return not self.passes and self._march is not None and self._march.undefined

    @property
    def begun(self) -> bool:
        """Whether there is a cell at least."""
        return bool(self.passes) or (self.partial is not None and self.partial.cells > 0)

    def outcome(self) -> Outcome:
        """Solve, and say how it ended."""
        with np.errstate(all="ignore"):
            return run_to_end(
                self._marches,
                self._outcome,
                interrupted=lambda: f"{cause()}; this is the best state so far",
                usable=lambda: bool(self.passes),
                monitor=self.monitor,
            )

    # -- marches ---
    def _marches(self) -> Ending:
        if self.task.saved is not None:
            self._restore(Entry.of(self.task.saved, "the checkpoint"))
        while True:
            ending = self._verdict()
            if ending is not None:
                return ending
            self._append(self._taken(self._next_tol()))

    def _next_tol(self) -> float:
        if not self.passes:
            return max(LEAST / FINER, self.tol)
        last = self.passes[-1]
        ratio = FINER if last.error is None else WANTED * self.tol / last.error
        return max(LEAST, last.tol * min(max(ratio, 1e-4), FINER))

    def _taken(self, tol: float) -> tuple[RadauCourse, float, float]:
        """A march whose cells see what drives the equations, its tolerance, and what it still misses of that."""
        equations, start = self.stated.equations, self.stated.start
        if self.extremes is None:  # as places of the march
            self.extremes = np.sort(self.coordinate(1.0) * extreme_places(self.problem))
        if self.floors is None:
            self.floors = FAINT * driven_sizes(equations, self.ends, start, self.extremes)
        rounds = 0
        while True:
            march = self._march = RadauMarch(
                equations, self.points, self.ends, start, tol, self._told, self.watched, self.floors,
                LARGEST * SHORTER ** len(self.passes),
            )  # fmt: skip
            self.partial, self._shown = march.course, 0
            march.run()
            missed, parts = watched_parts(self.stated.equations, march.course, self.ends, tol, self.extremes)
            if not parts or (rounds == ROUNDS and not equations.driven):
                return march.course, tol, missed
            logger.info("cells on %d parts of the axis have missed something and are divided", len(parts))
            self.watched, rounds = self.watched + parts, rounds + 1

    def _told(self, place: float) -> None:
        course, (name,) = self.partial, self.problem.domain.names
        done = (place - self.ends[0]) / (self.ends[-1] - self.ends[0])
        where = f"{name}={self.coordinate(place):.6g}"
        self.monitor.progress.update(done, f"march {len(self.passes) + 1}: {where}", None)
        self._show()
        self.monitor.check_time()
        free = available_memory(torch.device("cpu")) if course is not None and course.cells % 4096 == 0 else None
        if course is None or free is None or not course.cells:
            return
        n = self.stated.equations.count
        wanted = 8 * course.cells * (n * (self.points.count + 2) + n * n)
        if wanted > SHARE * (free + wanted):
            raise StopRun(
                Status.MAX_SIZE,
                f"the {course.cells:,} cells until {where} take {spelled_size(wanted)} of memory already",
            )

    def _show(self) -> None:
        """Let callbacks see the cells that have come since they saw some."""
        course = self.partial
        if course is None or course.cells == self._shown or not self.monitor.callbacks:
            return
        own = course.part(self._shown)
        self._shown = course.cells
        (name,) = self.problem.domain.names
        between = sorted(self.coordinate(own.knots[k]) for k in (0, -1))
        self.monitor.advanced(
            self.problem.domain.restricted({name: (between[0], between[1])}), lambda: self._field(own)
        )

    def _append(self, taken: tuple[RadauCourse, float, float]) -> None:
        course, tol, missed = taken
        own = _Pass(tol, self._field(course), course.cells)
        own.told = {"refused": course.refused, "newton": course.newton}
        if self.passes:
            own.change = self._change(self.passes[-1].field, own.field, course)
            own.rounding = self._rounding(course)
            own.error = max(own.change, missed, own.rounding)
        self.passes.append(own)
        self.partial = None
        if self.floors is not None:  # of the sizes that are known now, if these are smaller than it seemed
            known = np.sqrt(np.average(course.means, axis=0, weights=np.diff(np.array(course.knots))))
            self.floors = np.minimum(self.floors, SMALL * known)
        self.monitor.record(
            loss=missed**2,
            terms={},
            level=len(self.passes),
            unknowns=own.field.parameter_count,
            field=lambda: own.field,
            error=own.error,
            inner=course.newton,
        )
        self.task.save(self._saved, True)

    def _change(self, before: GridField, after: GridField, course: RadauCourse) -> float:
        """The largest change of a field relative to its size, in the mean square over the axis."""
        knots = np.array(course.knots)
        nodes, weights = np.polynomial.legendre.leggauss(BETWEEN)
        lengths = np.diff(knots)
        x = self.coordinate(1.0) * (knots[:-1, None] + lengths[:, None] * 0.5 * (nodes + 1.0)).reshape(1, -1)
        at = torch.as_tensor(x).to(after.device)
        share = torch.as_tensor((lengths[:, None] * 0.5 * weights).reshape(-1) / lengths.sum()).to(after.device)
        first, second = (f.evaluate(at, Channels.value(1))[:, 0] for f in (before, after))
        sizes = (second.square() * share).sum(1).sqrt().tolist()
        moved = ((second - first).square() * share).sum(1).sqrt().tolist()
        noise = np.sqrt(np.average(np.square(np.stack(course.noises)), axis=0, weights=lengths))
        found = 0.0
        for name, size, step in zip(self.problem.fields, sizes, moved, strict=True):
            rounding = VANISHING * float(noise[self.stated.equations.states.index((name, 0))])
            if size > rounding or step > rounding:
                found = max(found, step / size if size > 0 else math.inf, ROUNDING)
        return found

    def _rounding(self, course: RadauCourse) -> float:
        """The largest error that rounding leaves in a field, relative to its size."""
        left = DEVIATIONS * rounding_sizes(self.stated.equations, course)
        lengths = np.diff(np.array(course.knots))
        sizes = np.sqrt(np.average(course.means, axis=0, weights=lengths))
        noise = np.sqrt(np.average(np.square(np.stack(course.noises)), axis=0, weights=lengths))
        own = [i for i, (_, order) in enumerate(self.stated.equations.states) if order == 0]
        return max((min(1.0, float(left[i] / sizes[i])) for i in own if sizes[i] > VANISHING * noise[i]), default=0.0)

    def _verdict(self) -> Ending | None:
        if not self.passes or self.passes[-1].error is None:
            return None
        last = self.passes[-1]
        error = last.error
        assert error is not None
        if error <= self.tol:
            return Ending(Status.CONVERGED, f"estimated relative error {error:.1e} <= {self.tol:g}")
        if last.rounding == error:
            return Ending(
                Status.STALLED,
                f"the solution multiplies rounding, which leaves a relative error of about {error:.1e} (tol={self.tol:g})",
            )
        known = [p.error for p in self.passes if p.error is not None]
        stagnant = len(known) > 2 and min(known[-2:]) > STAGNANT * known[-3]
        if stagnant or last.tol <= LEAST:
            return Ending(
                Status.STALLED,
                f"marches with smaller tolerances do not lower the estimated relative error {error:.1e} (tol={self.tol:g}): the "
                "solution multiplies rounding, or the tolerance is below it",
            )
        return None

    # -- fields ---
    def _field(self, course: RadauCourse, end: float | None = None) -> GridField:
        """The fields of a march; where it has not come to an end, its last state until there."""
        m, lowest = BASES[self.stated.basis].coefficients, self.stated.equations.states
        left, right = self.points.end_derivatives(range(m))
        both = np.concatenate([left, right])
        names = list(self.problem.fields)
        own = [lowest.index((name, 0)) for name in names]
        changes = np.stack(course.changes)[:, own] if course.cells else np.zeros((0, len(own), self.points.count))
        slopes = self._given_slopes(course)
        for row, wanted in zip(changes[0] if slopes else (), slopes, strict=True):
            count = len(wanted)  # so many of the first points give way to the derivatives that are given
            rows = left[1 : count + 1]
            row[:count] += np.linalg.solve(rows[:, :count], wanted - rows @ row)
        ends = np.einsum("kc,pnc->npk", both, changes)
        for row, wanted in zip(ends, slopes, strict=False):
            row[0, 1 : len(wanted) + 1] = wanted
        starts = np.stack(course.starts)[:, own].T
        ends[:, :, 0] += starts[:, :-1]
        ends[:, :, m] += starts[:, :-1]
        knots = list(course.knots)
        if end is not None and knots[-1] < end:
            still = np.zeros((len(names), 1, 2 * m))
            still[:, 0, 0] = still[:, 0, m] = starts[:, -1]
            ends = np.concatenate([ends, still], 1)
            knots.append(end)
        if self.coordinate(1.0) < 0:  # the cells in the order of the axis, and derivatives along it
            knots = [self.coordinate(k) for k in reversed(knots)]
            turned = torch.as_tensor(ends).unflatten(2, (2, m)).flip(1, 2) * (-1.0) ** torch.arange(m)
            ends = turned.flatten(2).numpy()
        breaks = {self.coordinate(b) for b in self.ends[1:-1]}
        grid = GradedGrid.of_cells(knots, self.stated.basis, torch.as_tensor(ends), sorted(breaks & set(knots[1:-1])))
        made = GridField(self.problem.domain.names, tuple(names), grid, LinearHead(len(names)))
        return made.to(self.task.device)

    def _given_slopes(self, course: RadauCourse) -> list[np.ndarray]:
        """By field, the derivatives that are given at the start, by the length of the first cell; empty beyond it."""
        if not course.cells or course.knots[0] != self.ends[0]:
            return []
        length = self.coordinate(1.0) * (course.knots[1] - course.knots[0])
        given = zip(self.stated.equations.states, self.stated.start, strict=True)
        scaled = [(name, k, value * length**k) for (name, k), value in given]
        return [np.array([v for own, k, v in scaled if own == name and k]) for name in self.problem.fields]

    def _outcome(self, ending: Ending) -> Outcome:
        message, status, error = ending.message, ending.status, None
        if self.passes:
            found, error = self.passes[-1].field, self.passes[-1].error
            if error is None:
                message += "; nothing is known of the error: an estimate takes two marches"
        else:
            course = self.partial
            if course is None:
                course = RadauCourse(
                    self.points, [self.ends[0]], [self.stated.start], np.zeros(self.stated.equations.count)
                )
            found = self._field(course, self.ends[-1])
            message += (
                f"; what is returned follows the solution to {self.problem.domain.names[0]}="
                f"{self.coordinate(course.knots[-1]):.6g} and stays at its last state beyond"
            )
        rows = [{"tol": p.tol, "cells": p.cells, "change": p.change, "error": p.error} | p.told for p in self.passes]
        stats: dict[str, Any] = {"resolution": found.layout.resolutions[-1], "marches": rows}
        return Outcome(
            found, {}, status, message, None if status is Status.DIVERGED else error, stats, minimised=bool(self.passes)
        )

    # -- checkpoints ---
    def _saved(self) -> dict[str, Any]:
        last = self.passes[-1]
        rows = [
            {"tol": p.tol, "cells": p.cells, "change": p.change, "error": p.error, "rounding": p.rounding}
            for p in self.passes
        ]
        watched = [list(w) for w in self.watched]
        floors = None if self.floors is None else self.floors.tolist()
        grid, tensors = last.field.describe(), last.field.tensors()
        return {"ordinary": rows, "watched": watched, "floors": floors, "grid": grid, "tensors": tensors}

    def _restore(self, saved: Entry) -> None:
        """Take over the marches of a checkpoint; only the last one has its field."""
        with intact(saved.source):
            found = GridField.from_description(saved.at("grid"), saved.at("tensors"))
            if found.axes != self.problem.domain.names or found.names != tuple(self.problem.fields):
                raise saved.at("grid").refuse("the fields and the axis of the problem")
            found = found.to(self.task.device, torch.float64)
            for row in saved.at("ordinary").items(least=1):
                change, error = (
                    None if row.at(k).value is None else row.at(k).number(0.0) for k in ("change", "error")
                )
                rounding = row.get("rounding")
                left = 0.0 if rounding is None else rounding.number(0.0)
                self.passes.append(
                    _Pass(row.at("tol").number(0.0), found, row.at("cells").integer(1), change, error, left)
                )
            floors = saved.get("floors")
            if floors is not None:
                self.floors = np.array([e.number(0.0) for e in floors.items(self.stated.equations.count)])
            for row in saved.at("watched").items():
                a, b, length = (e.number() for e in row.items(3))
                self.watched.append((a, b, length))
