"""One step of first-order training as a program for the device: it never waits, and no shape depends on the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from hermite_pinn.cuda.encoder.morton import FEW, PAYS

from .batches import Batch, Pool
from .objective import Objective
from .updates import Span, Update

if TYPE_CHECKING:
    from .first_order import FirstOrder

__all__ = ["TrainingStep", "Variant"]

WINDOW = 128  # steps whose numbers are sent to the device together


class Variant(NamedTuple):
    """What differs between steps, as far as the sequence of kernels depends on it.

    Attributes
    ----------
    live
        Elements of the table whose gradients count.
    reach
        Elements of the table that have ever had a gradient.
    balance
        Whether the weights of the conditions are balanced.
    """

    live: int
    reach: int
    balance: bool


class TrainingStep:
    """Sampling, residuals, gradients and updates, in place on tensors that stay where they are.

    What changes from step to step by plan (learning rates) is sent ahead for many steps and chosen on the device by a
    counter; what the host may want to know (the losses, the first step whose loss was not finite) is left in tensors
    for it to read when it likes.

    Parameters
    ----------
    objective
        Terms of the problem.
    options
        Of the method.
    generator
        Random numbers of the points.
    tensors
        Trained tensors, by name.
    updates
        How they move; each tensor belongs to one.

    Attributes
    ----------
    names
        Terms, in the order of ``values``.
    factors
        (terms,), float64: weight of every term in the loss.
    values, total
        Mean squares of the terms and their weighted sum in the last step.
    first_bad, bad_values
        Steps done before the first whose total was not finite, or -1, and the mean squares of that step.
    pool
        Points to draw the interior from, or None.
    """

    def __init__(
        self,
        objective: Objective,
        options: FirstOrder,
        generator: torch.Generator,
        tensors: Mapping[str, torch.Tensor],
        updates: Sequence[Update],
    ) -> None:
        self.objective, self.options, self.generator = objective, options, generator
        self.tensors, self.updates = dict(tensors), list(updates)
        self.device = generator.device
        self.names = list(dict.fromkeys(t.name for group in objective.groups for t in group.terms))
        device, wide = self.device, torch.float64
        self.factors = torch.ones(len(self.names), dtype=wide, device=device)
        for name in objective.conditions:
            self.factors[self.names.index(name)] = options.weight
        self.values = torch.zeros(len(self.names), dtype=objective.dtype, device=device)
        self.total = torch.zeros((), dtype=objective.dtype, device=device)
        self.bad_values = torch.zeros_like(self.values)
        self.first_bad = torch.full((), -1, dtype=torch.int64, device=device)
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._rows = torch.zeros(WINDOW, sum(u.columns for u in self.updates), dtype=wide, device=device)
        self._left = 0
        self.pool: Pool | None = None
        table = self.tensors["table"]
        pays = table.numel() * table.element_size() >= PAYS
        self._sorted_from = math.inf if not pays else FEW if self.device.type == "cuda" else 1
        self._check_restrictions()

    def _check_restrictions(self) -> None:
        other = torch.Generator(self.device).manual_seed(self.objective.seed)
        for group in self.objective.groups:
            group.check_restriction(self.options.face_points, other)

    @property
    def obstacles(self) -> list[str]:
        """Why a step cannot be recorded in a CUDA graph; empty if it can."""
        found = [u.obstacle for u in self.updates if u.obstacle is not None]
        if self.objective.ranks.size > 1:
            found.append("several processes share the run")
        tabulated = [name for group in self.objective.groups for name in group.evaluator.tabulated]
        if tabulated:
            found.append(f"the problem calls functions on the host ({', '.join(dict.fromkeys(tabulated))})")
        return found

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every condition; waits for the device."""
        found = dict(zip(self.names, self.factors.tolist(), strict=True))
        return {k: found[k] for k in self.objective.conditions}

    @weights.setter
    def weights(self, weights: Mapping[str, float]) -> None:
        for k, w in weights.items():
            self.factors[self.names.index(k)] = w

    def prepare(self, step: int, done: int) -> None:
        """Called on the host before step number ``step``, when ``done`` steps are done, those of the warm-up included.

        Sends what the plan says about the next steps if it is not there yet.
        """
        for u in self.updates:
            u.announce(self.options.rate(step))
        if self._left == 0:
            rows = [
                [x for u in self.updates for x in u.numbers(done + 1 + k, self.options.rate(step + k))]
                for k in range(WINDOW)
            ]
            sent = torch.tensor(rows, dtype=torch.float64).view(self._rows.shape)
            if self.device.type == "cuda":
                sent = sent.pin_memory()
            self._rows.copy_(sent, non_blocking=True)
            self._place.zero_()
            self._count.fill_(done)
            self._left = WINDOW
        self._left -= 1

    def renew_pool(self) -> None:
        """Draw the pool of interior points anew, by the residuals of now."""
        rad, objective = self.options.adaptive, self.objective
        assert rad is not None
        x = objective.groups[0].random(rad.pool_size(self.options.points), self.generator).x
        sizes = objective.residual_sizes(self.tensors, x)
        fresh = Pool.weighted(x, rad.probabilities(sizes))
        if self.pool is None:
            self.pool = fresh
        else:
            self.pool.x.copy_(fresh.x)
            self.pool.cumulative.copy_(fresh.cumulative)

    def batches(self) -> list[Batch]:
        """Points of this step, one batch per group of terms."""
        o = self.options
        found = []
        for group in self.objective.groups:
            if group.interior and self.pool is not None:
                found.append(Batch(self.pool.draw(o.points, self.generator)))
            else:
                found.append(group.random(o.points if group.whole else o.face_points, self.generator))
            if group.measured is None and found[-1].x.shape[1] >= self._sorted_from:
                found[-1] = found[-1].sorted(self.objective.problem.domain)
        return [batch.share(self.objective.ranks) for batch in found]

    def __call__(self, variant: Variant) -> None:
        """Do a step."""
        losses = self.objective.losses(self.tensors, self.batches())
        values = torch.stack([losses[k] for k in self.names])
        with torch.no_grad():
            if variant.balance:
                self._balance(losses)
            factors = self.factors.to(values.dtype)
        total = (values * factors).sum()
        found = self._gradients([total])
        with torch.no_grad():
            if self.objective.ranks.size > 1:
                values = self.objective.ranks.add(values.detach().clone())
                total = (values * factors).sum()
            self._note(values, total)
            gradients = {k: g for k, g in zip(self.tensors, found, strict=True) if g is not None}
            self._move(gradients, {"table": (variant.live, variant.reach)})
            self._count.add_(1)
            self._place.add_(1)

    def _note(self, values: torch.Tensor, total: torch.Tensor) -> None:
        bad = ~torch.isfinite(total) & (self.first_bad < 0)
        self.first_bad.copy_(torch.where(bad, self._count, self.first_bad))
        self.bad_values.copy_(torch.where(bad, values, self.bad_values))
        self.values.copy_(values)
        self.total.copy_(total)

    def _move(self, gradients: Mapping[str, torch.Tensor], spans: Mapping[str, Span]) -> None:
        row, start = self._rows.index_select(0, self._place)[0], 0
        for u in self.updates:
            u.apply(gradients, row[start : start + u.columns], spans)
            start += u.columns

    def _balance(self, losses: Mapping[str, torch.Tensor]) -> None:
        """Move each weight by a tenth towards the ratio of the gradient norms, where that is a number."""
        conditions = self.objective.conditions
        inside = self._gradient_norm([v for k, v in losses.items() if k not in conditions])
        for names in [conditions] if self.options.shared_weight else [[k] for k in conditions]:
            ratio = inside / self._gradient_norm([losses[k] for k in names])
            usable = torch.isfinite(ratio) & (ratio > 0)
            for k in names:
                weight = self.factors[self.names.index(k)]
                moved = (0.9 * weight + 0.1 * ratio).clamp(min=1.0).clamp(max=self.options.weight_cap)
                weight.copy_(torch.where(usable, moved, weight))

    def _gradients(self, losses: Sequence[torch.Tensor], retain_graph: bool = False) -> list[torch.Tensor | None]:
        """Gradients of the sum of losses by all tensors, over all processes."""
        found = torch.autograd.grad(losses, list(self.tensors.values()), retain_graph=retain_graph, allow_unused=True)
        return [None if g is None else self.objective.ranks.add(g.contiguous()) for g in found]

    def _gradient_norm(self, losses: Sequence[torch.Tensor]) -> torch.Tensor:
        found = self._gradients(losses, retain_graph=True)
        norms = [torch.linalg.vector_norm(g, dtype=torch.float64) for g in found if g is not None]
        return torch.linalg.vector_norm(torch.stack(norms))
