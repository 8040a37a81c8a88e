"""A problem's loss at random points, drawn anew in every step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from hermite_pinn.cuda.encoder.morton import FEW, PAYS
from hermite_pinn.field.field import Levels
from hermite_pinn.methods.base import Method, Task
from hermite_pinn.schema import Entry

from .batches import RAD, Batch, Pool, TermGroup
from .defaults import Plan
from .objective import Objective, PlacedTerms
from .saved_state import points_inside

__all__ = ["RandomObjective"]

FIRST_WINDOW = 0.1  # of time


class RandomObjective(Objective):
    """See above; further parameters are those of :class:`.Objective`.

    Parameters
    ----------
    plan
        Points inside, and on each face with a condition, and how fast they spread in time.
    adaptive
        How the interior points follow the residual, or None.
    """

    def __init__(
        self,
        task: Task,
        method: Method,
        dtype: torch.dtype,
        levels: Levels,
        plan: Plan,
        adaptive: RAD | None = None,
        hard: bool | None = None,
    ) -> None:
        super().__init__(task, method, dtype, levels, True, hard)
        self.points, self.face_points, self.adaptive = plan.points, plan.face_points, adaptive
        self._march, self._window, self._time = plan.march, 1.0, self.problem.domain.time_axis
        if self._time is not None and plan.march:
            self.obstacles = [*self.obstacles, "points spread in time"]
        self.renewal = 0 if adaptive is None else adaptive.every
        self.pool: Pool | None = None
        tables = self.field.encoder.parameters().values()
        pays = sum(table.numel() * table.element_size() for table in tables) >= PAYS
        self._sorted_from = math.inf if not pays else FEW if self.device.type == "cuda" else 1

    def draw(self, generator: torch.Generator) -> PlacedTerms:
        """Points of a step, for every group of terms."""
        placed = []
        for group in self.groups:
            if group.interior and self.pool is not None:
                batch = Batch(self.pool.draw(self.points, generator))
            else:
                batch = group.random(self.points if group.whole else self.face_points, generator)
            if group.measured is None:
                batch = self._early(batch, group)
            if group.measured is None and batch.x.shape[1] >= self._sorted_from:
                batch = batch.sorted(self.problem.domain)
            placed.append((group, batch.share(self.ranks)))
        return placed

    def advance(self, done: float) -> None:
        """Points spread from the start of time: what happens later is not looked at before what it follows from."""
        if self._march > 0:
            self._window = min(1.0, FIRST_WINDOW + (1.0 - FIRST_WINDOW) * done / self._march)

    def _early(self, batch: Batch, group: TermGroup) -> Batch:
        """The points of a batch moved towards the start, by as much as it is early in the run."""
        plane = group.region.plane
        across = plane is not None and plane.axis == self._time
        if self._time is None or self._window == 1.0 or across:
            return batch
        start = self.problem.domain.lower[self._time]
        x = batch.x.clone()
        x[self._time] = start + self._window * (x[self._time] - start)
        return replace(batch, x=x)

    def renew(self, tensors: Mapping[str, torch.Tensor], generator: torch.Generator) -> bool:
        """Draw the pool of interior points anew, by the residuals of now."""
        assert self.adaptive is not None
        x = self.groups[0].random(self.adaptive.pool_size(self.points), generator).x
        fresh = Pool.weighted(x, self.adaptive.probabilities(self.residual_sizes(tensors, x)))
        if self.pool is None:
            self.pool = fresh
            return True
        self.pool.x.copy_(fresh.x)
        self.pool.cumulative.copy_(fresh.cumulative)
        return False

    def state(self) -> dict[str, Any]:
        """With the pool."""
        pool = {} if self.pool is None else {"pool": self.pool.x, "cumulative": self.pool.cumulative}
        return super().state() | pool

    def restore(self, saved: Mapping[str, Any]) -> None:
        """With the pool."""
        super().restore(saved)
        entry = Entry.of(saved, "the checkpoint")
        if self.adaptive is not None and (entry.at("step").integer() > 0 or "pool" in saved):
            count = self.adaptive.pool_size(self.points)
            x = points_inside(entry.at("pool"), self.problem.domain, count, self.dtype)
            cumulative = entry.at("cumulative").tensor((count,), lower=0.0)
            if not (cumulative[-1] > 0 and (cumulative.diff() >= 0).all()):
                raise entry.at("cumulative").refuse("sums of probabilities, which grow")
            self.pool = Pool(x.to(self.device), cumulative.to(self.device))
