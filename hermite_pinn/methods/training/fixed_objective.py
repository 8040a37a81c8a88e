"""A problem's loss at points that stay for a round: Gauss points, quasi-random ones, or those of large residuals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from hermite_pinn.field.field import Levels
from hermite_pinn.methods.base import Doubt, Method, Outcome, Task
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry

from .batches import RAD, Batch, Pool
from .objective import Objective, PlacedTerms
from .saved_state import points_inside
from .session import TrainingResult

__all__ = ["FixedObjective", "round_seed"]

PIECE = 1 << 15  # points evaluated at a time
MOST = {True: 1 << 16, False: 1 << 18}  # points chosen without being asked for, with a network and without
#: Residual between the points from which on it speaks against a network, in units of its source and of that at them.
APART_LEAST, APART_TIMES = 0.05, 10.0
HELD_OUT = 2000  # points at which residuals are only reported


def round_seed(seed: int, number: int, group: int) -> int:
    """Seed of the quasi-random points of a group of terms in a round."""
    return seed + 1009 * number + 31 * group


class FixedObjective(Objective):
    """See above; further parameters are those of :class:`.Objective`.

    Parameters
    ----------
    points, face_points
        Quasi-random points inside, and on each face with a condition; None for Gauss points where these are not too
        many, else about as many as there are unknowns.
    adaptive
        How the interior points follow the residual, or None.
    normalize
        Whether interior residuals are divided by the RMS of their sources.
    """

    def __init__(
        self,
        task: Task,
        method: Method,
        dtype: torch.dtype,
        levels: Levels,
        points: int | None,
        face_points: int | None,
        adaptive: RAD | None = None,
        normalize: bool = False,
        hard: bool | None = None,
    ) -> None:
        super().__init__(task, method, dtype, levels, hard=hard)
        self.points, self.face_points, self.adaptive, self._unscaled = points, face_points, adaptive, normalize
        generator = torch.Generator(self.device).manual_seed(self.seed + 3)
        self._held_out = self.groups[0].random(HELD_OUT, generator)
        self._unknowns = sum(v.numel() for v in self.tensors().values())
        self._adapted: torch.Tensor | None = None
        self.batches: list[Batch] = []

    def draw(self, generator: torch.Generator) -> PlacedTerms:
        """The points of the round."""
        return list(zip(self.groups, self.batches, strict=True))

    def parts(self, number: int, tensors: Mapping[str, torch.Tensor], generator: torch.Generator) -> list[PlacedTerms]:
        """New points for every group of terms, in pieces that are evaluated one by one."""
        self.batches = self._spread(number)
        if self._unscaled:
            self.normalize(self.batches[0])
            self._unscaled = False
        if self.adaptive is not None:
            self.batches[0] = self._following(tensors, self.adaptive, generator)
        return [[(g, piece)] for g, b in zip(self.groups, self.batches, strict=True) for piece in b.pieces(PIECE)]

    def _spread(self, number: int) -> list[Batch]:
        encoder, domain = self.field.encoder, self.problem.domain
        cells, order = list(encoder.cells), encoder.points_per_cell
        most = MOST[self.field.siren is not None]
        many = min(most, 1 << max(12, math.ceil(math.log2(2 * self._unknowns))))
        batches = []
        for k, group in enumerate(self.groups):
            count = self.points if group.whole else self.face_points
            if count is None and group.region.gauss_count(cells, order) <= most:
                batches.append(group.gauss(cells, order).sorted(domain))
            else:
                count = count or (many if group.whole else max(1 << 10, many >> 4))
                batches.append(group.quasi_random(count, round_seed(self.seed, number, k)).sorted(domain))
        return batches

    def _following(self, tensors: Mapping[str, torch.Tensor], rad: RAD, generator: torch.Generator) -> Batch:
        """Interior points that follow the residual, or those of the round that is resumed."""
        if self._adapted is not None:
            batch, self._adapted = Batch(self._adapted), None
            return batch
        count = self.batches[0].x.shape[1]
        x = self.groups[0].random(rad.pool_size(count), generator).x
        pool = Pool.weighted(x, rad.probabilities(self.residual_sizes(tensors, x)))
        return Batch(pool.draw(count, generator)).sorted(self.problem.domain)

    def rows(
        self, tensors: Mapping[str, torch.Tensor], part: PlacedTerms, weights: Mapping[str, float]
    ) -> torch.Tensor:
        """Residuals (terms, n) of a part times the roots of their weights."""
        ((group, piece),) = part
        assert piece.weights is not None
        rows = self.residuals(group, tensors, piece)
        return torch.stack([r * (piece.weights * weights.get(name, 1.0)).sqrt() for name, r in rows])

    def held_out(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """RMS of the interior residuals at other points, in the user's units."""
        with torch.no_grad():
            rows = self.residuals(self.groups[0], tensors, self._held_out)
            apart = {name: math.sqrt(float(self._held_out.mean_square(r))) for name, r in rows}
        return self.report({k: v * v for k, v in apart.items()})

    def state(self) -> dict[str, Any]:
        """With the points that followed the residual."""
        points = {} if self.adaptive is None else {"points": self.batches[0].x}
        return super().state() | points

    def restore(self, saved: Mapping[str, Any]) -> None:
        """With the points that followed the residual."""
        super().restore(saved)
        self._unscaled = False
        if self.adaptive is not None:
            points = Entry.of(saved, "the checkpoint").at("points")
            self._adapted = points_inside(points, self.problem.domain, self.points, self.dtype).to(self.device)

    def outcome(self, result: TrainingResult) -> Outcome:
        """Tells how many points there were, and whether they are fewer than the unknowns."""
        stats, message = dict(result.stats), result.message
        if self.batches:
            rows = sum(b.x.shape[1] * len(g.terms) for g, b in zip(self.groups, self.batches, strict=True))
            if rows < self._unknowns and result.status is not Status.DIVERGED:
                message += f"; {rows:,} residuals for {self._unknowns:,} unknowns: compare the held-out residuals in the history"
            stats["points"] = self.batches[0].x.shape[1]
        outcome = super().outcome(TrainingResult(result.tensors, result.status, message, stats))
        outcome.doubts = (*outcome.doubts, *self._doubts(result.tensors))
        return outcome

    def _doubts(self, tensors: Mapping[str, torch.Tensor]) -> list[Doubt]:
        """Equations of a network that hold at the points of the training and not between them."""
        if self.field.siren is None or not self.batches:
            return []
        found = []
        with torch.no_grad():
            there, apart = (
                {k: math.sqrt(float(r.square().mean())) for k, r in self.residuals(self.groups[0], tensors, b)}
                for b in (self.batches[0], self._held_out)
            )
        for name, size in apart.items():
            if size > APART_LEAST and size > APART_TIMES * there[name]:
                found.append(
                    Doubt(
                        "equation",
                        f"the residual of {name} is {size / there[name]:.3g} times as large between the points of the "
                        "training as at them; take more points, or adaptive=hp.RAD()",
                    )
                )
        return found
