"""A run on a box of many axes: sums over the axes and more and more products, on finer and finer cells."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import GridField
from hermite_pinn.field.heads import LinearHead
from hermite_pinn.field.products import Products
from hermite_pinn.geometry.quadrature import sobol_cube
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

from .separable_fit import fitted, stability, with_product
from .separable_rows import Counts, SeparableRows

__all__ = ["SeparableRun"]

logger = logging.getLogger(__name__)

CELLS = 2  # per axis at first
UNKNOWNS = 2400  # at most: normal equations are dense
RANK = 12  # at most, where none is told
INSIDE, ON_FACES = 5.0, 4.0  # points per unknown
LEAST_INSIDE, LEAST_FACE = 512, 64
HELD_OUT, HELD_FACE = 4096, 512  # points where nothing was fitted
SAMPLES = 4096  # of the fields
HELPED = 0.5  # of what is missed, that a product or finer cells must leave at most
OPEN = 1e-6  # stability below which the problem leaves the fields open
SETTLED = 0.03  # the same: then it is for cells to lower the rest
LOST = 0.9  # the same, beyond which the fit before is kept
VERIFIED = 0.5  # of the tolerance, that may be missed when cells are halved for the last time

_MORE, _FINER = "more products", "finer cells"


def _other(turn: str) -> str:
    return _FINER if turn == _MORE else _MORE


@dataclass(frozen=True)
class _Fit:
    """A field with what it misses, how stable the problem is beside it, and the change from the field before."""

    encoder: Products
    missed: float
    stable: float
    change: float | None = None

    @property
    def error(self) -> float | None:
        """Of the fields, relative to their size; None where there is nothing to compare with."""
        return None if self.change is None else max(self.change, self.bound)

    @property
    def bound(self) -> float:
        """The error for which what is missed stands."""
        return self.missed / min(1.0, self.stable) if self.stable > 0 else math.inf


class SeparableRun:
    """One run of :class:`GaussNewton` on sums and products over the axes.

    Parameters
    ----------
    task
        What to solve.
    rank
        Products at most; None: as many as it takes.
    """

    def __init__(self, task: Task, rank: int | None) -> None:
        self.task, self.problem, self.monitor = task, task.problem, task.monitor
        self.rank = RANK if rank is None else rank
        self.fits: list[_Fit] = []
        unit = sobol_cube(self.problem.domain.dim, SAMPLES, 4099 + task.seed).T.contiguous()
        lower = torch.tensor(self.problem.domain.lower, dtype=torch.float64)[:, None]
        self.samples = lower + unit * torch.tensor(self.problem.domain.lengths, dtype=torch.float64)[:, None]

    def outcome(self) -> Outcome:
        """Solve, and say how it ended."""
        with np.errstate(all="ignore"):
            return run_to_end(
                self._fits,
                self._outcome,
                interrupted=lambda: f"{cause()}; this is the best state so far",
                settle=self._settled,
                usable=lambda: bool(self.fits),
                monitor=self.monitor,
            )

    @property
    def tol(self) -> float:
        """Relative error that is asked for."""
        return 1e-6 if self.task.tol is None else self.task.tol

    # -- the course ---
    def _fits(self) -> Ending:
        if self.task.saved is not None:
            self._restore(Entry.of(self.task.saved, "the checkpoint"))
        elif not self.fits:
            self._append(self._first())
        base, turn, failed = self.fits[-1], _MORE, set[str]()
        while True:
            ending = self._verdict()
            if ending is not None:
                return ending
            encoder, verified = base.encoder, base.bound <= VERIFIED * self.tol
            may = {
                _MORE: encoder.rank < self.rank and self._fits_in(encoder.rank + 1, encoder.count),
                _FINER: self._fits_in(encoder.rank, 2 * encoder.count),
            }
            turn = _FINER if verified else turn if may[turn] else _other(turn)
            if not may[turn]:
                return self._stalled(
                    f"{encoder.rank} products on {encoder.count} cells an axis are as many as there may be"
                )
            self._append(self._with_product(encoder) if turn == _MORE else encoder.refined())
            last = self.fits[-1]
            ratio = last.missed / base.missed if base.missed > 0 else 1.0
            if ratio < LOST:
                base, failed = last, set()
            else:
                failed.add(turn)
            turn = _other(turn) if ratio > HELPED or (turn == _MORE and ratio < SETTLED) else turn
            if len(failed) == len(may) or (failed and not may[turn]):
                return self._stalled("neither more products nor finer cells lower what is missed")

    def _stalled(self, why: str) -> Ending:
        error = self._best().error
        size = "nothing is known of the error" if error is None else f"estimated relative error {error:.1e}"
        return Ending(
            Status.MAX_SIZE,
            f"{why}; {size} (tol={self.tol:g}): the solution may be no short sum of products of functions of one axis",
        )

    def _best(self) -> _Fit:
        """The fit with the least error, of those that have one."""
        known = [f for f in self.fits if f.error is not None]
        return min(known, key=lambda f: f.error or 0.0) if known else self.fits[-1]

    def _verdict(self) -> Ending | None:
        last = self.fits[-1]
        if not math.isfinite(last.missed):
            return Ending(Status.STALLED, "the residual is not finite for the field that was found")
        if last.stable < OPEN:
            return Ending(
                Status.UNDETERMINED,
                "the fields can change without a change of equations and conditions: a condition is missing",
            )
        error = last.error
        if error is not None and error <= self.tol:
            return Ending(Status.CONVERGED, f"estimated relative error {error:.1e} <= {self.tol:g}")
        return None

    def _unknowns(self, rank: int, count: int) -> int:
        return len(self.problem.fields) * self.problem.domain.dim * (rank + 1) * 4 * (count + 1)

    def _fits_in(self, rank: int, count: int) -> bool:
        return self._unknowns(rank, count) <= UNKNOWNS

    def _first(self) -> Products:
        domain, features = self.problem.domain, len(self.problem.fields)
        empty = torch.zeros(features, 0, domain.dim, 1, dtype=torch.float64)
        made = Products(
            domain.lower, domain.upper, tuple(map(bool, self.problem.periodic)), CELLS,
            torch.zeros(features, domain.dim, 1, dtype=torch.float64), empty,
        )  # fmt: skip
        length = max(a.count for a in made.along)
        sums = torch.zeros(features, domain.dim, length, dtype=torch.float64)
        return made.with_parameters({"sums": sums, "products": empty.new_zeros(features, 0, domain.dim, length)})

    def _rows(self, encoder: Products, counts: Counts, seed: int) -> SeparableRows:
        return SeparableRows(self.problem, encoder.along, counts, self.task.seed + seed)

    def _counts(self, rank: int, count: int) -> Counts:
        unknowns = self._unknowns(rank, count)
        faces = max(1, sum(not t.region.is_interior for t in self.problem.terms))
        return Counts(
            max(LEAST_INSIDE, math.ceil(INSIDE * unknowns)), max(LEAST_FACE, math.ceil(ON_FACES * unknowns / faces))
        )

    def _with_product(self, encoder: Products) -> Products:
        rows = self._rows(encoder, self._counts(encoder.rank + 1, encoder.count), 0)
        return with_product(rows, encoder, self.task.seed, self._tick)

    def _tick(self) -> None:
        self.monitor.check_time()

    def _append(self, begin: Products) -> None:
        """Fit, and look at what came of it."""
        counts = self._counts(begin.rank, begin.count)
        found = fitted(self._rows(begin, counts, 0), begin, self._tick)
        rows = self._rows(found, Counts(HELD_OUT, HELD_FACE), 7919)
        left = [float(np.mean(np.square(r))) for r in rows.residuals(found)]
        inside = [m for m, p in zip(left, rows.parts, strict=True) if p.term.term.region.is_interior]
        faces = [m for m, p in zip(left, rows.parts, strict=True) if not p.term.term.region.is_interior]
        values = self._values(found)
        size = math.sqrt(float(values.square().mean(1).max()))
        missed = math.sqrt(sum(inside) + max(faces, default=0.0))
        missed = missed / size if size > 0 else (0.0 if missed == 0 else math.inf)
        stable = self._stability(found, counts)
        change = None
        if self.fits:
            before = self._values(self.fits[-1].encoder)
            own = (values - before).square().mean(1).sqrt() / values.square().mean(1).sqrt()
            change = float(torch.nan_to_num(own, nan=0.0).max())
        self.fits.append(_Fit(found, missed, stable, change))
        logger.info(
            "%d products on %d cells: missed %.1e, stable %.1e, change %s",
            found.rank,
            found.count,
            missed,
            stable,
            change,
        )
        self.monitor.record(
            loss=missed**2, terms={}, level=len(self.fits), unknowns=self._unknowns(found.rank, found.count),
            field=lambda: self._field(found), error=self.fits[-1].error,
        )  # fmt: skip
        self.task.save(self._saved, True)

    def _stability(self, encoder: Products, counts: Counts) -> float:
        rows = self._rows(encoder, counts, 0)
        return stability(rows, rows.values(encoder, self.samples[:, : counts.inside].numpy()), encoder)

    def _values(self, encoder: Products) -> torch.Tensor:
        return encoder.jets(self.samples, Channels.value(encoder.dim))[0, :, 0]

    # -- results ---
    def _field(self, encoder: Products) -> GridField:
        head = LinearHead(len(self.problem.fields))
        made = GridField(self.problem.domain.names, tuple(self.problem.fields), encoder, head)
        return made.to(self.task.device)

    def _outcome(self, ending: Ending) -> Outcome:
        if not self.fits:
            return Outcome(self._field(self._first()), {}, ending.status, f"{ending.message}; nothing was fitted yet")
        last = self.fits[-1] if ending.status in (Status.CONVERGED, Status.UNDETERMINED) else self._best()
        rows = [
            {"products": f.encoder.rank, "cells": f.encoder.count, "missed": f.missed, "stability": f.stable, "change": f.change}
            for f in self.fits
        ]  # fmt: skip
        stats: dict[str, Any] = {"resolution": (last.encoder.count,) * last.encoder.dim, "fits": rows}
        return Outcome(self._field(last.encoder), {}, ending.status, ending.message, last.error, stats)

    # -- checkpoints ---
    def _settled(self, ending: Ending) -> Ending:
        """Save the last fit, which a callback that ends the run has seen before it was saved."""
        if self.fits:
            self.task.save(self._saved, True)
        return ending

    def _saved(self) -> dict[str, Any]:
        last = self.fits[-1]
        field = self._field(last.encoder)
        row = {"missed": last.missed, "stable": last.stable, "change": last.change}
        return {"separable": row, "field": field.describe(), "tensors": field.tensors()}

    def _restore(self, saved: Entry) -> None:
        with intact(saved.source):
            found = GridField.from_description(saved.at("field"), saved.at("tensors"))
            if found.axes != self.problem.domain.names or found.names != tuple(self.problem.fields):
                raise saved.at("field").refuse("the fields and the axes of the problem")
            encoder = found.to("cpu", torch.float64).encoder
            if encoder.name != Products.name:
                raise saved.at("field").refuse("sums and products over the axes")
            row = saved.at("separable")
            change = None if row.at("change").value is None else row.at("change").number(0.0)
            self.fits.append(_Fit(encoder, row.at("missed").number(0.0), row.at("stable").number(0.0), change))  # type: ignore[arg-type]
